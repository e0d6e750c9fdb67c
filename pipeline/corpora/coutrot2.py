"""Coutrot Database 2: meetings of four people, seen with and without their sound.

Conventions
-----------
Gaze in video px, one sample per frame, NaN = missing; read by `pipeline/corpora/coutrot.py`, which explains the MATLAB
layout. Tags as there.

What it is
----------
15 clips of a four-person meeting, 495 to 1987 frames at 25 frames/s; 40 observers, 20 per condition [code; DAVE].
The AVE lists call clip n `clip_e_n`.

Licence and citation
--------------------
`manifests/licences.csv`; no terms were found. A. Coutrot, N. Guyader, An efficient audiovisual saliency model to
predict eye positions when looking at conversations, EUSIPCO 2015.

Files
-----
`coutrot_database2.mat`, variable `Coutrot_Database2`, and `ERB4_Stimuli.zip` with `clip_1` to `clip_15`, as `.avi` by
one public reader and `.mp4` by another [code]; either is accepted.

Raw gaze
--------
Conditions `AudioVisual` (own soundtrack, the one that is read) and `Visual` (silent, refused).

How it was shown
----------------
Same laboratory as Database 1; the screen is not documented, so pixels per degree carry low confidence
(`manifests/geometry.csv`). Gaze in video px is inferred as in Database 1.
"""

from __future__ import annotations

from pipeline.corpora.coutrot import CoutrotRelease

RELEASE = CoutrotRelease(
    "coutrot2",
    variable="Coutrot_Database2",
    condition="AudioVisual",
    mat="coutrot_database2.mat",
    stimuli="ERB4_Stimuli",
    observer_prefix="coutrot2_av",
    expected_observers=20,
)
