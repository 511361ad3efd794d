"""TIFF, BigTIFF and OME-TIFF by window: only the strips or tiles that a window meets are read."""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from cemvis.errors import CemvisError, FileFormatError
from cemvis.images import vendor_metadata
from cemvis.images.colour import LOSSY_TOLERANCE, Encoding, Palette
from cemvis.images.segments import FileBytes, SegmentCache
from cemvis.images.storage import FileMetadata
from cemvis.images.tiff_segments import Segments

# tifffile reports oddities of a file through logging, which Python prints where nobody has set logging up.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MOST_PAGES = 64  # looked at to find the micrograph among thumbnails
_CACHE_BYTES = 64 << 20
_LOSSY = {6, 7, 33003, 33004, 33005, 34712, 34892, 34933, 50001, 50002}  # JPEG, JPEG 2000, WebP, JPEG XL
_JPEG = {6, 7, 34892, 33007}
_NATIVE_BYTEORDER = "<" if sys.byteorder == "little" else ">"


class TiffStorage:
    """The micrograph in a TIFF file; see `cemvis.images.storage.Storage`.

    Of several pages the first of the largest size counts: thumbnails and pyramid levels are smaller.
    Rows of uncompressed strips are read byte by byte as asked; other segments are read and decoded whole.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._file = FileBytes(path)
        try:
            with tifffile.TiffFile(path) as tiff:
                self._set_up(tiff, path)
        except CemvisError:
            self._file.close()
            raise
        except Exception as error:  # tifffile raises whatever a broken structure leads to
            self._file.close()
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            msg = f"{path} is a damaged or truncated TIFF file ({reason})"
            raise FileFormatError(msg) from error

    def _set_up(self, tiff: tifffile.TiffFile, path: Path) -> None:
        """Take from the parsed file all that reading needs, so that it can be closed."""
        page, notes = _micrograph_page(tiff, self._name)
        self.format = "OME-TIFF" if tiff.is_ome else "BigTIFF" if tiff.is_bigtiff else "TIFF"
        self.shape: tuple[int, int] = (page.imagelength, page.imagewidth)
        self.encoding = _encoding(page, self._name)
        self.dtype: np.dtype[Any] = _dtype(page, self._name)
        self.lossy = page.compression in _LOSSY
        self.metadata = FileMetadata(notes=notes) + _metadata(tiff, page, path, self.shape)
        self._samples = page.samplesperpixel
        self._swapped = tiff.byteorder != _NATIVE_BYTEORDER
        self._segments = Segments(page, self.dtype.itemsize, self._file.size, self._name)
        self.layout = self._segments.layout
        self.chunk_shape = (1, self.shape[1]) if self._segments.plain_strips else self._segments.shape
        self._cache = SegmentCache(0 if page.compression == 1 else _CACHE_BYTES)
        self._decode = page.decode
        self._tables = page.jpegtables if page.compression in _JPEG else None

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int) -> NDArray[Any]:
        """Return the window; compressed segments are decoded by `threads` threads."""
        samples = self._samples
        out = np.empty((rows, cols) if samples == 1 else (rows, cols, samples), self.dtype)
        if self._segments.plain_strips:
            self._read_rows(out, row, col)
            return out
        wanted = list(self._segments.meeting(row, col, rows, cols))

        def place(segment: tuple[int, int, int, int]) -> None:
            self._place(out, segment, row, col)

        if threads > 1 and len(wanted) > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(place, wanted))
        else:
            for segment in wanted:
                place(segment)
        return out

    def _read_rows(self, out: NDArray[Any], row: int, col: int) -> None:
        """Read rows of uncompressed strips straight into `out`, whole runs of rows at once where they are complete."""
        pixel_bytes = out.itemsize * self._samples
        row_bytes = self.shape[1] * pixel_bytes
        wanted_bytes = out.shape[1] * pixel_bytes
        target = out.reshape(-1).view(np.uint8).data
        for first, count, offset in self._segments.row_runs(row, out.shape[0], row_bytes):
            if wanted_bytes == row_bytes:
                self._file.read_into(target[first * row_bytes : (first + count) * row_bytes], offset)
                continue
            from_byte = offset + col * pixel_bytes
            for i in range(count):
                part = target[(first + i) * wanted_bytes : (first + i + 1) * wanted_bytes]
                self._file.read_into(part, from_byte + i * row_bytes)
        if self._swapped:
            out.byteswap(inplace=True)

    def _place(self, out: NDArray[Any], segment: tuple[int, int, int, int], row: int, col: int) -> None:
        """Copy the part of a segment that lies in the window whose first pixel is (row, col)."""
        index, top, left, sample = segment
        target = out[..., sample] if self._segments.planes > 1 else out
        pixels = self._cache.get(index, self._decoded)
        if target.ndim == 2:
            pixels = pixels[..., 0]
        from_row, from_col = max(row, top), max(col, left)
        to_row = min(row + out.shape[0], top + pixels.shape[0])
        to_col = min(col + out.shape[1], left + pixels.shape[1])
        target[from_row - row : to_row - row, from_col - col : to_col - col] = pixels[
            from_row - top : to_row - top, from_col - left : to_col - left
        ]

    def _decoded(self, index: int) -> NDArray[Any]:
        """Return segment `index` as (rows, cols, samples); a segment that was never written is zero."""
        offset, count = self._segments.offsets[index], self._segments.counts[index]
        data = self._file.read(offset, count) if count else None
        try:
            pixels, (_, _, top, left, _), shape = self._decode(data, index, jpegtables=self._tables)
        except Exception as error:  # codecs raise errors of their own kinds
            top, left = self._segments.corner(index)
            msg = f"{self._name} is damaged: the {self._segments.kind} at row {top}, column {left} does not decode"
            raise FileFormatError(msg) from error
        if pixels is None:
            return np.zeros(shape[1:], self.dtype)
        decoded: NDArray[Any] = pixels[0]
        if decoded.dtype != self.dtype:
            msg = f"{self._name} is damaged: row {top}, column {left} decodes to {decoded.dtype}, not {self.dtype}"
            raise FileFormatError(msg)
        return decoded

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _micrograph_page(tiff: tifffile.TiffFile, name: str) -> tuple[tifffile.TiffPage, tuple[str, ...]]:
    """Return the first page of the largest size, and notes about what was left out."""
    pages = [page.aspage() for page in islice(tiff.pages, MOST_PAGES)]
    if not pages:
        msg = f"{name} is a TIFF file without any image"
        raise FileFormatError(msg)
    full = [page for page in pages if not page.is_reduced] or pages
    page = max(full, key=lambda candidate: candidate.imagelength * candidate.imagewidth)
    if page.imagelength < 1 or page.imagewidth < 1:
        msg = f"{name} has no pixels ({page.imagelength} x {page.imagewidth})"
        raise FileFormatError(msg)
    notes = []
    if len(tiff.pages) > 1:
        number = next(i for i, candidate in enumerate(pages) if candidate is page)
        notes.append(f"page {number + 1} of {len(tiff.pages)} is read: the first of the largest size")
    if page.imagedepth > 1:
        msg = f"{name} is a volume of {page.imagedepth} slices; wanted one image"
        raise FileFormatError(msg)
    orientation = page.tags.valueof(274, 1)
    if orientation != 1:
        notes.append(f"orientation tag {int(orientation)} is not applied: rows and columns are as stored")
    return page, tuple(notes)


def _dtype(page: tifffile.TiffPage, name: str) -> np.dtype[Any]:
    bits = page.bitspersample
    if page.dtype is None or isinstance(bits, tuple) or bits not in {8, 16, 32, 64}:
        msg = f"{name} has {bits} bits per sample; wanted 8 or 16 bit grey, so export it as an 8 or 16 bit TIFF"
        raise FileFormatError(msg)
    return np.dtype(page.dtype)


def _encoding(page: tifffile.TiffPage, name: str) -> Encoding:
    kind = tifffile.PHOTOMETRIC(page.photometric).name
    samples, lossy = page.samplesperpixel, page.compression in _LOSSY
    tolerance = LOSSY_TOLERANCE * (257 if page.bitspersample == 16 else 1) if lossy else 0
    if kind in {"MINISBLACK", "MINISWHITE"} and samples in {1, 2}:
        return Encoding(alpha=samples == 2, inverted=kind == "MINISWHITE")
    is_rgb = kind == "RGB" or (kind == "YCBCR" and page.compression in _JPEG)  # decoding JPEG turns YCbCr to RGB
    if is_rgb and samples in {3, 4}:
        return Encoding(colours=3, alpha=samples == 4, tolerance=tolerance)
    if kind == "PALETTE" and samples == 1 and page.bitspersample == 8 and page.colormap is not None:
        palette = Palette.from_colours(page.colormap)
        return Encoding(palette=None if palette.is_identity else palette)
    msg = f"{name} stores {kind} colours with {samples} values a pixel; wanted grey, or RGB that is really grey"
    raise FileFormatError(msg)


def _metadata(tiff: tifffile.TiffFile, page: tifffile.TiffPage, path: Path, shape: tuple[int, int]) -> FileMetadata:
    """Return what OME, the vendor's tags, a side file, ImageJ and the resolution tags say, in this order of trust."""
    unit = {2: "in", 3: "cm", 4: "mm", 5: "um"}.get(int(page.resolutionunit), "")
    per_unit = (float(page.resolution[0]), float(page.resolution[1]))
    found = vendor_metadata.ome(tiff.ome_metadata or "") if tiff.is_ome else FileMetadata()
    for code in (34680, 34682):
        if isinstance(tags := page.tags.valueof(code), dict):
            found += vendor_metadata.fei(tags, shape)
    if isinstance(tags := page.tags.valueof(34118), dict):
        found += vendor_metadata.zeiss(tags, shape)
    if isinstance(blob := page.tags.valueof(50431), bytes):
        found += vendor_metadata.tescan(blob.decode("latin-1"), shape)
    found += vendor_metadata.beside(path, shape, printed_um=vendor_metadata.printed_pixel_um(per_unit, unit)[0])
    imagej = tiff.imagej_metadata or {}
    if isinstance(imagej.get("unit"), str):
        return found + vendor_metadata.imagej(imagej["unit"], (page.resolution[0], page.resolution[1]))
    return found + vendor_metadata.resolution(per_unit, unit)
