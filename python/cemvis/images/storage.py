"""What every way of storing pixels offers, so that a micrograph need not know how its file is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cemvis.images.colour import Encoding
from cemvis.images.pixel_size import RecordedSize


@dataclass(frozen=True)
class FileMetadata:
    """What a file says about its picture.

    Parameters
    ----------
    sizes : tuple of RecordedSize
        Pixel sizes, the most trusted source first.
    bar_rows : int, optional
        Rows of the vendor's info bar under the picture; None where the file does not say.
    notes : tuple of str
        What a reader should know, such as pages left out.
    misfits : tuple of str
        Why metadata were not used: they describe another picture.
    """

    sizes: tuple[RecordedSize, ...] = ()
    bar_rows: int | None = None
    notes: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()

    def __add__(self, other: FileMetadata) -> FileMetadata:
        bar_rows = self.bar_rows if self.bar_rows is not None else other.bar_rows
        return FileMetadata(self.sizes + other.sizes, bar_rows, self.notes + other.notes, self.misfits + other.misfits)


class Storage(Protocol):
    """Stored pixels that are read by window, as they are: colours and palettes are not resolved here.

    `chunk_shape` is the block that has to be read whole: windows aligned to it read nothing twice. A chunk of one
    row means that any window costs no more than itself. `lossy` says that equal pixels may come back as nearly
    equal ones.
    """

    format: str
    layout: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    chunk_shape: tuple[int, int]
    encoding: Encoding
    lossy: bool
    metadata: FileMetadata

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int) -> NDArray[Any]:
        """Return the window as (rows, cols) or, where a pixel has several values, (rows, cols, samples)."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class ArrayStorage:
    """Pixels that lie in memory: an array that was given, or an image that was decoded whole."""

    def __init__(
        self,
        pixels: NDArray[Any],
        *,
        format: str,
        layout: str,
        encoding: Encoding | None = None,
        lossy: bool = False,
        metadata: FileMetadata | None = None,
    ) -> None:
        self._pixels = pixels
        self.format = format
        self.layout = layout
        self.shape: tuple[int, int] = (pixels.shape[0], pixels.shape[1])
        self.dtype: np.dtype[Any] = pixels.dtype
        self.chunk_shape = (1, self.shape[1])
        self.encoding = encoding if encoding is not None else Encoding()
        self.lossy = lossy
        self.metadata = metadata if metadata is not None else FileMetadata()

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int) -> NDArray[Any]:  # noqa: ARG002
        """Return a copy of the window."""
        return self._pixels[row : row + rows, col : col + cols].copy()

    def close(self) -> None:
        """Let the pixels go."""
        self._pixels = self._pixels[:0]
