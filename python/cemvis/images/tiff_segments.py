"""Where the strips or tiles of a TIFF page lie: in the image, and in the file."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import tifffile

from cemvis.errors import FileFormatError

LARGEST_SEGMENT_BYTES = 1 << 30  # decoded


class Segments:
    """Where the strips or tiles of a page lie, in the image and in the file."""

    def __init__(self, page: tifffile.TiffPage, itemsize: int, file_bytes: int, name: str) -> None:
        interleaved = page.samplesperpixel > 1 and page.planarconfig == 1
        height, width = page.chunks[-3:-1] if interleaved else page.chunks[-2:]
        self.shape: tuple[int, int] = (height, width)
        self._image = (page.imagelength, page.imagewidth)
        self._across = math.ceil(self._image[1] / self.shape[1])
        self._down = math.ceil(self._image[0] / self.shape[0])
        self.planes = page.samplesperpixel if page.planarconfig == 2 else 1
        self.kind = "tile" if page.is_tiled else "strip"
        self.offsets: tuple[int, ...] = page.dataoffsets
        self.counts: tuple[int, ...] = page.databytecounts
        uncompressed = page.compression == 1
        self.plain_strips = (
            uncompressed
            and not page.is_tiled
            and self.planes == 1
            and page.predictor == 1
            and page.fillorder == 1
            and all(self.counts)
        )
        codec = "uncompressed" if uncompressed else f"{getattr(page.compression, 'name', page.compression)} compressed"
        size = f"{self.shape[0]} x {self.shape[1]} px" if page.is_tiled else f"{self.shape[0]} rows"
        self.layout = f"{len(self.offsets):,} {self.kind}s of {size}, {codec}".replace(" 1 rows", " 1 row")
        if len(self.offsets) == 1:
            self.layout = f"1 {self.kind}, {codec}"
        self._check(page.samplesperpixel * itemsize // self.planes, file_bytes, name)

    def _check(self, pixel_bytes: int, file_bytes: int, name: str) -> None:
        wanted = self._across * self._down * self.planes
        if not len(self.offsets) == len(self.counts) == wanted:
            msg = f"{name} is damaged: it lists {len(self.offsets)} {self.kind}s, its size needs {wanted}"
            raise FileFormatError(msg)
        ends = np.asarray(self.offsets, np.float64) + np.asarray(self.counts, np.float64)
        if ends.max() > file_bytes:
            msg = f"{name} is truncated: its pixels reach to byte {ends.max():,.0f}, the file has {file_bytes:,}"
            raise FileFormatError(msg)
        segment_bytes = self.shape[0] * self.shape[1] * pixel_bytes
        if self.plain_strips and min(self.counts[:-1], default=segment_bytes) < segment_bytes:
            msg = f"{name} is damaged: a strip holds fewer bytes than its rows need"
            raise FileFormatError(msg)
        last_rows = self._image[0] - (self._down - 1) * self.shape[0]
        if self.plain_strips and self.counts[-1] * self.shape[0] < segment_bytes * last_rows:
            msg = f"{name} is damaged: its last strip holds fewer bytes than its rows need"
            raise FileFormatError(msg)
        if not self.plain_strips and segment_bytes > LARGEST_SEGMENT_BYTES:
            msg = (
                f"{name} holds {self.shape[0]} x {self.shape[1]} px in one compressed {self.kind}, which would have to "
                "be decoded whole; save it in tiles (for example 512 x 512 px)"
            )
            raise FileFormatError(msg)

    def meeting(self, row: int, col: int, rows: int, cols: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (index, top, left, plane) of each segment that a window meets."""
        height, width = self.shape
        for plane in range(self.planes):
            for i in range(row // height, (row + rows - 1) // height + 1):
                for j in range(col // width, (col + cols - 1) // width + 1):
                    yield (plane * self._down + i) * self._across + j, i * height, j * width, plane

    def corner(self, index: int) -> tuple[int, int]:
        """Return row and column of a segment's first pixel."""
        i, j = divmod(index % (self._down * self._across), self._across)
        return i * self.shape[0], j * self.shape[1]

    def row_runs(self, row: int, rows: int, row_bytes: int) -> Iterator[tuple[int, int, int]]:
        """Yield (first row in the window, rows, file offset) of runs of rows that follow each other in the file."""
        height = self.shape[0]
        first, count, offset = 0, 0, 0
        for strip in range(row // height, (row + rows - 1) // height + 1):
            top = max(row, strip * height)
            in_strip = min(row + rows, (strip + 1) * height) - top
            at = self.offsets[strip] + (top - strip * height) * row_bytes
            if count and at == offset + count * row_bytes:
                count += in_strip
                continue
            if count:
                yield first, count, offset
            first, count, offset = top - row, in_strip, at
        yield first, count, offset
