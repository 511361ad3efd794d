"""Options that several commands share, and how their text becomes a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cemvis.errors import CemvisError

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyScale
    from cemvis.images.pixel_size import PixelSize


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
