"""What a stage's function is given for one item, and nothing else.

A stage function is `build_item(job) -> facts`: it reads `job.files` and `job.values`, obeys
`job.params`, writes plain files into `job.out` and returns a small JSON dictionary (or None)
that is kept in the item's record. It knows neither the store nor the scheduler, and what it
writes depends on nothing but the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """One item of one stage.

    Attributes
    ----------
    stage : str
        The stage's name, e.g. "density".
    item : str
        `corpus/name`, e.g. "diem/arctic_bears_1066x710".
    out : Path
        An empty directory of this job's own; published whole when the function returns.
    files : mapping of str to Path, tuple of Path, or mapping of str to Path
        Files that earlier stages published, by the name the recipe gives them.
    values : mapping of str to JSON
        Small facts that are not files: manifest rows, artifact names.
    params : mapping of str to JSON
        The stage's significant parameters.
    """

    stage: str
    item: str
    out: Path
    files: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corpus(self) -> str:
        """The item's corpus: what stands before the first slash."""
        return self.item.split("/", 1)[0]

    @property
    def name(self) -> str:
        """The item's name inside its corpus: what stands after the first slash."""
        return self.item.split("/", 1)[1]
