"""Which clips a training step takes: a pure function of the step's number, so a killed run goes on exactly.

Conventions
-----------
Steps count from 0. An epoch's steps take its plan from the front, `per_step` clips each; what is left over at its end
is left out (other clips in every epoch). With several processes each takes its own `batch` clips out of every step's,
so that together they take what one process with the larger batch would. A *stretch* is a run of steps that nothing
interrupts: one pass of a loader. With `routing`, every epoch of clips is followed by an epoch of still images.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from pipeline.errors import ModelError
from pipeline.export.clips import ClipStream, collate
from pipeline.export.sampler import to_runs
from pipeline.learn.processes import World
from pipeline.learn.settings import TrainSettings

Batch = dict[str, Any]


@dataclass(frozen=True)
class Stretch:
    """Steps `first` to below `stop`, all of one epoch; `within` is the first one's number in its epoch."""

    first: int
    stop: int
    epoch: int
    within: int
    stills: bool


class Source:
    """What an epoch is taken from: a stream of clips, or a set of still images by number.

    Parameters
    ----------
    things : ClipStream or sized Dataset
        A stream reads each picture once; a set is shuffled here.
    settings : TrainSettings
    world : World
    """

    def __init__(self, things: ClipStream | Dataset, settings: TrainSettings, world: World):
        self._things, self._settings, self._world = things, settings, world
        self.n: int = len(cast(Sized, things))
        self._batch = settings.batch
        self.per_step = settings.batch * settings.accumulate * world.size
        if self.n < self.per_step:
            if settings.accumulate * world.size > 1 or not self.n:
                raise ModelError(
                    f"A step takes {self.per_step} clips ({settings.batch} × {settings.accumulate} batches × "
                    f"{world.size} processes), and an epoch has {self.n}.",
                    remedy="Take a smaller batch, or look at more frames (every).",
                    code="too-few-clips",
                )
            self._batch = self.per_step = self.n
        self.steps = self.n // self.per_step

    def steps_of(self, stretch: Stretch) -> Iterator[list[Batch]]:
        """This process's batches of one step after another; `accumulate` of them each."""
        mine = self._batch * self._settings.accumulate
        places = np.zeros(self.n, bool)
        for step in range(stretch.within, stretch.within + stretch.stop - stretch.first):
            start = step * self.per_step + self._world.rank * mine
            places[start : start + mine] = True
        batches = iter(self._load(places, stretch))
        while step_batches := list(itertools.islice(batches, self._settings.accumulate)):
            yield step_batches

    def _load(self, places: np.ndarray, stretch: Stretch) -> DataLoader:
        if isinstance(self._things, ClipStream):
            pending = {"epoch": stretch.epoch, "pending": to_runs(places)}
            self._things.load_state_dict({**self._things.state_dict(), **pending})
            wanted: Any = self._things
        else:
            order = np.random.default_rng([self._settings.seed, stretch.epoch]).permutation(self.n)
            wanted = Subset(self._things, order[places].tolist())
        n_batches = int(places.sum()) // self._batch
        return loader(wanted, self._batch, self._settings.loader_workers, self._world, n_batches)


class Course:
    """The way from the first step to the last: epochs, and where to stop on the way.

    Parameters
    ----------
    settings : TrainSettings
    clips : Source
    stills : Source, optional
        Of the image epochs, if there are any.
    """

    def __init__(self, settings: TrainSettings, clips: Source, stills: Source | None = None):
        self._clips, self._stills, self._parts = clips, stills, settings.parts
        self._lap = clips.steps + (stills.steps if stills else 0)
        self.steps = settings.steps or settings.epochs * self._lap
        self._evaluate_every = math.ceil(self.steps / settings.evaluations) if settings.evaluations else self._lap

    def is_evaluated(self, done: int) -> bool:
        """Whether the val split is looked at after `done` steps."""
        return done == self.steps or (done > 0 and done % self._evaluate_every == 0)

    @property
    def sizes(self) -> dict[str, int]:
        """Clips, and still images, of one epoch."""
        return {"train": self._clips.n, **({"stills": self._stills.n} if self._stills else {})}

    def stretches(self, done: int) -> Iterator[Stretch]:
        """What is left after `done` steps, cut at parts of epochs and where the val split is looked at."""
        while done < self.steps:
            epoch, within = divmod(done, self._lap)
            stills = within >= self._clips.steps
            source, begin = (self._stills, self._clips.steps) if stills else (self._clips, 0)
            assert source is not None
            ends = {begin + source.steps * part // self._parts for part in range(1, self._parts + 1)}
            stop = epoch * self._lap + min(end for end in ends if end > within)
            evaluated = (done // self._evaluate_every + 1) * self._evaluate_every
            stop = min(stop, evaluated, self.steps)
            yield Stretch(done, stop, epoch, within - begin, stills)
            done = stop

    def batches(self, stretch: Stretch) -> Iterator[list[Batch]]:
        """The batches of a stretch's steps."""
        source = self._stills if stretch.stills else self._clips
        assert source is not None
        return source.steps_of(stretch)


def loader(wanted: Any, batch: int, workers: int, world: World, n_batches: int = 0) -> DataLoader:
    """Batches of one pass.

    Workers share a pass evenly only where their number divides that of its batches (0: no matter); as many as do are
    used.
    """
    while n_batches and workers and n_batches % workers:
        workers -= 1
    return DataLoader(
        wanted,
        batch_size=batch,
        collate_fn=collate,
        num_workers=workers,
        multiprocessing_context="forkserver" if workers else None,  # torch has threads: never fork
        pin_memory=world.device.type == "cuda",
    )


class Clock:
    """How long the loop waits for batches, and how long it works."""

    def __init__(self) -> None:
        self.waited_s = self.worked_s = 0.0

    def timed(self, steps: Iterable[Sequence[Batch]]) -> Iterator[Sequence[Batch]]:
        """The same steps; the time until each comes is waiting, the time until the next is asked for is work."""
        before = time.perf_counter()
        for batches in steps:
            came = time.perf_counter()
            self.waited_s += came - before
            yield batches
            before = time.perf_counter()
            self.worked_s += before - came

    @property
    def seconds(self) -> float:
        """Waiting and work."""
        return self.waited_s + self.worked_s

    @property
    def waited_share(self) -> float:
        """Waiting as a share of the whole."""
        return self.waited_s / self.seconds if self.seconds else 0.0


def seed_step(seed: int, step: int, rank: int) -> None:
    """Let chance in a step (dropout) depend on nothing but seed, step and rank."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0]))
