"""Imprints of a Berkovich tip: how large they are and what they look like in a backscattered-electron image."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]

# Contact area over the squared contact depth of the ideal tip.
AREA_PER_DEPTH2 = 24.5
DIAMOND_GPA, DIAMOND_NU = 1141.0, 0.07
SPECIMEN_NU = 0.24  # of cement paste; enters the reduced modulus only
# Oliver and Pharr's epsilon of a paraboloid.
EPSILON = 0.75
# Of the look's settings; those that are not here are widths in um.
_LIMITS = {"grey": (0.0, 255.0), "concave": (0.0, 0.1), "detector_rad": (-7.0, 7.0)}


@dataclass(frozen=True, kw_only=True)
class ImprintLook:
    """How imprints show.

    Parameters
    ----------
    grey
        Root mean square of what an imprint adds inside its triangle, in grey levels. C-S-H has an sd of about 20 in
        the calibrated recipe.
    beam_um
        Gaussian-like width of its edges.
    concave
        How far an edge's middle lies inside the straight line between its corners, as a share of the side.
    pile_up_um
        Width of the rim.
    detector_rad
        Direction, from x towards y, of the face that looks darkest.
    """

    grey: float = 20.0
    beam_um: float = 0.06
    concave: float = 0.035
    pile_up_um: float = 0.3
    detector_rad: float = 0.9

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _LIMITS.get(field.name, (1e-3, 10.0))
            if not low <= value <= high:
                msg = f"imprint's {field.name} is {value:g}; wanted {low:g} to {high:g}"
                raise InputError(msg)


def reduced_modulus(modulus_gpa: Floats) -> Floats:
    """Return the reduced modulus in GPa of a diamond tip on material of this Young's modulus in GPa."""
    compliance = (1 - SPECIMEN_NU**2) / modulus_gpa + (1 - DIAMOND_NU**2) / DIAMOND_GPA
    return np.asarray(1 / compliance, dtype=np.float64)


def contact_depth_nm(modulus_gpa: Floats, hardness_gpa: Floats, *, depth_nm: float) -> Floats:
    """Return the contact depth in nm of tests driven to a depth.

    Oliver and Pharr: hc = hmax - epsilon P / S, with P = H A, S = 2 Er sqrt(A / pi) and A = 24.5 hc**2. So
    hc = hmax / (1 + epsilon sqrt(24.5 pi) / 2 * H / Er) = hmax / (1 + 3.29 H / Er).

    References
    ----------
    W.C. Oliver, G.M. Pharr, J. Mater. Res. 7 (1992) 1564-1583, doi 10.1557/JMR.1992.1564.

    Examples
    --------
    >>> contact_depth_nm(np.array([26.5]), np.array([0.75]), depth_nm=500.0).round(1)
    array([458.8])
    """
    sink = EPSILON * math.sqrt(AREA_PER_DEPTH2 * math.pi) / 2
    return np.asarray(depth_nm / (1 + sink * hardness_gpa / reduced_modulus(modulus_gpa)), dtype=np.float64)


def side_um(contact_nm: Floats) -> Floats:
    """Return the side in um of the imprint's triangle: sqrt(3) / 4 side**2 = 24.5 hc**2.

    The corners stay where they were under load, so the elastic recovery of the faces does not enter.
    """
    return np.asarray(math.sqrt(4 / math.sqrt(3) * AREA_PER_DEPTH2) * contact_nm / 1e3, dtype=np.float64)


def load_mn(contact_nm: Floats, hardness_gpa: Floats) -> Floats:
    """Return the load in mN at contact depths in nm: hardness times contact area."""
    return np.asarray(hardness_gpa * AREA_PER_DEPTH2 * (contact_nm / 1e3) ** 2, dtype=np.float64)


@dataclass(frozen=True)
class Crack:
    """A crack from a corner of an imprint: which corner, how long, how far it turns from the radius."""

    corner: int
    length_um: float
    turn_rad: float


@dataclass(frozen=True)
class Imprint:
    """One imprint.

    Attributes
    ----------
    x_um, y_um
        Where it is.
    side_um
        Of its triangle.
    pile_up
        Strength of the rim, about 0 to 1.5.
    relief
        Factor on its contrast, about 1.
    cracks
        From its corners.
    """

    x_um: float
    y_um: float
    side_um: float
    pile_up: float
    relief: float
    cracks: tuple[Crack, ...] = ()

    def reach_um(self, look: ImprintLook) -> float:
        """Return the distance from the centre beyond which nothing of it shows."""
        corner = self.side_um / math.sqrt(3)
        crack = max((crack.length_um for crack in self.cracks), default=0.0)
        return corner + max(crack, 3.5 * look.pile_up_um) + 3 * look.beam_um


