"""The figure of one mapped image, from its files and what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.pores import mean_porosity
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.report.npm import Anchor, Greys, Pictures, npm_figure
from cemvis.workflows._npm_pass import CLINKER, MICF, MULF, MappedImage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN_PX = 1000  # along an edge
_BAND_ROWS = 512
_HISTOGRAM_BINS = 256
_BEYOND = 1e-5  # share of the pixels at each end that the histogram may leave out


def figure_of(image: MappedImage) -> Figure:
    """Return the figure of an image whose maps are written."""
    source, session = image.source, image.session
    by_end = {end: path for path in image.files for end in (MULF, MICF, CLINKER) if path.name.endswith(end)}
    step = max(1, -(-max(source.shape) // MOST_SHOWN_PX))
    size = source.pixel_size
    grey = _thinned(source.opened(), step)
    mulf, micf = (_thinned(open_micrograph(by_end[end], info_bar=False), step) for end in (MULF, MICF))
    clinker = np.zeros(mulf.shape, bool)
    if CLINKER in by_end:
        clinker = _thinned(open_micrograph(by_end[CLINKER], info_bar=False), step) > 0
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


def _thinned(image: Micrograph, step: int) -> NDArray[Any]:
    """Return every `step`-th pixel of every `step`-th row, holding a band in memory."""
    with image:
        rows, cols = image.shape
        high = max(1, _BAND_ROWS // step) * step
        bands = [image.read(top, 0, min(high, rows - top), cols)[::step, ::step] for top in range(0, rows, high)]
    return np.concatenate(bands)


def _greys(image: MappedImage) -> Greys:
    sample = image.session.sample
    greys = np.arange(image.source.levels)
    flat_counts = sample.flat_counts()
    # Of 16 bit an image may use few, or have a pixel or two far beyond the others.
    below = np.cumsum(image.greys) / image.greys.sum()
    ends = [int(np.searchsorted(below, q)) for q in (_BEYOND, 1 - _BEYOND)]
    flat_greys = sample.greys[np.flatnonzero(flat_counts)]
    low = min([ends[0], *flat_greys[:1]])
    high = max([ends[1], *flat_greys[-1:]])
    # No narrower than what the flat places were counted in.
    width = max(1, round(sample.step), -(-int(high - low + 1) // _HISTOGRAM_BINS))
    # 12 bit stretched to 16 uses every 16th grey: bins that hold one or two of them in turn would make a comb.
    apart = int(np.gcd.reduce(np.diff(np.flatnonzero(image.greys[ends[0] : ends[1] + 1])), initial=0)) or 1
    width = -(-width // apart) * apart
    edges = low - 0.5 + width * np.arange(int(high - low) // width + 2)
    counts = [
        np.histogram(at, edges, weights=values)[0].astype(np.float64)
        for at, values in ((greys, image.greys), (sample.greys, flat_counts), (greys, image.clinker_greys))
    ]
    return Greys((edges[:-1] + edges[1:]) / 2, *(each / max(1.0, each.sum()) for each in counts))


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
