"""Anchors that a person gives, or points out in regions of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.anchors import FoundGrey, region_grey
from cemvis.errors import InputError
from cemvis.workflows._npm_inputs import NpmConfig, Source
from cemvis.workflows._npm_regions import Region

_BLOCK_PX, _LEAST_BLOCKS = 8, 4  # squares of a region, by which its grey scatters


def given_anchor(
    sources: Sequence[Source], config: NpmConfig, which: Literal["csh", "metal"]
) -> tuple[FoundGrey, float, NDArray[np.float64]] | None:
    """Return an anchor that a person gave or pointed out, its standard error and greys as likely; None without."""
    csh = which == "csh"
    grey = config.csh_grey if csh else config.metal_grey
    error = config.csh_error if csh else config.metal_error
    regions = config.csh_regions if csh else config.metal_regions
    if grey is None:
        if not regions:
            return None
        squares = np.concatenate([_blocks(each, sources, _BLOCK_PX) for each in regions])
        if 0 < squares.size < _LEAST_BLOCKS:  # too few to tell how far they scatter
            squares = np.concatenate([_blocks(each, sources, _BLOCK_PX // 2) for each in regions])
        grey, error = region_grey(squares)
    rng = np.random.default_rng([config.seed, csh])
    draws = grey + error * rng.standard_normal(config.resamplings) if config.resamplings else np.array([grey])
    return FoundGrey(grey, True, ""), error, draws


def regions_of(config: NpmConfig, members: Sequence[Source], sources: Sequence[Source]) -> NpmConfig:
    """Return settings with the regions of one session's images: those that name none of the others.

    Parameters
    ----------
    config : NpmConfig
    members, sources : sequence of Source
        The session's images, and all.
    """
    others = [each for each in sources if each not in members]

    def own(regions: tuple[Region, ...]) -> tuple[Region, ...]:
        return tuple(each for each in regions if _named(each, members) or not (each.image and _named(each, others)))

    return replace(config, csh_regions=own(config.csh_regions), metal_regions=own(config.metal_regions))


def _named(region: Region, sources: Sequence[Source]) -> list[Source]:
    return [each for each in sources if not region.image or region.image in {str(each.path), each.path.name, each.name}]


def _blocks(region: Region, sources: Sequence[Source], edge: int) -> NDArray[np.float64]:
    """Return the means of squares of `edge` px in a region."""
    fitting = _named(region, sources)
    if len(fitting) != 1:
        which = (
            f"{region.image!r} names {len(fitting)}"
            if region.image
            else f"no image is named, and there are {len(fitting)}"
        )
        msg = f"a region has to be of one image of the session: {which}; say IMAGE:x,y,width,height"
        raise InputError(msg)
    source = fitting[0]
    row, col, rows, cols = region.pixels(source.shape, source.pixel_size.um)
    with source.opened() as image:
        pixels: NDArray[np.float64] = image.read(row, col, rows, cols).astype(np.float64)
    whole = pixels[: rows // edge * edge, : cols // edge * edge]
    squares = whole.reshape(rows // edge, edge, cols // edge, edge)
    means: NDArray[np.float64] = squares.mean(axis=(1, 3)).reshape(-1)
    return means
