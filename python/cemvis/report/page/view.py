"""A view's place on the page and the data that its script draws from."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import numpy as np

from cemvis.report.page.content import ClassLayer, ImageLayer, Layer, Points, ValueLayer, View
from cemvis.report.page.markup import Html, element, safe_json
from cemvis.report.page.packing import packed_classes, packed_values
from cemvis.report.style import robust_range


def drawn_view(view: View, number: int) -> Html:
    """Return a view's tools, canvas, legends and read-out, and its data as JSON; `number` tells views apart."""
    name = f"view-{number}"
    data = {
        "extent": [float(edge) for edge in view.extent_um],
        "layers": [_layer(each) for each in view.layers],
        "points": _points(view.points),
    }
    stage = element(
        "div",
        element(
            "canvas",
            tabindex=0,
            role="application",
            aria_roledescription="zoomable image",
            aria_label=_in_words(view),
            aria_describedby=f"{name}-keys",
        ),
        element("span", class_="tag at-left", aria_hidden="true"),
        element("span", class_="tag at-right", aria_hidden="true"),
        element(
            "div",
            element("span", "\u2039\u203a", class_="grip"),
            class_="divider",
            role="slider",
            tabindex=0,
            aria_label="Border between the left and the right layer",
            aria_valuemin=0,
            aria_valuemax=100,
            aria_valuenow=50,
        ),
        element("div", element("span", class_="length"), element("span", class_="bar"), class_="scale"),
        class_="stage",
    )
    side = element(
        "div",
        element("div", class_="readout", role="status", aria_live="off"),
        element("div", class_="legends"),
        class_="side",
    )
    return element(
        "figure",
        _tools(view),
        element("div", stage, side, class_="both"),
        _keys(name),
        element("p", view.note, class_="soft") if view.note else None,
        element("script", Html(safe_json(data)), type="application/json"),
        class_="view alone" if _alone(view) else "view",
        id=name,
        aria_label=view.title,
    )


def _tools(view: View) -> Html:
    def choice(text: str, name: str, chosen: int) -> Html:
        options = [
            element("option", each.name, value=n, selected=n == chosen)
            for n, each in enumerate(view.layers)
            if not isinstance(each, ClassLayer) or each.colours
        ]
        return element("label", element("span", text), element("select", *options, class_=name))

    def button(text: str, does: str, label: str) -> Html:
        return element("button", text, type="button", data_do=does, aria_label=label, title=label)

    points = None
    if view.points is not None:
        box = element("input", type="checkbox", class_="show-points", checked=_alone(view))
        points = element("label", box, element("span", view.points.name), class_="check")
    buttons = element(
        "span",
        button("\u2212", "out", "Zoom out"),
        button("+", "in", "Zoom in"),
        button("Whole", "fit", "Show the whole image"),
        button("Full screen", "full", "Fill the screen"),
        class_="buttons",
    )
    choices = (choice("Left", "left", 0), choice("Right", "right", 0 if _alone(view) else 1))
    return element("div", *choices, points, buttons, class_="tools")


def _alone(view: View) -> bool:
    """Return whether there is but one layer to see, and so nothing to compare."""
    return len(view.layers) < 2 or all(isinstance(each, ClassLayer) and not each.colours for each in view.layers[1:])


def _keys(name: str) -> Html:
    def key(text: str) -> Html:
        return element("kbd", text)

    return element(
        "p",
        *("Drag to move, wheel or pinch to zoom, drag the border to compare. Keys on the image: ", key("\u2190")),
        *(key("\u2191"), key("\u2192"), key("\u2193"), " move, ", key("+"), " ", key("\u2212"), " zoom, "),
        *(key("0"), " whole, ", key(","), " ", key("."), " border."),
        id=f"{name}-keys",
        class_="soft keys",
    )


def _in_words(view: View) -> str:
    left, right, top, bottom = view.extent_um
    names = ", ".join(each.name for each in view.layers)
    return f"{view.title}: {right - left:.4g} by {bottom - top:.4g} micrometres; layers: {names}"


def _layer(layer: Layer) -> dict[str, Any]:
    about: dict[str, Any] = {"name": layer.name, "extent": [float(edge) for edge in layer.extent_um]}
    if isinstance(layer, ImageLayer):
        return about | {"kind": "image", "data": layer.data, "umPerPx": layer.um_per_px}
    if isinstance(layer, ValueLayer):
        return about | _values(layer)
    return about | {
        "kind": "classes",
        "rows": layer.numbers.shape[0],
        "cols": layer.numbers.shape[1],
        "data": packed_classes(layer.numbers),
        "legend": {str(number): text for number, text in layer.legend.items()},
        "colours": {str(number): text for number, text in layer.colours.items()},
        "bits": layer.bits,
    }


def _values(layer: ValueLayer) -> dict[str, Any]:
    packed = packed_values(layer.values)
    low, high = layer.limits or robust_range(np.asarray(layer.values, np.float64))
    logarithmic = low > 0 and (packed.logarithmic or layer.limits is not None) and layer.unit.endswith("Pa")
    return {
        "kind": "values",
        "unit": layer.unit,
        "rows": layer.values.shape[0],
        "cols": layer.values.shape[1],
        "data": packed.data,
        "low": packed.low,
        "step": packed.step,
        "log": packed.logarithmic,
        "range": [low, high],
        "shared": layer.limits is not None,
        "even": "ratios" if logarithmic else "differences",
        "colours": _colours(layer.colours),
        "spreadOf": layer.spread_of,
    }


@cache
def _colours(name: str) -> str:
    """Return 256 colours of a matplotlib map, 3 bytes each, in base 64."""
    from matplotlib import colormaps

    rgb = colormaps[name](np.arange(256), bytes=True)[:, :3]
    return base64.b64encode(np.ascontiguousarray(rgb).tobytes()).decode("ascii")


def _points(points: Points | None) -> dict[str, Any] | None:
    if points is None:
        return None
    return {
        "name": points.name,
        "xy": [round(float(each), 3) for each in points.xy_um.ravel()],
        "said": list(points.said),
        "doubtful": [int(each) for each in points.doubtful],
    }
