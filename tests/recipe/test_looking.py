"""How much a build looks at: an item when it runs, and again only if something that it is made from has run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import settings as settings_file
from pipeline.errors import StoreError
from pipeline.recipe import build as build_module
from pipeline.recipe.build import WIRING, Build
from pipeline.recipe.wanted import Wiring
from pipeline.settings import Settings
from pipeline.store.progress import Progress
from tasks.ave import run
from tests.recipe import changes
from tests.recipe.lines import RAILWAY
from tests.recipe.trial import Trial

STAGES_OF_ONE = ("fetch", "unpack", "recordings", "frames", "curate", "logmel", "density")


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """Counts how often each item is put together from what it is made from."""
    counts: Counter[tuple[str, str]] = Counter()

    def counting(stage: str, wiring: Wiring) -> Wiring:
        def wire(view: Any, corpus: str, name: str) -> Any:
            counts[stage, f"{corpus}/{name}"] += 1
            return wiring.wire(view, corpus, name)

        return replace(wiring, wire=wire)

    monkeypatch.setattr(build_module, "WIRING", {name: counting(name, wiring) for name, wiring in WIRING.items()})
    return counts


class Refusing:
    """An executor that makes nothing, and notes how many items were put together when it took each job."""

    def __init__(self, wired: Counter[tuple[str, str]]):
        self._wired = wired
        self.taken: list[int] = []

    def imap(
        self, _function: Callable[[Any], Any], jobs: Iterable[tuple[str, Any]]
    ) -> Iterator[tuple[str, Any, BaseException | None]]:
        """Every job fails."""
        for name, _ in jobs:
            self.taken.append(self._wired.total())
            yield name, None, StoreError("refused")

    def close(self) -> None:
        """Nothing to end."""


def remembered(store: Path) -> Settings:
    settings = settings_file.load(store)
    assert settings is not None
    return settings


def test_items_are_put_together_one_by_one_as_they_run(mini_store: Path, wired: Counter[tuple[str, str]]):
    build = Build(replace(remembered(mini_store), sigma_dva=1.5), mini_store)
    n_items = len(build.state("density", "diem").to_run)
    executor, before = Refusing(wired), wired.total()
    build.run("density", "diem", executor, Progress())
    assert n_items > 2
    assert [taken - before for taken in executor.taken] == list(range(1, n_items + 1))


def test_after_an_item_has_run_only_what_is_made_from_it_is_put_together_again(
    mini_store: Path, monkeypatch: pytest.MonkeyPatch, wired: Counter[tuple[str, str]]
):
    trial = Trial(mini_store, monkeypatch)
    changes.replaced(RAILWAY)(trial)
    settings = replace(remembered(mini_store), manifests=str(trial.beside / "manifests"))
    wired.clear()
    assert run(mini_store, settings, "serial").failures() == []
    of_one = {(stage, item): count for (stage, item), count in wired.items() if stage in STAGES_OF_ONE}
    assert {count for (_, item), count in of_one.items() if item != RAILWAY.stimulus} == {1}
    assert min(count for (_, item), count in of_one.items() if item == RAILWAY.stimulus) > 1
