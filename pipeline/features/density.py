"""The fixation density maps of a stimulus, one per frame, in one array that is read by the frame.

Conventions
-----------
Maps are float32 [frame, row, column]; each sums to 1, or is all zeros where nobody fixated.
Fixations are in video pixels; sigma is given in degrees of visual angle and becomes pixels here,
through the stimulus's own `px_per_dva`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.signals.density import density_maps
from pipeline.store.job import Job

BLOCK_FRAMES = 64  # maps in memory at a time, in the same memory: 21 MB of them at 256 × 320, 0.3 MB at 32 × 40


def build_item(job: Job) -> dict[str, Any]:
    """Write `density.npy`, the density map of every frame of one stimulus.

    Parameters
    ----------
    job : Job
        `files` fixations (Parquet, sorted by frame) and timeline (JSON); `params` sigma_dva (degrees),
        height and width (of the maps, in cells).

    Returns
    -------
    facts : dict
        `n_frames`, `empty_frames` (nobody fixates) and `sigma_px` (video pixels).

    Raises
    ------
    StoreError
        If a fixation lies on a frame that the timeline does not have, or the table is not sorted.
    """
    timeline = json.loads(Path(job.files["timeline"]).read_text(encoding="utf-8"))
    fixations = pq.read_table(job.files["fixations"], columns=["frame", "x_px", "y_px"])
    n_frames = timeline["n_frames"]
    frame = fixations.column("frame").to_numpy()
    if frame.size and (frame[0] < 0 or frame[-1] >= n_frames or (np.diff(frame) < 0).any()):
        raise StoreError(
            f"{job.item}: fixations on frames {frame.min()} to {frame.max()}, expected them sorted and "
            f"within 0 to {n_frames - 1}.",
            remedy="The curated table is not what curate writes: run `ave verify`, then build again.",
        )
    sigma_px = timeline["px_per_dva"] * job.params["sigma_dva"]
    out_size = (job.params["height"], job.params["width"])
    _write_maps(job.out / "density.npy", fixations, frame, timeline, out_size, sigma_px)
    return {"n_frames": n_frames, "empty_frames": int(n_frames - np.unique(frame).size), "sigma_px": sigma_px}


def _write_maps(
    target: Path,
    fixations: pa.Table,
    frame: np.ndarray,
    timeline: Mapping[str, Any],
    out_size: tuple[int, int],
    sigma_px: float,
) -> None:
    """Write the maps a block of frames at a time; plain writes, because a mapped file ends in SIGBUS on a full disk."""
    n_frames = timeline["n_frames"]
    x_px, y_px = fixations.column("x_px").to_numpy(), fixations.column("y_px").to_numpy()
    header = {"descr": "<f4", "fortran_order": False, "shape": (n_frames, *out_size)}
    memory = np.empty((min(BLOCK_FRAMES, n_frames), *out_size), np.float32)
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n_frames, BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, n_frames)
            here = slice(*np.searchsorted(frame, (start, stop)))
            maps = density_maps(
                frame[here] - start,
                x_px[here],
                y_px[here],
                stop - start,
                video_size=(timeline["height_px"], timeline["width_px"]),
                out_size=out_size,
                sigma_px=sigma_px,
                out=memory[: stop - start],
            )
            file.write(maps.data)
