"""How far the anchors of single images lie from each other, where images share a pair of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cemvis.analysis.porosity.anchors import FoundGrey, find_csh, find_metal
from cemvis.analysis.porosity.flat_places import FlatSample
from cemvis.analysis.porosity.phases import CSH, DarkPhase

Drift = tuple[str, FoundGrey, FoundGrey]

DRIFT_SHARE = 0.0125  # of the distance between the anchors, 2 greys of 160: less is no drift


def drift_of(
    names: Sequence[str], sample: FlatSample, anchors: tuple[float, float], signals: Mapping[str, float]
) -> tuple[Drift, ...]:
    """Return name, C-S-H and metal of each image, found by itself; of a single image nothing.

    The darkest flat places of one image may be portlandite and of the next belite. Of the phases that they can be, the
    one is taken that puts C-S-H nearest to the session's: another crystal on the picture is no drift.

    Parameters
    ----------
    names : sequence of str
    sample : FlatSample
    anchors : (float, float)
        Greys of C-S-H and metal of the session.
    signals : mapping
        Greys of phases from 0 at C-S-H to 1 at metal; empty if it is not known which of them were seen.
    """
    if len(names) < 2:
        return ()
    found = []
    for number, name in enumerate(names):
        mine = sample.of_image(number)
        if len(mine):
            bright = find_metal(mine)
            metal = bright.grey if bright.reliable else anchors[1]
            each = [
                find_csh(mine, metal=metal, phase=DarkPhase(phase, relative))
                for phase, relative in {CSH: 0.0, **signals}.items()
            ]
            found.append((name, min(each, key=lambda csh: abs(csh.grey - anchors[0])), bright))
    return tuple(found)


def drift_notes(drift: Sequence[Drift], most: float) -> list[str]:
    """Return what of the anchors drifts by more than `most` grey levels from image to image."""
    notes = []
    for name, which in (("C-S-H", 1), ("metal", 2)):
        found = [(row[which], row[0]) for row in drift]
        greys = sorted((each.grey, image) for each, image in found if isinstance(each, FoundGrey) and each.reliable)
        if len(greys) > 1 and greys[-1][0] - greys[0][0] > most:
            notes.append(
                f"drift: {name} lies at {greys[0][0]:.1f} in {greys[0][1]} and at {greys[-1][0]:.1f} in "
                f"{greys[-1][1]}; images of several sessions want anchors of their own: --session folder or image"
            )
    return notes
