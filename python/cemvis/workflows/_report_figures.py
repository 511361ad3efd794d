"""The figures of a report as files for publication: PDF with text that stays text, and PNG at 300 dpi."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cemvis import __version__
from cemvis._files import access_errors
from cemvis.report.page.content import Chart, ImageLayer, Section, ValueLayer, View
from cemvis.workflows._report_folder import texts
from cemvis.workflows._report_sections import Drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cemvis.report.maps import Panel

ENDS = (".pdf", ".png")

Progress = Callable[[str, int, int], None]
Drawing = tuple[str, Callable[[], "Figure"]]


def figure_paths(drawn: Sequence[Drawn], folder: Path) -> list[Path]:
    """Return the files that `write_figures` writes."""
    return [folder / f"{name}{end}" for name, _ in _drawings(drawn) for end in ENDS]


def write_figures(drawn: Sequence[Drawn], folder: Path, *, progress: Progress | None = None) -> tuple[Path, ...]:
    """Write a figure for each map of values and for each chart, as PDF and PNG; return their paths.

    Raises
    ------
    FileAccessError
        If a file cannot be written.
    """
    from cemvis.report.figure_files import save_figure

    with access_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    drawings = list(_drawings(drawn))
    for done, (name, draw) in enumerate(drawings):
        save_figure(draw(), folder / name)
        if progress is not None:
            progress("figures", done + 1, len(drawings))
    return tuple(folder / f"{name}{end}" for name, _ in drawings for end in ENDS)


def _drawings(drawn: Sequence[Drawn]) -> Iterator[Drawing]:
    """Yield the name, without its end, of each figure, and what draws it; no two have the same."""
    used: set[str] = set()
    for each in drawn:
        for what, draw in _of_section(each.section, texts(each.record, "warnings")):
            base = name = re.sub(r"[^\w.-]+", "-", f"{each.section.title}-{what}").strip("-.").lower() or "figure"
            again = 2
            while name in used:
                name, again = f"{base}-{again}", again + 1
            used.add(name)
            yield name, draw


def _of_section(section: Section, warnings: tuple[str, ...]) -> Iterator[Drawing]:
    for block in section.blocks:
        if isinstance(block, View):
            for layer in block.layers:
                if isinstance(layer, ValueLayer):
                    yield layer.name, partial(_map_figure, section, block, layer, warnings)
        elif isinstance(block, Chart) and (block.counts.sum() or block.curves):
            yield f"{block.title} distribution", partial(_chart_figure, section, block)


def _caption(section: Section, note: str = "") -> str:
    known = dict(section.origins)
    told = [known.get("pixel size", ""), note.rstrip("."), f"cemvis {known.get('cemvis', __version__)}"]
    return ". ".join(each for each in told if each) + "."


def _map_figure(section: Section, view: View, layer: ValueLayer, warnings: tuple[str, ...]) -> Figure:
    from cemvis.report.figure_files import decoded_grey
    from cemvis.report.maps import Panel, Raster, property_map
    from cemvis.report.style import robust_range

    label = f"{layer.name} ({layer.unit})" if layer.unit else layer.name
    panels: list[Panel] = []
    image = next((each for each in view.layers if isinstance(each, ImageLayer)), None)
    if image is not None:
        panels.append(
            Panel(Raster(decoded_grey(image.data), image.extent_um), image.name, "Grey level, stretched", "gray")
        )
    even = not layer.spread_of and layer.colours != "gray" and robust_range(layer.values)[0] > 0
    panels.append(Panel(Raster(layer.values, layer.extent_um), layer.name, label, layer.colours, logarithmic=even))
    note = "Colours span the 1st to the 99th percentile" + (", those of the map by equal ratios" if even else "")
    return property_map(
        panels, title=f"{layer.name}, {section.title}", caption=_caption(section, note), warnings=warnings
    )


def _chart_figure(section: Section, chart: Chart) -> Figure:
    from cemvis.report.figure_files import distribution_figure

    doubted = [f"the populations in {chart.title.lower()} are not supported by the data"] if chart.doubtful else []
    return distribution_figure(
        chart, title=f"{chart.title}, {section.title}", caption=_caption(section, chart.note), warnings=doubted
    )
