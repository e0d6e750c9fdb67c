"""How fast a model runs and trains here: clips/s, memory, the wait for data, and on a GPU the share of its peak.

    python -m benchmarks.train [--model dave] [--option width=16 …] [--shards DIR] [--batch 10] [--steps 5]

Conventions
-----------
A line an option: the plain loop, then each of bf16, fp16 (GPU), channels last, compile and two loader workers alone,
then those that suit the device together. `python -m benchmarks train` makes rows of a few: how much of a step is spent
waiting for clips, and the options beside the plain loop. A step is forward, backward and Adam on `batch` clips of the
size that the model wants. Without shards the clips are random and the wait is not known. Operations are two for each
multiply-accumulate of `pipeline.models.cost`, three times the forward's for a step; a peak is what the maker states.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import clips
from benchmarks.harness import Asked, Row, Target
from pipeline import models
from pipeline.errors import AveError
from pipeline.export.clips import ClipStream
from pipeline.learn.course import Clock, Source, Stretch
from pipeline.learn.device import device_of
from pipeline.learn.loop import maps_and_truth, take_step
from pipeline.learn.processes import World
from pipeline.learn.routing import Network
from pipeline.learn.settings import TrainSettings
from pipeline.learn.start import put_channels_last
from pipeline.models.cost import cost
from pipeline.models.inputs import example_shapes

WARM_UP = 2  # steps that are not counted: the first allocate, choose algorithms, compile
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "channels last": {"channels_last": True},
    "compile": {"compile": True},
    "2 loader workers": {"loader_workers": 2},
    "bf16, channels last": {"precision": "bf16", "channels_last": True},
    "bf16, channels last, compile": {"precision": "bf16", "channels_last": True, "compile": True},
}
# Dense operations per second in 16 bits, and in 32 through TF32, as NVIDIA states them.
PEAKS = {"H100": (989e12, 494e12), "H200": (989e12, 494e12), "A100": (312e12, 156e12)}


SMALL = TrainSettings(model="dave", width=16, batch=2)  # a CPU takes a second for its step
BESIDE_PLAIN = ("bf16", "channels last", "bf16, channels last")


def rows(asked: Asked) -> Iterator[Row]:
    """The paper's DAVE on a GPU, a narrow one on a CPU, in steps on clips from shards."""
    device = device_of("auto")
    settings = TrainSettings(model="dave") if device.type == "cuda" else SMALL
    steps, rounds = (2, 1) if asked.quick else (3, min(asked.rounds, 3))
    options = ["plain", *(BESIDE_PLAIN[:1] if asked.quick else BESIDE_PLAIN)]
    step_ms: dict[str, list[float]] = {name: [] for name in options}
    waited: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        made = clips.make(Path(folder), 64)
        for _ in range(rounds):
            for name in options:
                _, step_s, share, _ = _measure(replace(settings, **OPTIONS[name]), device, made.shards, steps)
                step_ms[name].append(1000 * step_s)
                if name == "plain":
                    waited.append(100 * share)
    what = f"dave of width {settings.width or 64}, batch {settings.batch}, {_machine(device)}"
    told = f"a step {statistics.median(step_ms['plain']):,.0f} ms"
    whole = (100.0,) * rounds
    target = Target(5.0 if device.type == "cuda" else None, limit=True, unit="%")  # it is one for a GPU
    yield Row("train", what, "% waiting", "the step", tuple(waited), whole, target, told)
    for name in options[1:]:
        yield Row(
            "train", f"{what}, {name}", "ms/step", "plain", tuple(step_ms[name]), tuple(step_ms["plain"]), None, ""
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print, a line an option."""
    parser = argparse.ArgumentParser(description="Throughput of a model, forward and training.")
    parser.add_argument("--model", default="dave")
    parser.add_argument("--option", nargs="+", default=[], help="of the model: NAME=VALUE")
    parser.add_argument("--shards", type=Path, help="folder of `ave export`; without it, random clips")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=OPTIONS, default=list(OPTIONS))
    asked = parser.parse_args(argv)
    settings = TrainSettings(model=asked.model, options=tuple(asked.option), batch=asked.batch, device=asked.device)
    device = device_of(asked.device)
    print(
        f"{_machine(device)}; torch {torch.__version__}; {asked.model} {settings.model_options}, batch {settings.batch}"
    )
    print(f"{'':<30}{'forward':>10}{'training':>10}{'step':>9}{'memory':>9}{'wait':>8}{'of peak':>9}")
    print(f"{'':<30}{'clips/s':>10}{'clips/s':>10}{'ms':>9}{'MB':>9}{'share':>8}")
    for name in asked.only:
        row = _row(replace(settings, **OPTIONS[name]), device, asked.shards, asked.steps)
        print(f"{name:<30}{row}", flush=True)


def _row(settings: TrainSettings, device: torch.device, shards: Path | None, steps: int) -> str:
    if settings.precision == "fp16" and device.type == "cpu":
        return f"{'wants a GPU':>20}"
    if settings.loader_workers and shards is None:
        return f"{'wants --shards':>20}"
    try:
        forward_s, step_s, waited, memory_mb = _measure(settings, device, shards, steps)
    except (AveError, RuntimeError) as error:  # an option that does not work here is a finding, not an end
        return f"  {str(error).splitlines()[0][:80]}"
    rates = f"{settings.batch / forward_s:>10.2f}{settings.batch / step_s:>10.2f}{1000 * step_s:>9.0f}{memory_mb:>9.0f}"
    wait = f"{waited:>8.1%}" if shards else f"{'?':>8}"
    return f"{rates}{wait}{_share_of_peak(settings, device, step_s):>9}"


def _measure(
    settings: TrainSettings, device: torch.device, shards: Path | None, steps: int
) -> tuple[float, float, float, float]:
    """Seconds of a forward and of a step, the share of a step spent waiting, and the memory's peak in MB."""
    torch.manual_seed(0)
    model = models.build(settings.model, **settings.model_options).to(device)
    if settings.channels_last:
        put_channels_last(model)
    network: Any = Network(model, settings.scale)
    network = torch.compile(network) if settings.compile else network
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=settings.learning_rate)
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
    world, clock = World(0, 1, device), Clock()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    forward_s = step_s = 0.0
    with contextlib.closing(_batches(settings, model, shards, steps + WARM_UP, world)) as batches:
        for number, step in enumerate(clock.timed(batches)):
            network.train()
            began = _now(device)
            take_step(network, step, optimiser, scaler, {"kl": 1.0}, settings, world)
            stepped = _now(device)
            if number < WARM_UP:
                clock.waited_s = clock.worked_s = 0.0
                continue
            step_s += (stepped - began) / steps
    step_s += clock.waited_s / steps
    memory_mb = torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else _resident_mb()
    network.eval()
    with torch.inference_mode():
        for number in range(WARM_UP + steps):
            began = _now(device)
            maps_and_truth(network, step[0], settings, device)
            forward_s += (_now(device) - began) / steps if number >= WARM_UP else 0.0
    return forward_s, step_s, clock.waited_share, memory_mb


