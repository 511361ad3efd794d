"""The anchors of a session of images: measured in tiles spread over all of them, with their errors and drift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.anchors import (
    FoundGrey,
    GreyAnchors,
    Origin,
    bootstrap_anchors,
    dark_phase,
    find_csh,
    find_metal,
    region_grey,
)
from cemvis.analysis.porosity.flat_places import FlatSample, sample_tiles
from cemvis.analysis.porosity.nano_porosity import PorosityCurve, porosity_table
from cemvis.analysis.porosity.phases import SIGNAL_ERROR, DarkPhase, csh_from
from cemvis.errors import InputError
from cemvis.images.micrograph import open_micrograph
from cemvis.workflows._npm_inputs import NpmConfig, Source
from cemvis.workflows._npm_regions import Region

TILE_PX, LEAST_TILE_PX = 256, 32
MOST_TILES = 400  # of a session: 26 Mpx
BINS_16_BIT = 512
_BLOCK_PX = 8
DRIFT_GREYS = 2.0
MOST_ERROR = 0.03  # of the distance between the anchors: more, and they are not reliable
PORTLANDITE = 0.1  # its usual grey, from 0 at C-S-H to 1 at metal, for a warning


@dataclass(frozen=True, eq=False)
class SessionAnchors:
    """The anchors that images share, and how sure they are.

    Attributes
    ----------
    name : str
    anchors : GreyAnchors
    draws : (draws, 2) float64
        Greys of C-S-H and metal that are as likely: resamplings, or normal with the errors.
    phase : DarkPhase
        What the darkest flat places were taken for.
    sample : FlatSample
    drift : tuple of (str, FoundGrey, FoundGrey)
        Of several images: name, C-S-H and metal found in each by itself.
    notes : tuple of str
    """

    name: str
    anchors: GreyAnchors
    draws: NDArray[np.float64]
    phase: DarkPhase
    sample: FlatSample
    drift: tuple[tuple[str, FoundGrey, FoundGrey], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return them for a record."""
        return {
            "session": self.name,
            **self.anchors.to_json(),
            "darkest_flat_phase": self.phase.name,
            "confirmed_by": list(self.phase.confirmed_by),
            "tiles": len(self.sample),
            "draws": len(self.draws),
            "drift": [
                {
                    "image": name,
                    "csh_grey": csh.grey,
                    "csh_reliable": csh.reliable,
                    "metal_grey": metal.grey,
                    "metal_reliable": metal.reliable,
                }
                for name, csh, metal in self.drift
            ],
            "notes": list(self.notes),
        }


def measure_session(sources: Sequence[Source], config: NpmConfig, *, signals: Mapping[str, float]) -> SessionAnchors:
    """Find the anchors of images that share them.

    Parameters
    ----------
    sources : sequence of Source
        Of one session.
    config : NpmConfig
    signals : mapping
        Greys of phases from 0 at C-S-H to 1 at metal, by which flat places are told apart; empty if they are not known.

    Raises
    ------
    InputError
        If an image holds one grey only, anchors are in the wrong order or no pixel lies between them, or a region is
        not inside its image.
    """
    sample = _sample(sources, config)
    metal, metal_draws = _anchor(sources, config, "metal") or _none(find_metal(sample), config)
    phase = dark_phase(sample, metal.grey, signals)
    csh, csh_draws = _anchor(sources, config, "csh") or _none(find_csh(sample, metal=metal.grey, phase=phase), config)
    sources_of = [_source_of(config.csh_grey, config.csh_regions), _source_of(config.metal_grey, config.metal_regions)]
    errors = [config.csh_error, config.metal_error]
    if "histogram" in sources_of and config.resamplings and len(sample) > 1:
        known = None if sources_of[1] == "histogram" else metal.grey
        found = bootstrap_anchors(sample, resamplings=config.resamplings, seed=config.seed, phase=phase, metal=known)
        # What the simulation of the phase leaves uncertain is shared by all draws of tiles, and comes on top.
        doubt = SIGNAL_ERROR * (metal.grey - csh.grey) / (1 - phase.relative) if phase.relative else 0.0
        doubts = doubt * np.random.default_rng([config.seed, 2]).standard_normal(config.resamplings)
        csh_draws = found[0] + doubts if sources_of[0] == "histogram" else csh_draws
        metal_draws = found[1] if sources_of[1] == "histogram" else metal_draws
    for number, (where, draws) in enumerate(zip(sources_of, (csh_draws, metal_draws), strict=True)):
        errors[number] = errors[number] if where == "given" else float(np.std(draws))
    most_error = MOST_ERROR * (metal.grey - csh.grey)
    anchors = GreyAnchors(
        csh.grey,
        metal.grey,
        errors[0],
        errors[1],
        sources_of[0],
        sources_of[1],
        csh.reliable and metal.reliable and max(errors) <= most_error,
        "; ".join(each.note for each in (csh, metal) if each.note)
        + (f"; an error is above {MOST_ERROR:.0%} of their distance" if max(errors) > most_error else ""),
    )
    many = min(len(csh_draws), len(metal_draws))
    draws = np.stack([csh_draws[:many], metal_draws[:many]], axis=1)
    usable = draws[draws[:, 1] - draws[:, 0] >= 1]
    draws = usable if len(usable) else np.array([[anchors.csh, anchors.metal]])
    drift = _drift(sources, sample, metal.grey, phase)
    notes = [*_check(anchors, sample, sources, phase), *_drift_notes(drift)]
    return SessionAnchors(sources[0].session, anchors, draws, phase, sample, drift, tuple(notes))


