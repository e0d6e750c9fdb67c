"""The executor `slurm`: workers that a SLURM queue starts as its jobs, through dask-jobqueue.

Conventions
-----------
What to ask the queue for stands in the store's settings (`slurm_…`). A job of `slurm_cores` cores holds as many
workers of one thread each. Workers end by themselves before the queue would kill their job: at 85 % of the walltime,
give or take 5 %, so that they do not all end at once; what a worker has in hand then goes to another. A number of
jobs is kept in the queue (`scale`; Dask's `adapt` does not replace jobs whose lifetime is over), until the build ends.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError, ToolError, UsageError
from pipeline.settings import SETTINGS_NAME, Settings
from pipeline.store.cluster import Cluster
from pipeline.store.places import is_remote
from pipeline.store.threads import ONE_THREAD

LIFETIME_SHARE, STAGGER_SHARE = 0.85, 0.05  # of the walltime; a worker's clock starts later than its job's
_ORPHANED_S = 60  # how long a worker looks for its scheduler before it gives its job back
_QUEUE_LOOK_S = 15.0  # squeue asks a server that everybody shares
_CANCEL_S = 60.0  # scancel takes its time, and no job must stay behind
_PROGRAMS = ("sbatch", "squeue", "scancel")
_WALLTIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_NEEDED = {
    "slurm_jobs": "4                # jobs to keep in the queue",
    "slurm_cores": "8               # of one job; each is a worker",
    "slurm_memory": '"16GiB"        # of one job',
    "slurm_walltime": '"04:00:00"   # of one job; longer than the longest item takes',
}


class SlurmCluster(Cluster):
    """A scheduler in this process, and workers in jobs of a SLURM queue."""

    spec = "slurm"

    def __init__(self, settings: Settings, store: Path | None = None):
        super().__init__(store)
        self._n_jobs, self._cores = settings.slurm_jobs, settings.slurm_cores
        self._options = job_options(settings, store)
        self._cluster: Any = None
        self._fruitful: set[str] = set()  # numbers of the jobs that brought a worker
        self._n_fruitless, self._asked = 0, 0.0

    def _connect(self) -> Any:
        import dask
        from dask_jobqueue import SLURMCluster
        from distributed import Client

        # Dask would cancel a job that waits under the name of one whose worker was lost; `_look_after` knows better
        dask.config.set({"distributed.deploy.lost-worker-timeout": "365 days"})
        if missing := [program for program in _PROGRAMS if shutil.which(program) is None]:
            remedy = "Run on a machine that may submit jobs, or choose another executor."
            raise ToolError(f"Executor 'slurm' needs {', '.join(missing)}, not found on the PATH.", remedy=remedy)
        try:
            self._cluster = SLURMCluster(**self._options)
        except ValueError as error:  # a size it cannot read, an interface that is not there
            remedy = f"Correct them in the store's {SETTINGS_NAME}."
            raise UsageError(f"The settings slurm_… do not fit: {error}.", remedy=remedy) from error
        try:
            self._cluster.sync(_submit, self._cluster, self._n_jobs)
        except RuntimeError as error:
            self._shut_down()
            raise _refused(error) from error
        asked = f"{self._n_jobs} × {self._cores} workers"
        print(f"slurm: {asked} are asked for; items run when the queue starts them (see squeue)", file=sys.stderr)
        return Client(self._cluster, set_as_default=False)

    def _n_workers(self) -> int:
        return self._n_jobs * self._cores

    def _look_after(self) -> None:
        """Put a new job into the queue for each that has ended."""
        jobs = {name: job.job_id for name, job in list(self._cluster.workers.items())}
        workers = [str(worker.name) for worker in list(self._cluster.scheduler.workers.values())]
        bringers = {*workers, *(name.rpartition("-")[0] for name in workers)}  # several workers of a job are numbered
        self._fruitful |= {job_id for name, job_id in jobs.items() if name in bringers}
        if time.monotonic() - self._asked < _QUEUE_LOOK_S:
            return
        self._asked = time.monotonic()
        in_queue = _in_queue()
        if in_queue is None:
            return
        ended = {name: job_id for name, job_id in jobs.items() if job_id not in in_queue}
        n_fruitless = sum(job_id not in self._fruitful for job_id in ended.values())
        self._n_fruitless = 0 if workers else self._n_fruitless + n_fruitless
        if self._n_fruitless >= max(2, self._n_jobs):
            raise self._never_work()
        if ended:
            with contextlib.suppress(RuntimeError):  # what sbatch refuses now has ended at the next look
                self._cluster.sync(_replace, self._cluster, ended, self._n_jobs)

    def _never_work(self) -> StoreError:
        logs = self._options["log_directory"]
        said = _last_words(Path(logs)) if logs else ""
        return StoreError(
            f"SLURM starts the jobs, but they end before a worker connects{f' ({said})' if said else ''}.",
            remedy=f"Look into {logs or 'the logs of the jobs'}; slurm_prologue in {SETTINGS_NAME} holds lines to run "
            "first, slurm_interface the network that nodes reach this machine by.",
            code="slurm-jobs-end",
        )

    def _shut_down(self) -> None:
        from distributed import Status

        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return
        for job in cluster.workers.values():
            job.status = Status.closing  # Dask asserts this of every job in the end, and dask-jobqueue leaves it out
        cluster.close(timeout=_CANCEL_S)


def job_options(settings: Settings, store: Path | None) -> dict[str, Any]:
    """What dask-jobqueue is asked for.

    Raises
    ------
    UsageError
        If the settings do not say enough, or the walltime is not one.
    """
    missing = [name for name in _NEEDED if not getattr(settings, name)]
    if missing:
        where = store / SETTINGS_NAME if store is not None else f"STORE/{SETTINGS_NAME}"
        lines = "\n".join(f"  {name} = {_NEEDED[name]}" for name in missing)
        raise UsageError(
            f"Executor 'slurm' is not set up: {where} says nothing of {', '.join(missing)}.",
            remedy=f"Set these lines there as your site wants them, and slurm_queue and slurm_account if it asks for "
            f"them:\n{lines}",
        )
    walltime_s = seconds_of(settings.slurm_walltime)
    lifetime_s, stagger_s = LIFETIME_SHARE * walltime_s, STAGGER_SHARE * walltime_s
    return {
        "cores": settings.slurm_cores,
        "processes": settings.slurm_cores,
        "memory": settings.slurm_memory,
        "walltime": settings.slurm_walltime,
        "queue": settings.slurm_queue or None,
        "account": settings.slurm_account or None,
        "interface": settings.slurm_interface or None,
        "job_extra_directives": list(settings.slurm_directives),
        "job_script_prologue": [*(f"export {name}=1" for name in ONE_THREAD), *settings.slurm_prologue],
        "worker_extra_args": ["--lifetime", f"{lifetime_s:g}s", "--lifetime-stagger", f"{stagger_s:g}s"],
        "death_timeout": _ORPHANED_S,
        "log_directory": str(store / "logs" / "slurm") if store is not None and not is_remote(store) else None,
        "job_name": "ave",
        "scheduler_options": {"dashboard_address": ":0"},
        "silence_logs": logging.CRITICAL,
    }


def seconds_of(walltime: str) -> int:
    """Seconds of a walltime as SLURM writes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours…

    Examples
    --------
    >>> seconds_of("04:00:00"), seconds_of("90"), seconds_of("2-12")
    (14400, 5400, 216000)
    """
    found = _WALLTIME.fullmatch(walltime.strip())
    if found is None:
        raise UsageError(f"slurm_walltime is {walltime!r}, expected hours:minutes:seconds such as 04:00:00.")
    days, *parts = found.groups()
    given = [int(part) for part in parts if part is not None]
    units = (3600, 60, 1) if days or len(given) == 3 else (60, 1)
    return int(days or 0) * 86400 + sum(part * unit for part, unit in zip(given, units, strict=False))


async def _submit(cluster: Any, n_jobs: int) -> None:
    """Put jobs into the queue until there are so many, and wait until it has taken them: a refusal is ours to tell."""
    cluster.scale(jobs=n_jobs)
    await cluster


async def _replace(cluster: Any, ended: Iterable[str], n_jobs: int) -> None:
    for name in ended:
        cluster.worker_spec.pop(name, None)
    await cluster  # forgets them before their names are given again
    await _submit(cluster, n_jobs)


def _in_queue() -> set[str] | None:
    """Numbers of the jobs that wait or run; None where the queue does not answer."""
    try:
        done = subprocess.run(
            ["squeue", "--me", "--noheader", "--format=%i"], capture_output=True, text=True, timeout=60, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return set(done.stdout.split())


def _refused(error: RuntimeError) -> StoreError:
    """Tell what `sbatch` said, of all that dask-jobqueue wraps around it."""
    said = str(error).partition("stderr:\n")[2].strip() or str(error).strip()
    return StoreError(
        f"SLURM does not take the jobs: {said.splitlines()[-1]}",
        remedy=f"Correct the lines slurm_… in the store's {SETTINGS_NAME} and run the same command again.",
        code="slurm-refused",
    )


def _last_words(logs: Path) -> str:
    """The last line that the job which wrote last left in its log."""
    found = sorted(logs.glob("*.err"), key=lambda path: path.stat().st_mtime)
    lines = found[-1].read_text(encoding="utf-8", errors="replace").strip().splitlines() if found else []
    return lines[-1] if lines else ""
