"""Fixtures every test may use."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.settings import Settings

# A test run that was started in the background ignores Ctrl-C, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real gaze, videos and spoken commands beside the checkout; a test that needs them skips where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip(f"real test material is not beside the checkout ({folder.name} with SHA256SUMS)")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--manifests", metavar="DIR", type=Path, default=ROOT / "manifests", help="tables to test")


@pytest.fixture(scope="session")
def manifests(request: pytest.FixtureRequest) -> Path:
    """The reviewed manifests of this checkout, or those of a corpus that is being added (--manifests DIR)."""
    folder: Path = request.config.getoption("--manifests")
    return folder


@pytest.fixture(scope="session")
def shared_tmp(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all test processes of a run."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def mini_world(shared_tmp: Path) -> Path:
    """The miniature corpus's releases and manifests at a quarter of their length, made once a run. Read only."""
    from pipeline import mini

    with FileLock(shared_tmp / "mini.lock"):
        mini.make(shared_tmp / "mini", scale=0.3)
    return shared_tmp / "mini"


@pytest.fixture(scope="session")
def mini_settings(mini_world: Path) -> Settings:
    """Settings that build the miniature corpus and its shards."""
    return Settings(
        manifests=str(mini_world / "manifests"),
        accept=("diem", "coutrot1", "coutrot2"),
        goals=("corpus", "shards"),
        formats=("wds",),
    )


@pytest.fixture(scope="session")
def built_store(shared_tmp: Path, mini_settings: Settings) -> Path:
    """A store with the miniature corpus and its shards, built once a run. Read only: `mini_store` is a copy."""
    from tasks.ave import run

    store = shared_tmp / "store"
    with FileLock(shared_tmp / "store.lock"):
        if not (store / "built").is_file():
            session = run(store, mini_settings, "serial")
            assert session.failures() == []
            (store / "built").touch()
    return store


@pytest.fixture
def mini_store(built_store: Path, tmp_path: Path) -> Path:
    """A copy of the built store that a test may break."""
    return copy_store(built_store, tmp_path / "store")


def copy_store(original: Path, copy: Path) -> Path:
    """A store like another one, which shares its large files."""
    shutil.copytree(original, copy, copy_function=_copy_small_link_big)
    _repoint(copy, original)
    return copy


def _copy_small_link_big(source: str, target: str) -> None:
    """Records and settings are a test's own; outputs may be shared, and a test that hurts one copies it first."""
    if source.endswith((".json", ".toml")):
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def _repoint(store: Path, original: Path) -> None:
    """Records of fetched files name RAW by its absolute path; let the copy's name the copy's."""
    for record in (store / "stages").rglob("*.json"):
        if record.name in ("record.json", "_STAGE.json"):
            text = record.read_text(encoding="utf-8")
            record.write_text(text.replace(str(original), str(store)), encoding="utf-8")