def _source_of(grey: float | None, regions: Sequence[Region]) -> Origin:
    return "given" if grey is not None else "regions" if regions else "histogram"


def _sample(sources: Sequence[Source], config: NpmConfig) -> FlatSample:
    rng = np.random.default_rng(config.seed)
    places = [(number, *place) for number, source in enumerate(sources) for place in _places(source.shape)]
    if len(places) > MOST_TILES:
        places = [places[at] for at in np.sort(rng.choice(len(places), MOST_TILES, replace=False))]
    tiles: list[NDArray[Any]] = []
    for number, source in enumerate(sources):
        mine = [place[1:] for place in places if place[0] == number]
        with open_micrograph(source.path, pixel_size=config.pixel_size) as image:
            tiles += [image.read(*place) for place in mine]
        here = tiles[len(tiles) - len(mine) :]
        if here and min(int(tile.min()) for tile in here) == max(int(tile.max()) for tile in here):
            msg = f"{source.path} holds one grey only ({int(here[0].flat[0])}); wanted a picture of paste"
            raise InputError(msg)
    bins = (0.0, 1.0, 256)
    if sources[0].dtype == "uint16":
        low, high = min(int(tile.min()) for tile in tiles), max(int(tile.max()) for tile in tiles)
        bins = (float(low), max(1.0, (high - low) / (BINS_16_BIT - 1)), BINS_16_BIT)
    return sample_tiles(tiles, [place[0] for place in places], bins=bins)


