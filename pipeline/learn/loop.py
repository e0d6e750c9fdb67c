"""The training loop, from top to bottom: the process that `torch.distributed.run` starts, once or several times.

Conventions
-----------
One step is one turn of the optimiser: `batch` × `accumulate` × `processes` clips. A clip is a target frame with the
frames before it. The weights kept are those with the lowest loss on **val**; the test split is never opened. On a CPU
with a given number of threads the same job writes the same bytes, whether or not it was killed and taken up again.

Source
------
Tavakoli et al. 2020, sec. IV (KL loss, Adam, the best model of the validation split).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline import __version__
from pipeline.errors import ModelError
from pipeline.export.clips import ClipStream
from pipeline.learn import checkpoints, launch, losses, start
from pipeline.learn.course import Batch, Clock, Course, Source, loader, seed_step
from pipeline.learn.curves import Curves
from pipeline.learn.device import be_deterministic, use_threads
from pipeline.learn.maps import fitted
from pipeline.learn.processes import World, joined, with_shared_norms
from pipeline.learn.resume import Points
from pipeline.learn.routing import Network, open_stills
from pipeline.learn.settings import TrainSettings, from_params
from pipeline.learn.shards import open_clips, read_by_training, val_stride
from pipeline.store.fingerprint import digest, sha256_of
from pipeline.store.job import Job

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
METRICS = ("kl", "cc", "sim", "nss")
BAD_BATCH = "bad_batch.safetensors"


def train(job: Job) -> None:
    """Read shards, write weights, run.json and curves into `job.out`; `train.py` says what else a job holds."""
    settings = from_params(TrainSettings, job.params)
    with joined(settings.device) as world:
        _train(job, settings, world)


def _train(job: Job, settings: TrainSettings, world: World) -> None:
    use_threads(settings.threads, world.size)
    be_deterministic(settings.seed, world.device, wanted=settings.deterministic)
    _check_precision(settings, world)

    model, started_from = start.new_model(settings, job)
    model = with_shared_norms(model, world).to(world.device)
    if settings.channels_last:
        start.put_channels_last(model)
    course, val_clips = _course(job, settings, model, world)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=settings.learning_rate)
    scaler = torch.amp.GradScaler(world.device.type, enabled=settings.precision == "fp16")
    weights = losses.weights_of(settings.loss)
    run = _new_run(job, settings, model, course, world, started_from)

    best = job.out / "weights.safetensors"
    points = Points(start.keep_folder(job), _identity(run))
    state = points.take_up(model, optimiser, best if world.leads else None)
    if state is not None:
        run.update(state["run"])
        scaler.load_state_dict(state["scaler"])
    network: nn.Module = Network(model, settings.scale)
    network = start.compiled(network) if settings.compile else network
    network = world.wrapped(network, parts_rest=settings.routing)

    clock = Clock()
    with Curves(job, course.steps, state["lines"] if state else (), leads=world.leads) as curves:
        for stretch in course.stretches(run["steps_done"]):
            for step, batches in enumerate(clock.timed(course.batches(stretch)), stretch.first + 1):
                seed_step(settings.seed, step, world.rank)
                optimiser.param_groups[0]["lr"] = learning_rate(settings, step, course.steps)
                network.train()
                loss = take_step(network, batches, optimiser, scaler, weights, settings, world)
                if not math.isfinite(loss):
                    run["stopped"] = _why_stopped(step, loss, batches, job, world)
                    break
                run["steps_done"] = step
                curves.trained(step, stretch, loss)
            if run["stopped"]:  # the last good weights stay, and whoever uses them is told
                curves.stopped(run["stopped"])
                break

            done = run["steps_done"]
            if course.is_evaluated(done):
                metrics = evaluate(network, val_clips, weights, settings, world)
                curves.evaluated(done, stretch, metrics)
                if _is_better(metrics["loss"], run["best"]):
                    run["best"] = {"step": done, "val_loss": metrics["loss"], "metrics": metrics}
                    if world.leads:
                        checkpoints.save(model, best)
            if world.leads:
                kept = {"run": {name: run[name] for name in ("steps_done", "best")}, "lines": curves.lines}
                points.keep(done, model, optimiser, {**kept, "scaler": scaler.state_dict()}, best)

        if world.leads:
            _conclude(job, run, curves, clock)


def _course(job: Job, settings: TrainSettings, model: nn.Module, world: World) -> tuple[Course, ClipStream]:
    """The way through the training clips (and still images), and this process's share of the val clips."""
    shards, wants = job.files["shards"], cast(Any, model).wants
    clips = Source(open_clips(shards, "train", settings, wants, stride=settings.every, shuffle=True), settings, world)
    stills = None
    if settings.routing:
        stills = Source(open_stills(start.stills_folder(job), shards, settings, wants), settings, world)
    ranks = {"rank": world.rank, "world_size": world.size}
    val_clips = open_clips(shards, "val", settings, wants, stride=val_stride(shards, settings), **ranks)
    return Course(settings, clips, stills), val_clips


