"""How long a frame's scores take: ours in one call, beside a textbook and beside the public Python of a paper.

    python -m benchmarks.metrics [--peer DIR] [--rounds 9] [--fixations 60]

Conventions
-----------
A line a peer, size and dtype of the map: milliseconds a frame, median and range over the rounds, and how many times as
long as ours (median of the rounds' ratios; everything in a round is timed in turn). Milliseconds are the processor's,
which tell more than the clock's where others share the machine; those of a GPU are the clock's. Arrays are given as
they come: checks are part of the time. Before anything is timed, the scores have to agree.

The textbook is what the definitions say, written with NumPy and SciPy the way public codes are: whole maps in float64,
a loop over fixations for the areas. It computes all seven, to 1e-9 of ours.
DIR is a checkout of ViNet (github.com/samyak0210/ViNet): its `loss.py` is loaded from there and gives five (NSS,
AUC-Judd, CC, SIM, KLD) in float32. It agrees as far as its definitions do, see `vinet_agrees`.
torch is `metrics_torch`, a batch of frames in seven calls, on the GPU where there is one; the time is a frame's.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats

from pipeline.evaluate import metrics_torch
from pipeline.evaluate.frame_scores import score_frame

SIZES = [(32, 40), (256, 320), (720, 1280)]
DTYPES = {"float32": np.float32, "8 bit": np.uint8}
BATCH = 8  # frames at once, in torch
AT_LEAST_S = 0.02  # a measurement repeats what is quicker
UNUSED = ("cv2", "torchvision", "torchvision.models")  # what ViNet's file imports and its metrics do not need here

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Frame:
    """What one frame's scores are made from. No pixel is hit twice and no minimum is above 0, so that peers agree."""

    saliency: NDArray
    fixations: NDArray[np.int32]
    density: NDArray[np.float32]
    negatives: NDArray[np.int32]
    baseline: NDArray[np.float64]

    @property
    def pictures(self) -> tuple[NDArray, ...]:
        """In the order that `score_frame` takes them."""
        return self.saliency, self.fixations, self.density, self.negatives, self.baseline


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print, a block for each size and dtype."""
    parser = argparse.ArgumentParser(description="Milliseconds a frame of the seven scores, beside peers.")
    parser.add_argument("--peer", type=Path, help="checkout of ViNet; without it, the textbook alone")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--fixations", type=int, default=60)
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    vinet = None if asked.peer is None else load_vinet(asked.peer)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    print(
        f"{platform.machine()}, OMP_NUM_THREADS {threads}; NumPy {np.__version__}, torch {torch.__version__} on {where}"
    )
    print(f"{asked.fixations} fixations, {asked.rounds} rounds\n{'':<34}{'ms a frame':>12}{'range':>18}{'ratio':>8}")
    for size in SIZES:
        for name, dtype in DTYPES.items():
            frames = [frame_of(size, asked.fixations, dtype, seed) for seed in range(BATCH)]
            measured = measure(frames, vinet, device, asked.rounds)
            show(f"{size[0]} x {size[1]}, {name}", measured)


def measure(frames: Sequence[Frame], vinet: Any, device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a frame of everything that there is, round by round, once all agree on every frame."""
    for frame in frames:
        ours = score_frame(*frame.pictures)
        agrees("textbook", textbook(frame), ours, 1e-9)
        if vinet is not None:
            vinet_agrees(vinet_scores(vinet, vinet_input(frame)), ours, frame)
    pictures = zip(*(frame.pictures for frame in frames), strict=True)
    batch = [torch.from_numpy(np.stack(each)).to(device) for each in pictures]
    for name, scores in torch_scores(batch).items():
        for frame, score in zip(frames, scores.tolist(), strict=True):
            agrees("torch", {name: score}, score_frame(*frame.pictures), 1e-9)
    frame = frames[0]
    actions: dict[str, Callable[[], object]] = {
        "ours, seven": lambda: score_frame(*frame.pictures),
        "textbook, seven": lambda: textbook(frame),
    }
    if vinet is not None:
        given = vinet_input(frame)
        actions["ViNet, five"] = lambda: vinet_scores(vinet, given)
    actions[f"torch, seven, {len(frames)} frames"] = lambda: torch_scores(batch)
    found: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            by_torch = name.startswith("torch")
            clock = gpu_clock if by_torch and device.type == "cuda" else time.process_time
            found[name].append(1000 * seconds(action, clock) / (len(frames) if by_torch else 1))
    return found


