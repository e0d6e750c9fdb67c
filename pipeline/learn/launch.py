"""A stage's work in a child process of its own: torch stays out of the builder, and nothing outlives it.

Conventions
-----------
The child is `python -m MODULE --job JOB.json --end-with-stdin`, leader of its own process group (so that data
loaders and `torch.distributed` ranks end with it). It holds the read end of a pipe whose write end only the parent
has: a parent killed by -9 closes it, and the child ends. Exit status 0 is success. Bad input comes back as a last
line `{"error": {"message", "remedy", "code"}}`; any other end is reported with the tail of what the child printed.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
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

TAIL_LINES = 20
GRACE_S = 5.0  # between asking a child's group to end and ending it
ROOT = Path(__file__).resolve().parents[2]  # the folder that `import pipeline` needs on the path


def run_child(module: str, job: Job) -> None:
    """Run `module` on `job` in a child process and wait for it.

    Raises
    ------
    ModelError
        If the child reports bad input, or ends badly (its last lines are in the message).
    """
    with tempfile.TemporaryDirectory(prefix="ave-job-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(_to_json(job)), encoding="utf-8")
        command = [sys.executable, "-m", module, "--job", str(path), "--end-with-stdin"]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(),
            start_new_session=True,
        )
        tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        try:
            assert child.stdout is not None
            tail.extend(line.rstrip() for line in child.stdout)
            status = child.wait()
        except BaseException:
            _end_group(child)
            raise
        finally:
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()
    if status != 0:
        raise _as_error(module, job, status, list(tail))


def child_main(work: Callable[[Job], None], argv: list[str] | None = None) -> int:
    """The child's side: read the job, do `work`, turn bad input into the line that the parent understands."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--end-with-stdin" in arguments:
        arguments.remove("--end-with-stdin")
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if len(arguments) != 2 or arguments[0] != "--job":
        print("usage: python -m MODULE --job JOB.json [--end-with-stdin]", file=sys.stderr)
        return 2
    data = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
    try:
        work(Job(**{**data, "out": Path(data["out"]), "files": _as_paths(data["files"])}))
    except AveError as error:
        print(json.dumps({"error": {"message": error.message, "remedy": error.remedy, "code": error.code}}), flush=True)
        return 1
    return 0


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


def _as_error(module: str, job: Job, status: int, tail: list[str]) -> ModelError:
    """What went wrong, from the child's last line if it is bad input, else from its status and last lines."""
    with contextlib.suppress(IndexError, ValueError, KeyError, TypeError):
        told = json.loads(tail[-1])["error"]
        return ModelError(told["message"], remedy=told["remedy"], code=told["code"])
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    said = "\n".join(f"  {line}" for line in tail) or "  (nothing)"
    return ModelError(
        f"{job.stage} of {job.item}: the child process {module} {how}. It last said:\n{said}\n",
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
