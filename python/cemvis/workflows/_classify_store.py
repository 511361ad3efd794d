"""Maps at hand while a classifier is trained: cut and filtered once, then read from a file that is mapped to memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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

    The maps lie in a file without a name in `folder`, a byte a pixel, so that memory holds no more of them than the
    system likes to keep, and nothing is left behind by a run that was killed.

    Raises
    ------
    FileAccessError
        If the folder cannot hold them.
    """
    with ExitStack() as opened:
        with access_errors(folder):
            file = opened.enter_context(tempfile.TemporaryFile(dir=folder))
        for begin in range(0, len(maps), _AT_ONCE):
            part = range(begin, min(begin + _AT_ONCE, len(maps)))
            found = maps.levels(part, sigma_px=sigma_of(features))
            # Written, not mapped: a full disk is then an error and does not kill the process.
            with access_errors(folder):
                file.write(found.data)
                file.flush()
            if progress is not None:
                progress(part.stop, len(maps))
        stored = np.memmap(file, dtype=np.uint8, mode="r", shape=(len(maps), maps.size_px, maps.size_px))

        def levels(indices: NDArray[np.intp]) -> NDArray[np.uint8]:
            return np.asarray(stored[indices])

        yield levels
