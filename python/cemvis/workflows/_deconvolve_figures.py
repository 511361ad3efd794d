"""The pictures of a deconvolution, as PNG and as PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution
from cemvis.report.deconvolution import Distribution, JointDistribution, populations_figure
from cemvis.report.deconvolution_map import population_map_figure, thinning
from cemvis.report.style import save_pdf, save_png
from cemvis.workflows._deconvolve_files import MAP, MAP_PDF, MAP_PICTURE, PDF, PICTURE, SUMMARY
from cemvis.workflows._deconvolve_map import MapFolder, bands, opened_raster

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def caption(origin: Sequence[Mapping[str, Any]], first: Deconvolution) -> str:
    """Return what stands below a figure: the inputs, what populations are, and how their intervals came about."""
    paths = shortest([Path(each["path"]) for each in origin])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    drawn = f"{first.draws.units:,} {first.draws.unit}"
    return (
        f"From {', '.join(paths[:3])}{more}. Populations are mechanical, in rising mean; their names say what such a "
        f"population usually is. {100 * first.level:g} % intervals by resampling {drawn}. "
        f"cemvis {__version__}"
    )


def shortest(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of paths, as many as it takes to tell them apart."""
    longest = max(len(each.parts) for each in paths)
    for parts in range(1, longest + 1):
        names = ["/".join(each.parts[-parts:]) for each in paths]
        if len(set(names)) == len(names):
            return names
    return [str(each) for each in paths]


def draw_populations(
    output: Path, shown: Sequence[Distribution], joint: JointDistribution | None, *, below: str
) -> None:
    """Draw populations.png and .pdf into a folder that is there."""
    every = [*(each.found for each in shown), *([joint.found] if joint else [])]
    warnings = [
        f"{' and '.join(each.properties)}: not supported by the data: {each.verdict[0]}"
        + (f" (and {len(each.verdict) - 1} more remarks, see {SUMMARY})" if len(each.verdict) > 1 else "")
        for each in every
        if not each.supported
    ]
    figure = populations_figure(shown, joint=joint, title="Mechanical populations", caption=below, warnings=warnings)
    _save(figure, output / PICTURE, output / PDF)


def draw_map(
    output: Path, folder: MapFolder, name: str, found: Deconvolution, shares: Mapping[str, Any], *, below: str
) -> None:
    """Draw population_map.png and .pdf beside the population map that is there; large maps every n-th cell."""
    rows = []
    with opened_raster(output / MAP) as raster:
        every = thinning(raster.shape)
        for first, band in bands(raster):
            rows.append(band[-first % every :: every, ::every])
    uncertain = shares["share_uncertain"] or 0.0
    thinned = f" One cell in {every} of each row and column is shown." if every > 1 else ""
    figure = population_map_figure(
        np.concatenate(rows),
        found.names(),
        step_um=folder.step_um * every,
        edge_um=folder.first_um - folder.step_um / 2,
        title=f"Populations by {name}",
        caption=f"By posterior probability from {shares['certain_from']:g}; {100 * uncertain:.1f} % of the cells are "
        f"uncertain.{thinned} {below}",
        warnings=() if found.supported else (f"not supported by the data: {found.verdict[0]}",),
    )
    _save(figure, output / MAP_PICTURE, output / MAP_PDF)


def _save(figure: Figure, png: Path, pdf: Path) -> None:
    save_png(figure, png)
    save_pdf(figure, pdf)
