"""`ave doctor --executor WORD`: what the workers of an executor have and lack, beside this machine.

Conventions
-----------
Nothing is built. In the store a mark is left, looked for from every worker, and removed. What is the same on all
nodes is one finding; a node that differs is named by its address.
"""

from __future__ import annotations

import asyncio
import importlib
import pickle
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import settings as settings_file
from pipeline.doctor import INSTALL, Finding
from pipeline.errors import AveError, UsageError
from pipeline.settings import Settings
from pipeline.store import executors
from pipeline.store.remote import Terms, code_digest, package_folder, packed, posted

if TYPE_CHECKING:
    from pipeline.store.cluster import Cluster

_WAIT_S = 30.0  # for a worker to connect
_WAIT_IN_QUEUE_S = 120.0
_MUST_AGREE = ("python", "dask", "distributed", "ave-pipeline")
_WATCHED = ("numpy", "scipy", "soxr", "simplejpeg", "pyarrow", "py7zr", "torch")  # their bytes reach the store
_SAME = f"make both sides alike: {INSTALL}"


@dataclass(frozen=True)
class Look:
    """What one process says of itself."""

    host: str
    package: str
    code: str
    sees_store: bool
    ffmpeg: str
    problem: str

    @property
    def has_our_code(self) -> bool:
        """Whether it runs the code that this process runs."""
        return self.code == code_digest()


def examine_executor(spec: str, store: Path) -> Iterator[Finding]:
    """Look at an executor and its workers; a queue is asked for one job.

    Raises
    ------
    UsageError
        If no executor is called so.
    """
    if not executors.on_dask(spec):
        executors.make(spec)
        yield Finding(spec, True, "workers of this machine; they have what it has")
        return
    settings = settings_file.load(store) or Settings()
    few = replace(settings, slurm_jobs=min(settings.slurm_jobs, 1))
    try:
        executor: Any = executors.make(spec, store.absolute(), few)
        with _connected(executor) as client:
            yield from _examine(spec, client, store)
    except AveError as error:
        if isinstance(error, UsageError) and spec != "slurm":  # what slurm is not told is a lack, not a wrong word
            raise
        yield Finding("scheduler", False, error.message, error.remedy)


@contextmanager
def _connected(executor: Cluster) -> Iterator[Any]:
    try:
        yield executor.connect()
    finally:
        executor.close()


def _examine(spec: str, client: Any, store: Path) -> Iterator[Finding]:
    wait_s = _WAIT_IN_QUEUE_S if spec == "slurm" else _WAIT_S
    try:
        client.wait_for_workers(1, timeout=wait_s)
    except asyncio.TimeoutError:
        start = f"start some: dask worker {client.scheduler.address} --nworkers 4 --nthreads 1"
        remedy = "see squeue, and STORE/logs/slurm" if spec == "slurm" else start
        detail = f"{client.scheduler.address} answers, but no worker came in {wait_s:.0f} s"
        yield Finding("scheduler", False, detail, remedy)
        return
    threads = client.nthreads()
    yield Finding("scheduler", True, f"{client.scheduler.address} answers and has {len(threads)} workers")
    yield from _threads(threads)
    yield from _versions(client.get_versions(packages=["ave-pipeline", *_WATCHED]))
    with posted(store) as terms:
        looks = client.run(pickle.loads, packed(look, terms), on_error="return")
        try:
            looks["scheduler"] = client.run_on_scheduler(pickle.loads, packed(look, terms))
        except Exception as error:
            looks["scheduler"] = error
    yield from _package(looks)
    workers = {node: seen for node, seen in looks.items() if node != "scheduler" and isinstance(seen, Look)}
    yield from _store(workers, store, known=terms.mark is not None)
    yield from _ffmpeg(workers)


def look(terms: Terms) -> Look:
    """Runs on a node: who is here, and what does it see?"""
    media = importlib.import_module("pipeline.signals.media")
    tools = media.tool_versions()
    return Look(
        host=socket.gethostname(),
        package=str(package_folder()),
        code=code_digest(),
        sees_store=terms.sees_store(),
        ffmpeg=tools["ffmpeg"]["version"],
        problem="; ".join(facts["problem"] for facts in tools.values() if facts["problem"]),
    )


def _threads(threads: Mapping[str, int]) -> Iterator[Finding]:
    for node, count in threads.items():
        if count > 1:
            detail = f"{node}: has {count} threads, and items take turns in it"
            yield Finding("worker", False, detail, f"start it with --nworkers {count} --nthreads 1", needed=False)


def _versions(told: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding a package that is not everywhere the same as here; one for all that are."""
    here = _packages(told["client"])
    workers = {node: _packages(said) for node, said in told["workers"].items()}
    alike = []
    for name, version in here.items():
        nodes = {"scheduler": _packages(told["scheduler"]), **workers} if name in _MUST_AGREE else workers
        others = {node: found[name] or "none" for node, found in nodes.items() if found[name] != version}
        if others:
            detail = f"{name}: {version} here, {', '.join(f'{found} on {node}' for node, found in others.items())}"
            yield Finding("versions", False, detail, _SAME, needed=name in _MUST_AGREE)
        else:
            alike.append(f"{name} {version}")
    yield Finding("versions", True, f"the same everywhere: {', '.join(alike)}")


def _packages(said: Mapping[str, Any]) -> dict[str, str]:
    """Versions by package, of Python without what only mends it."""
    packages = {name: version for name, version in said["packages"].items() if name in (*_MUST_AGREE, *_WATCHED)}
    return {**packages, "python": ".".join(packages["python"].split(".")[:2])}


def _package(looks: Mapping[str, Any]) -> Iterator[Finding]:
    for node, seen in looks.items():
        kind = "scheduler" if node == "scheduler" else "worker"
        needed = kind == "worker"  # jobs only pass through a scheduler
        if not isinstance(seen, Look):
            detail = f"{node}: cannot import this package ({seen})"
            yield Finding(kind, False, detail, f"install it there and start the {kind} anew: {INSTALL}", needed)
        elif not seen.has_our_code:
            detail = f"{node}: has other code than here, from {seen.package} on {seen.host}"
            yield Finding(kind, False, detail, f"bring it up to date there and start the {kind} anew", needed)
    fit = [seen for seen in looks.values() if isinstance(seen, Look) and seen.has_our_code]
    hosts = ", ".join(sorted({seen.host for seen in fit})) or "none"
    detail = f"imported, with the code of here, by {len(fit)} of {len(looks)} nodes; hosts: {hosts}"
    yield Finding("package", bool(fit), detail)


def _store(workers: Mapping[str, Look], store: Path, *, known: bool) -> Iterator[Finding]:
    if not known:
        yield Finding("store", False, f"there is no {store} yet to look for", "name yours: --store DIR", needed=False)
        return
    blind = {node: seen for node, seen in workers.items() if not seen.sees_store}
    for node, seen in blind.items():
        detail = f"{node}: does not see {store.absolute()} on {seen.host}"
        yield Finding("worker", False, detail, "put the store, and RAW, on a file system that all share")
    if not blind:
        yield Finding("store", True, f"all {len(workers)} workers see {store.absolute()}")


def _ffmpeg(workers: Mapping[str, Look]) -> Iterator[Finding]:
    lacking = {node: seen for node, seen in workers.items() if seen.problem}
    for node, seen in lacking.items():
        yield Finding("worker", False, f"{node}: on {seen.host}, {seen.problem}")
    if not lacking:
        versions = ", ".join(sorted({seen.ffmpeg for seen in workers.values()}))
        yield Finding("ffmpeg", True, f"all {len(workers)} workers have it: {versions}")
