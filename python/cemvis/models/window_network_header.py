"""The part of a model file's header that is about a window network, written and read back with every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from numpy.typing import NDArray

from cemvis.errors import InputError, ModelFileError
from cemvis.models._fields import Fields
from cemvis.models.model import UNITS
from cemvis.models.resnet_layout import Padding, ResNetLayout
from cemvis.models.window_network import Precision, WindowNetwork

NETWORK_PREFIX = "network."
"""What the names of a window network's arrays begin with; they are kept in their own precision."""


def network_header(network: WindowNetwork) -> dict[str, object]:
    """Return what the header says about a window network, JSON-ready."""
    return {
        "layout": asdict(network.layout),
        "precision": network.precision,
        "grey_mean": network.grey_mean,
        "grey_sd": network.grey_sd,
        "grey_range": {"low": network.grey_range[0], "high": network.grey_range[1]},
        "targets": [
            {"name": name, "mean_gpa": mean, "sd_gpa": sd}
            for name, mean, sd in zip(network.targets, network.target_mean_gpa, network.target_sd_gpa, strict=True)
        ],
    }


def network_from(fields: Fields, tensors: Mapping[str, NDArray[Any]]) -> WindowNetwork:
    """Return the window network that its part of a header and the arrays describe.

    Raises
    ------
    ModelFileError
        Naming the first field that is missing, unknown, or has the wrong type or range.
    """
    targets = [_target(one) for one in fields.children("targets")]
    layout, grey_range = fields.child("layout"), fields.child("grey_range")
    try:
        network = WindowNetwork(
            layout=_layout(layout),
            targets=tuple(name for name, _, _ in targets),
            grey_mean=fields.number("grey_mean"),
            grey_sd=fields.number("grey_sd", low=0.0),
            grey_range=(low := grey_range.number("low"), grey_range.number("high", low=low)),
            target_mean_gpa=tuple(mean for _, mean, _ in targets),
            target_sd_gpa=tuple(sd for _, _, sd in targets),
            state={
                name.removeprefix(NETWORK_PREFIX): array
                for name, array in tensors.items()
                if name.startswith(NETWORK_PREFIX)
            },
            precision=_precision(fields),
        )
    except InputError as error:
        msg = f"header.window_network: {error}"
        raise ModelFileError(msg) from error
    grey_range.finish()
    fields.finish()
    return network


def _precision(fields: Fields) -> Precision:
    wanted = fields.text("precision", choices=get_args(Precision))
    return next(precision for precision in get_args(Precision) if precision == wanted)


def _target(fields: Fields) -> tuple[str, float, float]:
    target = fields.text("name", choices=tuple(UNITS)), fields.number("mean_gpa"), fields.number("sd_gpa", low=0.0)
    fields.finish()
    return target


def _layout(fields: Fields) -> ResNetLayout:
    padding = fields.text("padding", choices=get_args(Padding))
    layout = ResNetLayout(
        targets=fields.integer("targets"),
        downsample=fields.integer("downsample"),
        padding=next(each for each in get_args(Padding) if each == padding),
        window=fields.integer("window"),
        pooled=fields.integer("pooled"),
        stem_pool=fields.yes_or_no("stem_pool"),
        spread=fields.yes_or_no("spread"),
    )
    fields.finish()
    return layout
