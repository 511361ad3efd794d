"""What to bear in mind about a two-point correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cemvis.analysis.correlation.bands import FEWEST_GROUPS
from cemvis.analysis.correlation.lengths import plateau_start

if TYPE_CHECKING:
    from cemvis.workflows._two_point_result import TwoPointResult


def notes_of(found: TwoPointResult, groups: int) -> tuple[str, ...]:
    """Return a line for everything that limits what was found; `groups` is what a bootstrap could draw from."""
    return (*_on_bands(found, groups), *_on_lengths(found), *_on_phases(found))


def _on_bands(found: TwoPointResult, groups: int) -> list[str]:
    notes = []
    if found.bands is None:
        why = "none were wanted"
        if found.config.resamplings:
            why = f"they are drawn from {found.unit}, and {groups} are too few; wanted at least {FEWEST_GROUPS}"
        notes.append(f"no bands: {why}; the correlation length allows for the noise of independent pixels alone")
    elif found.unit == "tiles":
        notes.append(
            f"bands are drawn from {groups} tiles of one image, {found.tiling.side_px} px: they know nothing of "
            "how images differ, and are too narrow if what is correlated is longer than a tile"
        )
    elif groups < found.units:
        notes.append(f"bands are drawn from {groups} groups of the {found.units} images, to bound memory")
    if found.tiling.counted < found.tiling.every:
        notes.append(f"{found.tiling.counted} of {found.tiling.every} tiles were counted, drawn at random: a sample")
    empty = np.flatnonzero(found.total.differences.pairs == 0)
    if empty.size:
        notes.append(f"{empty.size} rings have no pair of valid pixels, the first at r = {empty[0]} px")
    return notes


def _on_lengths(found: TwoPointResult) -> list[str]:
    notes = []
    start = plateau_start(found.r_max)
    if not found.change.any():
        notes.append("all valid pixels have the same level: lengths say nothing")
        return notes
    if found.correlation_px is None:
        unless = "" if found.bands is not None else ", or there are too few images to tell"
        notes.append(
            f"D[r, .] still changes from r = {start} px on: the correlation length is longer{unless}; "
            "take a larger --r-max"
        )
    least = found.characteristic_px
    if least >= start:
        notes.append(
            f"P(dn = 0 | r) is least at r = {least} px, in the outer quarter of what was counted: the characteristic "
            "length may lie beyond --r-max"
        )
    if found.bands is not None and not found.bands.minimum_is_distinct:
        notes.append(
            "the least P(dn = 0 | r) is not below its plateau by more than sampling explains: the characteristic "
            "length is not distinct"
        )
    return notes


def _on_phases(found: TwoPointResult) -> list[str]:
    counts = found.total.phases
    if counts is None:
        return []
    names = found.phase_names
    notes = []
    absent = [name for i, name in enumerate(names) if not counts.ordered and not counts.level_pairs(i, i)[0]]
    if absent:
        notes.append(f"no pixel belongs to {', '.join(absent)}")
    if not counts.ordered:
        notes.append(
            "boundaries take the structure as isotropic and pixels as points: noise of single pixels, and what is "
            "smaller than a pixel, count as boundary"
        )
    return notes
