"""Where it runs: GPU or CPU, how many threads, and the same bytes each time.

Conventions
-----------
On a CPU with a given number of threads everything here is deterministic; on a GPU as far as torch can.
Importing this module asks torch for large memory pages (Linux): the kernel hands a network's volumes out 2 MB at a time
instead of 4 KB, which makes the forward pass of DAVE on a CPU a fifth faster and changes no byte. Whoever has set the
variable is left with it.
"""

from __future__ import annotations

import os

import torch

from pipeline.errors import ModelError

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch looks when it makes its first tensor, not when imported


def device_of(wanted: str) -> torch.device:
    """The device called "cpu" or "cuda"; "auto" is a GPU where there is one.

    Raises
    ------
    ModelError
        If the device is unknown, or a GPU is asked for and there is none.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise ModelError(f"Unknown device {wanted!r}.", remedy="Choose one of: auto, cpu, cuda.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelError("A GPU was asked for and torch sees none.", remedy="Use device auto or cpu.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def use_threads(threads: int, processes: int = 1) -> None:
    """Compute with this many CPU threads; 0 is every core this process may use, shared among `processes`.

    Set in any case: a worker of a pool inherits an environment that says one thread.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    torch.set_num_threads(threads or max(1, cores // processes))


def be_deterministic(seed: int, device: torch.device, *, wanted: bool = True) -> None:
    """Seed torch; on a GPU, prefer the operations whose result does not depend on chance, and warn of the others.

    Without `wanted` a GPU takes whichever operation is fastest.

    On a CPU every operation of ours is deterministic as it is, and asking for it would cost seconds of imports.
    """
    torch.manual_seed(seed)
    if device.type == "cuda" and not wanted:
        torch.backends.cudnn.benchmark = True
    elif device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS is not
        torch.use_deterministic_algorithms(True, warn_only=True)
