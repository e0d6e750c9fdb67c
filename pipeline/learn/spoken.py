"""Learn spoken words: the loop of the audio pretraining, run as a child process.

Conventions
-----------
"3d" hears a recording as DAVE hears a clip: 16 log-mel examples of 64 × 64, here spread evenly over the second, the
same on three channels. "2d" sees the second at once, 98 × 64 on three channels. On a CPU the same job writes the
same bytes.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline import __version__
from pipeline.errors import ModelError
from pipeline.learn import checkpoints, launch, speech
from pipeline.learn.device import be_deterministic, device_of, use_threads
from pipeline.learn.settings import PretrainSettings, from_params
from pipeline.models.resnet2d import ResNet2d
from pipeline.models.resnet3d import ResNet3d
from pipeline.signals.audio import EXAMPLE_STEPS
from pipeline.store.job import Job

FRAMES = 16  # of DAVE's clips
WIDTH = 64  # of the papers' networks


class Listener(nn.Module):
    """A ResNet-18 that names the word of each recording: features averaged, then its classifier.

    Parameters
    ----------
    network : str
        "3d" or "2d".
    n_words, width : int
    """

    def __init__(self, network: str, n_words: int, width: int):
        super().__init__()
        self.branch: nn.Module = (ResNet3d if network == "3d" else ResNet2d)(classes=n_words, width=width)
        self.branch.get_submodule("fc_new").requires_grad_(True)  # frozen where nobody calls it
        self._examples = network == "3d"

    def forward(self, steps: Tensor) -> Tensor:
        """A score for each word, [batch, words], of log-mel steps [batch, 98, 64]."""
        heard = as_examples(steps) if self._examples else steps
        features = self.branch(heard[:, None].repeat_interleave(3, dim=1))
        return self.branch.get_submodule("fc_new")(features.flatten(2).mean(2))


def as_examples(steps: Tensor) -> Tensor:
    """16 examples of 64 steps that begin evenly over a recording: [batch, 16, 64, 64]."""
    starts = np.rint(np.linspace(0, steps.shape[1] - EXAMPLE_STEPS, FRAMES)).astype(int)
    return torch.stack([steps[:, start : start + EXAMPLE_STEPS] for start in starts], dim=1)


def pretrain(job: Job) -> None:
    """Read recordings, write weights.safetensors, run.json and curves.csv into `job.out`."""
    settings = from_params(PretrainSettings, job.params)
    device = device_of(settings.device)
    use_threads(settings.threads)
    be_deterministic(settings.seed, device)
    folder = Path(job.values["folder"])
    words = speech.words_of(folder)
    splits = speech.load(folder, words)
    model = Listener(settings.network, len(words), settings.width or WIDTH).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    best: dict[str, Any] = {"epoch": None, "val_loss": math.inf}
    lines = []
    for epoch in range(settings.epochs):
        loss = _learn(model, splits["train"], optimiser, settings, epoch)
        if not math.isfinite(loss):
            break
        val_loss, val_accuracy = score(model, splits["val"], settings.batch)
        lines.append({"epoch": epoch, "train_loss": loss, "val_loss": val_loss, "val_accuracy": val_accuracy})
        if val_loss < best["val_loss"]:
            best = {"epoch": epoch, "val_loss": val_loss}
            checkpoints.save(model.branch, job.out / "weights.safetensors")
    if best["epoch"] is None:
        raise ModelError(
            "Pretraining kept no weights: no loss was a number.",
            remedy="Lower the learning rate.",
            code="loss-not-finite",
        )
    checkpoints.load(model.branch, job.out / "weights.safetensors")
    run = {
        "network": settings.network,
        "settings": dataclasses.asdict(settings),
        "words": words,
        "recordings": {split: len(rows) for split, rows in splits.items()},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "best_epoch": best["epoch"],
        "val_loss": best["val_loss"],
        "accuracy": score(model, splits["test"], settings.batch)[1],
        "nearest_mean": speech.nearest_mean(splits["train"], splits["test"]),
        "chance": 1 / len(words),
        "code": __version__,
        "torch": torch.__version__,
    }
    (job.out / "run.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _write_curves(job.out / "curves.csv", lines)


def score(model: nn.Module, words: speech.Words, batch: int) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over recordings, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    loss, n_right = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(words), batch):
            features, labels = _tensors(words, np.arange(start, min(start + batch, len(words))), device)
            scores = model(features)
            loss += functional.cross_entropy(scores, labels, reduction="sum").item()
            n_right += int((scores.argmax(1) == labels).sum())
    return loss / len(words), n_right / len(words)


def _learn(
    model: nn.Module, words: speech.Words, optimiser: torch.optim.Optimizer, settings: PretrainSettings, epoch: int
) -> float:
    """One pass over the recordings in an order of its own; the mean loss, NaN as soon as one is no number."""
    model.train()
    device = next(model.parameters()).device
    order = np.random.default_rng([settings.seed, epoch]).permutation(len(words))
    batches = np.array_split(order, max(1, len(order) // settings.batch))  # none of a single recording
    total = 0.0
    for chosen in batches:
        features, labels = _tensors(words, chosen, device)
        loss = functional.cross_entropy(model(features), labels)
        if not math.isfinite(loss.item()):
            return math.nan
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += loss.item() * len(chosen)
    return total / len(words)


def _tensors(words: speech.Words, chosen: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    features, labels = torch.from_numpy(words.features[chosen]), torch.from_numpy(words.labels[chosen])
    return features.to(device), labels.to(device)


def _write_curves(path: Path, lines: list[dict[str, Any]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    sys.exit(launch.child_main(pretrain))
