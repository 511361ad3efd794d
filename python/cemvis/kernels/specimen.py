"""Virtual hydrated paste: its phases, its BSE image and what a contact feels, at any place and tile by tile.

The paste is a function of the seed and of position alone, so memory does not grow with it and tiles agree to the
bit, however they are cut. Coordinates in um: x right, y down, z into the specimen, the polished surface at z = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import positive, thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors

#: Phases in the order of `Phase`; the first axis of everything given per phase.
PHASE_COUNT = 8
#: Of one window.
MOST_PIXELS = 2**31
#: The paste is defined to this distance from the origin: its lattices have 32-bit indices.
FARTHEST_UM = 2e7


class Phase(IntEnum):
    """What a point of the paste is made of; the grey levels of a phase image."""

    PORE = 0
    LD_CSH = 1
    HD_CSH = 2
    CH = 3
    ALITE = 4
    BELITE = 5
    ALUMINATE = 6
    FERRITE = 7


@dataclass(frozen=True, kw_only=True)
class Paste:
    """Geometry of a hydrated paste.

    Parameters
    ----------
    seed
        Any integer from 0 to 2**64 - 1.
    grains
        Classes of cement grains as they were before hydration: (smallest radius in um, largest radius in um,
        volume fraction before overlapping grains are thinned out), in rising order without overlap.
    outline_coarse_um, outline_fine_um
        Roughness of the outlines at wavelengths of 3 and 0.8 um.
    reaction_depth_um, reaction_spread, belite_reaction_ratio
        How far alite has reacted inwards, its relative spread over grains, belite's share of it.
    rim_um
        Thickness of HD-CSH outside the first outline.
    hollow_share, hollow_gap_um
        Share of small grains with a gap between core and rim, and the gap's mean width.
    crystal_um, belite_share, interstitial_share, ferrite_share
        Crystal size in clinker, share of belite crystals, relative width of the seams between crystals and the
        share of ferrite in them (the rest is aluminate).
    ch_wavelength_um, ch_threshold, ch_crystal_um
        Size of the CH clusters, noise level above which there is CH, size of one crystal.
    plate_cell_um, plate_share
        Edge of the cells that hold one CH plate at most, and the share that do.
    pore_wavelength_um, pore_threshold, pore_patchiness
        Size of the capillary pores, noise level above which there are pores, its variation over 25 um.
    crack_wavelength_um, crack_width_um, crack_share
        Spacing and width of drying cracks, and the share of their length that is open.
    texture_um
        Longest wavelength of the packing of C-S-H below the 25 um one.
    """

    seed: int
    grains: tuple[tuple[float, float, float], ...]
    outline_coarse_um: float
    outline_fine_um: float
    reaction_depth_um: float
    reaction_spread: float
    belite_reaction_ratio: float
    rim_um: float
    hollow_share: float
    hollow_gap_um: float
    crystal_um: float
    belite_share: float
    interstitial_share: float
    ferrite_share: float
    ch_wavelength_um: float
    ch_threshold: float
    ch_crystal_um: float
    plate_cell_um: float
    plate_share: float
    pore_wavelength_um: float
    pore_threshold: float
    pore_patchiness: float
    crack_wavelength_um: float
    crack_width_um: float
    crack_share: float
    texture_um: float


@dataclass(frozen=True, kw_only=True)
class Imaging:
    """How a backscattered-electron image of a paste comes about: grey = offset + gain * eta, plus noise.

    Parameters
    ----------
    eta, eta_per_packing
        Backscatter coefficient of each phase, and its change per standard deviation of the local packing.
    surface_depth_um, surface_weight, surface_blur_um
        Depth, share of the signal and Gaussian sd of the layer resolved at the image's own pixel size.
    layer_depth_um, layer_weight, layer_blur_um
        The same of deeper layers, resolved on a grid four times coarser.
    gain, offset
        Grey levels per unit of eta, and at eta = 0.
    read_noise, shot_noise
        Noise as an sd in grey levels, and as a variance in grey levels per unit of eta.
    """

    eta: tuple[float, ...]
    eta_per_packing: tuple[float, ...]
    surface_depth_um: float
    surface_weight: float
    surface_blur_um: float
    layer_depth_um: tuple[float, ...]
    layer_weight: tuple[float, ...]
    layer_blur_um: tuple[float, ...]
    gain: float
    offset: float
    read_noise: float
    shot_noise: float


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: first row and column (they may be negative), and how many of each."""

    row: int
    col: int
    rows: int
    cols: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or abs(int(value)) > 2**30:
                msg = f"window has {field.name} {value!r}; wanted a whole number, within 2^30 pixels of the origin"
                raise InputError(msg)
        if self.rows < 1 or self.cols < 1:
            msg = f"window has {self.rows} rows and {self.cols} columns; wanted at least one of each"
            raise InputError(msg)
        if int(self.rows) * int(self.cols) > MOST_PIXELS:
            msg = f"window has {self.rows} rows and {self.cols} columns; wanted at most 2^31 pixels: cut it into tiles"
            raise InputError(msg)


