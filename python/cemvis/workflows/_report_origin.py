"""What a record says of its origin: version, command, digests of inputs, pixel size, when it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cemvis._files import DIGESTS
from cemvis.workflows._report_folder import LARGEST, RunFolder, dig

_NAMES = ("path", "file", "image", "name")
_TRAINED_ON = "training_areas"  # of a model, whose own digest stands for them
MOST_INPUTS = 24
_MOST_DEPTH = 6


def origins_of(folder: RunFolder, main: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of what and its value, from the folder's main record; other records only add the date."""
    record = folder.records.get(main)
    found = [("folder", str(folder.path.resolve()))]
    version = dig(record, "cemvis") or dig(record, "version") or dig(record, "origin", "cemvis")
    if version:
        found.append(("cemvis", str(version)))
    command = dig(record, "command")
    if command:
        found.append(("command", str(command)))
    if folder.written(main):
        found.append(("written", folder.written(main)))
    size = pixel_size(record)
    if size:
        found.append(("pixel size", size))
    inputs = list(_digests(record, "", 0))
    found += inputs[:MOST_INPUTS]
    if len(inputs) > MOST_INPUTS:
        found.append(("inputs", f"and {len(inputs) - MOST_INPUTS} more"))
    return tuple(found)


def pixel_size(record: Any) -> str:
    """Return the pixel size in words with its source; empty if the record does not say."""
    places = (
        (dig(record, "pixel_size", "um"), dig(record, "pixel_size", "source")),
        (dig(record, "pixel_size_um"), dig(record, "pixel_size_source")),
        (dig(record, "before", "pixel_size_um"), dig(record, "before", "pixel_size_source")),
        (dig(record, "origin", "pixel_size_um"), dig(record, "origin", "pixel_size_source")),
    )
    for size, source in places:
        if isinstance(size, (int, float)) and not isinstance(size, bool) and abs(size) < LARGEST:
            return f"{1000 * size:.6g} nm/px" + (f" ({source})" if source else "")
    return ""


def _digests(data: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield every digest in a record with the name of what it belongs to."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(data, list):
        for n, each in enumerate(data, start=1):
            label = dig(each, "label")
            if isinstance(label, str):
                yield from ((f"{label}, {what}", digest) for what, digest in _digests(each, name, depth + 1))
                continue
            yield from _digests(each, f"{name} {n}" if len(data) > 1 else name, depth + 1)
    if not isinstance(data, Mapping):
        return
    for key in DIGESTS:
        if isinstance(data.get(key), str):
            file = next((str(data[each]) for each in _NAMES if isinstance(data.get(each), str)), "")
            what = "SHA-256" if key == "sha256" else "SHA-256 of samples"
            yield name or "input", " ".join(part for part in (file, f"{what} {data[key]}") if part)
    for key, each in data.items():
        if key == _TRAINED_ON:
            continue
        if isinstance(each, str) and key.endswith("_sha256") and each:
            yield " ".join(part for part in (name, key.removesuffix("_sha256")) if part), f"SHA-256 {each}"
        else:
            yield from _digests(each, str(key).replace("_", " "), depth + 1)
