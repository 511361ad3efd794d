"""The after-image less the before-image, on the before-image's pixels: where the imprints stand out."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis._files import access_errors
from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph
from cemvis.images.registration import DisplacementField, warped_window

_BLOCK_PX = 1024
_SAMPLES = 24  # blocks that settle how grey levels go over from one visit to the other
_SAMPLE_PX = 256
_LEVELS = 24.0  # grey levels that the difference's standard deviation becomes
_MIDDLE = 128

Progress = Callable[[str, int, int], None]


def difference_image(
    before: Micrograph,
    after: Micrograph,
    field: DisplacementField,
    *,
    folder: Path,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Return what the second visit shows beyond the first, (rows, cols) uint8 about 128, mapped from a file.

    The after-image on the before-image's pixels, less the before-image in the after-image's grey levels by a straight
    line; 128 where there is no after-image. Its standard deviation is 24 levels, and it is cut off at both ends.

    Parameters
    ----------
    folder : Path
        On whose disk the pixels lie, a byte each, in a file without a name: it is gone when the array is, and when
        the process is killed.
    """
    gain, offset, spread = _grey_line(before, after, field)
    scale = _LEVELS / spread
    rows, cols = before.shape

    def fill(image: NDArray[np.uint8], row: int, col: int) -> None:
        part = min(_BLOCK_PX, rows - row), min(_BLOCK_PX, cols - col)
        expected = gain * before.read(row, col, *part).astype(np.float32) + offset
        beyond = (warped_window(after, field, row, col, *part) - expected) * scale
        beyond[np.isnan(beyond)] = 0
        image[row : row + part[0], col : col + part[1]] = np.clip(np.rint(beyond + _MIDDLE), 0, 255).astype(np.uint8)

    with access_errors(folder), TemporaryFile(dir=folder) as file:
        _reserve(file.fileno(), rows * cols)
        image = np.memmap(file, np.uint8, "r+", shape=(rows, cols))
    corners = [(row, col) for row in range(0, rows, _BLOCK_PX) for col in range(0, cols, _BLOCK_PX)]
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        for done, _ in enumerate(pool.map(partial(fill, image), *zip(*corners, strict=True)), 1):
            if progress:
                progress("after less before", done, len(corners))
    return image


def _reserve(file: int, size: int) -> None:
    """Make an empty file `size` bytes long; a full disk shows here and not while its mapped pixels are written."""
    os.ftruncate(file, size)
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # some file systems cannot
                raise


def _grey_line(before: Micrograph, after: Micrograph, field: DisplacementField) -> tuple[float, float, float]:
    """Return gain and offset from the before-image's grey levels to the after-image's, and the rest's robust sd."""
    rng = np.random.default_rng(0)
    rows, cols = before.shape
    edge = min(_SAMPLE_PX, rows, cols)
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for _ in range(8 * _SAMPLES):
        row, col = int(rng.integers(rows - edge + 1)), int(rng.integers(cols - edge + 1))
        second = warped_window(after, field, row, col, edge, edge)
        known = np.isfinite(second)
        if known.mean() > 0.5:
            known[::2], known[:, ::2] = False, False  # pixels enough are left
            first = before.read(row, col, edge, edge)
            pairs.append((first[known].astype(np.float64), second[known].astype(np.float64)))
        if len(pairs) == _SAMPLES:
            break
    if not pairs:
        msg = "the after-image shows nothing of the before-image; wanted two mosaics of one surface"
        raise InputError(msg)
    first, second = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    if not first.std() > 0 or not second.std() > 0:
        msg = "one of the images is constant: there is nothing to find in it"
        raise InputError(msg)
    kept = np.ones(len(first), bool)
    for _ in range(4):  # imprints, dust and cracks are outliers
        gain, offset = np.polyfit(first[kept], second[kept], 1)
        left = second - gain * first - offset
        spread = 1.4826 * float(np.median(np.abs(left - np.median(left))))
        kept = np.abs(left) <= 3 * max(spread, 1e-9)
    return float(gain), float(offset), max(spread, 1e-3)
