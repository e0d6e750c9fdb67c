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


def write_deep(job: Job) -> None:
    """Write files into folders of folders, each with its own name in it."""
    for name in job.values["files"]:
        (job.out / name).parent.mkdir(parents=True, exist_ok=True)
        (job.out / name).write_text(name)


def full_disk(job: Job) -> None:
    """Meet a full disk."""
    raise OSError(28, "No space left on device", str(job.out / "x"))


def count_blas_threads(_job: Job) -> dict:
    """How many threads a product of matrices would take here."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((64, 64)) @ np.ones((64, 64))
    return {"blas_threads": sorted({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})}


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


def refuse(number: int) -> None:
    """Refuse a number the way a stage does."""
    raise MediaError(f"{number} is odd.", remedy="Use an even one.", code="odd")


def raise_what_does_not_pickle(_job: object) -> None:
    """Raise an error that holds a function nobody can look up."""
    raise ValueError(lambda: None)


def kill_the_worker_once(path: str) -> str:
    """Die with the worker at the first try; say at the second that there was a first."""
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "at the second try"


def sleep_here(seconds: float) -> int:
    """Take a while, and say in which process."""
    time.sleep(seconds)
    return os.getpid()


def link_and_read(job: Job) -> dict:
    """Give a file of the store a second name, and say what another one holds."""
    os.link(job.files["linked"]["x"], job.out / "linked.txt")
    return {"read": job.files["read"]["x"].read_text()} if "read" in job.files else {}
