"""Micrographs: grey pixels read by window from whatever file they are in, and how large a pixel is."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import image_2d
from cemvis._files import access_errors, sha256_of
from cemvis.errors import FileFormatError, InputError, PixelSizeWarning
from cemvis.images.colour import to_grey
from cemvis.images.info_bar import LARGEST_IMAGE_PX, SEARCHED, find_info_bar
from cemvis.images.pixel_size import PixelSize, choose, unknown
from cemvis.images.storage import ArrayStorage, Storage

MOST_PX = 1 << 40
_LOOK_PX = 64  # edge of the windows that are looked at when an image is opened
_SEARCH_NAN_PX = 1 << 24
_DIGEST_ROWS = 256

_MAGIC = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x89PNG": "raster",
    b"\xff\xd8\xff": "raster",
}
_NOT_READ = {
    b"BM": "a BMP image",
    b"GIF8": "a GIF image",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a ZIP archive",
    b"%PDF": "a PDF document",
    b"\0\0\0\x0cjP": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
}


class Micrograph:
    """A grey image that is read by window, with the size of its pixels.

    Made by `open_micrograph` or `Micrograph.from_array`. A context manager; reading is safe from several threads.
    The origin is the centre of the top-left pixel, x to the right and y down.

    Attributes
    ----------
    path : Path or None
        The file, or None for an array.
    shape : (rows, cols)
        Size of the picture in px, without the info bar.
    dtype : numpy dtype
        uint8 or uint16.
    pixel_size : PixelSize or None
        None if nobody said.
    info_bar_rows : int
        Rows under the picture that were left out; `info_bar_source` says who says so ("metadata" or "picture").
    format, layout : str
        Kind of file, and how its pixels are stored.
    chunk_shape : (rows, cols)
        The block that has to be read whole; windows aligned to it read nothing twice. A chunk of one row means
        that any window costs no more than itself.
    notes : tuple of str
        What was decided while opening: which page is read, metadata that do not fit.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        path: Path | None,
        pixel_size: PixelSize | None,
        info_bar_rows: int = 0,
        info_bar_source: str = "",
    ) -> None:
        self._storage = storage
        self._name = "the array" if path is None else str(path)
        self._digest: str | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.path = path
        self.shape: tuple[int, int] = (storage.shape[0] - info_bar_rows, storage.shape[1])
        self.dtype = storage.dtype
        self.pixel_size = pixel_size
        self.info_bar_rows = info_bar_rows
        self.info_bar_source = info_bar_source
        self.format = storage.format
        self.layout = storage.layout
        self.chunk_shape = storage.chunk_shape
        self.notes = storage.metadata.notes + storage.metadata.misfits

    @classmethod
    def from_array(cls, image: NDArray[Any], *, pixel_size: PixelSize | None) -> Micrograph:
        """Return a micrograph of an image in memory, (rows, cols) uint8 or uint16.

        Raises
        ------
        InputError
            If `image` is not such an array.
        """
        image_2d(image)
        return cls(ArrayStorage(image, format="array", layout="in memory"), path=None, pixel_size=pixel_size)

    def require_pixel_size(self) -> PixelSize:
        """Return the pixel size.

        Raises
        ------
        PixelSizeError
            If it is unknown; the message says how to give one.
        """
        if self.pixel_size is None:
            raise unknown(self._name)
        return self.pixel_size

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int = 1) -> NDArray[Any]:
        """Return the grey levels of a window.

        Parameters
        ----------
        row, col : int
            The window's first pixel.
        rows, cols : int
            Its size; it must lie inside the image.
        threads : int
            Threads that decode compressed strips or tiles.

        Returns
        -------
        (rows, cols) uint8 or uint16, C-contiguous, the caller's own

        Raises
        ------
        InputError
            If the window is empty or not inside the image, or the micrograph was closed.
        FileFormatError
            If the file is damaged there, or a pixel is coloured or transparent.
        """
        if not (0 <= row < row + rows <= self.shape[0] and 0 <= col < col + cols <= self.shape[1]):
            msg = (
                f"the window of {rows} x {cols} px at row {row}, column {col} is empty or not inside "
                f"{self._name} ({self.shape[0]} x {self.shape[1]} px)"
            )
            raise InputError(msg)
        if self._closed:
            msg = f"{self._name} was closed; read it before"
            raise InputError(msg)
        block = self._storage.read(row, col, rows, cols, threads=threads)
        return to_grey(block, self._storage.encoding, row=row, col=col, name=self._name)

    def digest(self) -> str:
        """Return the SHA-256 of the file's bytes in hexadecimal; of shape, type and pixels for an array.

        Of a Zarr store it covers every file's relative path and bytes, in sorted order. Computed once.
        """
        with self._lock:
            if self._digest is None:
                self._digest = self._compute_digest()
            return self._digest

    def _compute_digest(self) -> str:
        if self.path is not None and self.path.is_file():
            return sha256_of(self.path)
        sha = hashlib.sha256()
        if self.path is not None:
            for file in sorted(entry for entry in self.path.rglob("*") if entry.is_file()):
                sha.update(f"{file.relative_to(self.path).as_posix()}\0{sha256_of(file)}\n".encode())
        else:
            sha.update(f"{self.shape} {self.dtype.name}\n".encode())
            rows, cols = self.shape
            for row in range(0, rows, _DIGEST_ROWS):
                sha.update(self.read(row, 0, min(_DIGEST_ROWS, rows - row), cols).data)
        return sha.hexdigest()

    def close(self) -> None:
        """Release the file; closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Micrograph {self._name}: {self.shape[0]} x {self.shape[1]} {self.dtype.name}, {self.pixel_size}>"


def open_micrograph(
    path: str | os.PathLike[str], *, pixel_size: PixelSize | None = None, info_bar: bool = True
) -> Micrograph:
    """Open a micrograph: TIFF, BigTIFF, OME-TIFF, PNG, JPEG, Zarr or OME-Zarr, told apart by content.

    Nothing but a few small windows is read, except that PNG and JPEG have to be decoded whole.

    Parameters
    ----------
    path : path-like
        The file or Zarr folder.
    pixel_size : PixelSize, optional
        Taken instead of what the file says.
    info_bar : bool
        Whether an info bar under the picture is looked for and left out: by the vendor's metadata where they say how
        high the picture is, else in the picture itself, up to 100 million pixels.

    Raises
    ------
    FileAccessError
        If there is no such file or it cannot be read.
    FileFormatError
        If it is damaged, not an image, or not 8 or 16 bit grey.
    PixelSizeError
        If its pixels are not square and `pixel_size` is not given.

    Warns
    -----
    PixelSizeWarning
        If two sources of the pixel size differ by more than 1 %, or metadata belong to a picture of another size.
    """
    path = Path(path)
    storage = _open_storage(path)
    try:
        _check_pixels(storage, path)
        bar_rows, bar_source = _find_bar(storage) if info_bar else (0, "")
        size = choose(storage.metadata.sizes, option=pixel_size, name=str(path))
        if size is None:
            for misfit in storage.metadata.misfits:
                warnings.warn(f"{path}: {misfit}", PixelSizeWarning, stacklevel=2)
        micrograph = Micrograph(storage, path=path, pixel_size=size, info_bar_rows=bar_rows, info_bar_source=bar_source)
        _look_at_colours(micrograph, storage)
    except BaseException:
        storage.close()
        raise
    return micrograph


def _open_storage(path: Path) -> Storage:
    with access_errors(path, doing="read"):
        if path.is_dir():
            return _open_folder(path)
        with path.open("rb") as file:
            head = file.read(12)
    kind = _MAGIC.get(head[:4]) or _MAGIC.get(head[:3])
    if kind == "TIFF":
        from cemvis.images.tiff import TiffStorage

        return TiffStorage(path)
    if kind == "raster":
        from cemvis.images.raster import open_raster

        return open_raster(path)
    what = next((name for magic, name in _NOT_READ.items() if head.startswith(magic)), "not an image that cemvis knows")
    if not head:
        what = "empty"
    msg = f"{path} is {what}; wanted a TIFF, PNG, JPEG or Zarr image"
    raise FileFormatError(msg)


def _open_folder(path: Path) -> Storage:
    if not any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup")):
        msg = f"{path} is a folder without a Zarr store; wanted a TIFF, PNG, JPEG or Zarr image"
        raise FileFormatError(msg)
    from cemvis.images.zarr_store import ZarrStorage

    return ZarrStorage(path)


def _check_pixels(storage: Storage, path: Path) -> None:
    """Check that the stored pixels can be grey levels, and that there are some, and not absurdly many."""
    rows, cols = storage.shape
    if rows < 1 or cols < 1 or rows * cols > MOST_PX:
        msg = f"{path} is {rows} x {cols} px; wanted at least one pixel and at most {MOST_PX:,}"
        raise FileFormatError(msg)
    if storage.dtype.name in {"uint8", "uint16"}:
        return
    if storage.dtype.kind == "f":
        nan = ", some of them NaN" if _has_nan(storage) else ""
        msg = (
            f"{path} holds {storage.dtype.name} values{nan}; wanted the grey levels that the microscope recorded: "
            "export it as 8 or 16 bit, or scale it to uint16 yourself"
        )
        raise FileFormatError(msg)
    msg = f"{path} holds {storage.dtype.name} values; wanted 8 or 16 bit grey (uint8 or uint16), so export it as such"
    raise FileFormatError(msg)


def _has_nan(storage: Storage) -> bool:
    """Whether a float image has a NaN: anywhere in an ordinary image, in a few windows of a very large one."""
    rows, cols = storage.shape
    if rows * cols <= _SEARCH_NAN_PX:
        return bool(np.isnan(storage.read(0, 0, rows, cols, threads=1)).any())
    return any(np.isnan(storage.read(*window, threads=1)).any() for window in _windows_to_look_at(storage.shape))


def _find_bar(storage: Storage) -> tuple[int, str]:
    """Return the rows of the info bar, and whether metadata or the picture say so."""
    rows, cols = storage.shape
    if storage.metadata.bar_rows is not None:
        bar_rows = storage.metadata.bar_rows
        return bar_rows, "metadata" if bar_rows else ""
    searched = round(SEARCHED * rows)
    if searched < 1 or rows * cols > LARGEST_IMAGE_PX:
        return 0, ""
    foot = storage.read(rows - searched, 0, searched, cols, threads=1)
    bar_rows = find_info_bar(foot if foot.ndim == 2 else foot[..., 0], rows, lossy=storage.lossy)
    return bar_rows, "picture" if bar_rows else ""


def _look_at_colours(micrograph: Micrograph, storage: Storage) -> None:
    """Read a few windows of an image with colours, so that one that is not grey is refused at once."""
    if not storage.encoding.is_plain:
        for window in _windows_to_look_at(micrograph.shape):
            micrograph.read(*window)


def _windows_to_look_at(shape: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Return nine windows (row, col, rows, cols) spread over an image."""
    rows, cols = min(_LOOK_PX, shape[0]), min(_LOOK_PX, shape[1])
    return [
        (round(i * (shape[0] - rows) / 2), round(j * (shape[1] - cols) / 2), rows, cols)
        for i in range(3)
        for j in range(3)
    ]
