"""Maps at hand while a classifier is trained: cut and filtered once, then read from a file that is mapped to memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors
from cemvis.models.map_classifier_model import MICF
from cemvis.models.map_examples import Levels
from cemvis.workflows._npm_maps import MICF_SIGMA_PX, MapSet

_AT_ONCE = 16


def sigma_of(features: str) -> float | None:
    """Return the Gaussian's standard deviation in px that makes maps of this kind from MulF; None for MulF itself."""
    return MICF_SIGMA_PX if features == MICF else None


@contextmanager
def stored_maps(
    maps: MapSet, folder: Path, *, features: str, progress: Callable[[int, int], None] | None = None
) -> Iterator[Levels]:
    """Yield a function that returns maps of one kind by their indices; what it reads is deleted in the end.

    The maps lie in one temporary file in `folder`, a byte a pixel, so that memory holds no more of them than the
    system likes to keep.
    """
    with access_errors(folder), tempfile.TemporaryDirectory(prefix=".classify-", dir=folder) as beside:
        shape = (len(maps), maps.size_px, maps.size_px)
        stored = np.memmap(Path(beside) / "maps", dtype=np.uint8, mode="w+", shape=shape)
        for begin in range(0, len(maps), _AT_ONCE):
            part = range(begin, min(begin + _AT_ONCE, len(maps)))
            stored[begin : part.stop] = maps.levels(part, sigma_px=sigma_of(features))
            if progress is not None:
                progress(part.stop, len(maps))

        def levels(indices: NDArray[np.intp]) -> NDArray[np.uint8]:
            return np.asarray(stored[indices])

        yield levels
