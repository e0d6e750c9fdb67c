"""The seven scores of a frame: ours in one call, beside a textbook, the papers' Python and MATLAB, and pysaliency.

Conventions
-----------
Everybody scores the same few frames, one after the other (torch: all at once). Arrays are given as they come, to MATLAB
code in float64: checks are part of the time. Before anything is timed, the scores have to agree.

The textbook is what the definitions say, written with NumPy and SciPy the way public codes are: whole maps in float64,
a loop over fixations for the areas. It computes all seven, to 1e-9 of ours. ViNet's `loss.py` gives five in float32
(no sAUC, no information gain), its checkout's MATLAB code under Octave all seven, pysaliency, where it is importable,
all but the information gain. They agree as far as their definitions do, see `definitions_agree`.
torch is `metrics_torch`, on the GPU where there is one.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats

from benchmarks import octave, peers
from benchmarks.harness import Asked, Case, Disagreement, Peer, Row, Target, measure
from pipeline.evaluate import metrics_torch
from pipeline.evaluate.frame_scores import score_frame

FIXATIONS = 60
SIZES = [(32, 40), (256, 320), (720, 1280)]
DTYPES = {"float32": np.float32, "8 bit": np.uint8}
# at least so many times the speed of ViNet's five, and of the MATLAB code's seven
TARGETS = {(256, 320): (Target(2.8), Target(30.0)), (720, 1280): (Target(2.8), Target(15.0))}
UNUSED = ("cv2", "torchvision", "torchvision.models")  # what ViNet's file imports and its metrics do not need here
EXACT = 1e-9
TEXTBOOK, VINET, PYSALIENCY, OCTAVE, TORCH = (
    "textbook",
    "ViNet loss.py, five",
    "pysaliency, six",
    "MATLAB code",
    "torch",
)

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

    def as_doubles(self) -> dict[str, NDArray]:
        """As MATLAB code needs them: its InfoGain divides 8-bit numbers into zeros and ones."""
        pictures: dict[str, NDArray] = {"saliency": self.saliency, "fixations": self.fixations, "density": self.density}
        pictures |= {"negatives": self.negatives, "baseline": self.baseline}
        return {name: each.astype(np.float64) for name, each in pictures.items()}


def rows(asked: Asked) -> Iterator[Row]:
    """A row for each size, kind of number and peer."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        server = open_octave(asked, Path(folder))
        try:
            for size in SIZES:
                for name, dtype in list(DTYPES.items())[: 1 if asked.quick else None]:
                    frames = [frame_of(size, FIXATIONS, dtype, seed) for seed in range(2 if asked.quick else 4)]
                    what = f"{size[0]} x {size[1]}, {name}, N = {FIXATIONS}"
                    for case in cases(what, frames, asked, server, device):
                        yield from measure("metrics", case, asked.rounds)
        finally:
            if server is not None:
                server.close()


def open_octave(asked: Asked, folder: Path) -> octave.Octave | None:
    """The MATLAB code of ViNet's checkout, if it and Octave are there."""
    if "ViNet" not in asked.peers:
        return None
    if octave.program() is None:
        print("metrics: without Octave, so beside no MATLAB code", file=sys.stderr)
        return None
    return octave.Octave(asked.peers["ViNet"] / "code_for_Metrics", folder)


def cases(
    what: str, frames: Sequence[Frame], asked: Asked, server: octave.Octave | None, device: torch.device
) -> Iterator[Case]:
    """Python in this process; Octave, whose own processor seconds are added; torch, by the wall's clock on a GPU."""
    ours = partial(each_of, lambda frame: score_frame(*frame.pictures), frames)
    vinet_target, octave_target = TARGETS.get(frames[0].saliency.shape, (None, None))
    common: dict[str, Any] = {
        "what": what,
        "ours": ours,
        "agree": partial(agree, frames),
        "unit": "ms/frame",
        "work": len(frames),
    }
    others = {TEXTBOOK: Peer(partial(each_of, textbook, frames))}
    if "ViNet" in asked.peers:
        vinet = load_vinet(asked.peers["ViNet"])
        given = [vinet_input(frame) for frame in frames]
        others[VINET] = Peer(partial(each_of, partial(vinet_scores, vinet), given), vinet_target)
    if importlib.util.find_spec("pysaliency"):  # not a dependency, but where it is
        others[PYSALIENCY] = Peer(partial(each_of, load_pysaliency(), frames))
    yield Case(peers=others, **common)
    if server is not None:
        server.take([frame.as_doubles() for frame in frames])
        clock = partial(_with_octave, server)
        yield Case(peers={OCTAVE: Peer(server.scores, octave_target)}, clock=clock, **common)
    pictures = zip(*(frame.pictures for frame in frames), strict=True)
    batch = [torch.from_numpy(np.stack(each)).to(device) for each in pictures]
    by_torch = {TORCH: Peer(partial(torch_scores, batch))}
    yield Case(peers=by_torch, clock=gpu_clock if device.type == "cuda" else time.process_time, **common)


def _with_octave(server: octave.Octave) -> float:
    return time.process_time() + server.cpu_s()


