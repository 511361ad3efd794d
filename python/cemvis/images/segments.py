"""Bytes and decoded segments of a file, by position: safe to use from several threads at once."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cemvis._files import access_errors
from cemvis.errors import FileFormatError


class FileBytes:
    """A file that is read at given offsets.

    Mapping the file into memory would be shorter, but its pages count as this process's memory while a mosaic
    streams through.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._lock = threading.Lock()
        self.size = os.fstat(self._file.fileno()).st_size

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a view of bytes with those from `offset` on."""
        done = 0
        while done < len(buffer):
            with access_errors(self._path, doing="read"):
                count = self._read_some(buffer[done:], offset + done)
            if not count:
                msg = f"{self._path} is truncated: wanted {len(buffer)} bytes at {offset}, the file ends before"
                raise FileFormatError(msg)
            done += count

    def read(self, offset: int, count: int) -> bytearray:
        """Return `count` bytes from `offset` on."""
        data = bytearray(count)
        self.read_into(memoryview(data), offset)
        return data

    def _read_some(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [view], offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.readinto(view) or 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SegmentCache:
    """The segments decoded last, up to a number of bytes, so that neighbouring windows need not decode them again."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, index: int, decode: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
        """Return segment `index`, from the cache or else from `decode`."""
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
        segment = decode(index)  # outside the lock: two threads may decode the same segment, which only costs time
        with self._lock:
            if index not in self._kept:
                self._kept[index] = segment
                self._bytes += segment.nbytes
            # The newest one stays whatever its size: an image stored as a single strip is decoded once.
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes
        return segment
