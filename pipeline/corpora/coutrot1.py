"""Coutrot Database 1: short films of objects, landscapes and faces, heard with one of several soundtracks.

Conventions
-----------
Gaze in video px, one sample per frame, NaN = missing; read by `pipeline/corpora/coutrot.py`, which explains the MATLAB
layout. Tags as there.

What it is
----------
60 clips of 216 to 735 frames at 25 frames/s, in four kinds: one moving object, several, landscapes, faces
(about 15 each, in that order of clip number) [code]. 72 observers in all, 18 of them per clip and auditory
condition [code; DAVE].

Licence and citation
--------------------
`manifests/licences.csv`; no terms were found. A. Coutrot, N. Guyader, How saliency, faces, and sound influence gaze
in dynamic social scenes, Journal of Vision 14(8):5, 2014.

Files
-----
`coutrot_database1.mat`, variable `Coutrot_Database1`, and `ERB3_Stimuli.zip` with `clip_1.avi` to `clip_60.avi`, sound
inside [code]. Copies as `.mp4` are accepted.

Raw gaze
--------
Conditions `OriginalSounds`, `LandscapesSounds`, `FacesSounds`, `SameCatSounds`, `MovObjectsSounds`, and a `Header`.
Only `OriginalSounds` is the clip's own soundtrack. Not every clip is in every condition [code].

How it was shown
----------------
1024 × 768 on a 21 inch tube at 57 cm, EyeLink 1000, headphones, a central cross before each clip [thesis, experiment
1; assumed for this database]. That the gaze is in video px is inferred: every public reader scales it by the
video's size. GASP also takes 20 px off y, for which the geometry gives no reason; we do not, and `placement_check`
records where the opening gaze lies.
"""

from __future__ import annotations

from pipeline.corpora.coutrot import CoutrotRelease

RELEASE = CoutrotRelease(
    "coutrot1",
    variable="Coutrot_Database1",
    condition="OriginalSounds",
    mat="coutrot_database1.mat",
    stimuli="ERB3_Stimuli",
    observer_prefix="coutrot1_os",
    expected_observers=18,
)