def take_step(
    network: nn.Module,
    batches: Sequence[Batch],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    weights: Mapping[str, float],
    settings: TrainSettings,
    world: World,
) -> float:
    """Take one step of the optimiser: the loss is the mean over those clips of all batches that have fixations.

    Returns
    -------
    loss : float
        Over all processes. Where it is no number the weights stay as they were.
    """
    (n_scored,) = world.total(sum(int(losses.is_scored(batch["target"]).sum()) for batch in batches))
    optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for number, batch in enumerate(batches, 1):
        waits = world.size > 1 and number < len(batches)  # gradients meet after the last batch
        with cast(Any, network).no_sync() if waits else contextlib.nullcontext():
            loss = losses_of(network, batch, weights, settings, world.device).sum() / max(n_scored, 1)
            scaler.scale(loss * world.size).backward()  # the processes' gradients are averaged, not added
        total += loss.item()
    (total,) = world.total(total)
    if math.isfinite(total):
        scaler.step(optimiser)
        scaler.update()
    return total


def losses_of(
    network: nn.Module, batch: Batch, weights: Mapping[str, float], settings: TrainSettings, device: torch.device
) -> Tensor:
    """The loss of each clip of a batch, [batch]."""
    return losses.of_clips(weights, *maps_and_truth(network, batch, settings, device))


