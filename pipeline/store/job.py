"""What a stage's function is given for one item, and nothing else.

A stage function is `build_item(job) -> facts`: it reads `job.files` and `job.values`, obeys
`job.params`, writes plain files into `job.out` and returns a small JSON dictionary (or None)
that is kept in the item's record. It knows neither the store nor the scheduler, and what it
writes depends on nothing but the job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EachFile(Mapping[str, Path]):
    """The same output of the items of many stimuli: {stimulus: path}.

    Paths are made when somebody asks: tens of thousands of them would be most of what a build holds in memory.
    `folders` says for each corpus where its items lie, `digests` the SHA-256 of each stimulus's file.
    """

    folders: Mapping[str, Path]
    output: str
    digests: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, stimulus: str) -> Path:
        if stimulus not in self.digests:
            raise KeyError(stimulus)
        corpus, _, name = stimulus.partition("/")
        return self.folders[corpus] / name / self.output

    def __contains__(self, stimulus: object) -> bool:
        return stimulus in self.digests

    def __iter__(self) -> Iterator[str]:
        return iter(self.digests)

    def __len__(self) -> int:
        return len(self.digests)


def of_each_file(files: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by path of every file of an `EachFile` among a job's files."""
    found = (each for each in files.values() if isinstance(each, EachFile))
    return {str(each[stimulus]): sha for each in found for stimulus, sha in each.digests.items()}


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