def draw_imprint(
    xy_um: tuple[float, float], modulus_gpa: float, hardness_gpa: float, *, side_um: float, rng: np.random.Generator
) -> Imprint:
    """Return the imprint of one test.

    Soft phases flow up around the tip: the rim falls with H/E. Clinker and portlandite may crack at the corners.
    """
    chance = 0.4 if hardness_gpa > 3 else 0.15 if modulus_gpa > 38 else 0.01
    ratio = hardness_gpa / modulus_gpa
    pile_up = float(np.clip(1.6 - 22 * ratio, 0.2, 1.4) * rng.uniform(0.6, 1.4))
    relief = float(rng.uniform(0.85, 1.15))
    draws = rng.random((3, 3))
    cracks = tuple(
        Crack(corner, side_um * (0.3 + 0.5 * length), 0.7 * (turn - 0.5))
        for corner, (cracked, length, turn) in enumerate(draws)
        if cracked < chance
    )
    return Imprint(*xy_um, side_um, pile_up, relief, cracks)


def imprint_grey(imprint: Imprint, look: ImprintLook, xy_um: Floats, *, orientation_rad: float) -> NDArray[np.float32]:
    """Return what an imprint adds to the grey level at positions in um, (...) float32 for (..., 2).

    Three faces, each as bright as its tilt against the detector makes it, dark towards the apex; bright edges and
    ridges; a bright rim of pile-up, strongest beside the middle of each edge; dark cracks.

    Parameters
    ----------
    orientation_rad
        Of the tip: direction from the centre to a corner, from x towards y.
    """
    dx, dy = xy_um[..., 0] - imprint.x_um, xy_um[..., 1] - imprint.y_um
    side, beam = imprint.side_um, look.beam_um
    inner = side / (2 * math.sqrt(3))
    beyond, along = [], []  # of each edge: signed distance, outwards; place along it in half sides
    bearings = [orientation_rad + math.pi / 3 + k * 2 * math.pi / 3 for k in range(3)]
    for bearing in bearings:
        across = dx * math.cos(bearing) + dy * math.sin(bearing)
        place = (dy * math.cos(bearing) - dx * math.sin(bearing)) / (side / 2)
        beyond.append(across - inner + look.concave * side * np.clip(1 - place**2, 0, None))
        along.append(place)
    ranked = np.sort(np.stack(beyond), axis=0)
    outside, ridge = ranked[2], ranked[2] - ranked[1]
    within = 0.5 - 0.5 * np.tanh(outside / beam)
    # Faces change into each other over a beam's width, too.
    weights = [np.exp(np.clip((each - outside) / beam, -30, 0)) for each in beyond]
    total = weights[0] + weights[1] + weights[2]
    tilt = [math.cos(bearing - look.detector_rad) for bearing in bearings]
    face = -0.55 - 0.75 * (weights[0] * tilt[0] + weights[1] * tilt[1] + weights[2] * tilt[2]) / total
    depth = np.clip(-outside / inner, 0, 1)
    face += 0.3 - 1.1 * depth  # dark towards the apex
    width = 0.8 * beam + 0.02
    face += 0.7 * np.exp(-((ridge / width) ** 2)) * (1 - 0.6 * depth)
    line = 1.2 * np.exp(-((outside / (beam + 0.03)) ** 2))
    middle = [weight * np.exp(-((place / 0.75) ** 2)) for weight, place in zip(weights, along, strict=True)]
    lobe = (middle[0] + middle[1] + middle[2]) / total
    fade = np.exp(-np.clip(outside, 0, None) / look.pile_up_um)
    rim = imprint.pile_up * 1.2 * (0.15 + 0.85 * lobe) * fade * (1 - within)
    grey = imprint.relief * (face * within + line * (0.4 + 0.6 * within) + rim)
    for crack in imprint.cracks:
        grey -= 2.2 * _crack(crack, imprint, dx, dy, orientation_rad, beam)
    return np.asarray(look.grey * UNIT_RMS * grey, dtype=np.float32)


# Makes the root mean square inside the triangle of an imprint with relief 1 equal to `ImprintLook.grey`, for a side of
# 3.4 um and the default look; tests/analysis/test_specimen_imprints.py holds it within 10 % for other sides.
UNIT_RMS = 1.207


def _crack(crack: Crack, imprint: Imprint, dx: Floats, dy: Floats, orientation_rad: float, beam_um: float) -> Floats:
    """Return how much of the signal a crack takes, 0 to 1."""
    bearing = orientation_rad + crack.corner * 2 * math.pi / 3
    corner = imprint.side_um / math.sqrt(3)
    x, y = dx - corner * math.cos(bearing), dy - corner * math.sin(bearing)
    heading = bearing + crack.turn_rad
    run = x * math.cos(heading) + y * math.sin(heading)
    # A crack is never straight.
    off = y * math.cos(heading) - x * math.sin(heading) - 0.04 * np.sin(5 * run / crack.length_um)
    rest = np.clip(1 - run / crack.length_um, 0, 1)
    begins = 0.5 + 0.5 * np.tanh(run / beam_um)
    return np.asarray(np.exp(-((off / (0.04 + beam_um)) ** 2)) * begins * np.sqrt(rest), dtype=np.float64)
