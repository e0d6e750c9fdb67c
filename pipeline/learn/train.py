"""Train a model on shards: the stage, and the one loop that does it.

Conventions
-----------
`build_item` runs in the builder and imports no torch; it starts `train` below as a child process.
One step is one batch of clips; a clip is a target frame with the frames before it. The loss is the KL divergence
of the fixation density from the saliency map. The weights kept are those that did best on **val**; the test
split is never opened.

Written: `weights.safetensors`; `run.json` (settings, digests of the shards, losses); `log.jsonl` (a line a step
and a line an evaluation, for whoever watches). On a CPU the same job writes the same bytes.

Source
------
Tavakoli et al. 2020, sec. IV (KL loss, Adam, the best model of the validation split).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.errors import ModelError
from pipeline.learn import launch
from pipeline.learn.settings import TrainSettings, from_params
from pipeline.store.fingerprint import sha256_of
from pipeline.store.job import Job

if TYPE_CHECKING:
    from torch import Tensor, device, nn
    from torch.utils.data import DataLoader

    from pipeline.export.clips import ClipStream

# A ReLU head gives exact zeros. With the metric's 2e-16 one such cell under a fixation would outweigh all others'
# gradients together; a uniform map has 8e-4 in every cell.
LOSS_EPS = 1e-6


def build_item(job: Job) -> dict:
    """Stage function: train in a child process.

    Parameters
    ----------
    job : Job
        `files`: "shards" {"corpus/split": index.json}. `params`: those of `TrainSettings`.

    Returns
    -------
    dict
        The figures worth a line in the record; `stopped` says at which step and clips the loss went bad.

    Raises
    ------
    ModelError
        If a setting, the shards or the loss are no good (told by the child), or the child dies.
    """
    from_params(TrainSettings, job.params)  # a typing error should not cost a process
    started = time.perf_counter()
    launch.run_child("pipeline.learn.train", job)
    run = json.loads((job.out / "run.json").read_text(encoding="utf-8"))
    clips_per_s = run["steps_done"] * run["settings"]["batch"] / (time.perf_counter() - started)
    facts = {name: run[name] for name in ("parameters", "steps_done", "best", "stopped", "device")}
    return {**facts, "clips_per_s": round(clips_per_s, 2)}


def train(job: Job) -> None:
    """The loop. Reads shards, writes weights, run.json and log.jsonl into `job.out`."""
    import torch

    from pipeline import models
    from pipeline.learn import checkpoints
    from pipeline.learn.device import be_deterministic, device_of, use_threads
    from pipeline.learn.predict import saliency_maps

    settings = from_params(TrainSettings, job.params)
    device = device_of(settings.device)
    use_threads(settings.threads)
    be_deterministic(settings.seed, device)

    model = models.build(settings.model, **settings.model_options).to(device)
    train_clips = _open_clips(job.files["shards"], "train", settings, model, stride=settings.every, shuffle=True)
    val_clips = _open_clips(job.files["shards"], "val", settings, model, stride=_val_stride(job, settings))
    steps = settings.steps or settings.epochs * max(1, len(train_clips) // settings.batch)
    evaluate_every = math.ceil(steps / settings.evaluations)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=settings.learning_rate)

    run: dict[str, Any] = {
        "model": {"name": settings.model, "options": settings.model_options},
        "settings": dataclasses.asdict(settings),
        "parameters": sum(p.numel() for p in model.parameters()),
        "shards": {name: sha256_of(index) for name, index in sorted(job.files["shards"].items()) if _is_read(name)},
        "clips": {"train": len(train_clips), "val": len(val_clips)},  # of one epoch
        "device": device.type, "torch": torch.__version__, "threads": torch.get_num_threads(),
        "steps": steps, "steps_done": 0, "best": None, "stopped": None, "train_loss": [], "val_loss": [],
    }  # fmt: skip

    batches = _forever(train_clips, settings)
    with open(job.out / "log.jsonl", "w", encoding="utf-8") as log:
        for step in range(1, steps + 1):
            if settings.schedule == "cosine":
                optimiser.param_groups[0]["lr"] = settings.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2

            batch = next(batches)
            model.train()
            maps = saliency_maps(model, batch["video"].to(device), batch["audio"].to(device), settings.scale)
            loss = kl_loss(maps, batch["target"].to(device))
            if not math.isfinite(loss.item()):  # the last good weights stay, and whoever uses them is told
                run["stopped"] = {"step": step, "loss": str(loss.item()), "clips": _clip_ids(batch)}
                _write(log, run["stopped"])
                break
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            run["steps_done"] = step
            run["train_loss"].append(loss.item())
            _write(log, {"step": step, "of": steps, "train_loss": loss.item()})

            if step % evaluate_every == 0 or step == steps:
                val_loss = evaluate(model, val_clips, device, settings)
                run["val_loss"].append([step, val_loss])
                _write(log, {"step": step, "of": steps, "val_loss": val_loss})
                if math.isfinite(val_loss) and (run["best"] is None or val_loss < run["best"]["val_loss"]):
                    run["best"] = {"step": step, "val_loss": val_loss}
                    checkpoints.save(model, job.out / "weights.safetensors")

    if run["best"] is None:
        raise _nothing_learnt(run)
    (job.out / "run.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def kl_loss(saliency: Tensor, density: Tensor) -> Tensor:
    """Mean over clips of the KL divergence of fixation density from saliency map, Σ q ln(ε + q / (p + ε)).

    Parameters
    ----------
    saliency : Tensor, shape (batch, height, width)
        Non-negative; divided by its sum here.
    density : Tensor, shape (batch, height, width)
        Sums to 1, or all zeros where the target frame has no fixations: such clips weigh nothing.

    Returns
    -------
    loss : Tensor, scalar
        0 where all maps equal their densities. 0 too if no clip of the batch has fixations.
    """
    p = saliency.flatten(1)
    p = p / (p.sum(1, keepdim=True) + LOSS_EPS)
    q = density.flatten(1)
    divergence = (q * (LOSS_EPS + q / (p + LOSS_EPS)).log()).sum(1)
    return divergence.sum() / _has_fixations(density).sum().clamp(min=1)


def evaluate(model: nn.Module, clips: ClipStream, device: device, settings: TrainSettings) -> float:
    """Mean loss of the model over clips, in evaluation mode; NaN if none of their frames has fixations."""
    import torch

    from pipeline.learn.predict import saliency_maps

    model.eval()
    total, n_scored = 0.0, 0
    with torch.inference_mode():
        for batch in _load(clips, settings):
            target = batch["target"].to(device)
            maps = saliency_maps(model, batch["video"].to(device), batch["audio"].to(device), settings.scale)
            here = int(_has_fixations(target).sum())
            total, n_scored = total + kl_loss(maps, target).item() * here, n_scored + here
    return total / n_scored if n_scored else math.nan


def indexes_of(shards: Mapping[str, Path], split: str) -> list[Path]:
    """The indexes of one split out of {"corpus/split": index.json}, by corpus.

    Raises
    ------
    ModelError
        If no corpus has the split.
    """
    indexes = [path for name, path in sorted(shards.items()) if name.split("/")[1] == split]
    if not indexes:
        found = ", ".join(sorted(shards)) or "none at all"
        raise ModelError(
            f"There are no {split} shards; found: {found}.",
            remedy=f"Build stimuli of the {split} split; manifests/stimuli.csv says which they are.",
            code="empty-split",
        )
    return indexes


def _is_read(name: str) -> bool:
    return name.split("/")[1] in ("train", "val")


def _open_clips(
    shards: Mapping[str, Path], split: str, settings: TrainSettings, model: nn.Module, **order: Any
) -> ClipStream:
    """Every `stride`-th clip of one split, in the form the model wants; at least one."""
    from pipeline.export.clips import ClipStream

    wants: Any = model.wants
    form = {"frames": wants.frames, "normalise": wants.normalisation}
    clips = ClipStream(indexes_of(shards, split), seed=settings.seed, mix=settings.mix, **form, **order)
    if not len(clips):
        raise ModelError(
            f"The {split} shards hold no clip at all.",
            remedy="`ave status` and rejected.parquet say what became of the split's stimuli.",
            code="empty-split",
        )
    return clips


def _val_stride(job: Job, settings: TrainSettings) -> int:
    """Every how many frames to look at the val split, so that about `val_clips` clips come of it."""
    indexes = [json.loads(path.read_text(encoding="utf-8")) for path in indexes_of(job.files["shards"], "val")]
    n_frames = sum(index["totals"]["target_frames"] for index in indexes)
    return max(settings.every, math.ceil(n_frames / settings.val_clips))


def _load(clips: ClipStream, settings: TrainSettings) -> DataLoader:
    """Batches of one pass over the clips."""
    from torch.utils.data import DataLoader

    from pipeline.export.clips import collate

    return DataLoader(
        clips,
        batch_size=settings.batch,
        collate_fn=collate,
        num_workers=settings.loader_workers,
        multiprocessing_context="forkserver" if settings.loader_workers else None,  # torch has threads: never fork
        drop_last=clips.shuffle and len(clips) >= settings.batch,  # a short batch would weigh as much as a full one
    )


def _forever(clips: ClipStream, settings: TrainSettings) -> Iterator[dict]:
    """Batches of one epoch after another, each in an order of its own."""
    for epoch in itertools.count():
        clips.set_epoch(epoch)
        yield from _load(clips, settings)


def _has_fixations(density: Tensor) -> Tensor:
    return density.flatten(1).sum(1) > 0


def _clip_ids(batch: Mapping[str, Any]) -> list[str]:
    """What the clips of a batch are called: `corpus/name:frame`."""
    return [f"{stimulus}:{int(frame)}" for stimulus, frame in zip(batch["stimulus"], batch["frame"], strict=True)]


def _nothing_learnt(run: Mapping[str, Any]) -> ModelError:
    """The error for a run that ends without weights worth keeping."""
    stopped = run["stopped"]
    if stopped:
        why = f"the loss of step {stopped['step']} is {stopped['loss']}; its clips are {', '.join(stopped['clips'])}"
    else:
        why = f"no val loss was a number, out of {len(run['val_loss'])} over {run['clips']['val']} clips"
    return ModelError(
        f"Training kept no weights: {why}.",
        remedy="Look at the clips with `ave inspect`, or lower the learning rate.",
        code="loss-not-finite",
    )


def _write(log: TextIO, line: dict) -> None:
    log.write(json.dumps(line) + "\n")
    log.flush()


if __name__ == "__main__":
    sys.exit(launch.child_main(train))
