"""Raw gaze to fixations in video pixels, one table per stimulus, with every sample accounted for.

Conventions
-----------
Frames are gaze frames, counted from 0; coordinates are video px, (0.5, 0.5) the middle of the first pixel. Which
samples are fixations is the release's business (`pipeline/corpora/`); here they are moved from the release's gaze
space into the picture, and those beside it are rejected as "outside-picture". For every stimulus

    sum of n_samples = fixations written + sum of the counts in "rejected"

Files: `fixations.parquet` (schema FIXATIONS, sorted by frame then observer) and `recordings.json`.

Placement check
---------------
Whether gaze is in screen or in video px cannot be told from the share of fixations inside the picture alone: real DIEM
gaze has 99.8 % inside under the right reading and 99.3 % under the wrong one. It can be told from the *opening* gaze,
because viewing starts at a cross in the middle. So both are measured, under the declared placement and under each
other reading, and written down. The stimulus is refused only where another reading is clearly the better one:
fewer than 90 % inside and at least 5 % more elsewhere, or an opening gaze within 1 dva of the other reading's
middle, three times nearer than to the declared one. What is merely odd becomes a note.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import hypot
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import corpora
from pipeline.corpora import RawGaze, Recording
from pipeline.errors import GazeError
from pipeline.records import Geometry
from pipeline.schemas import FIXATIONS
from pipeline.signals.gaze import inside_picture, screen_to_video
from pipeline.store.job import Job

OUTSIDE_PICTURE = "outside-picture"
OPENING_FRAMES = 3  # 100 ms at 30 frames/s: less than it takes to leave the cross
MIN_FIXATIONS = 500  # a share of fewer fixations says little: a handful of wild samples would decide it
MIN_OPENING_SAMPLES = 5  # fewer say nothing about where viewing starts
OPENING_TOLERANCE_PX = 20  # measured on two DIEM videos: 13 and 10 px from the screen's centre
GOOD_INSIDE_SHARE = 0.985  # measured there: 0.998 and 0.995
POOR_INSIDE_SHARE = 0.90
CLEARLY_BETTER_SHARE = 0.05
CLEARLY_NEARER = 3.0


@dataclass(frozen=True)
class Placement:
    """One reading of the raw coordinates, and how well the fixations fit it.

    `centre_px` is the picture's middle in the raw gaze space; `opening_px` how far from it the median
    opening gaze lies, None where too few observers fixate then.
    """

    name: str
    inside_share: float
    centre_px: tuple[float, float]
    opening_px: float | None


def build_item(job: Job) -> dict[str, Any]:
    """Read one stimulus's raw gaze and write its fixations.

    Parameters
    ----------
    job : Job
        `files["gaze"]`: the raw files, a tuple of Path. `values["geometry"]`: the corpus's Geometry as a dictionary.

    Returns
    -------
    facts : dict
        Numbers of observers, samples and fixations.

    Raises
    ------
    GazeError
        If a file breaks its format (from the release), or the gaze cannot belong to this picture (code "placement").
    """
    geometry = Geometry(**job.values["geometry"])
    gaze = corpora.get(job.corpus).read_gaze(job.files["gaze"], job.name)
    check, notes = check_placement(gaze, geometry, job.item, **job.params)
    table, observers = fixations_of(gaze, geometry)
    report = {
        "width_px": gaze.width_px,
        "height_px": gaze.height_px,
        "rate": None if gaze.rate is None else [gaze.rate.numerator, gaze.rate.denominator],
        "n_frames": gaze.n_frames,
        "placement_check": check,
        "observers": observers,
        "rejections": [asdict(rejection) for rejection in gaze.rejections],
        "notes": [*gaze.notes, *notes],
    }
    pq.write_table(table, job.out / "fixations.parquet", compression="zstd")
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (job.out / "recordings.json").write_text(text + "\n", encoding="utf-8")
    n_samples = sum(observer["n_samples"] for observer in observers)
    return {"n_observers": len(observers), "n_samples": n_samples, "n_fixations": table.num_rows}


def fixations_of(gaze: RawGaze, geometry: Geometry) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Fixations inside the picture, and the account of each observer's samples.

    Parameters
    ----------
    gaze : RawGaze
        As a release reads it.
    geometry : Geometry
        How the corpus was shown.

    Returns
    -------
    table : pyarrow.Table
        Schema FIXATIONS, video px, sorted by frame then observer.
    observers : list of dict
        Per observer: n_samples, n_fixations, rejected {reason: count}, first and last frame with a sample.
    """
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    accounts = []
    for recording in gaze.recordings:
        # float32 first: what is tested must be what is stored, or 1065.99999 rounds onto the edge
        x_px, y_px = (
            values.astype(np.float32)
            for values in screen_to_video(recording.x_px, recording.y_px, geometry, gaze.width_px, gaze.height_px)
        )
        inside = inside_picture(x_px, y_px, gaze.width_px, gaze.height_px)
        reason = np.where((recording.reason == "") & ~inside, OUTSIDE_PICTURE, recording.reason)
        kept = reason == ""
        rows.append((recording.frame[kept], x_px[kept], y_px[kept]))
        accounts.append(_account(recording, reason))
    return _sorted_table([recording.observer for recording in gaze.recordings], rows), accounts


