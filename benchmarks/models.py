"""Models on the CPU, one thread: `ave predict`'s own loop beside the papers' public networks with the same weights.

The weights are random, the batch normalisations' too. Without a checkout there is the limit alone: as many multiply-
accumulates in matrix products of torch, of the network's precision. It is no hard floor; clever convolutions do fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import peers
from benchmarks.harness import LIMIT, Asked, Case, Disagreement, Peer, Row, Target, measure
from pipeline import models
from pipeline.export.clips import Clip
from pipeline.learn.predict import predict
from pipeline.learn.settings import PredictSettings
from pipeline.models.inputs import example_shapes

SMALL = {"dave": (128, 160), "vinet": (96, 160)}  # pictures of the quick ones
UNUSED = ("block", "torchvision", "cv2")  # what ViNet's files import and its visual model does not need
PRECISIONS = {"fp32": 1e-5, "bf16": 5e-2}  # how far maps may be apart, of the peak
# at least so many times the public code's speed in fp32; ViNet's in fp32 is what the best trial reached
TARGETS = {("dave", "fp32"): 1.1, ("vinet", "fp32"): 1.04, ("dave", "bf16"): 2.2, ("vinet", "bf16"): 2.2}
PRODUCT = 1024  # rows and columns of the limit's matrices
FP32 = "public code, fp32"


def rows(asked: Asked) -> Iterator[Row]:
    """DAVE, then ViNet's visual model, each in 32 and in 16 bits."""
    for name, load, checkout in (("dave", load_dave, "DAVE"), ("vinet", load_vinet, "ViNet")):
        public = load(asked.peers[checkout]) if checkout in asked.peers else None
        rounds = asked.rounds if asked.quick else min(asked.rounds, 4)  # a call takes seconds
        for case in cases(name, public, small=asked.quick):
            yield from measure("models", case, rounds)


def cases(name: str, public: nn.Module | None, *, small: bool) -> Iterator[Case]:
    """One clip through our model and the public one, both with the same random weights."""
    torch.manual_seed(0)
    model: Any = models.build(name)
    if small:
        model.wants = resized(model.wants, SMALL[name])
    draw_weights(model)
    if public is not None:
        public.load_state_dict(model.state_dict())
        public.eval()
    clips = OneClip(model.wants)
    macs = multiply_accumulates(model, clips)
    for precision, tolerance in PRECISIONS.items():
        others = {"limit: matrix products": Peer(partial(matrix_products, macs, precision), LIMIT)}
        if public is not None:
            call = partial(of_public, public, clips, hears=model.wants.audio != "none")
            others[FP32] = Peer(call, None if small else Target(TARGETS[name, precision]))  # for the papers' size
        yield Case(
            what=f"{name} forward, {' x '.join(map(str, (model.wants.frames, *model.wants.size)))}, {precision}",
            ours=partial(of_ours, model, clips, precision),
            peers=others,
            agree=partial(agree, tolerance),
            unit="ms/clip",
        )


def resized(wants: models.Wants, size: tuple[int, int]) -> models.Wants:
    """The same wishes for smaller pictures; the map shrinks as they do."""
    assert wants.map_size is not None
    height, width = (cells * now // before for cells, now, before in zip(wants.map_size, size, wants.size, strict=True))
    return replace(wants, size=size, map_size=(height, width))


def draw_weights(model: nn.Module) -> None:
    """Weights that let a signal through all layers, so that the map is not flat, and norms that do something."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)


class OneClip(IterableDataset[Clip]):
    """A random clip of the form that a model wants, its pictures with the channels last as shards give them."""

    def __init__(self, wants: models.Wants):
        video, audio = (torch.randn(shape) for shape in example_shapes(wants, 1))
        self.video, self.audio = video, audio
        pictures = video[0].permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
        self.clip = {"video": pictures, "audio": audio[0], "stimulus": "random", "frame": 0}

    def __iter__(self) -> Iterator[Clip]:
        yield self.clip


def of_ours(model: Any, clips: OneClip, precision: str) -> NDArray[np.float32]:
    """The map by the loop of `ave predict`."""
    settings = PredictSettings(batch=1, precision=precision, device="cpu", threads=1)
    ((_, _, saliency),) = predict(model, clips, settings, 1, model.wants.map_size)
    return saliency


@torch.inference_mode()
def of_public(public: nn.Module, clips: OneClip, *, hears: bool) -> NDArray[np.float32]:
    """The map of the public network, its clip in the usual layout."""
    saliency: Tensor = public(clips.video, clips.audio) if hears else public(clips.video)
    return saliency.squeeze().numpy()


@torch.inference_mode()
def multiply_accumulates(model: nn.Module, clips: OneClip) -> int:
    """Of one clip; torch counts two operations for each."""
    with FlopCounterMode(display=False) as counter:
        model.eval()(clips.video, clips.audio)
    return int(counter.get_total_flops()) // 2


@torch.inference_mode()
def matrix_products(macs: int, precision: str) -> None:
    """As many multiply-accumulates, in the best case there is."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.ones(PRODUCT, PRODUCT, dtype=kind) for _ in range(2))
    for _ in range(max(1, round(macs / PRODUCT**3))):
        torch.mm(a, b)


def load_dave(checkout: Path) -> Any:
    """DAVE's own network."""
    own = {"utils.resnet3D": checkout / "utils" / "resnet3D.py"}
    return peers.load(checkout / "model.py", beside=own).DAVE()


def load_vinet(checkout: Path) -> Any:
    """ViNet's own visual network."""
    own = {"model_utils": checkout / "model_utils.py"}
    return peers.load(checkout / "model.py", stand_ins=UNUSED, beside=own).VideoSaliencyModel()


def agree(tolerance: float, made: Mapping[str, Any]) -> str:
    """The two maps, as a share of the public one's peak; its span is told, too, since a flat map would always agree."""
    if FP32 not in made:
        return "no public code given"
    ours, theirs = made["ours"], made[FP32]
    if ours.shape != theirs.shape:
        raise Disagreement(f"our map is {ours.shape}, theirs {theirs.shape}.")
    peak, span = float(np.abs(theirs).max()), float(np.ptp(theirs))
    error = float(np.abs(ours - theirs).max()) / peak
    if not error <= tolerance:
        raise Disagreement(f"the maps are {error:.1e} of the peak apart, expected {tolerance:g}.")
    return f"{error:.0e} of the peak apart (span {span / peak:.2f})"
