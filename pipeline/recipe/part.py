"""One part of a build, for queues that only start jobs: `ave build --shard 2/16` is the third of sixteen.

Conventions
-----------
Parts count from 0, as `$SLURM_ARRAY_TASK_ID` does under `--array=0-15`. The stimuli asked for, in the manifests' order
over all corpora, are dealt out like cards, so the parts are of one size. A part makes what each of its stimuli needs on
its own, up to log-mel and density; shards, tables and what is learnt come from the collecting build (a plain
`ave build`, started when every part has ended), which finds everything else done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Part `index` (from 0) of `parts`."""

    index: int
    parts: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read "2/16".

        Raises
        ------
        UsageError
            If it is not two whole numbers, the first below the second.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not found or int(found[1]) >= int(found[2]):
            raise UsageError(
                f"--shard {text!r} is not I/N with I from 0 to N - 1.",
                remedy="Example of a queue array 0-15: --shard $SLURM_ARRAY_TASK_ID/16.",
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.parts}"

    def of(self, rows: Sequence[T]) -> list[T]:
        """This part's share of a list."""
        return list(rows[self.index :: self.parts])
