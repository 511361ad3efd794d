"""One thread for fits of small matrices: several wait for each other, which takes minutes on a machine that is busy."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which the libraries for linear algebra and OpenMP that are loaded use one thread.

    By threadpoolctl, which scikit-learn brings.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits
