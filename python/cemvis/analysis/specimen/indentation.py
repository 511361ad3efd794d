"""Indentation of virtual paste: from what a contact feels to the modulus and hardness that a test reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.specimen.recipes import SOURCED_GPA, Mechanics
from cemvis.kernels.specimen import PHASE_COUNT, ContactVolumes, Paste, Phase, contact_volumes

Floats = NDArray[np.float64]

# A test that lands mostly in a pore finds no surface.
PORE_SHARE_OF_FAILURE = 0.45


@dataclass(frozen=True)
class Indents:
    """Results of n tests, in the order of their positions.

    Attributes
    ----------
    modulus_gpa, hardness_gpa
        (n,) float64; NaN where the test failed.
    failed
        (n,) bool.
    """

    modulus_gpa: Floats
    hardness_gpa: Floats
    failed: NDArray[np.bool_]


def hardness_of_modulus(modulus_gpa: Floats) -> Floats:
    """Return the hardness in GPa that goes with a modulus in GPa, without scatter.

    Straight lines in log-log coordinates through the (modulus, hardness) pairs of `recipes.SOURCED_GPA`, drawn on
    below the first. Belite and alite lie too close for a slope of their own: the line from CH to belite goes on
    beyond it and passes alite 3 % below its source.
    """
    pairs = np.log(np.array(sorted(SOURCED_GPA.values())))
    x = np.log(modulus_gpa)
    segment = np.clip(np.searchsorted(pairs[:, 0], x) - 1, 0, len(pairs) - 2)
    slope = np.diff(pairs[:, 1]) / np.diff(pairs[:, 0])
    slope[-1] = slope[-2]
    return np.asarray(np.exp(pairs[segment, 1] + slope[segment] * (x - pairs[segment, 0])), dtype=np.float64)


def mixed_modulus(volumes: ContactVolumes, mechanics: Mechanics, spread: Floats | None = None) -> Floats:
    """Return the modulus in GPa of each contact, without measurement noise.

    The power mean of the felt phases' moduli: (sum share * E**p)**(1/p), where C-S-H stiffens with its packing and
    CH falls with the squared cosine of its c axis.

    Parameters
    ----------
    volumes
        What n contacts feel.
    mechanics
        Constants of the phases.
    spread
        (n, 8) relative deviation of each phase's modulus that no image shows; none by default.
    """
    modulus = np.broadcast_to(np.array(mechanics.modulus_gpa), volumes.share.shape).copy()
    modulus *= np.exp(np.array(mechanics.packing_effect) * volumes.packing)
    # Random axes have a mean squared cosine of 1/3, so the mean is kept; along the c axis the bracket is -2/3.
    modulus[:, Phase.CH] *= 1 + 1.5 * mechanics.ch_anisotropy * (1 / 3 - volumes.orientation)
    if spread is not None:
        modulus *= np.exp(spread)
    p = mechanics.mixing_exponent
    return np.asarray(((volumes.share * modulus**p).sum(axis=1)) ** (1 / p), dtype=np.float64)


def true_properties(
    paste: Paste, mechanics: Mechanics, xy_um: Floats, *, threads: int | None = None
) -> tuple[Floats, Floats]:
    """Return modulus and hardness in GPa at contacts, without hidden spread, noise or failures.

    Parameters
    ----------
    xy_um
        (n, 2) float64 positions on the surface.
    """
    elastic = contact_volumes(paste, xy_um, radius_um=mechanics.modulus_radius_um, threads=threads)
    plastic = contact_volumes(paste, xy_um, radius_um=mechanics.hardness_radius_um, threads=threads)
    return mixed_modulus(elastic, mechanics), hardness_of_modulus(mixed_modulus(plastic, mechanics))


def indent(
    paste: Paste, mechanics: Mechanics, xy_um: Floats, *, rng: np.random.Generator, threads: int | None = None
) -> Indents:
    """Return what an indenter reports at `xy_um`: spread within phases, noise and failed tests included.

    Parameters
    ----------
    paste, mechanics
        The specimen and its constants.
    xy_um
        (n, 2) float64 positions on the surface.
    rng
        Source of the hidden spread, the noise and the failures; the same state gives the same tests.
    """
    n = len(xy_um)
    elastic = contact_volumes(paste, xy_um, radius_um=mechanics.modulus_radius_um, threads=threads)
    plastic = contact_volumes(paste, xy_um, radius_um=mechanics.hardness_radius_um, threads=threads)
    spread = rng.standard_normal((n, PHASE_COUNT)) * np.array(mechanics.local_spread)
    modulus = mixed_modulus(elastic, mechanics, spread)
    # Hardness has the same hidden spread of the phases, felt over its own smaller volume, and a scatter of its own.
    hardness = hardness_of_modulus(mixed_modulus(plastic, mechanics, spread))
    hardness *= np.exp(mechanics.hardness_spread * rng.standard_normal(n))
    modulus *= 1 + mechanics.noise * rng.standard_normal(n)
    hardness *= 1 + mechanics.noise * rng.standard_normal(n)
    failed = rng.random(n) < mechanics.failure_rate
    failed |= plastic.share[:, Phase.PORE] > PORE_SHARE_OF_FAILURE
    return Indents(np.where(failed, np.nan, modulus), np.where(failed, np.nan, hardness), failed)
