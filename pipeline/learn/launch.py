"""A stage's work in a child process of its own: torch stays out of the builder, and nothing outlives it.

Conventions
-----------
The child is `python -m torch.distributed.run --module MODULE --job JOB.json --end-with-stdin`, leader of a process
group of its own; it starts one or several processes of MODULE. All of them hold the read end of a pipe whose write end
only the builder has: a builder killed by -9 closes it, and they end. Exit status 0 is success. Bad input comes back as
a file `error-RANK.json` beside the job; any other end is reported with the tail of what the processes printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import AveError, ModelError
from pipeline.store.job import Job

JOB = "job.json"
TIMING = "timing.json"
TAIL_LINES = 20
GRACE_S = 5.0  # between asking a child's group to end and ending it
ROOT = Path(__file__).resolve().parents[2]  # the folder that `import pipeline` needs on the path


def run_child(module: str, job: Job, processes: int = 1) -> None:
    """Run `module` on `job` in a child process, or in several that train together, and wait for the end.

    Raises
    ------
    ModelError
        If a child reports bad input, or ends badly (its last lines are in the message).
    """
    with tempfile.TemporaryDirectory(prefix="ave-job-") as name:
        folder = Path(name)
        (folder / JOB).write_text(json.dumps(_to_json(job)), encoding="utf-8")
        logs = ["--redirects", "3", "--log-dir", str(folder / "printed")]
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), *logs]
        child = subprocess.Popen(
            [sys.executable, "-m", *launcher, "--module", module, "--job", str(folder / JOB), "--end-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(),
            start_new_session=True,
        )
        try:
            assert child.stdout is not None
            said = child.stdout.read()
            status = child.wait()
        except BaseException:
            _end_group(child)
            raise
        finally:
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()
        if status != 0:
            raise _as_error(module, job, folder, said, status)


def child_main(work: Callable[[Job], None], argv: list[str] | None = None) -> int:
    """The child's side: read the job, do `work`, leave word of bad input where the builder looks for it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--end-with-stdin" in arguments:
        arguments.remove("--end-with-stdin")
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if len(arguments) != 2 or arguments[0] != "--job":
        print("usage: python -m MODULE --job JOB.json [--end-with-stdin]", file=sys.stderr)
        return 2
    path = Path(arguments[1])
    data = json.loads(path.read_text(encoding="utf-8"))
    try:
        work(Job(**{**data, "out": Path(data["out"]), "files": _as_paths(data["files"])}))
    except AveError as error:
        told = {"message": error.message, "remedy": error.remedy, "code": error.code}
        path.with_name(f"error-{os.environ.get('RANK', 0)}.json").write_text(json.dumps(told), encoding="utf-8")
        print(error, file=sys.stderr)
        return 1
    return 0


def take_timing(job: Job) -> dict[str, Any]:
    """What the child measured of itself; taken out of the job's folder, for two runs never take equally long."""
    path = job.out / TIMING
    timing: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return timing


def _environment() -> dict[str, str]:
    """Ours, with this package on the path; threads that wait sleep, for spinning starves whoever shares the cores."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": path}


def _to_json(job: Job) -> dict[str, Any]:
    """The job as JSON; `job.files` may nest mappings and tuples of paths."""
    plain = {"stage": job.stage, "item": job.item, "out": str(job.out)}
    return {**plain, "files": _as_text(job.files), "values": dict(job.values), "params": dict(job.params)}


def _as_text(files: Any) -> Any:
    if isinstance(files, Path):
        return str(files.absolute())
    if isinstance(files, (tuple, list)):
        return [_as_text(file) for file in files]
    return {name: _as_text(file) for name, file in files.items()}


def _as_paths(files: Any) -> Any:
    if isinstance(files, str):
        return Path(files)
    if isinstance(files, list):
        return tuple(_as_paths(file) for file in files)
    return {name: _as_paths(file) for name, file in files.items()}


def _as_error(module: str, job: Job, folder: Path, said: str, status: int) -> ModelError:
    """What went wrong: bad input if a child left word of it, else how it ended and what it printed last."""
    for path in sorted(folder.glob("error-*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        return ModelError(told["message"], remedy=told["remedy"], code=told["code"])
    ended = re.search(r"exitcode\s*: (-?\d+)", said)  # the launcher's own status only says that one failed
    status = int(ended[1]) if ended else status
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    printed = "".join(path.read_text(errors="replace") for path in sorted(folder.rglob("std*.log"), reverse=True))
    lines = (printed or said).splitlines()[-TAIL_LINES:] or ["(nothing)"]
    last = "\n".join(f"  {line}" for line in lines)
    return ModelError(
        f"{job.stage} of {job.item}: the child process {module} {how}. It last said:\n{last}\n",
        remedy="Signal 9 is mostly too little memory: a smaller batch or width helps." if status == -9 else "",
        code="child-failed",
    )


def _end_group(child: subprocess.Popen) -> None:
    """Ask the child's whole group to end, then end it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _end_with_parent() -> None:
    """Wait until nobody holds the other end of our standard input, then end our whole group."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
