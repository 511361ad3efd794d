from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from cemvis.analysis.indentation.deconvolution.populations import Estimate
from cemvis.analysis.validation.errors import Errors
from cemvis.analysis.validation.result import Judged
from cemvis.report.style import save_pdf, save_png
from cemvis.report.validation import MapPicture, errors_figure, maps_figure


def pictures(*means: float) -> list[MapPicture]:
    rng = np.random.default_rng(0)
    return [MapPicture(f"map {n}", rng.normal(mean, 1, (12, 20)), 10.0, 0.0) for n, mean in enumerate(means)]


def test_maps_of_a_property_share_their_colours_and_stand_beside_the_grey_levels() -> None:
    grey = MapPicture("mean grey level", np.full((12, 20), np.nan), 10.0, 0.0)
    limits = {"modulus": (20.0, 70.0), "hardness": (-1.0, 2.0)}
    figure = maps_figure(
        grey, {"modulus": pictures(1, 60), "hardness": pictures(1, -4)}, limits=limits, caption="small print"
    )
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["mean grey level", "map 0", "map 1"] * 2
    colours = [axes.images[0].get_clim() for axes in panels]
    assert colours[1] == colours[2] == (20, 70)
    assert colours[4] == colours[5] == (-1, 2)
    shown = panels[1].images[0]  # values below zero on a logarithm: as the lowest, not as if nothing were mapped
    assert not np.ma.is_masked(shown.norm(shown.get_array()))
    assert panels[0].images[0].get_extent() == [0, 200, 120, 0]


def test_the_same_figure_gives_the_same_files(tmp_path) -> None:
    grey = MapPicture("mean grey level", np.arange(240.0).reshape(12, 20), 10.0, 0.0)
    for name in ("a", "b"):
        figure = maps_figure(grey, {"modulus": pictures(30)}, limits={"modulus": (25.0, 35.0)}, caption="small print")
        save_png(figure, tmp_path / f"{name}.png")
        save_pdf(figure, tmp_path / f"{name}.pdf")
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def errors(phase: str, size: float, held: float) -> Errors:
    value, share = Estimate(size, size - 1, size + 1), Estimate(held, held - 0.03, min(1.0, held + 0.03))
    return Errors(phase, 90, value, value, value, share, share, 90, share)


@pytest.mark.parametrize("sizes", [(30, 20, 10), (10, 20, 30), (30, 30, 30)])
def test_no_error_stands_beside_a_legend_as_if_it_were_a_line_of_it(sizes) -> None:
    phases = ("all", "LD-CSH", "CH", "clinker")
    judged = {
        f"map {n}": Judged(tuple(errors(phase, size + n, 0.7 + size / 100) for phase, size in
                                 zip(phases, (*sizes, 5), strict=True)), (), 0.9)
        for n in range(3)
    }  # fmt: skip
    found = cast("Any", SimpleNamespace(name="modulus", judged=judged))
    figure = errors_figure([found], caption="small print")
    figure.canvas.draw()
    for axes in figure.axes:
        box = axes.get_legend().get_window_extent()
        points = np.concatenate([line.get_xydata() for line in axes.lines if line.get_marker() == "o"])
        assert len(points) == 12
        height = axes.transData.transform(points)[:, 1]
        assert ((height < box.y0) | (height > box.y1)).all()
