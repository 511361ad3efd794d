"""The figure of one mapped image, from its files and what was counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.pores import mean_porosity
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.report.npm import Anchor, Greys, Pictures, npm_figure
from cemvis.workflows._npm_pass import CLINKER, MICF, MULF, MappedImage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN_PX = 1000  # along an edge
_BAND_ROWS = 512
_HISTOGRAM_BINS = 256


def figure_of(image: MappedImage) -> Figure:
    """Return the figure of an image whose maps are written."""
    source, session = image.source, image.session
    by_end = {end: path for path in image.files for end in (MULF, MICF, CLINKER) if path.name.endswith(end)}
    step = max(1, -(-max(source.shape) // MOST_SHOWN_PX))
    size = source.pixel_size
    grey = _thinned(source.path, step, size, info_bar=True)
    mulf, micf = (_thinned(by_end[end], step, size) for end in (MULF, MICF))
    clinker = _thinned(by_end[CLINKER], step, size) > 0 if CLINKER in by_end else np.zeros(mulf.shape, bool)
    rows, cols = source.shape
    pictures = Pictures(grey, mulf, micf, clinker, cols * size.um, rows * size.um)
    anchors = session.anchors
    low, high = np.percentile(session.draws, [2.5, 97.5], axis=0)
    given = [2 * anchors.csh_error, 2 * anchors.metal_error]
    marks = (
        Anchor("C-S-H (n = 0)", anchors.csh, min(low[0], anchors.csh - given[0]), max(high[0], anchors.csh + given[0])),
        Anchor(
            "metal (n = 1)",
            anchors.metal,
            min(low[1], anchors.metal - given[1]),
            max(high[1], anchors.metal + given[1]),
        ),
    )
    warnings = [] if anchors.reliable else [f"the anchors are uncertain: {anchors.note}"]
    return npm_figure(
        pictures,
        _greys(image),
        marks,
        title=f"Nano-porosity of {source.name}",
        caption=_caption(image),
        warnings=warnings,
    )


def _thinned(path: Path, step: int, size: PixelSize, *, info_bar: bool = False) -> NDArray[Any]:
    """Return every `step`-th pixel of every `step`-th row, holding a band in memory."""
    with open_micrograph(path, pixel_size=size, info_bar=info_bar) as image:
        rows, cols = image.shape
        high = max(1, _BAND_ROWS // step) * step
        bands = [image.read(top, 0, min(high, rows - top), cols)[::step, ::step] for top in range(0, rows, high)]
    return np.concatenate(bands)


def _greys(image: MappedImage) -> Greys:
    sample = image.session.sample
    every = _rebinned(image.greys)
    clinker = _rebinned(image.clinker_greys)
    width = image.source.levels // _HISTOGRAM_BINS
    middles = np.arange(_HISTOGRAM_BINS, dtype=np.float64) * width + (width - 1) / 2
    edges = np.concatenate([middles - width / 2, [middles[-1] + width / 2]])
    flat = np.histogram(sample.greys, edges, weights=sample.flat_counts())[0].astype(np.float64)
    return Greys(middles, *(each / max(1.0, each.sum()) for each in (every, flat, clinker)))


def _rebinned(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = counts.reshape(_HISTOGRAM_BINS, -1).sum(axis=1).astype(np.float64)
    return sums


def _caption(image: MappedImage) -> str:
    whole = image.whole
    low, high = np.percentile(whole.porosity_draws, [2.5, 97.5])
    rows, cols = whole.shape
    anchors = image.session.anchors
    where = {"given": "as given", "regions": "from regions", "histogram": "from flat places of the session's images"}
    phase = image.session.phase
    if anchors.csh_source == "histogram" and phase.relative:
        csh = f"from flat places of {phase.name}"
    else:
        csh = where[anchors.csh_source]
    text = (
        f"Porosity {mean_porosity(whole.counts):.4f} ({low:.4f} to {high:.4f} by the anchors' errors), clinker "
        f"{whole.clinker_px / (rows * cols):.1%} of the area, {len(image.maps)} maps. C-S-H "
        f"{csh}, metal {where[anchors.metal_source]}. Flat places are those of all images of the "
        "session; each curve of greys is a share of its own total."
    )
    if image.source.clinker is not None:
        text += f" Clinker as given in {image.source.clinker.name}."
    return text