def _batches(
    settings: TrainSettings, model: Any, shards: Path | None, steps: int, world: World
) -> Generator[list[dict[str, Any]], None, None]:
    """Batches of one step each: of shards, or random ones that are made before the clock runs."""
    if shards is not None:
        wants = model.wants
        form = {"frames": wants.frames, "normalise": wants.normalisation, "mix": settings.mix}
        clips = ClipStream(shards, split="train", shuffle=True, **form)
        source = Source(clips, settings, world)
        for epoch in itertools.count():
            wanted = min(steps, source.steps)
            yield from source.steps_of(Stretch(0, wanted, epoch, 0, stills=False))
            steps -= wanted
            if not steps:
                return
    video, audio = (torch.randn(shape) for shape in example_shapes(model.wants, settings.batch))
    density = torch.rand(settings.batch, 32, 40)
    density /= density.sum((1, 2), keepdim=True)
    counts = torch.ones(settings.batch, 32, 40, dtype=torch.int32)
    for _ in range(steps):
        yield [{"video": video, "audio": audio, "target": density, "fixations": counts}]


def _now(device: torch.device) -> float:
    """The clock, once everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _share_of_peak(settings: TrainSettings, device: torch.device, step_s: float) -> str:
    """Operations per second as a share of what the card's maker states, "?" where that is not known."""
    if device.type != "cuda":
        return "?"
    name = torch.cuda.get_device_name(device)
    peak = next((found for word, found in PEAKS.items() if word in name), None)
    if peak is None:
        return "?"
    operations = 3 * 2 * cost(settings.model, **settings.model_options).macs * settings.batch
    return f"{operations / step_s / peak[settings.precision == 'fp32']:.1%}"


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
