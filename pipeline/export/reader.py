"""Find and read samples: one view over the shards of any number of items, in any format.

Conventions
-----------
A sample is addressed by its number in a `ShardSet`, whose order is that of the indexes it was given. Files are
opened when first needed, and again in every process that uses the set: neither a handle nor a file position is
ever shared with a parent. A file whose size differs from the index is refused at once; hashing every byte is
`release.verify_export`'s work.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import ExportError, UsageError, did_you_mean
from pipeline.export import formats
from pipeline.export.index import load_index
from pipeline.export.sample import Head

OPEN_SHARDS = 32  # per process and set; far below the usual limit of 1,024 open files
KEPT_HEADS = 16  # about 0.5 MB each (Parquet: 2.5 MB, its pictures come along)

Shards = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample as its index row tells it, and the number of its shard."""

    shard: int
    position: int
    row: dict[str, Any]
    corpus: str
    split: str


@dataclass(frozen=True, slots=True)
class Shard:
    """One file, and what the index says it must be."""

    path: Path
    format: str
    bytes: int
    sha256: str


class ShardSet:
    """All samples of an export, of single items, or of several of them.

    Parameters
    ----------
    shards : path, or list of paths
        Folders with an index.json (an export, or items), or the index.json files themselves.
    split, corpus : str or collection of str, optional
        Take only these; None takes all.

    Raises
    ------
    ExportError
        If an index or a shard is absent, foreign or of another size than recorded.
    UsageError
        If `split` or `corpus` names something that the shards do not have.
    """

    def __init__(
        self, shards: Shards, *, split: str | Collection[str] | None = None, corpus: str | Collection[str] | None = None
    ):
        self.shards: list[Shard] = []
        self.entries: list[Entry] = []
        self.settings: list[dict[str, Any]] = []  # of the items that were taken
        roots = [shards] if isinstance(shards, (str, os.PathLike)) else list(shards)
        indexes = [(Path(root), load_index(Path(root))) for root in roots]
        items = [(root, index["format"], item) for root, index in indexes for item in index["items"]]
        wanted_split = _asked("split", split, {item["split"] for _, _, item in items})
        wanted_corpus = _asked("corpus", corpus, {item["corpus"] for _, _, item in items})
        for root, format_name, item in items:
            if item["split"] in wanted_split and item["corpus"] in wanted_corpus:
                self.settings.append(item.get("settings", {}))
                self._add(root if root.is_dir() else root.parent, format_name, item)
        self._readers: OrderedDict[int, Any] = OrderedDict()
        self._heads: OrderedDict[int, tuple[Head, Any]] = OrderedDict()
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self.entries)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_readers": OrderedDict(), "_heads": OrderedDict()}

    @property
    def digest(self) -> str:
        """A word for the content of all shards in their order."""
        return hashlib.sha256("".join(shard.sha256 for shard in self.shards).encode()).hexdigest()[:16]

    def head(self, number: int) -> Head:
        """Everything about a sample but its pictures; the last `KEPT_HEADS` are kept."""
        return self._placed(number)[0]

    def jpegs(self, number: int, start: int, stop: int) -> Sequence[memoryview]:
        """JPEG bytes of the stored frames start … stop − 1 of a sample, in one read."""
        _head, place = self._placed(number)
        return self._guarded(number, lambda reader: reader.jpegs(place, start, stop))

    def broken(self, number: int, what: str) -> ExportError:
        """The error for a sample that does not hold what the index says."""
        entry = self.entries[number]
        return broken_shard(self.shards[entry.shard], f"sample {entry.row['key']}: {what}")

    def _add(self, folder: Path, format_name: str, item: dict[str, Any]) -> None:
        for row in item["shards"]:
            shard = Shard(folder / row["file"], format_name, row["bytes"], row["sha256"])
            check_size(shard)
            self.shards.append(shard)
            self.entries += [
                Entry(len(self.shards) - 1, position, sample, item["corpus"], item["split"])
                for position, sample in enumerate(row["samples"])
            ]

    def _placed(self, number: int) -> tuple[Head, Any]:
        if self._process != os.getpid():  # forked: what was opened belongs to the parent
            self._readers, self._heads, self._process = OrderedDict(), OrderedDict(), os.getpid()
        if number not in self._heads:
            entry = self.entries[number]
            placed = self._guarded(number, lambda reader: reader.head(entry.row, entry.position))
            facts = placed[0].facts
            if any(getattr(facts, name) != entry.row[name] for name in ("key", "n_lead_in", "n_targets")):
                raise self.broken(number, f"holds {facts.key} instead")
            _keep(self._heads, number, placed, KEPT_HEADS)
        self._heads.move_to_end(number)
        return self._heads[number]

    def _guarded(self, number: int, read: Callable[[Any], _Result]) -> _Result:
        """Read through the shard's reader; whatever a library says about broken bytes becomes our one error."""
        try:
            return read(self._reader(self.entries[number].shard))
        except (ExportError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            raise self.broken(number, f"cannot be read ({type(error).__name__}: {error})") from error

    def _reader(self, shard: int) -> Any:
        if shard not in self._readers:
            check_size(self.shards[shard])
            made = formats.get(self.shards[shard].format).Reader(self.shards[shard].path)
            for dropped in _keep(self._readers, shard, made, OPEN_SHARDS):
                dropped.close()
        self._readers.move_to_end(shard)
        return self._readers[shard]


def check_size(shard: Shard) -> None:
    """Refuse a shard that is absent or not of the recorded size."""
    try:
        found = shard.path.stat().st_size
    except OSError as error:
        raise broken_shard(shard, f"cannot be opened ({error.strerror})") from error
    if found != shard.bytes:
        raise broken_shard(shard, f"is {found} bytes")


def broken_shard(shard: Shard, what: str) -> ExportError:
    """The error for a file that is not the one that the index describes."""
    return ExportError(
        f"{shard.path}: {what}. Expected {shard.bytes} bytes with sha256 {shard.sha256}.",
        remedy="Copy the file again, or run `ave export` again.",
        code="broken-shard",
    )


def _asked(what: str, names: str | Collection[str] | None, known: set[str]) -> Collection[str]:
    if names is None:
        return known
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in known:
            raise UsageError(f"These shards have no {what} {name!r}.", remedy=did_you_mean(name, sorted(known)))
    return names


def _keep(cache: OrderedDict[int, Any], number: int, made: Any, limit: int) -> list[Any]:
    """Add to a cache and return what had to leave it, oldest first."""
    cache[number] = made
    return [cache.popitem(last=False)[1] for _ in range(len(cache) - limit)]
