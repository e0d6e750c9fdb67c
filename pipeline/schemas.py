"""Column names and types of the published tables (Parquet).

The tables are the contract with the users' scripts: a column may be added, none may change. `MEANINGS` says what each
column means, in which unit; data cards and Croissant documents repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

STIMULI = pa.schema(
    [
        ("stimulus", pa.string()),
        ("corpus", pa.string()),
        ("name", pa.string()),
        ("split", pa.string()),
        ("category", pa.string()),
        ("rate_num", pa.int32()),
        ("rate_den", pa.int32()),
        ("n_frames", pa.int32()),
        ("duration_s", pa.float64()),
        ("width_px", pa.int32()),
        ("height_px", pa.int32()),
        ("audio_rate_hz", pa.int32()),
        ("audio_channels", pa.int32()),
        ("audio_presented", pa.string()),
        ("px_per_dva", pa.float64()),
        ("n_observers", pa.int32()),
        ("n_fixations", pa.int64()),
        ("licence", pa.string()),
    ]
)

FIXATIONS = pa.schema(
    [
        ("observer", pa.string()),
        ("frame", pa.int32()),
        ("x_px", pa.float32()),
        ("y_px", pa.float32()),
    ]
)

REJECTED = pa.schema(
    [
        ("level", pa.string()),
        ("subject", pa.string()),
        ("reason", pa.string()),
        ("count", pa.int64()),
        ("detail", pa.string()),
    ]
)

FRAMES = pa.schema(
    [
        ("frame", pa.int32()),
        ("time_s", pa.float64()),
        ("jpeg", pa.binary()),
    ]
)


def logmel(bands: int = 64, steps: int = 64) -> pa.Schema:
    """Schema of one stimulus's log-mel examples, each flattened time-major to `steps × bands` float32."""
    return pa.schema(
        [
            ("frame", pa.int32()),
            ("time_s", pa.float64()),
            ("example", pa.list_(pa.float32(), steps * bands)),
        ]
    )


MEANINGS: Mapping[str, Mapping[str, str]] = {
    "stimuli": {
        "stimulus": "id of the video with its soundtrack, corpus/name",
        "corpus": "raw release it comes from",
        "name": "name of the stimulus inside its corpus",
        "split": "train, val or test",
        "category": "nature, social or misc",
        "rate_num": "frame rate in frames per second, numerator",
        "rate_den": "frame rate in frames per second, denominator",
        "n_frames": "frames that have both picture and gaze",
        "duration_s": "length of these frames, seconds",
        "width_px": "width of the video as shown, pixels",
        "height_px": "height of the video as shown, pixels",
        "audio_rate_hz": "sampling rate of the source soundtrack, hertz",
        "audio_channels": "channels of the source soundtrack",
        "audio_presented": "how it is known that the observers heard the sound",
        "px_per_dva": "video pixels per degree of visual angle at the centre of the screen",
        "n_observers": "recordings that are admitted",
        "n_fixations": "rows of the stimulus's fixation table",
        "licence": "licence of the corpus",
    },
    "fixations": {
        "observer": "the observer's id as the release gives it",
        "frame": "frame of the video, counted from 0",
        "x_px": "horizontal position, video pixels from the left edge; 0.5 is the middle of the first pixel",
        "y_px": "vertical position, video pixels from the top edge; 0.5 is the middle of the first pixel",
    },
    "rejected": {
        "level": "corpus, source, stimulus, recording or sample",
        "subject": "corpus, corpus/artifact, corpus/name or corpus/name/observer",
        "reason": "why it is not in the corpus, a short code",
        "count": "how many of them: samples, frames, recordings or files, by level",
        "detail": "the reason in words, with what was measured and what to do",
    },
    "logmel": {
        "frame": "frame of the video, counted from 0",
        "time_s": "presentation time of the frame on the clock whose 0 is the first picture, seconds",
        "example": "log(mel magnitude + 0.01) of 64 steps of 10 ms by the mel bands (125 to 7500 Hz), time-major, flat",
    },
}
