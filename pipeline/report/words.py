"""How a card names a screen, a viewing distance, a setting and a reason.

Conventions
-----------
`WHY` explains every reason code of rejected.parquet: what it means, and what helps where something can be done.
Codes that begin with `failed-` carry the code of the error, whose own text stands in the row's detail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SETTINGS = {  # how a setting reads in a card; the others carry their unit in their name
    "sigma_dva": "standard deviation of the fixation Gaussian, degrees of visual angle",
    "density_height": "rows of a stored density map",
    "density_width": "columns of a stored density map",
    "frame_height": "rows of a stored frame",
    "frame_width": "columns of a stored frame",
    "jpeg_quality": "JPEG quality of a stored frame",
    "mel_bands": "mel bands, 125 to 7500 Hz",
    "anchor": "where a frame's time lies in its 0.64 s log-mel example",
    "official_150": "leave out the stimulus that is in no published sheet",
    "max_sound_difference_s": "allowed difference of sound and picture length, seconds",
    "silence_dbfs": "level below which a soundtrack is silent, dB below full scale",
    "tolerance": "share of items that may fail",
}

WHY = {
    "lost": ("the tracker lost the eye or dropped the sample", "nothing; the other samples are kept"),
    "blink": ("an eye was closed", "nothing; the other samples are kept"),
    "saccade": ("an eye was moving between fixations", "nothing; only fixations are counted"),
    "unknown-event": ("the release's code for this sample is none of those it explains", "look at the raw gaze"),
    "missing": ("the sample has no coordinates", "nothing; the other samples are kept"),
    "outside-picture": ("the point lies beside the picture", "where there are many: the placement in geometry.csv"),
    "beyond-video": ("the sample lies on a frame without a picture", "frame_offset in stimuli.csv, if gaze is shifted"),
    "no-fixations": (
        "nothing in it is a fixation inside the picture",
        "the raw gaze, and the placement in geometry.csv",
    ),
    "no-gaze": ("the recording holds no coordinates at all", "nothing; the other observers are kept"),
    "short-recording": ("the recording ends before the video, or has gaps", "nothing; the frames it has are kept"),
    "duplicate-observer": ("a second file of the same observer and video", "remove the file that is not wanted"),
    "no-own-soundtrack-condition": ("nobody was shown the video with its own sound", "nothing: it does not belong"),
    "audio-not-presented": ("the observers did not hear the sound", "audio_presented in stimuli.csv, if they did"),
    "silent": ("the soundtrack is silent", "get the soundtrack that the video was shown with"),
    "sound-length": ("sound and picture are not of the same length", "get both again, or --max-sound-difference-s"),
    "not-in-sheet": ("in the AVE lists, in no published sheet", "build without --official-150"),
    "incomplete": ("a later stage did not finish it", "ave build again, and read what failed"),
    "not-in-raw": ("the file is not in RAW", "get it (manifests/sources.csv) and build again"),
    "source-missing": ("a file that the stimulus needs is not there", "get it (manifests/sources.csv) and build again"),
    "gaze-missing": ("the release's gaze of the stimulus was not found", "put it into RAW as the release names it"),
    "media-missing": ("the release's video of the stimulus was not found", "put it into RAW as the release names it"),
}


def why(reason: str) -> tuple[str, str]:
    """What a reason code means, and what helps; for a code that is not known here, where to read on."""
    if reason.startswith("failed-"):
        return "making it failed; the detail says how", "ave build again after what the detail says"
    return WHY.get(reason, ("the row's detail says it", "the row's detail says it"))


def explained(reasons: Iterable[str]) -> list[tuple[str, str, str]]:
    """(reason, what it means, what helps) of each reason once, in order."""
    return [(reason, *why(reason)) for reason in sorted(set(reasons))]


def screen(row: Mapping[str, Any]) -> str:
    """Pixels and centimetres of a geometry row's screen, e.g. "1280 x 960 px; 40.64 x 30.48 cm"."""
    pixels = _known(row["screen_width_px"], row["screen_height_px"], "px")
    return f"{pixels}; {_known(row['screen_width_cm'], row['screen_height_cm'], 'cm')}"


def distance(row: Mapping[str, Any]) -> str:
    """Viewing distance of a geometry row."""
    return "unknown" if row["distance_cm"] is None else f"{row['distance_cm']:g} cm"


def placement(row: Mapping[str, Any]) -> str:
    """In which space a geometry row's gaze is given."""
    return "centred on the screen, unscaled" if row["placement"] == "centred" else "gaze is in video pixels"


def pixels_per_dva(row: Mapping[str, Any]) -> str:
    """Pixels per degree with their range, e.g. "49.5 (47.1 to 52)"."""
    low, high = row["px_per_dva_low"], row["px_per_dva_high"]
    return f"{row['px_per_dva']:g}" + ("" if low is None or high is None else f" ({low:g} to {high:g})")


def screen_of(row: Mapping[str, Any]) -> str:
    """All of a geometry row in one sentence: screen, distance, placement, pixels per degree, confidence, evidence."""
    return (
        f"{row['corpus']}: screen {screen(row)}; viewing distance {distance(row)}; {placement(row)}; "
        f"{pixels_per_dva(row)} video pixels per degree of visual angle; confidence: {row['confidence']}. "
        f"Evidence: {row['source']}"
    )


def _known(width: float | None, height: float | None, unit: str) -> str:
    return f"unknown {unit}" if width is None or height is None else f"{width:g} x {height:g} {unit}"
