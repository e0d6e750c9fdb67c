"""Stage functions for the store's tests; in a module of their own so that worker processes can import them."""

from __future__ import annotations

import os
import signal
import time

from pipeline.errors import MediaError
from pipeline.store.job import Job


def double(job: Job) -> dict:
    """Write twice the number in `values`."""
    (job.out / "answer.txt").write_text(str(2 * job.values["number"]))
    return {"doubled": True}


def fail_when_odd(job: Job) -> None:
    """Write half a file, then refuse odd numbers."""
    (job.out / "half.txt").write_text("half of it")
    if job.values["number"] % 2:
        raise MediaError(f"{job.item}: {job.values['number']} is odd.", remedy="Use an even one.", code="odd")


def full_disk(job: Job) -> None:
    """Meet a full disk."""
    raise OSError(28, "No space left on device", str(job.out / "x"))


def square(number: int) -> int:
    """For executors: a negative number kills the worker, a hundred raises."""
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 100:
        raise ValueError("a hundred")
    return number * number


def one_thread(_job: object) -> tuple[str, str]:
    """What a worker was told about threads, and how many NumPy's BLAS uses."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((64, 64)) @ np.ones((64, 64))
    return os.environ["OMP_NUM_THREADS"], ",".join(str(pool["num_threads"]) for pool in threadpool_info())


def touch_and_sleep(path: str) -> None:
    """Say that it lives, then wait to be orphaned."""
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def multiply_matrices(_job: object) -> float:
    """Work that hangs in a process forked from one that has used torch."""
    import torch

    return float((torch.ones(200, 200) @ torch.ones(200, 200)).sum())