def maps_and_truth(
    network: nn.Module, batch: Batch, settings: TrainSettings, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Saliency maps of a batch in 32 bits, densities and fixation counts, all of the densities' size."""
    video, density, counts = (batch[name].to(device, non_blocking=True) for name in ("video", "target", "fixations"))
    audio = batch["audio"].to(device, non_blocking=True) if video.shape[2] > 1 else None
    kind = PRECISIONS[settings.precision]
    with torch.autocast(device.type, kind, enabled=kind != torch.float32):
        maps = network(video, audio)
    return fitted(maps.float(), density.shape[-2:]), density, counts


def evaluate(
    network: nn.Module, clips: Any, weights: Mapping[str, float], settings: TrainSettings, world: World
) -> dict[str, float]:
    """Means over the clips with fixations, in evaluation mode: the loss, KL, CC, SIM, NSS. NaN if no clip has any."""
    network.eval()
    inner = cast(nn.Module, network.module) if world.size > 1 else network  # ranks may have unequally many batches
    sums, n_scored = [0.0] * (1 + len(METRICS)), 0
    with torch.inference_mode():
        for batch in loader(clips, settings.batch, settings.loader_workers, world):
            maps, density, counts = maps_and_truth(inner, batch, settings, world.device)
            rows = [losses.of_clips(weights, maps, density, counts)]
            rows += [losses.LOSSES[name](maps, density, counts) for name in METRICS]
            scored = losses.is_scored(density)
            sums = [total + row[scored].sum().item() for total, row in zip(sums, rows, strict=True)]
            n_scored += int(scored.sum())
    *sums, n = world.total(*sums, n_scored)
    loss, kl, cc, sim, nss = (total / n if n else math.nan for total in sums)
    return {"loss": loss, "kl": kl, "cc": 1 - cc, "sim": 1 - sim, "nss": -nss}


def learning_rate(settings: TrainSettings, step: int, steps: int) -> float:
    """Of a step, which count from 1."""
    if settings.schedule == "cosine":
        return settings.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
    return settings.learning_rate


def _new_run(
    job: Job, settings: TrainSettings, model: nn.Module, course: Course, world: World, started_from: list[str]
) -> dict[str, Any]:
    """What run.json says of a run that begins."""
    digests = {name: sha256_of(index) for name, index in sorted(job.files["shards"].items()) if read_by_training(name)}
    return {
        "model": {"name": settings.model, "options": start.all_options(model, settings)},
        "settings": dataclasses.asdict(settings),
        "started_from": started_from,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "shards": digests,
        "corpus": digest(digests),
        "code": __version__,
        "torch": torch.__version__,
        "device": world.device.type,
        "threads": torch.get_num_threads(),
        "clips": course.sizes,
        "steps": course.steps,
        "steps_done": 0,
        "best": None,
        "stopped": None,
    }


def _conclude(job: Job, run: dict[str, Any], curves: Curves, clock: Clock) -> None:
    """Write run.json and the curves, and beside them how fast it went; an error if nothing was learnt."""
    if run["best"] is None:
        raise _nothing_learnt(job, run, curves)
    run["train_loss"] = [line["train_loss"] for line in curves.lines if "train_loss" in line]
    run["val_loss"] = [[line["step"], line["val"]["loss"]] for line in curves.lines if "val" in line]
    _write_json(job.out / "run.json", run)
    curves.finish(run["model"]["name"])
    timing = {"seconds": round(clock.seconds, 2), "loader_wait_share": round(clock.waited_share, 4)}
    _write_json(job.out / launch.TIMING, {**timing, "identity": _identity(run)})


def _identity(run: Mapping[str, Any]) -> str:
    """What a resume point has to be of, so that going on there gives what this run would give."""
    return digest({name: run[name] for name in ("settings", "corpus", "started_from", "torch", "device")})[:16]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_better(val_loss: float, best: Mapping[str, Any] | None) -> bool:
    return math.isfinite(val_loss) and (best is None or val_loss < best["val_loss"])


def _why_stopped(step: int, loss: float, batches: Sequence[Batch], job: Job, world: World) -> dict[str, Any]:
    """What run.json says of a loss that is no number; the leading process's clips of that step are saved."""
    clips = world.gathered(_clip_ids(batches))
    if world.leads:
        _save_batch(batches, job.out / BAD_BATCH)
    return {"step": step, "loss": str(loss), "clips": clips, "batch": BAD_BATCH}


def _clip_ids(batches: Sequence[Batch]) -> list[str]:
    """What the clips of a step are called: `corpus/name:frame`."""
    pairs = (pair for batch in batches for pair in zip(batch["stimulus"], batch["frame"].tolist(), strict=True))
    return [f"{stimulus}:{frame}" for stimulus, frame in pairs]


def _save_batch(batches: Sequence[Batch], path: Path) -> None:
    """Everything numeric that a step was given, for inspection."""
    tensors = {
        f"{number}.{name}": value.contiguous()
        for number, batch in enumerate(batches)
        for name, value in batch.items()
        if isinstance(value, Tensor)
    }
    save_file(tensors, str(path))


def _check_precision(settings: TrainSettings, world: World) -> None:
    if settings.precision == "fp16" and world.device.type == "cpu":
        raise ModelError("Precision fp16 wants a GPU.", remedy="Take bf16, or fp32.", code="precision")


def _nothing_learnt(job: Job, run: Mapping[str, Any], curves: Curves) -> ModelError:
    """The error for a run that ends without weights worth keeping; the batch is put where it survives the run."""
    stopped = run["stopped"]
    if stopped:
        why = f"the loss of step {stopped['step']} is {stopped['loss']}; its clips are {', '.join(stopped['clips'])}"
        if kept := start.kept_aside(job, job.out / BAD_BATCH):
            why += f"; the batch is kept as {kept}"
    else:
        n_seen = sum("val" in line for line in curves.lines)
        why = f"no val loss was a number, out of {n_seen} of the val split"
    return ModelError(
        f"Training kept no weights: {why}.",
        remedy="Look at the clips with `ave inspect`, or lower the learning rate.",
        code="loss-not-finite",
    )


if __name__ == "__main__":
    sys.exit(launch.child_main(train))