def _places(shape: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    edge = min(TILE_PX, max(LEAST_TILE_PX, min(shape) // 3))
    rows, cols = min(edge, shape[0]), min(edge, shape[1])
    return [
        (row, col, rows, cols)
        for row in range(0, shape[0] - rows + 1, rows)
        for col in range(0, shape[1] - cols + 1, cols)
    ]


def _anchor(
    sources: Sequence[Source], config: NpmConfig, which: Literal["csh", "metal"]
) -> tuple[FoundGrey, NDArray[np.float64]] | None:
    """Return an anchor that a person gave or pointed out, and greys as likely as it; None without."""
    csh = which == "csh"
    grey = config.csh_grey if csh else config.metal_grey
    error = config.csh_error if csh else config.metal_error
    regions = config.csh_regions if csh else config.metal_regions
    if grey is None:
        if not regions:
            return None
        grey, error = region_grey(np.concatenate([_blocks(each, sources, config) for each in regions]))
    rng = np.random.default_rng([config.seed, csh])
    return FoundGrey(grey, True, ""), grey + error * rng.standard_normal(max(1, config.resamplings))


def _none(found: FoundGrey, config: NpmConfig) -> tuple[FoundGrey, NDArray[np.float64]]:
    """Return an anchor that was found, without an error so far."""
    return found, np.full(max(1, config.resamplings), found.grey)


def _blocks(region: Region, sources: Sequence[Source], config: NpmConfig) -> NDArray[np.float64]:
    """Return the means of squares of 8 px in a region."""
    if region.image:
        fitting = [each for each in sources if region.image in {str(each.path), each.path.name, each.name}]
    else:
        fitting = list(sources)
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
    with open_micrograph(source.path, pixel_size=config.pixel_size) as image:
        pixels: NDArray[np.float64] = image.read(row, col, rows, cols).astype(np.float64)
    whole = pixels[: rows // _BLOCK_PX * _BLOCK_PX, : cols // _BLOCK_PX * _BLOCK_PX]
    squares = whole.reshape(rows // _BLOCK_PX, _BLOCK_PX, cols // _BLOCK_PX, _BLOCK_PX)
    means: NDArray[np.float64] = squares.mean(axis=(1, 3)).reshape(-1)
    return means


def _check(anchors: GreyAnchors, sample: FlatSample, sources: Sequence[Source], phase: DarkPhase) -> list[str]:
    """Check the anchors against the greys in use, and return what is doubtful about them."""
    used = sample.greys[np.flatnonzero(sample.counts())]
    low, high = float(used[0]), float(used[-1])
    for name, grey in (("C-S-H", anchors.csh), ("metal", anchors.metal)):
        if not -1 <= grey <= sources[0].levels:
            msg = f"the grey of {name} is {grey:g}; wanted one of {sources[0].dtype} (0 to {sources[0].levels - 1})"
            raise InputError(msg)
    if anchors.csh >= high or anchors.metal <= low:
        msg = (
            f"the anchors are C-S-H {anchors.csh:g} and metal {anchors.metal:g}, and all pixels lie between {low:g} "
            f"and {high:g}, on one side of both; wanted anchors of these images"
        )
        raise InputError(msg)
    notes = []
    if not anchors.reliable:
        notes.append(
            f"the anchors are uncertain ({anchors.note}); point out regions with --csh-region and --metal-region"
        )
    for name, grey, origin in (
        ("C-S-H", anchors.csh, anchors.csh_source),
        ("metal", anchors.metal, anchors.metal_source),
    ):
        if origin == "given" and not low - 1 <= grey <= high + 1:
            notes.append(f"the grey of {name}, {grey:g}, is outside those of the images ({low:g} to {high:g})")
    if "histogram" in {anchors.csh_source, anchors.metal_source}:
        notes.append(
            "errors of anchors found in the images are of sampling, and of the simulation of phases; that the "
            "brightest flat places are metal is taken for granted"
        )
    if anchors.csh_source == "histogram" and anchors.reliable and not phase.confirmed_by:
        notes.append(
            "that the darkest flat places are C-S-H without metal is not confirmed by other phases; were they "
            f"portlandite, C-S-H would lie at {csh_from(anchors.csh, anchors.metal, PORTLANDITE):.1f}"
        )
    return notes


def _drift(
    sources: Sequence[Source], sample: FlatSample, metal: float, phase: DarkPhase
) -> tuple[tuple[str, FoundGrey, FoundGrey], ...]:
    if len(sources) < 2:
        return ()
    found = []
    for number, source in enumerate(sources):
        mine = sample.of_image(number)
        if len(mine):
            bright = find_metal(mine)
            own = bright.grey if bright.reliable else metal
            found.append((source.name, find_csh(mine, metal=own, phase=phase), bright))
    return tuple(found)


def _drift_notes(drift: Sequence[tuple[str, FoundGrey, FoundGrey]]) -> list[str]:
    notes = []
    for name, which in (("C-S-H", 1), ("metal", 2)):
        found = [(row[which], row[0]) for row in drift]
        greys = sorted((each.grey, image) for each, image in found if isinstance(each, FoundGrey) and each.reliable)
        if len(greys) > 1 and greys[-1][0] - greys[0][0] > DRIFT_GREYS:
            notes.append(
                f"drift: {name} lies at {greys[0][0]:.1f} in {greys[0][1]} and at {greys[-1][0]:.1f} in "
                f"{greys[-1][1]}; images of several sessions want anchors of their own: --session folder or image"
            )
    return notes


def porosity_tables(session: SessionAnchors, curve: PorosityCurve, *, levels: int) -> NDArray[np.float64]:
    """Return the porosity of each grey for each draw of the anchors, (draws, levels); at most 64 draws of 16 bit."""
    draws = session.draws if levels == 256 else session.draws[:64]
    if math.isclose(float(np.ptp(draws, axis=0).max()), 0.0):
        draws = draws[:1]
    return np.stack([porosity_table(GreyAnchors(float(c), float(m)), curve, levels=levels) for c, m in draws])
