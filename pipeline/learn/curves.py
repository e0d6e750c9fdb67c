"""How a training went: a line a step for whoever watches, and at the end a table and a picture.

Conventions
-----------
`log.jsonl`: a line {"step", "of", "epoch", "route", "train_loss"} a step, one {"step", "of", "epoch", "val"} an
evaluation.
`curves.csv` has the same as columns, `curves.png` draws it. TensorBoard gets the same numbers, elsewhere, if asked.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ToolError
from pipeline.learn import start
from pipeline.learn.course import Stretch
from pipeline.store.job import Job

COLUMNS = ("step", "epoch", "route", "train_loss", "val_loss", "val_kl", "val_cc", "val_sim", "val_nss")


class Curves:
    """The lines of a run so far; use it in a `with` statement.

    Parameters
    ----------
    job : Job
        log.jsonl goes into its `out`; TensorBoard's files where `pipeline.learn.start` says.
    steps : int
        In all.
    before : list
        Lines of a run that is taken up again.
    leads : bool
        Whether this process writes; the others only know the lines.
    """

    def __init__(self, job: Job, steps: int, before: Sequence[Mapping[str, Any]] = (), *, leads: bool = True):
        self.lines: list[dict[str, Any]] = []
        self._out, self._steps = job.out, steps
        folder = start.board_folder(job) if leads else None
        self._board = _board(folder) if folder else None
        self._log = open(self._out / "log.jsonl", "w", encoding="utf-8") if leads else None  # noqa: SIM115
        for line in before:
            self._write(dict(line))

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_: object) -> None:
        for open_one in (self._log, self._board):
            if open_one is not None:
                open_one.close()

    def trained(self, step: int, stretch: Stretch, loss: float) -> None:
        """Note a step's loss."""
        route = "stills" if stretch.stills else "clips"
        self._write({"step": step, "of": self._steps, "epoch": stretch.epoch, "route": route, "train_loss": loss})

    def evaluated(self, step: int, stretch: Stretch, metrics: Mapping[str, float]) -> None:
        """Note what the val split gave; what is no number is null, as JSON has none for it."""
        numbers = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self._write({"step": step, "of": self._steps, "epoch": stretch.epoch, "val": numbers})

    def stopped(self, why: Mapping[str, Any]) -> None:
        """Note that the run ended before its time."""
        self._write({"step": why["step"], "of": self._steps, "stopped": dict(why)})

    def finish(self, title: str) -> None:
        """Write curves.csv and curves.png."""
        with open(self._out / "curves.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            for line in self.lines:
                writer.writerow({**line, **{f"val_{name}": value for name, value in line.get("val", {}).items()}})
        _draw(self.lines, self._out / "curves.png", title)

    def _write(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        if self._log is not None:
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()
        if self._board is not None:
            if "train_loss" in line:
                self._board.add_scalar(f"train/{line['route']}", line["train_loss"], line["step"])
            for name, value in line.get("val", {}).items():
                self._board.add_scalar(f"val/{name}", value, line["step"])


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ToolError(
            "TensorBoard is not installed.",
            remedy='Install it: pip install "ave-pipeline[tensorboard]", or train without it: curves.csv has all.',
            code="no-tensorboard",
        ) from error
    return SummaryWriter(str(folder))


def _draw(lines: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Losses over steps on the left, the val split's NSS on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    for route in dict.fromkeys(line["route"] for line in lines if "train_loss" in line):
        shown = [line for line in lines if line.get("route") == route]
        left.plot([line["step"] for line in shown], [line["train_loss"] for line in shown], lw=0.8, label=route)
    seen = [line for line in lines if "val" in line]
    steps = [line["step"] for line in seen]
    left.plot(steps, [line["val"]["loss"] for line in seen], "o-", label="val")
    left.set(xlabel="step", ylabel="loss", title=title)
    left.legend()
    right.plot(steps, [line["val"]["nss"] for line in seen], "o-")
    right.set(xlabel="step", ylabel="NSS on val")
    figure.savefig(path, metadata={"Software": None})