@dataclass(frozen=True)
class ContactVolumes:
    """What n contacts feel.

    Attributes
    ----------
    share
        (n, 8) float32: weight of each phase; a row sums to 1.
    packing
        (n, 8) float32: mean packing of each phase's C-S-H in standard deviations, 0 where the phase is not felt.
    orientation
        (n,) float32: mean squared cosine between the CH crystals' c axes and the surface normal, 0 without CH.
    """

    share: NDArray[np.float32]
    packing: NDArray[np.float32]
    orientation: NDArray[np.float32]


def _core_paste(paste: Paste) -> _core.PasteParameters:
    core = _core.PasteParameters()
    try:
        grains = [_core.GrainClass(*sizes) for sizes in paste.grains]
    except TypeError:
        msg = f"paste: grains is {paste.grains!r}; wanted (smallest radius, largest radius, volume fraction) each"
        raise InputError(msg) from None
    for field in fields(paste):
        _set(core, "paste", field.name, grains if field.name == "grains" else getattr(paste, field.name))
    return core


def _set(core: object, of: str, name: str, value: object) -> None:
    """Set a field of a core record; refuse what it can't hold, by the field's name."""
    try:
        setattr(core, name, value)
    except (TypeError, ValueError):
        wanted = "a number"
        if name == "seed":
            wanted = "a whole number from 0 to 2**64 - 1"
        elif isinstance(unset := getattr(core, name), list):
            wanted = f"{len(unset)} numbers" if unset else "numbers"
        msg = f"{of}: {name} is {value!r}; wanted {wanted}"
        raise InputError(msg) from None


def _core_imaging(imaging: Imaging, pixel_size_um: float) -> _core.ImageParameters:
    core = _core.ImageParameters()
    core.pixel_size_um = positive(pixel_size_um, name="pixel_size_um")
    for field in fields(imaging):
        _set(core, "imaging", field.name, getattr(imaging, field.name))
    return core


def render_bse(
    paste: Paste, imaging: Imaging, window: Window, *, pixel_size_um: float, threads: int | None = None
) -> NDArray[np.uint8]:
    """Return the BSE image of a window of the polished surface.

    Pixel (row, col) looks at x = col * pixel_size_um, y = row * pixel_size_um. The image depends on the seed and the
    pixel's index alone: tiles cut in any way are equal to the bit.

    Returns
    -------
    (rows, cols) uint8

    Raises
    ------
    InputError
        If the parameters make no paste or no image.
    """
    with input_errors():
        return _core.render_bse(
            _core_paste(paste),
            _core_imaging(imaging, pixel_size_um),
            window.row,
            window.col,
            window.rows,
            window.cols,
            thread_count(threads),
        )


def phase_plane(
    paste: Paste, window: Window, *, pixel_size_um: float, depth_um: float = 0.0, threads: int | None = None
) -> NDArray[np.uint8]:
    """Return the phase, as numbered in `Phase`, at the pixel centres of a plane `depth_um` below the surface.

    Returns
    -------
    (rows, cols) uint8

    Raises
    ------
    InputError
        If the parameters make no paste or the plane lies above the surface.
    """
    pixel_size_um = positive(pixel_size_um, name="pixel_size_um")
    with input_errors():
        return _core.phase_plane(
            _core_paste(paste),
            pixel_size_um,
            depth_um,
            window.row,
            window.col,
            window.rows,
            window.cols,
            thread_count(threads),
        )


def contact_volumes(
    paste: Paste,
    xy_um: NDArray[np.float64],
    *,
    radius_um: float,
    points: int = 300,
    threads: int | None = None,
) -> ContactVolumes:
    """Return what contacts at `xy_um` on the surface feel of the half space below them.

    The share of the response that comes from within r of the contact is 1 - exp(-(r / radius_um)**1.5), the same in
    all directions of the half space; it is sampled at `points` fixed points of equal weight (the last 0.5 % is cut).

    Parameters
    ----------
    xy_um
        (n, 2) float64: x and y of each contact.
    radius_um
        Radius within which 63 % of the response lies, in um.
    points
        Sampling points per contact.

    Raises
    ------
    InputError
        If positions are not (n, 2) float64 and finite, or a parameter is out of range.
    """
    if not isinstance(xy_um, np.ndarray) or xy_um.ndim != 2 or xy_um.shape[1] != 2 or xy_um.dtype != np.float64:
        got = f"{xy_um.dtype} {xy_um.shape}" if isinstance(xy_um, np.ndarray) else type(xy_um).__name__
        msg = f"xy_um is {got}; wanted (n, 2) float64"
        raise InputError(msg)
    if not np.isfinite(xy_um).all():
        msg = "xy_um holds positions that are not finite"
        raise InputError(msg)
    if np.abs(xy_um).max(initial=0.0) > FARTHEST_UM:
        msg = f"xy_um reaches to {np.abs(xy_um).max():g} um from the origin; wanted at most {FARTHEST_UM:g}"
        raise InputError(msg)
    radius_um = positive(radius_um, name="radius_um")
    with input_errors():
        table = _core.contact_volumes(_core_paste(paste), xy_um, radius_um, points, thread_count(threads))
    return ContactVolumes(table[:, :PHASE_COUNT], table[:, PHASE_COUNT : 2 * PHASE_COUNT], table[:, 2 * PHASE_COUNT])
