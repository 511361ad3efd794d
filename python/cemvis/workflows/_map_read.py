"""Reading a mosaic block by block: each stored chunk about once, and the next block while one is computed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph

Wanted = TypeVar("Wanted")
Got = TypeVar("Got")


class StripeReader:
    """Windows of a micrograph that follow each other downwards, without reading the rows they share twice.

    Parameters
    ----------
    micrograph : Micrograph
        What to read from.
    row_multiple : int
        Reads end at a multiple of this many rows, so that a stored chunk is not needed again for its lower part.
    threads : int
        Threads that decode strips or tiles.
    """

    def __init__(self, micrograph: Micrograph, *, row_multiple: int, threads: int) -> None:
        self._micrograph = micrograph
        self._threads = threads
        self._row_multiple = row_multiple
        self._top = self._left = 0
        self._held: NDArray[Any] = np.empty((0, 0), micrograph.dtype)

    def read(self, top: int, left: int, bottom: int, right: int) -> NDArray[Any]:
        """Return the pixels of rows `top` to `bottom` and columns `left` to `right` (both left out)."""
        held_bottom = self._top + self._held.shape[0]
        follows = self._left == left and self._held.shape[1] == right - left and self._top <= top < held_bottom
        kept = self._held[top - self._top :] if follows else self._held[:0]
        from_row = top + kept.shape[0]
        if bottom > from_row:
            whole_chunks = -(-bottom // self._row_multiple) * self._row_multiple
            to_row = min(self._micrograph.shape[0], whole_chunks)
            fresh = self._micrograph.read(from_row, left, to_row - from_row, right - left, threads=self._threads)
            self._held = np.concatenate([kept, fresh]) if kept.shape[0] else fresh
            self._top, self._left = top, left
        return self._held[top - self._top : bottom - self._top]


def read_ahead(read: Callable[[Wanted], Got], items: Iterable[Wanted]) -> Generator[tuple[Wanted, Got]]:
    """Yield each item with what `read` returned for it, reading the next one in a thread in the meantime."""
    with ThreadPoolExecutor(1, thread_name_prefix="cemvis-read") as pool:
        before: tuple[Wanted, Any] | None = None
        for item in items:
            reading = pool.submit(read, item)
            if before is not None:
                yield before[0], before[1].result()
            before = item, reading
        if before is not None:
            yield before[0], before[1].result()