def check_placement(
    gaze: RawGaze, geometry: Geometry, stimulus: str, *, min_inside_share: float = GOOD_INSIDE_SHARE
) -> tuple[dict[str, Any], list[str]]:
    """Measure how well the gaze fits the declared placement; see the module's docstring.

    Parameters
    ----------
    gaze : RawGaze
    geometry : Geometry
        Declares the placement, and the screen where it is known.
    stimulus : str
        For messages.
    min_inside_share : float
        Refuse gaze in screen pixels of which a smaller share lies inside the picture.

    Returns
    -------
    check : dict
        `mean_first_frames_px`, `median_first_frames_px` (raw gaze space, None without fixations then), their number,
        `inside_share` under the declared placement (None without fixations), and each reading's figures.
    notes : list of str
        What is odd but no reason to refuse.

    Raises
    ------
    GazeError
        Code "placement", if another reading is clearly the better one (the message names it), or too much gaze
        in screen pixels lies outside the centred picture.
    """
    fixation = [recording.reason == "" for recording in gaze.recordings]
    frame, x_px, y_px = (
        np.concatenate([getattr(r, name)[kept] for r, kept in zip(gaze.recordings, fixation, strict=True)] or [[]])
        for name in ("frame", "x_px", "y_px")
    )
    opening = frame < OPENING_FRAMES
    check: dict[str, Any] = {
        "mean_first_frames_px": _point(np.mean, x_px[opening], y_px[opening]),
        "median_first_frames_px": _point(np.median, x_px[opening], y_px[opening]),
        "n_first_frames": int(opening.sum()),
        "inside_share": None,
        "readings": [],
    }
    if not x_px.size:
        return check, []
    enough = opening.sum() >= MIN_OPENING_SAMPLES
    start_px = check["median_first_frames_px"] if enough else None
    readings = [
        _fit(name, reading, size, x_px, y_px, start_px)
        for name, reading, size in _readings(geometry, gaze.width_px, gaze.height_px)
    ]
    check["inside_share"] = round(readings[0].inside_share, 6)
    check["readings"] = [asdict(reading) for reading in readings]
    declared, others = readings[0], readings[1:]
    for other in others:
        if _is_clearly_better(other, declared, geometry.px_per_dva):
            raise _misplaced(stimulus, declared, other)
    if geometry.placement == "centred" and x_px.size >= MIN_FIXATIONS and declared.inside_share < min_inside_share:
        raise _outside(stimulus, declared, x_px.size, min_inside_share)
    return check, _placement_notes(stimulus, declared, x_px.size)


def _readings(geometry: Geometry, width_px: int, height_px: int) -> list[tuple[str, Geometry, tuple[int, int]]]:
    """The declared reading of the coordinates first, then every other that could be meant: (name, geometry, w × h)."""
    size, swapped = (width_px, height_px), (height_px, width_px)
    on_screen, on_video = replace(geometry, placement="centred"), replace(geometry, placement="video")
    found = [("screen px, the video centred", on_screen, size), ("video px", on_video, size)]
    if geometry.placement == "video":
        found.reverse()
    if width_px != height_px:
        name = "width and height of the picture swapped"
        found.append((name, geometry, swapped))
    return [found[0], *(reading for reading in found[1:] if _fits_screen(reading[1], reading[2]))]


def _fits_screen(geometry: Geometry, size: tuple[int, int]) -> bool:
    """Whether a picture of this width and height can have been centred on the screen; always, where it was not."""
    screen = (geometry.screen_width_px, geometry.screen_height_px)
    return geometry.placement == "video" or all(s is not None and p <= s for p, s in zip(size, screen, strict=True))


