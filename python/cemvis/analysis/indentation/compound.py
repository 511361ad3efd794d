"""A look at the container of an xls file before a parser follows it: a damaged one can send that round in circles.

The layout is that of Microsoft's compound file: sectors, chained by a table of which sector comes next.

References
----------
[MS-CFB]: Compound File Binary File Format, https://learn.microsoft.com/openspecs/windows_protocols/ms-cfb/
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Sectors = NDArray[np.uint32]

_LAST_SECTOR = 0xFFFFFFFA  # greater numbers have other meanings: the end of a chain, a free sector and so on
_END = 0xFFFFFFFE
_HEADER_BYTES = 512
_ENTRY_BYTES = 128
_LISTED_IN_HEADER = 109
_STREAM, _ROOT = 2, 5
_SMALL_STREAM = 4096
_MINI_SHIFT = 6
_ENCRYPTED = "EncryptedPackage"
_WORKBOOK = ("Workbook", "Book", "WORKBOOK", "BOOK")


class DamagedError(Exception):
    """What is wrong with a file's container, in words."""


def workbook_stream(data: bytes) -> bytes:
    """Return the stream of a compound file that holds an Excel workbook.

    Checked on the way are the table of sectors and every chain in it that a stream or the directory uses: each has to
    end, and to lie within the file.

    Raises
    ------
    DamagedError
        If the container is damaged, or has no such stream.
    """
    if len(data) < _HEADER_BYTES:
        msg = "its header is cut short"
        raise DamagedError(msg)
    shift, mini_shift = struct.unpack_from("<HH", data, 30)
    if (shift, mini_shift) not in ((9, _MINI_SHIFT), (12, _MINI_SHIFT)):
        msg = f"its sectors are said to have 2^{shift} bytes"
        raise DamagedError(msg)
    size = 1 << shift
    count = -(-len(data) // size) - 1
    table = _joined(data, _table_sectors(data, size, count), size)
    directory, mini = (_chain(table, struct.unpack_from("<I", data, at)[0], count) for at in (48, 60))
    streams = _streams(data, _sectors(data, directory, size), table, _joined(data, mini, size), size)
    found = next((streams[name] for name in _WORKBOOK if name in streams), None)
    if found is None:
        msg = "it is protected by a password" if _ENCRYPTED in streams else "it holds no workbook"
        raise DamagedError(msg)
    return found


def _sectors(data: bytes, numbers: list[int], size: int) -> bytes:
    return b"".join(data[(number + 1) * size : (number + 2) * size].ljust(size, b"\xff") for number in numbers)


def _joined(data: bytes, numbers: list[int], size: int) -> Sectors:
    return np.frombuffer(_sectors(data, numbers, size), "<u4").astype(np.uint32)


def _table_sectors(data: bytes, size: int, count: int) -> list[int]:
    """Return the sectors that hold the table of sectors: 109 from the header, others from a chain of lists."""
    wanted, following = struct.unpack_from("<I", data, 44)[0], struct.unpack_from("<I", data, 68)[0]
    if wanted > count:
        msg = f"its table of sectors is said to have {wanted} of {count} sectors"
        raise DamagedError(msg)
    listed = list(struct.unpack_from(f"<{_LISTED_IN_HEADER}I", data, 76))
    for _ in range(count):
        if following >= _LAST_SECTOR or len(listed) >= wanted:
            break
        _check_sector(following, count)
        numbers = _joined(data, [following], size)
        listed += numbers[:-1].tolist()
        following = int(numbers[-1])
    used = listed[:wanted]
    if len(used) < wanted:
        msg = "its table of sectors is cut short"
        raise DamagedError(msg)
    for number in used:
        _check_sector(number, count)
    return used


def _check_sector(number: int, count: int) -> None:
    if number >= count:
        msg = f"sector {number} lies beyond its end"
        raise DamagedError(msg)


def _chain(table: Sectors, start: int, count: int) -> list[int]:
    """Return the sectors of a chain; none if it starts with its end."""
    chain: list[int] = []
    number = start
    while number < _LAST_SECTOR:
        _check_sector(number, min(count, len(table)))
        chain.append(number)
        if len(chain) > count:
            msg = f"the chain from sector {start} goes round in circles"
            raise DamagedError(msg)
        number = int(table[number])
    if chain and number != _END:
        msg = f"the chain from sector {start} has no end"
        raise DamagedError(msg)
    return chain


def _streams(data: bytes, directory: bytes, table: Sectors, mini_table: Sectors, size: int) -> dict[str, bytes]:
    """Return the streams of the directory by their names; small ones lie in sectors of their own within the root's."""
    count = -(-len(data) // size) - 1
    streams: dict[str, bytes] = {}
    root = b""
    for at in range(0, len(directory), _ENTRY_BYTES):
        kind = directory[at + 66]
        start, length = struct.unpack_from("<II", directory, at + 116)
        if kind not in (_STREAM, _ROOT) or length == 0:
            continue
        if kind == _ROOT:
            root = _sectors(data, _chain(table, start, count), size)
            continue
        letters = max(0, min(struct.unpack_from("<H", directory, at + 64)[0], 64) - 2)
        name = directory[at : at + letters].decode("utf-16-le", errors="replace")
        if length < _SMALL_STREAM:
            edge = 1 << _MINI_SHIFT
            parts = _chain(mini_table, start, len(mini_table))
            streams[name] = b"".join(root[part * edge : (part + 1) * edge] for part in parts)[:length]
        else:
            streams[name] = _sectors(data, _chain(table, start, count), size)[:length]
        if len(streams[name]) < length:
            msg = f"its stream {name!r} has {len(streams[name])} of {length} bytes"
            raise DamagedError(msg)
    return streams
