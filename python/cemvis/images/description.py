"""What a person wants to know of a micrograph before working with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cemvis.images.grey_scale import AnchorFit, grey_histogram, measure_anchors
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize

SAMPLE_PX = 20_000_000


@dataclass(frozen=True)
class Description:
    """A micrograph in figures.

    `shape` is (rows, cols) in px without the info bar, `field_um` (height, width) in um or None if the pixel size
    is unknown, `grey_range` lowest and highest level, `levels_in_use` how many occur between them, and
    `pixels_counted` how many pixels these figures rest on.
    """

    path: str
    format: str
    layout: str
    shape: tuple[int, int]
    dtype: str
    pixel_size: PixelSize | None
    field_um: tuple[float, float] | None
    info_bar_rows: int
    info_bar_source: str
    grey_range: tuple[int, int]
    levels_in_use: int
    pixels_counted: int
    anchors: AnchorFit
    notes: tuple[str, ...]
    sha256: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the description as values that JSON can hold."""
        return asdict(self)


def describe(micrograph: Micrograph, *, digest: bool = False) -> Description:
    """Describe a micrograph, counting grey levels in up to about 20 million evenly spread pixels.

    Parameters
    ----------
    micrograph : Micrograph
        What to describe.
    digest : bool
        Whether to compute the digest too, which reads the whole file.
    """
    counts = grey_histogram(micrograph, sample_px=SAMPLE_PX)
    used = np.flatnonzero(counts)
    size = micrograph.pixel_size
    rows, cols = micrograph.shape
    return Description(
        path=str(micrograph.path),
        format=micrograph.format,
        layout=micrograph.layout,
        shape=micrograph.shape,
        dtype=micrograph.dtype.name,
        pixel_size=size,
        field_um=None if size is None else (rows * size.um, cols * size.um),
        info_bar_rows=micrograph.info_bar_rows,
        info_bar_source=micrograph.info_bar_source,
        grey_range=(int(used[0]), int(used[-1])),
        levels_in_use=int(used.size),
        pixels_counted=int(counts.sum()),
        anchors=measure_anchors(micrograph, sample_px=SAMPLE_PX),
        notes=micrograph.notes,
        sha256=micrograph.digest() if digest else None,
    )