def _fit(
    name: str,
    geometry: Geometry,
    size: tuple[int, int],
    x_px: np.ndarray,
    y_px: np.ndarray,
    start_px: Sequence[float] | None,
) -> Placement:
    """How well fixations in the raw gaze space fit one reading."""
    left_px, top_px = (-float(margin) for margin in screen_to_video(0.0, 0.0, geometry, *size))
    inside = inside_picture(x_px - left_px, y_px - top_px, *size)
    centre_px = (left_px + size[0] / 2, top_px + size[1] / 2)
    away_px = None if start_px is None else hypot(start_px[0] - centre_px[0], start_px[1] - centre_px[1])
    return Placement(name, float(inside.mean()), centre_px, None if away_px is None else round(away_px, 3))


def _is_clearly_better(other: Placement, declared: Placement, px_per_dva: float) -> bool:
    """See the module's docstring; both rules ask that no fewer fixations are inside."""
    gain = other.inside_share - declared.inside_share
    if declared.inside_share < POOR_INSIDE_SHARE and gain >= CLEARLY_BETTER_SHARE:
        return True
    if other.opening_px is None or declared.opening_px is None:
        return False
    return (
        gain >= 0
        and other.opening_px <= px_per_dva
        and declared.opening_px > CLEARLY_NEARER * max(other.opening_px, OPENING_TOLERANCE_PX)
    )


def _misplaced(stimulus: str, declared: Placement, other: Placement) -> GazeError:
    def figures(reading: Placement) -> str:
        opening = (
            "" if reading.opening_px is None else f", the opening gaze {reading.opening_px:.0f} px from its centre"
        )
        return f"{reading.inside_share:.1%} of the fixations inside{opening}"

    return GazeError(
        f"{stimulus}: read as {declared.name} (the declared placement), {figures(declared)}; "
        f"read as {other.name}, {figures(other)}. Expected the declared placement to fit best.",
        remedy="Correct the placement in manifests/geometry.csv, or get gaze and video of the original release.",
        code="placement",
    )


def _outside(stimulus: str, declared: Placement, n_fixations: int, min_inside_share: float) -> GazeError:
    return GazeError(
        f"{stimulus}: {declared.inside_share:.2%} of {n_fixations} fixations lie inside the picture, read as "
        f"{declared.name} (the declared placement). Expected {min_inside_share:.1%} or more.",
        remedy="Correct the placement in manifests/geometry.csv; or, if observers really looked beside the picture, "
        "lower the limit with --min-inside-share.",
        code="placement",
    )


def _placement_notes(stimulus: str, declared: Placement, n_fixations: int) -> list[str]:
    notes = []
    if declared.inside_share < GOOD_INSIDE_SHARE:
        notes.append(
            f"{stimulus}: {declared.inside_share:.2%} of {n_fixations} fixations are inside the picture; "
            f"{GOOD_INSIDE_SHARE:.1%} or more is usual"
        )
    if declared.opening_px is not None and declared.opening_px > OPENING_TOLERANCE_PX:
        notes.append(
            f"{stimulus}: the median gaze of the first {OPENING_FRAMES} frames is {declared.opening_px:.0f} px from "
            f"the picture's centre; {OPENING_TOLERANCE_PX} px or less is usual"
        )
    return notes


def _point(average: Any, x_px: np.ndarray, y_px: np.ndarray) -> list[float] | None:
    return [round(float(average(x_px)), 3), round(float(average(y_px)), 3)] if x_px.size else None


def _account(recording: Recording, reason: np.ndarray) -> dict[str, Any]:
    """Where each sample of one observer went."""
    reasons, counts = np.unique(reason[reason != ""], return_counts=True)
    return {
        "observer": recording.observer,
        "n_samples": len(reason),
        "n_fixations": int(np.count_nonzero(reason == "")),
        "rejected": {str(name): int(count) for name, count in zip(reasons, counts, strict=True)},
        "first_frame": int(recording.frame.min()) if len(reason) else None,
        "last_frame": int(recording.frame.max()) if len(reason) else None,
    }


def _sorted_table(observers: Sequence[str], rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> pa.Table:
    """All observers' fixations as one table, sorted by frame then observer."""
    if not rows:
        return FIXATIONS.empty_table()
    frame, x_px, y_px = (np.concatenate(column) for column in zip(*rows, strict=True))
    alphabetical = np.argsort(np.argsort(observers))  # whole numbers sort and copy faster than names
    rank = np.repeat(alphabetical, [len(part[0]) for part in rows])
    order = np.lexsort((rank, frame))
    observer = pa.array(sorted(observers)).take(pa.array(rank[order]))
    columns = [observer, *(pa.array(values[order]) for values in (frame, x_px, y_px))]
    return pa.Table.from_arrays(columns, names=FIXATIONS.names).cast(FIXATIONS)
