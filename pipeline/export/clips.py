"""Clips for training and prediction, read from shards of any of the three formats.

Conventions
-----------
A clip is `frames` consecutive frames that end at its target frame; before the start of a video the first frame
repeats, and so does its log-mel example. A clip is a dictionary:

| key | value |
| --- | --- |
| video | float32 [3, frames, height, width], RGB, normalised; channels last in memory |
| audio | float32 [3, frames, 64, bands]: the frames' log-mel examples, time-major, the same on all 3 channels; or, \
asked for as a waveform, float32 [samples] |
| target | float32 [rows, cols]: fixation density map of the target frame, sums to 1 or is all 0 |
| fixations | int32 [rows, cols]: fixation count picture of the target frame, at `fixation_size` |
| stimulus, category | str |
| frame | int: the target frame, from 0 in its stimulus |
| position | int: place in the epoch's plan (`ClipStream` only) |

`ClipDataset` gives any clip by number and decodes its 16 pictures each time. `ClipStream` gives each clip of an
epoch once and decodes each picture once: prefer it for whole epochs and for prediction. Batches are best made by
`collate`, which keeps the pictures' memory layout; torch's own turns every clip, about as slow as decoding it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info

from pipeline.errors import ExportError, UsageError
from pipeline.export.pictures import Normaliser, SegmentPictures
from pipeline.export.reader import Shards, ShardSet
from pipeline.export.sample import Head
from pipeline.export.sampler import epoch_plan, from_runs, rank_share, share, to_runs
from pipeline.signals.gaze import fixation_counts
from pipeline.signals.waveform import Waveform

Clip = dict[str, Any]


class _Clips:
    """What both ways of reading share: which clips there are, their order, and how one is made.

    Parameters
    ----------
    shards : path, or list of paths
        An export's folder, items of the shards stage, or their index.json files.
    frames : int
        Frames of a clip; the samples must have been cut with a lead-in of at least `frames - 1`.
    split, corpus : str or collection of str, optional
        Take only these.
    seed : int
        Of the order.
    shuffle : bool
        Another order in every epoch (see `set_epoch`); otherwise the order of the shards.
    rank, world_size : int
        Read only this rank's share of each epoch.
    even : bool
        Give every rank equally many clips, leaving out up to `world_size - 1` clips of an epoch.
    normalise : "kinetics", "imagenet" or None
        None scales pictures to 0 … 1.
    stride : int
        Only frames 0, stride, 2 stride … of each stimulus are targets.
    waveform : Waveform, optional
        Give the sound as samples in this form instead of log-mel examples; the shards have to hold samples of its rate.
    fixation_size : (height, width), optional
        Of the count picture; the density map's size where None. Counts add up to the frame's fixations at any size.
    mix : int
        Samples whose clips a shuffled `ClipStream` mixes and keeps in memory, about 20 MB each; a shuffled
        `ClipDataset` mixes all.

    Raises
    ------
    ExportError
        If shards are missing, damaged, foreign, or were cut with too short a lead-in.
    UsageError
        If an argument is impossible, or a split, corpus or normalisation does not exist.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        frames: int = 16,
        split: str | Collection[str] | None = None,
        corpus: str | Collection[str] | None = None,
        seed: int = 0,
        shuffle: bool = False,
        rank: int = 0,
        world_size: int = 1,
        even: bool = False,
        normalise: str | None = "kinetics",
        stride: int = 1,
        waveform: Waveform | None = None,
        fixation_size: tuple[int, int] | None = None,
        mix: int = 4,
    ):
        if min(frames, stride, mix, world_size) < 1 or not 0 <= rank < world_size:
            raise UsageError(
                f"frames={frames}, stride={stride}, mix={mix}, rank={rank} of {world_size}. "
                "Expected numbers of at least 1, and a rank from 0 to below world_size.",
                remedy="Change the arguments.",
            )
        self.shards = ShardSet(shards, split=split, corpus=corpus)
        self.frames, self.stride, self.fixation_size, self.waveform = frames, stride, fixation_size, waveform
        self.seed, self.epoch, self.shuffle, self.mix = seed, 0, shuffle, mix
        self.rank, self.world_size, self.even = rank, world_size, even
        self._normaliser = Normaliser(normalise)
        self._check_lead_in()
        self._check_sound()
        self._sample, self._target = self._list_clips()
        self._share = rank_share(len(self._sample), rank, world_size, even=even)
        self._begin_epoch()

    def __len__(self) -> int:
        """Clips of this rank in an epoch."""
        return self._share[1] - self._share[0]

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch; call it before each pass of a shuffled training."""
        self.epoch = epoch
        self._begin_epoch()

    @abstractmethod
    def _begin_epoch(self) -> None:
        """Forget what was known of another epoch."""

    def _plan(self, mix: int) -> NDArray[np.int64]:
        plan = epoch_plan(self._sample, seed=self.seed, epoch=self.epoch, shuffle=self.shuffle, mix=mix)
        return plan[slice(*self._share)]

    def _list_clips(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sample of each clip, and its target counted from the sample's first one."""
        first = np.array([entry.row["first_frame"] for entry in self.shards.entries], np.int64)
        count = np.array([entry.row["n_targets"] for entry in self.shards.entries], np.int64)
        sample = np.repeat(np.arange(len(count)), count)
        target = np.arange(len(sample)) - np.repeat(np.cumsum(count) - count, count)
        wanted = (first[sample] + target) % self.stride == 0
        return sample[wanted], target[wanted]

    def _check_lead_in(self) -> None:
        for entry in self.shards.entries:
            row = entry.row
            if row["n_lead_in"] < min(self.frames - 1, row["first_frame"]):
                raise ExportError(
                    f"{row['key']}: {row['n_lead_in']} lead-in frames. "
                    f"Expected {self.frames - 1} for clips of {self.frames} frames.",
                    remedy=f"Export with lead_in_frames={self.frames - 1}, or ask for clips of "
                    f"{row['n_lead_in'] + 1} frames.",
                )

    def _check_sound(self) -> None:
        if self.waveform is None:
            return
        wanted_hz = self.waveform.rate_hz
        for rate_hz in {settings.get("waveform_rate_hz", 0) for settings in self.shards.settings} - {wanted_hz}:
            found = f"hold samples of {rate_hz} Hz" if rate_hz else "hold no samples of the sound"
            raise ExportError(
                f"These shards {found}. Expected {wanted_hz} Hz, for a model that hears waveforms.",
                remedy=f"Export or train with --waveform-rate-hz {wanted_hz}.",
                code="no-waveform",
            )

    def _audio(self, head: Head, stored: NDArray[np.intp]) -> NDArray[np.float32]:
        if self.waveform is not None:
            return head.heard(stored, self.waveform)
        return np.repeat(head.examples(stored)[None], 3, axis=0)

    def _make(self, clip: int, segment: SegmentPictures) -> Clip:
        """Read one clip; its pictures come from `segment`."""
        number, target = int(self._sample[clip]), int(self._target[clip])
        head = self.shards.head(number)
        facts = head.facts
        last = facts.n_lead_in + target
        stored = np.maximum(np.arange(last - self.frames + 1, last + 1), 0)
        try:
            pictures = segment.get(int(stored[0]), last + 1)
        except ValueError as error:
            raise self.shards.broken(number, f"a picture cannot be decoded ({error})") from error
        video = self._normaliser(pictures, stored - stored[0])
        points, density = head.points(target), head.density[target]
        counts = fixation_counts(
            points["x_px"], points["y_px"], (facts.height_px, facts.width_px), self.fixation_size or density.shape
        )
        return {
            "video": torch.from_numpy(video).permute(3, 0, 1, 2),
            "audio": torch.from_numpy(self._audio(head, stored)),
            "target": torch.from_numpy(np.array(density)),
            "fixations": torch.from_numpy(counts),
            "stimulus": facts.stimulus,
            "category": facts.category,
            "frame": facts.first_frame + target,
        }