def frame_of(size: tuple[int, int], n_fixations: int, dtype: Any, seed: int) -> Frame:
    """Fixations in a few places, a prediction that finds some of them, negatives towards the centre."""
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.indices(size)
    centre = np.exp(-(((rows - height / 2) / height) ** 2 + ((columns - width / 2) / width) ** 2) * 8)
    places = rng.random((5, 2)) * size
    chance = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (width / 12) ** 2)) for y, x in places) + 0.01
    hit, others = (
        rng.choice(chance.size, n, replace=False, p=(weight / weight.sum()).ravel())
        for n, weight in ((n_fixations, chance), (min(chance.size // 8, 40 * n_fixations), centre))
    )
    fixations, negatives = (np.bincount(each, minlength=chance.size).reshape(size) for each in (hit, others))
    density = ndimage.gaussian_filter(fixations.astype(np.float64), width / 32)
    noise = ndimage.gaussian_filter(rng.random(size), width / 100)
    saliency = chance / chance.max() + 3 * centre + 5 * noise + 0.01 * rng.random(size)
    saliency, density = ((each - each.min()) / (each.max() - each.min()) for each in (saliency, density))
    saliency = np.round(255 * saliency) if dtype == np.uint8 else saliency
    counts = fixations.astype(np.int32), negatives.astype(np.int32)
    return Frame(saliency.astype(dtype), counts[0], density.astype(np.float32), counts[1], centre)


def textbook(frame: Frame) -> dict[str, float]:
    """The seven by their definitions, whole maps at a time."""
    saliency, density = frame.saliency.astype(np.float64), frame.density.astype(np.float64)
    eps = 2.0**-52
    p, q, b = (each / each.sum() for each in (saliency, density, frame.baseline))
    n = frame.fixations
    fixated = np.repeat(saliency.ravel(), n.ravel())
    return {
        "nss": float(np.repeat(stats.zscore(saliency, axis=None).ravel(), n.ravel()).mean()),
        "auc_judd": area(fixated, saliency[n == 0]),
        "sauc": area(fixated, np.repeat(saliency.ravel(), frame.negatives.ravel())),
        "cc": float(np.corrcoef(saliency.ravel(), density.ravel())[0, 1]),
        "sim": float(np.minimum(p, q).sum()),
        "kld": float((q * np.log(eps + q / (p + eps))).sum()),
        "ig": float(np.repeat((np.log2(eps + p) - np.log2(eps + b)).ravel(), n.ravel()).mean()),
    }


def area(positives: NDArray, negatives: NDArray) -> float:
    """Area under the ROC curve, a positive at a time: the share of the negatives below it, ties half."""
    return statistics.fmean(
        ((negatives < value).sum() + 0.5 * (negatives == value).sum()) / negatives.size for value in positives
    )


def torch_scores(batch: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """The seven of a batch [n, height, width]."""
    saliency, fixations, density, negatives, baseline = batch
    return {
        "nss": metrics_torch.nss(saliency, fixations),
        "auc_judd": metrics_torch.auc_judd(saliency, fixations),
        "sauc": metrics_torch.sauc(saliency, fixations, negatives),
        "cc": metrics_torch.cc(saliency, density),
        "sim": metrics_torch.sim(saliency, density),
        "kld": metrics_torch.kld(saliency, density),
        "ig": metrics_torch.information_gain(saliency, fixations, baseline),
    }


def load_vinet(folder: Path) -> Any:
    """The peer's `loss.py` as a module, with stand-ins for what it imports in vain."""
    path = folder / "loss.py"
    if not path.is_file():
        raise SystemExit(f"{folder}: there is no loss.py. Give a checkout of ViNet.")
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # type: ignore[attr-defined]  # its name before NumPy 2; the peer says trapz
    spec = importlib.util.spec_from_file_location("vinet_loss", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {name: mock.MagicMock() for name in UNUSED}):
        spec.loader.exec_module(module)
    return module


def vinet_input(frame: Frame) -> list[torch.Tensor]:
    """Map, fixations and density as the peer takes them: float32 [1, height, width]."""
    pictures = frame.saliency, frame.fixations, frame.density
    return [torch.from_numpy(each.astype(np.float32))[None] for each in pictures]


def vinet_scores(vinet: Any, given: Sequence[torch.Tensor]) -> dict[str, float]:
    """The peer's five."""
    saliency, fixations, density = given
    return {
        "nss": float(vinet.nss(saliency, fixations)),
        "auc_judd": float(vinet.auc_judd(saliency, fixations)),
        "cc": float(vinet.cc(saliency, density)),
        "sim": float(vinet.similarity(saliency, density)),
        "kld": float(vinet.kldiv(saliency, density)),
    }


def vinet_agrees(theirs: Scores, ours: Scores, frame: Frame) -> None:
    """As far as definitions do: NSS by N - 1; lines between fixations for the area, off by one pixel; float32."""
    n_pixels, n = frame.saliency.size, int(frame.fixations.sum())
    agrees("ViNet", {name: theirs[name] for name in ("cc", "sim", "kld")}, ours, 1e-3)
    agrees("ViNet", {"nss": theirs["nss"] * math.sqrt(n_pixels / (n_pixels - 1))}, ours, 1e-3)
    lines = 1 / (2 * n) + 1 / (n_pixels - n) + 1e-5
    if frame.saliency.dtype != np.uint8:  # among ties its jitter decides
        agrees("ViNet", {"auc_judd": theirs["auc_judd"]}, ours, lines)


def agrees(peer: str, theirs: Scores, ours: Scores, tolerance: float) -> None:
    """Stop if a score is further from ours than that."""
    for name, score in theirs.items():
        if not abs(score - ours[name]) <= tolerance * max(1, abs(ours[name])):
            raise SystemExit(f"{peer} and we disagree on {name}: {score} and {ours[name]}. Nothing was timed.")


def seconds(action: Callable[[], object], clock: Callable[[], float]) -> float:
    """Of one call; what is quick is repeated."""
    once = timed(action, 1, clock)
    repeats = int(AT_LEAST_S / once) if once else 1000
    return timed(action, repeats, clock) / repeats if repeats > 1 else once


def timed(action: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Seconds of so many calls."""
    started = clock()
    for _ in range(repeats):
        action()
    return clock() - started


def gpu_clock() -> float:
    """The time, once everything that was asked of the GPU is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


def show(title: str, measured: Mapping[str, list[float]]) -> None:
    """A line a peer; the first is ours."""
    print(title)
    ours = next(iter(measured.values()))
    for name, times in measured.items():
        ratio = statistics.median(theirs / own for theirs, own in zip(times, ours, strict=True))
        spread = f"{min(times):.3f}-{max(times):.3f}"
        print(f"  {name:<32}{statistics.median(times):>12.3f}{spread:>18}{ratio:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
