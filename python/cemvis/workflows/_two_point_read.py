"""Images as levels, for pair counts: micrographs, maps of floats and label arrays, read by window."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, sha256_of
from cemvis.errors import CemvisWarning, FileFormatError, InputError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize, choose
from cemvis.kernels.two_point import MOST_LEVELS, quantised

LEAST_RANGE, MOST_RANGE = 1e-300, 1e300  # that levels can be told apart in, in double precision

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY = b"\x93NUM"


@dataclass(frozen=True)
class Quantisation:
    """How pixels become levels: as they are, or `lowest` to level 0 and `highest` to the last one.

    Attributes
    ----------
    levels : int
        2 to 256.
    lowest, highest : float, optional
        In the units of the pixels; what lies beyond goes to the ends. Without them pixels have to be levels already.
    """

    levels: int = MOST_LEVELS
    lowest: float | None = None
    highest: float | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= MOST_LEVELS:
            msg = f"{self.levels} levels are wanted; wanted 2 to {MOST_LEVELS}"
            raise InputError(msg)
        if (self.lowest is None) != (self.highest is None):
            msg = "the lowest and the highest value go together; give both"
            raise InputError(msg)
        ends = [each for each in (self.lowest, self.highest) if each is not None]
        usable = np.isfinite(ends).all() and (not ends or LEAST_RANGE <= ends[1] - ends[0] <= MOST_RANGE)
        if not usable:
            msg = (
                f"the range is {ends[0]:g} to {ends[1]:g}; wanted two numbers, the first below the second, and "
                f"{LEAST_RANGE:g} to {MOST_RANGE:g} apart"
            )
            raise InputError(msg)

    @property
    def step(self) -> float:
        """What one level is worth, in the units of the pixels."""
        if self.lowest is None or self.highest is None:
            return 1.0
        return (self.highest - self.lowest) / (self.levels - 1)


class LevelImage:
    """An image that is read by window as levels. A context manager.

    Attributes
    ----------
    path : Path
    shape : (rows, cols)
    dtype : numpy dtype
        Of the pixels in the file.
    pixel_size : PixelSize or None
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        pixel_size: PixelSize | None,
        *,
        read: Callable[[int, int, int, int], NDArray[Any]],
        close: Callable[[], None],
        digest: Callable[[], str],
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.pixel_size = pixel_size
        self.digest = digest
        self._read = read
        self._close = close

    def pixels(self, row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        """Return the pixels of a window as they are in the file."""
        return self._read(row, col, rows, cols)

    def valid(self, row: int, col: int, rows: int, cols: int) -> NDArray[np.bool_]:
        """Return, of a mask, where the pixels of a window are not 0.

        Raises
        ------
        InputError
            If one is NaN, which is neither.
        """
        pixels = self._read(row, col, rows, cols)
        if pixels.dtype.kind == "f" and np.isnan(pixels).any():
            at = np.argwhere(np.isnan(pixels))[0]
            where = f"row {row + at[0]}, column {col + at[1]}"
            msg = f"the mask {self.path} has NaN at {where}; wanted 0 where pixels do not count, and numbers elsewhere"
            raise InputError(msg)
        found: NDArray[np.bool_] = np.asarray(pixels != 0)
        return found

    def levels(
        self,
        row: int,
        col: int,
        rows: int,
        cols: int,
        *,
        quantisation: Quantisation,
        valid: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.uint8]:
        """Return the levels of a window.

        Raises
        ------
        InputError
            If a valid pixel is NaN or infinite, or no level and no quantisation is stated.
        """
        pixels = self._read(row, col, rows, cols)
        if quantisation.lowest is not None and quantisation.highest is not None:
            self._check_finite(pixels, valid, row, col)
            span = {"lowest": quantisation.lowest, "highest": quantisation.highest, "levels": quantisation.levels}
            return quantised(np.nan_to_num(pixels), **span)  # type: ignore[arg-type]
        if pixels.dtype.kind == "f":
            self._check_finite(pixels, valid, row, col)
            msg = f"{self.path} holds {self.dtype.name} values; state how they become levels with --range LOW,HIGH"
            raise InputError(msg)
        if valid is not None:
            pixels = np.where(valid, pixels, 0).astype(pixels.dtype)
        least, most = int(pixels.min()), int(pixels.max())
        if least < 0 or most >= quantisation.levels:
            msg = (
                f"{self.path} holds values from {least} to {most}; wanted levels 0 to {quantisation.levels - 1}: "
                "state how they become at most 256 levels with --range LOW,HIGH [--levels N]"
            )
            raise InputError(msg)
        return pixels.astype(np.uint8)

    def _check_finite(self, pixels: NDArray[Any], valid: NDArray[np.bool_] | None, row: int, col: int) -> None:
        bad = ~np.isfinite(pixels) if valid is None else ~np.isfinite(pixels) & valid
        if bad.any():
            at = np.argwhere(bad)[0]
            where = f"row {row + at[0]}, column {col + at[1]}"
            msg = f"{self.path} has {pixels[tuple(at)]} at {where}; leave such pixels out with --mask"
            raise InputError(msg)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()


def open_levels(
    path: Path, *, pixel_size: PixelSize | None = None, info_bar: bool = True, quiet: bool = False
) -> LevelImage:
    """Open a micrograph, a TIFF or Zarr image of floats, or a two-dimensional array in a .npy file.

    Parameters
    ----------
    path : Path
    pixel_size : PixelSize, optional
        Taken instead of what the file says.
    info_bar : bool
        Whether an info bar is looked for and left out.
    quiet : bool
        Whether warnings, given when the file was opened before, are left out.

    Raises
    ------
    CemvisError
        If it can't be read, or is no such image.
    """
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore", CemvisWarning)
        with access_errors(path, doing="read"):
            magic = b""
            if path.is_file():
                with path.open("rb") as file:
                    magic = file.read(4)
        if magic == _NPY:
            return _open_array(path, pixel_size)
        floats = _open_floats(path, magic, pixel_size)
        if floats is not None:
            return floats
        found = open_micrograph(path, pixel_size=pixel_size, info_bar=info_bar)
        return LevelImage(
            path, found.shape, found.dtype, found.pixel_size, read=found.read, close=found.close, digest=found.digest
        )


def _open_array(path: Path, pixel_size: PixelSize | None) -> LevelImage:
    try:
        with access_errors(path, doing="read"):
            values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        msg = f"{path} is a damaged .npy file, or holds objects ({error})"
        raise FileFormatError(msg) from error
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "buif":
        msg = f"{path} holds {values.dtype} of shape {values.shape}; wanted numbers of shape (rows, cols)"
        raise FileFormatError(msg)

    def read(row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        return np.array(values[row : row + rows, col : col + cols])

    return LevelImage(
        path,
        (values.shape[0], values.shape[1]),
        values.dtype,
        pixel_size,
        read=read,
        close=lambda: None,
        digest=lambda: sha256_of(path),
    )


def _open_floats(path: Path, magic: bytes, pixel_size: PixelSize | None) -> LevelImage | None:
    """Return an image of floats; None if it is something else."""
    from cemvis.images.storage import Storage

    storage: Storage
    if magic in _TIFF:
        from cemvis.images.tiff import TiffStorage

        storage = TiffStorage(path)
    elif path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup")):
        from cemvis.images.zarr_store import ZarrStorage

        storage = ZarrStorage(path)
    else:
        return None
    if storage.dtype.kind != "f" or not storage.encoding.is_plain:
        storage.close()
        return None
    try:
        size = choose(storage.metadata.sizes, option=pixel_size, name=str(path))
    except BaseException:
        storage.close()
        raise

    def read(row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        return storage.read(row, col, rows, cols, threads=1)

    whole = Micrograph(storage, path=path, pixel_size=size)  # for its digest, of a file or of a folder
    return LevelImage(path, storage.shape, storage.dtype, size, read=read, close=storage.close, digest=whole.digest)
