from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cemvis.report import style
from cemvis.report.histograms import Distribution, histograms
from cemvis.report.maps import Panel, Raster, property_map

CAPTION = "25 x 25 cells of 10 um every 10 um. " * 8
WARNINGS = ("the grey scale could not be made sure of: " + "check the anchors " * 12, "12 % of the cells are outside")


def panels(rows: int, cols: int, count: int = 3) -> list[Panel]:
    values = np.random.default_rng(5).normal(60, 20, (rows, cols))
    values[0, 0] = np.nan
    extent = (0.0, cols * 10.0, 0.0, rows * 10.0)
    grey = Raster(np.random.default_rng(6).uniform(0, 255, (rows * 4, cols * 4)), extent)
    return [
        Panel(grey, "BSE image", "Grey level", "gray"),
        Panel(Raster(values, extent), "Modulus", "Modulus (GPa)", style.VALUE_COLOURS),
        Panel(Raster(values / 10, extent), "Half width", "Half width (GPa)", style.HALF_WIDTH_COLOURS),
    ][:count]


def picture(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float) / 255


def share_of(figure: Figure, colour: str) -> float:
    return float((np.abs(picture(figure) - to_rgb(colour)).max(axis=2) < 0.01).mean())


def shown_texts(figure: Figure) -> list[Text]:
    """Every text that is drawn: matplotlib also keeps labels of ticks beyond the ends of an axis."""
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not (axis.axes.axison and low <= tick.get_loc() <= high):
                beyond |= {tick.label1, tick.label2}
    labels = figure.findobj(lambda part: isinstance(part, Text) and part.get_visible() and part.get_text().strip())
    return [text for text in labels if text not in beyond]


@pytest.mark.parametrize(("rows", "cols", "count"), [(25, 25, 3), (12, 90, 3), (110, 20, 2), (40, 60, 2), (3, 3, 3)])
@pytest.mark.parametrize("warnings", [(), WARNINGS])
def test_no_text_overlaps_another_or_leaves_the_figure(rows: int, cols: int, count: int, warnings) -> None:
    figure = property_map(panels(rows, cols, count), title="Modulus of paste.tif", caption=CAPTION, warnings=warnings)
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown_texts(figure)]
    boxes = [(text, box) for text, box in boxes if box.width > 0]
    assert len(boxes) > 15
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    for (one, box), (other, other_box) in combinations(boxes, 2):
        assert not box.padded(-0.5).overlaps(other_box.padded(-0.5)), (one, other)


def test_panels_share_their_extent_and_keep_its_shape() -> None:
    figure = property_map(panels(20, 30), title="t", caption="c")
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(maps) == 3
    for axes in maps:
        assert axes.get_xlim() == (0.0, 300.0)
        assert axes.get_ylim() == (200.0, 0.0)
        box = axes.get_window_extent()
        assert box.height / box.width == pytest.approx(200 / 300, rel=1e-6)


def test_stiff_cells_are_bright_and_unmapped_ones_light_grey() -> None:
    values = np.full((10, 10), 20.0)
    values[2:5, 2:5] = 120.0
    values[7:, 7:] = np.nan
    panel = Panel(Raster(values, (0, 100, 0, 100)), "Modulus", "Modulus (GPa)", style.VALUE_COLOURS)
    figure = property_map([panel], title="t", caption="c")
    pixels = picture(figure)
    box = figure.axes[0].get_window_extent()

    def at(x_um: float, y_um: float) -> np.ndarray:
        col, row = box.x0 + box.width * x_um / 100, box.y1 - box.height * y_um / 100
        return pixels[round(figure.bbox.height - row), round(col)]

    assert at(35, 35).mean() > at(65, 35).mean() + 0.2
    np.testing.assert_allclose(at(85, 85), to_rgb(style.NOT_MAPPED), atol=0.01)


def test_logarithmic_colours_give_equal_ratios_equal_steps() -> None:
    values = np.arange(1001.0).reshape(7, 143)
    panel = Panel(Raster(values, (0, 143, 0, 7)), "Modulus", "Modulus (GPa)", style.VALUE_COLOURS, logarithmic=True)
    figure = property_map([panel], title="t", caption="c")
    (image,) = figure.axes[0].images
    assert image.get_clim() == pytest.approx((10, 990))
    assert image.norm(np.sqrt(10 * 990)) == pytest.approx(0.5)
    assert list(figure.axes[1].get_xticks()) == [10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700]


def test_values_that_reach_zero_keep_equal_differences() -> None:
    values = np.zeros((7, 143))
    values[3:] = 5
    panel = Panel(Raster(values, (0, 143, 0, 7)), "Modulus", "Modulus (GPa)", style.VALUE_COLOURS, logarithmic=True)
    (image,) = property_map([panel], title="t", caption="c").axes[0].images
    assert image.norm(2.5) == pytest.approx(0.5)


def test_values_below_zero_do_not_look_unmapped_on_a_logarithmic_scale() -> None:
    values = np.linspace(10, 100, 1001).reshape(7, 143)
    values[0, 0], values[6, 142] = -3, np.nan
    panel = Panel(Raster(values, (0, 143, 0, 7)), "Modulus", "Modulus (GPa)", style.VALUE_COLOURS, logarithmic=True)
    (image,) = property_map([panel], title="t", caption="c").axes[0].images
    drawn = image.to_rgba(image.get_array())
    np.testing.assert_array_equal(drawn[0, 0], image.cmap(0.0))
    np.testing.assert_allclose(drawn[6, 142, :3], to_rgb(style.NOT_MAPPED), atol=0.01)


def test_warnings_stand_in_a_banner() -> None:
    assert share_of(property_map(panels(20, 20), title="t", caption="c"), style.ALARM) == 0
    figure = property_map(panels(20, 20), title="t", caption="c", warnings=WARNINGS)
    assert share_of(figure, style.ALARM) > 0.03
    assert "WARNING: 12 % of the cells are outside" in "\n".join(text.get_text() for text in figure.texts)


def test_same_map_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        style.save_png(property_map(panels(9, 9), title="t", caption="c", warnings=WARNINGS), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert image.format == "PNG"
        assert image.info.get("Software") == "cemvis"


def test_map_without_a_single_value_is_drawn() -> None:
    panel = Panel(Raster(np.full((4, 4), np.nan), (0, 4, 0, 4)), "Modulus", "Modulus (GPa)", style.VALUE_COLOURS)
    assert share_of(property_map([panel], title="t", caption="c"), style.NOT_MAPPED) > 0.2


def test_histogram_shows_shares_of_the_finite_values() -> None:
    values = np.r_[np.full(30, 10.0), np.full(10, 40.0), np.nan]
    figure = histograms([Distribution("Modulus", "GPa", values)], title="t", caption="c")
    (axes,) = figure.axes
    heights, edges, _ = axes.patches[0].get_data()
    assert heights.sum() == pytest.approx(100)
    assert heights[0] == pytest.approx(75)
    assert (edges[0], edges[-1]) == (10, 40)
    assert axes.get_title(loc="left") == "median 10 GPa, 40 cells"


@pytest.mark.parametrize("values", [np.full(9, 3.0), np.full(9, np.nan)])
def test_histogram_of_one_value_or_none_is_drawn(values: np.ndarray) -> None:
    figure = histograms([Distribution("Hardness", "GPa", values)], title="t", caption="c", warnings=WARNINGS)
    assert share_of(figure, style.ALARM) > 0.03
