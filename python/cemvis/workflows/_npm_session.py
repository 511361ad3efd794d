"""The anchors of a session of images: measured in tiles spread over all of them, with their errors and drift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
)
from cemvis.analysis.porosity.flat_places import FlatSample, sample_tiles
from cemvis.analysis.porosity.nano_porosity import PorosityCurve, porosity_table
from cemvis.analysis.porosity.phases import SIGNAL_ERROR, DarkPhase, csh_from
from cemvis.errors import InputError
from cemvis.workflows._npm_drift import DRIFT_SHARE, Drift, drift_notes, drift_of
from cemvis.workflows._npm_given import given_anchor
from cemvis.workflows._npm_inputs import NpmConfig, Source
from cemvis.workflows._npm_regions import Region

TILE_PX, LEAST_TILE_PX = 256, 32
MOST_TILES = 400  # of a session: 26 Mpx
BINS_16_BIT = 512
_ENDS = (0.0005, 0.9995)  # of a tile's pixels: beyond may be hot or dead ones
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
    drift: tuple[Drift, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return them for a record."""
        return {
            "session": self.name,
            **self.anchors.to_json(),
            "darkest_flat_phase": self.phase.name,
            "confirmed_by": list(self.phase.confirmed_by),
            "may_as_well_be": list(self.phase.rivals),
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
    given_metal, given_csh = given_anchor(sources, config, "metal"), given_anchor(sources, config, "csh")
    metal, metal_error, metal_draws = given_metal or _no_draws(find_metal(sample), config)
    phase = dark_phase(sample, metal.grey, signals)
    found_csh = find_csh(sample, metal=metal.grey, phase=phase)
    csh, csh_error, csh_draws = given_csh or _no_draws(found_csh, config)
    sources_of = [_source_of(config.csh_grey, config.csh_regions), _source_of(config.metal_grey, config.metal_regions)]
    if "histogram" in sources_of and config.resamplings and len(sample) > 1:
        known = None if sources_of[1] == "histogram" else metal.grey
        found = bootstrap_anchors(sample, resamplings=config.resamplings, seed=config.seed, phase=phase, metal=known)
        # What the simulation of the phase leaves uncertain is shared by all draws of tiles, and comes on top.
        doubt = SIGNAL_ERROR * (metal.grey - csh.grey) / (1 - phase.relative) if phase.relative else 0.0
        doubts = doubt * np.random.default_rng([config.seed, 2]).standard_normal(config.resamplings)
        csh_draws = found[0] + doubts if sources_of[0] == "histogram" else csh_draws
        metal_draws = found[1] if sources_of[1] == "histogram" else metal_draws
    errors = (
        csh_error if given_csh else float(np.std(csh_draws)),
        metal_error if given_metal else float(np.std(metal_draws)),
    )
    alone = "histogram" in sources_of and len(sample) < 2
    most_error = MOST_ERROR * (metal.grey - csh.grey)
    why = [f"an error is above {MOST_ERROR:.0%} of their distance"] if max(errors) > most_error else []
    why += ["the images hold one tile only, so that errors are not known"] if alone else []
    unasked = not config.resamplings and (max(errors) > 0 or "histogram" in sources_of)
    anchors = GreyAnchors(
        csh.grey,
        metal.grey,
        errors[0],
        errors[1],
        sources_of[0],
        sources_of[1],
        csh.reliable and metal.reliable and not why,
        "; ".join(filter(None, (csh.note, metal.note, *why))),
    )
    many = min(len(csh_draws), len(metal_draws))
    draws = np.stack([csh_draws[:many], metal_draws[:many]], axis=1)
    usable = draws[draws[:, 1] - draws[:, 0] >= 1]
    draws = usable if len(usable) else np.array([[anchors.csh, anchors.metal]])
    drift = drift_of(
        [each.name for each in sources], sample, (csh.grey, metal.grey), signals if phase.confirmed_by else {}
    )
    notes = ["no draws of the anchors were asked for, so that the porosities' intervals are empty"] if unasked else []
    notes = [
        *notes,
        *_check(anchors, sample, sources, phase),
        *drift_notes(drift, DRIFT_SHARE * (metal.grey - csh.grey)),
    ]
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
        with source.opened() as image:
            tiles += [image.read(*place) for place in mine]
        here = tiles[len(tiles) - len(mine) :]
        if here and min(int(tile.min()) for tile in here) == max(int(tile.max()) for tile in here):
            msg = f"{source.path} holds one grey only ({int(here[0].flat[0])}); wanted a picture of paste"
            raise InputError(msg)
    bins = (0.0, 1.0, 256)
    if sources[0].dtype == "uint16":
        # A single hot or dead pixel must not make the bins coarse; what lies beyond counts in the last ones.
        ends = np.array([np.quantile(tile, _ENDS) for tile in tiles])
        low, high = float(np.floor(ends[:, 0].min())), float(np.ceil(ends[:, 1].max()))
        bins = (low, max(1.0, (high - low) / (BINS_16_BIT - 1)), BINS_16_BIT)
    return sample_tiles(tiles, [place[0] for place in places], bins=bins)


def _places(shape: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    edge = min(TILE_PX, max(LEAST_TILE_PX, min(shape) // 3))
    rows, cols = min(edge, shape[0]), min(edge, shape[1])
    return [
        (row, col, rows, cols)
        for row in range(0, shape[0] - rows + 1, rows)
        for col in range(0, shape[1] - cols + 1, cols)
    ]


def _no_draws(found: FoundGrey, config: NpmConfig) -> tuple[FoundGrey, float, NDArray[np.float64]]:
    """Return an anchor that was found, without an error so far."""
    return found, 0.0, np.full(max(1, config.resamplings), found.grey)


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
    bare = [
        option
        for option, error, origin in (
            ("--csh-error", anchors.csh_error, anchors.csh_source),
            ("--metal-error", anchors.metal_error, anchors.metal_source),
        )
        if origin == "given" and not error
    ]
    if bare:
        notes.append(f"without {' and '.join(bare)} the porosities' intervals take a given anchor for exact")
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


def porosity_tables(session: SessionAnchors, curve: PorosityCurve, *, levels: int) -> NDArray[np.float64]:
    """Return the porosity of each grey for each draw of the anchors, (draws, levels); at most 64 draws of 16 bit."""
    draws = session.draws if levels == 256 else session.draws[:64]
    if math.isclose(float(np.ptp(draws, axis=0).max()), 0.0):
        draws = draws[:1]
    return np.stack([porosity_table(GreyAnchors(float(c), float(m)), curve, levels=levels) for c, m in draws])
