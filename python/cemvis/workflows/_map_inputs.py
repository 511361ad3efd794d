"""What a map is made from: digests of the files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis._files import access_errors, sha256_of

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph

WHOLE_UP_TO_BYTES = 256 * 2**20
SAMPLES = 256
SAMPLE_BYTES = 64 * 2**10


def file_digest(path: Path) -> dict[str, Any]:
    """Return the size of a file and a SHA-256 digest: of all bytes, or above 256 MiB of evenly spread samples.

    Hashing a large mosaic whole would take longer than mapping it. The digest of a sampled file covers its size, its
    first and last 64 KiB and 254 pieces of 64 KiB between them, and has another name, so that it is not mistaken for
    the digest of the file.
    """
    with access_errors(path, doing="read"):
        size = path.stat().st_size
        if size <= WHOLE_UP_TO_BYTES:
            return {"bytes": size, "sha256": sha256_of(path)}
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return {"bytes": size, "sha256_of_samples": digest.hexdigest()}


def notes_on(image: Micrograph) -> tuple[str, ...]:
    """Return what was decided while an image was opened: pages and metadata left aside, an info bar left out."""
    if not image.info_bar_rows:
        return image.notes
    bar = f"the info bar, {image.info_bar_rows} rows at the bottom, is left out (by the {image.info_bar_source})"
    return (*image.notes, bar)


def image_origin(image: Micrograph) -> dict[str, Any]:
    """Return the name, shape, type and digest of an image, for the summary and for --resume."""
    about: dict[str, Any] = {"shape_px": list(image.shape), "dtype": str(image.dtype), "notes": list(notes_on(image))}
    if image.path is not None and image.path.is_file():
        return {"file": image.path.name} | file_digest(image.path) | about
    name = {} if image.path is None else {"file": image.path.name}
    return name | {"sha256": image.digest()} | about
