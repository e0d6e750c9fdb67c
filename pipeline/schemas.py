"""Column names and types of the published tables (Parquet).

The tables are the contract with the users' scripts: a column may be added, none may change.
"""

from __future__ import annotations

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
