"""One stimulus: what its release, and others, claim about it, beside what its gaze, picture and sound measure.

Conventions
-----------
Rows are those of `audit`, their scope is the stimulus id. `published` holds the claim, `ours` the measurement.
Frame counts agree or differ by a number of frames, rates in Hz, lengths in seconds, places in pixels.
Nothing is refused here: `curate` refuses, this module writes down.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pipeline.ingest.audit import AGREES, DIFFERS, NOT_COMPARABLE, audit_row, verdict_of
from pipeline.ingest.recordings import GOOD_INSIDE_SHARE, OPENING_TOLERANCE_PX
from pipeline.records import Geometry

FRAMES_TOLERANCE = 2  # users of DIEM report mp4 files that are one or two frames off
RATE_TOLERANCE_HZ = 1e-3  # containers round their rates; 29.97 and 30000/1001 are one rate


def compare_claims(
    stimulus: str,
    *,
    recordings: Mapping[str, Any],
    video: Mapping[str, Any],
    geometry: Geometry,
    frame_offset: int = 0,
    frames_reported: int | None = None,
    sound_minus_picture_s: float | None = None,
    max_sound_difference_s: float = 0.0,
    sound_level_dbfs: float | None = None,
) -> list[dict[str, Any]]:
    """What a release claims about one stimulus beside what its gaze, picture and sound measure.

    Parameters
    ----------
    stimulus : str
    recordings, video : mapping
        `recordings.json` and `video.json` of the stimulus.
    geometry : Geometry
    frame_offset : int
        Gaze frame k + frame_offset was on screen with video frame k.
    frames_reported : int, optional
        How many frames others decoded from the same video.
    sound_minus_picture_s, sound_level_dbfs : float, optional
        None where the sound was not looked at; level None also for digital silence.
    max_sound_difference_s : float
        Difference up to which sound and picture agree.

    Returns
    -------
    rows : list of dict
        One row per claim that was made; a claim that nobody makes has no row.
    """
    rows = _frame_rows(stimulus, recordings, video, frame_offset, frames_reported)
    rows += _placement_rows(stimulus, recordings, geometry)
    if sound_minus_picture_s is not None:
        verdict = verdict_of(0, sound_minus_picture_s, max_sound_difference_s)
        rows.append(audit_row("sound_minus_picture_s", stimulus, 0, round(sound_minus_picture_s, 4), verdict))
        level = None if sound_level_dbfs is None else round(sound_level_dbfs, 1)
        rows.append(audit_row("sound_level_dbfs", stimulus, None, level, NOT_COMPARABLE, note="root mean square"))
    rows += [audit_row("gaze_note", stimulus, None, None, NOT_COMPARABLE, note=note) for note in recordings["notes"]]
    if video["complaints"]:
        note = str(video["complaints"][-1])
        rows.append(audit_row("decoder_complaints", stimulus, 0, len(video["complaints"]), DIFFERS, note=note))
    return rows


def _frame_rows(
    stimulus: str,
    recordings: Mapping[str, Any],
    video: Mapping[str, Any],
    frame_offset: int,
    frames_reported: int | None,
) -> list[dict[str, Any]]:
    """Frame counts and frame rate: what others report, what the gaze says, what the video decodes to."""
    rows = []
    if frames_reported is not None:
        verdict = verdict_of(frames_reported, video["n_frames"], FRAMES_TOLERANCE)
        source = "frames_reported of manifests/stimuli.csv"
        rows.append(audit_row("frames_decoded", stimulus, frames_reported, video["n_frames"], verdict, source=source))
    difference = recordings["n_frames"] - frame_offset - video["n_frames"]
    note = f"gaze {recordings['n_frames']}, picture {video['n_frames']} frames"
    note += f", frame_offset {frame_offset}" if frame_offset else ""
    note += "; the smaller number is used" if difference else ""
    rows.append(audit_row("gaze_minus_video_frames", stimulus, 0, difference, verdict_of(0, difference), note=note))
    if recordings["rate"] is not None:
        claimed, found = Fraction(*recordings["rate"]), Fraction(*video["rate"])
        verdict = verdict_of(float(claimed), float(found), RATE_TOLERANCE_HZ)
        note = "variable frame rate, times are kept per frame" if video["variable_rate"] else ""
        rows.append(audit_row("rate_hz", stimulus, str(claimed), str(found), verdict, note=note))
    return rows


def _placement_rows(stimulus: str, recordings: Mapping[str, Any], geometry: Geometry) -> list[dict[str, Any]]:
    """Does the gaze of the first frames, and the share inside the picture, fit the assumed placement?

    Observers look at the centre before a clip starts, so their first gaze tells in which space the numbers are.
    Source: facts measured on two DIEM videos (share 0.995 and 0.998, first gaze within 14 px of the screen centre).
    """
    check = recordings["placement_check"]
    source = f"placement {geometry.placement!r} of manifests/geometry.csv"
    share = check["inside_share"]
    if geometry.placement == "centred":
        centre, first = _centre(geometry.screen_width_px, geometry.screen_height_px), check["mean_first_frames_px"]
        verdict = AGREES if share is not None and share >= GOOD_INSIDE_SHARE else DIFFERS
        rows = [audit_row("gaze_inside_share", stimulus, GOOD_INSIDE_SHARE, share, verdict, note="at least this share")]
    else:
        centre, first = _centre(recordings["width_px"], recordings["height_px"]), check["median_first_frames_px"]
        rows = [audit_row("gaze_inside_share", stimulus, None, share, NOT_COMPARABLE)]
    if centre is not None and first is not None:
        dx_px, dy_px = first[0] - centre[0], first[1] - centre[1]
        near = max(abs(dx_px), abs(dy_px)) <= OPENING_TOLERANCE_PX
        note = f"{dx_px:+.1f} px right and {dy_px:+.1f} px below the centre"
        rows.append(audit_row("first_gaze_px", stimulus, centre, first, AGREES if near else DIFFERS, note=note))
    return [{**row, "source": source} for row in rows]


def _centre(width_px: int | None, height_px: int | None) -> list[float] | None:
    return None if width_px is None or height_px is None else [width_px / 2, height_px / 2]
