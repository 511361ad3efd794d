"""Options that several commands share, and how their text becomes a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyScale
    from cemvis.images.pixel_size import PixelSize
    from cemvis.workflows.map import Anchors

_MOST_POPULATIONS = 20


def parse_pixel_size(ctx: click.Context, param: click.Parameter, value: str | None) -> PixelSize | None:  # noqa: ARG001
    """Return the pixel size that an option's text says, or None if it is not given."""
    from cemvis.images.pixel_size import PixelSize

    try:
        return None if value is None else PixelSize.parse(value)
    except CemvisError as error:
        raise click.BadParameter(str(error)) from error


def parse_grey_scale(ctx: click.Context, param: click.Parameter, value: str | None) -> GreyScale | None:  # noqa: ARG001
    """Return the grey levels that a text such as ``112,205`` says, or None if it is not given."""
    from cemvis.images.grey_scale import GreyScale

    if value is None:
        return None
    try:
        matrix, clinker = (float(part) for part in value.split(","))
        return GreyScale(matrix=matrix, clinker=clinker)
    except CemvisError as error:
        raise click.BadParameter(str(error)) from error
    except ValueError as error:
        msg = f"{value!r} is not two grey levels of the mosaic such as 112,205"
        raise click.BadParameter(msg) from error


def parse_anchors(ctx: click.Context, param: click.Parameter, value: str) -> Anchors:
    """Return how a mosaic is brought to a model's grey scale: "auto", "none" or two grey levels such as ``112,205``."""
    if value in ("auto", "none"):
        return "auto" if value == "auto" else "none"
    return parse_grey_scale(ctx, param, value) or "auto"


def parse_populations(ctx: click.Context, param: click.Parameter, value: str) -> int | None:  # noqa: ARG001
    """Return a number of populations from 1 to 20, or None for "auto"."""
    if value == "auto":
        return None
    if value.isdecimal() and 1 <= int(value) <= _MOST_POPULATIONS:
        return int(value)
    msg = f"{value!r} is not auto or a number from 1 to {_MOST_POPULATIONS}"
    raise click.BadParameter(msg)
