"""One BLAS thread to an item: several add a product up in another order, and its last bits differ."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from threadpoolctl import threadpool_limits

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")

_born_single = False


def begin_single_threaded() -> None:
    """Give this process one thread for everything; called before any library is loaded, which then stays so."""
    global _born_single
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    _born_single = True


def one_blas_thread() -> AbstractContextManager[Any]:
    """Hold the BLAS libraries that are loaded by now to one thread; torch's own threads are left alone.

    Finding them takes a millisecond, so nothing is done in a process that began with one thread.
    """
    return nullcontext() if _born_single else threadpool_limits(1, user_api="blas")