class ClipDataset(_Clips, Dataset[Clip]):
    """Clips by number, in any order: `dataset[i]`. Arguments as in `_Clips`.

    With `shuffle`, number i is the i-th clip of a permutation of the epoch. A DataLoader shares numbers among
    its workers by itself; one with persistent workers keeps the epoch it started with.
    """

    def _begin_epoch(self) -> None:
        self._order = self._plan(mix=len(self.shards) or 1)

    def __getitem__(self, index: int) -> Clip:
        if not -len(self) <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        clip = int(self._order[index])
        return self._make(clip, SegmentPictures(self.shards, int(self._sample[clip])))


class ClipStream(_Clips, IterableDataset[Clip]):
    """Each clip of an epoch once, each picture decoded once. Arguments as in `_Clips`.

    A DataLoader's workers share a rank's clips among themselves. To stop and go on within an epoch, tell the
    stream what has been used, because with workers only the training loop knows, and keep `state_dict`:

    >>> for batch in DataLoader(stream, batch_size=8, num_workers=2, collate_fn=collate):  # doctest: +SKIP
    ...     train_on(batch)
    ...     stream.advance(batch)
    ...     torch.save(stream.state_dict(), "stream.pt")

    Without workers the stream counts what it gave out, and `advance` is not needed. After `load_state_dict`
    the next pass gives exactly the clips that are left, with any number of workers.
    """

    _passes_in_worker = 0

    def _begin_epoch(self) -> None:
        self._pending, self._resumed = np.ones(len(self), bool), False

    def set_epoch(self, epoch: int) -> None:
        """Go to another epoch; the epoch that it is in already is left as it is, so that a resumed one goes on."""
        if epoch != self.epoch:
            super().set_epoch(epoch)

    def advance(self, batch: Mapping[str, Any]) -> None:
        """Note that the clips of a batch have been used."""
        self._pending[np.asarray(batch["position"]) - self._share[0]] = False
        self._resumed = False

    def state_dict(self) -> dict[str, Any]:
        """What is left of this rank's epoch, as plain numbers that JSON and torch can keep."""
        return {**self._identity(), "epoch": self.epoch, "pending": to_runs(self._pending)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises
        ------
        ExportError
            If the state is of other shards, another order or another share.
        """
        wrong = [
            f"{key} {state.get(key)!r}, here {value!r}"
            for key, value in self._identity().items()
            if state.get(key) != value
        ]
        if wrong:
            raise ExportError(
                f"The saved state is of another stream: {'; '.join(wrong)}.",
                remedy="Make the stream with the same shards and arguments, or start the epoch anew.",
            )
        self.epoch = int(state["epoch"])
        self._pending, self._resumed = from_runs(state["pending"], len(self)), True

    def __iter__(self) -> Iterator[Clip]:
        worker = get_worker_info()
        self._passes_in_worker += worker is not None
        if not self._resumed:
            self._pending[:] = True
        self._resumed = self._resumed and worker is not None
        left = np.flatnonzero(self._pending)
        return self._run(left[slice(*share(len(left), worker.id, worker.num_workers))] if worker else left)

    def _run(self, places: NDArray[np.intp]) -> Iterator[Clip]:
        if self._passes_in_worker > 1 and (self.shuffle or self._resumed):
            raise ExportError(
                "A second pass in the same DataLoader worker: its copy of the stream cannot hear of set_epoch, "
                "so the order of the first epoch would come again.",
                remedy="Make the DataLoader with persistent_workers=False.",
            )
        plan = self._plan(self.mix)
        segments: OrderedDict[int, SegmentPictures] = OrderedDict()
        for place in places:
            number = int(self._sample[plan[place]])
            if number not in segments:
                before = segments.get(number - 1)
                if len(segments) == (self.mix if self.shuffle else 1):
                    segments.popitem(last=False)
                segments[number] = SegmentPictures(self.shards, number, before)
            segments.move_to_end(number)
            clip = self._make(int(plan[place]), segments[number])
            self._pending[place] = False
            yield {**clip, "position": self._share[0] + int(place)}

    def _identity(self) -> dict[str, Any]:
        names = ("seed", "shuffle", "mix", "stride", "rank", "world_size", "even")
        return {
            "shards": self.shards.digest,
            "clips": len(self._sample),
            **{name: getattr(self, name) for name in names},
        }


def collate(clips: Sequence[Clip]) -> Clip:
    """Stack clips into a batch: video [n, 3, frames, height, width] in channels-last layout, strings as lists."""
    rest = default_collate([{key: value for key, value in clip.items() if key != "video"} for clip in clips])
    video = torch.stack([clip["video"].permute(1, 2, 3, 0) for clip in clips])
    return {"video": video.permute(0, 4, 1, 2, 3), **rest}