def each_of(score: Callable[[Any], Scores], frames: Sequence[Any]) -> list[Scores]:
    """The scores of every frame."""
    return [score(frame) for frame in frames]


def agree(frames: Sequence[Frame], made: Mapping[str, Any]) -> str:
    """Exact where the definitions are ours, else as near as they are."""
    told = []
    for name, scores in made.items():
        if name == "ours":
            continue
        for frame, theirs, ours in zip(frames, scores, made["ours"], strict=True):
            if name in (TEXTBOOK, TORCH):
                near(name, theirs, ours, EXACT)
            else:
                definitions_agree(name, theirs, ours, frame)
        errors = [
            abs(theirs[key] - ours[key]) for theirs, ours in zip(scores, made["ours"], strict=True) for key in theirs
        ]
        told.append(f"{name.split()[0].rstrip(',')} {max(errors):.0e}")
    return ", ".join(told)


def definitions_agree(name: str, theirs: Scores, ours: Scores, frame: Frame) -> None:
    """NSS by N - 1 (not pysaliency); lines between fixations for the area, ViNet's off by one pixel; float32 (ViNet).

    The MATLAB shuffled area goes in steps of a tenth, over 100 random draws.
    """
    n_pixels, n = frame.saliency.size, int(frame.fixations.sum())
    tolerance = 1e-3 if name == VINET else 1e-6
    bessel = 1.0 if name == PYSALIENCY else math.sqrt(n_pixels / (n_pixels - 1))
    near(name, {key: theirs[key] for key in ("cc", "sim", "kld", "ig") if key in theirs}, ours, tolerance)
    near(name, {"nss": theirs["nss"] * bessel}, ours, tolerance)
    lines = 1 / (2 * n) + 1 / (n_pixels - n) + 1e-5
    if frame.saliency.dtype != np.uint8:  # among ties the jitter of both codes decides
        near(name, {"auc_judd": theirs["auc_judd"]}, ours, lines)
    if "sauc" in theirs:
        near(name, {"sauc": theirs["sauc"]}, ours, 0.05 if name == OCTAVE else EXACT)


def near(peer: str, theirs: Scores, ours: Scores, tolerance: float) -> None:
    """Stop if a score is further from ours than that."""
    for name, score in theirs.items():
        if not abs(score - ours[name]) <= tolerance * max(1, abs(ours[name])):
            raise Disagreement(f"{peer} and we disagree on {name}: {score} and {ours[name]}.")


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
    baseline = (centre - centre.min()) / (centre.max() - centre.min())
    return Frame(saliency.astype(dtype), counts[0], density.astype(np.float32), counts[1], baseline)


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


def torch_scores(batch: Sequence[torch.Tensor]) -> list[Scores]:
    """The seven of a batch [n, height, width], frame by frame."""
    saliency, fixations, density, negatives, baseline = batch
    scores = {
        "nss": metrics_torch.nss(saliency, fixations),
        "auc_judd": metrics_torch.auc_judd(saliency, fixations),
        "sauc": metrics_torch.sauc(saliency, fixations, negatives),
        "cc": metrics_torch.cc(saliency, density),
        "sim": metrics_torch.sim(saliency, density),
        "kld": metrics_torch.kld(saliency, density),
        "ig": metrics_torch.information_gain(saliency, fixations, baseline),
    }
    of_frames = zip(*(each.tolist() for each in scores.values()), strict=True)
    return [dict(zip(scores, numbers, strict=True)) for numbers in of_frames]


def load_vinet(checkout: Path) -> Any:
    """The peer's `loss.py` as a module, with stand-ins for what it imports in vain."""
    have_trapz()
    return peers.load(checkout / "loss.py", stand_ins=UNUSED)


def have_trapz() -> None:
    """NumPy 2 calls it trapezoid; the peers say trapz."""
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # type: ignore[attr-defined]


def load_pysaliency() -> Callable[[Frame], Scores]:
    """Six of the seven by the library's functions for one map."""
    have_trapz()
    library, areas = (importlib.import_module(f"pysaliency.{name}") for name in ("metrics", "roc"))

    @np.errstate(divide="ignore")  # it takes the logarithm of zeros, which do no harm
    def scores(frame: Frame) -> Scores:
        saliency = frame.saliency.astype(np.float64)
        at, others = np.nonzero(frame.fixations), np.nonzero(frame.negatives)
        positives = saliency[at]
        return {
            "nss": float(library.NSS(saliency, at[1], at[0]).mean()),
            "auc_judd": float(areas.general_roc(positives, saliency[frame.fixations == 0], judd=1)[0]),
            "sauc": float(areas.general_roc(positives, saliency[others])[0]),
            "cc": float(library.CC(saliency, frame.density)),
            "sim": float(library.SIM(saliency, frame.density)),
            "kld": float(library.MIT_KLDiv(saliency, frame.density.astype(np.float64))),
        }

    return scores


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


def gpu_clock() -> float:
    """The time, once everything that was asked of the GPU is done."""
    torch.cuda.synchronize()
    return time.perf_counter()
