"""Virtual metal-intruded paste: the true equivalent porosity of a region, and which of its pixels are modified.

The paste's phases come from the kernel `specimen`; its capillary pores are filled with metal. C-S-H gets a texture
below a micrometre, the pores that the microscope blends: its equivalent porosity is the logistic function of a Gaussian
random field. A modification exchanges the field, inside spots, for a mixture with a finer one of the same variance:
each pixel's porosity keeps its distribution, so no statistic of single pixels can tell, only how they go together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.specimen.intruded_recipes import Modification, Porosities
from cemvis.analysis.specimen.intruded_spots import Spots, scatter_spots, spot_profile
from cemvis.analysis.specimen.intruded_texture import FINE_TEXTURE, FWHM_PER_SD, PLAIN_TEXTURE, Field, stream, texture
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.errors import InputError
from cemvis.kernels.specimen import Imaging, Paste, Phase, Window, phase_plane, render_bse

#: Of nano-porosity maps in the source.
PIXEL_SIZE_UM = 0.052
#: Full width at half maximum of what a pixel blends: the electrons' interaction volume at about 5 kV.
INTERACTION_FWHM_UM = 0.1
MARGIN_PX = 32
#: Regions of a specimen lie side by side with this gap, so that none shares a grain with the next.
GAP_UM = 100.0
#: Packing is smooth below this step, which divides the margin.
PACKING_STEP_PX = 4
PACKING_RANGE = 8.0
CLINKER = (Phase.ALITE, Phase.BELITE, Phase.ALUMINATE, Phase.FERRITE)
HYDRATES = (Phase.PORE, Phase.LD_CSH, Phase.HD_CSH, Phase.CH)
# Purposes of random numbers, the last part of their key.
PASTE, PLAIN, FINE, SPOTS, NOISE = range(5)


@dataclass(frozen=True, kw_only=True)
class RegionKey:
    """Which region of which specimen; the random numbers depend on nothing else.

    Parameters
    ----------
    seed
        Of all specimens together.
    class_index, specimen, region
        From 0. A class's place, not its recipe: with another recipe the same specimen is the twin of this one.
    """

    seed: int
    class_index: int
    specimen: int
    region: int

    def stream(self, purpose: int) -> np.random.Generator:
        """Return the random numbers of one purpose in this region."""
        return stream(self.seed, self.class_index, self.specimen, self.region, purpose)

    @property
    def paste_seed(self) -> int:
        """The specimen's seed; its regions share it."""
        return int(stream(self.seed, self.class_index, self.specimen, PASTE).integers(2**63))


@dataclass(frozen=True, eq=False)
class IntrudedRegion:
    """A region's truth.

    Attributes
    ----------
    levels
        (rows, cols) uint8: round(255 n), 0 in clinker.
    modified
        (rows, cols) bool: where `levels` differ from those of the twin that is not modified.
    clinker
        (rows, cols) bool.
    porosity
        (rows, cols) float32: n of what is not clinker, in clinker's edge as it would be without it.
    phases
        (rows, cols) uint8 as in `Phase`.
    spots
        All whose centre lies in the region, or near enough to reach in.
    """

    levels: NDArray[np.uint8]
    modified: NDArray[np.bool_]
    clinker: NDArray[np.bool_]
    porosity: Field
    phases: NDArray[np.uint8]
    spots: Spots


def make_region(
    key: RegionKey,
    modification: Modification,
    *,
    shape_px: tuple[int, int],
    recipe: str = CALIBRATED,
    porosities: Porosities | None = None,
    logit_shift: float = 0.0,
    threads: int | None = None,
) -> IntrudedRegion:
    """Return a region of a virtual metal-intruded specimen with its truth.

    Parameters
    ----------
    key
        Which one.
    modification
        What is done to it; where it does nothing, the region is its twin's to the bit.
    shape_px
        Rows and columns, at 0.052 um each.
    recipe
        Name of the paste's recipe.
    porosities
        Of the phases.
    logit_shift
        Added to the logit of all C-S-H: how the specimen as a whole differs from others.
    threads
        Of the paste; all cores by default.

    Raises
    ------
    InputError
        If there is no such recipe, the region has no pixels, or the paste is not defined that far out.
    """
    if min(shape_px) < 1:
        msg = f"a region of {shape_px[0]} x {shape_px[1]} px; wanted at least 1 x 1"
        raise InputError(msg)
    held = porosities or Porosities()
    window = _window(key.region, shape_px)
    padded = (window.rows, window.cols)
    paste = replace(recipe_named(recipe).paste, seed=key.paste_seed)
    phases = phase_plane(paste, window, pixel_size_um=PIXEL_SIZE_UM, threads=threads)
    packing = _packing(paste, window, threads=threads)
    plain = texture(key.stream(PLAIN), padded, pixel_size_um=PIXEL_SIZE_UM, parts=PLAIN_TEXTURE)
    shares = _shares(phases)
    twin = _porosity(shares, plain, packing, held, np.float32(logit_shift))

    inner = (slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
    spots = scatter_spots(key.stream(SPOTS), phases, modification, margin_px=MARGIN_PX, pixel_size_um=PIXEL_SIZE_UM)
    twin, phases = twin[inner], np.ascontiguousarray(phases[inner])
    clinker = np.isin(phases, CLINKER)
    twin_levels = _levels(twin, clinker)
    porosity, levels = twin, twin_levels
    if len(spots):
        share = modification.strength * spot_profile(spots, shape_px, pixel_size_um=PIXEL_SIZE_UM)
        touched = (share > 0) & ~clinker
        fine = texture(key.stream(FINE), padded, pixel_size_um=PIXEL_SIZE_UM, parts=FINE_TEXTURE)[inner][touched]
        part = share[touched]
        mixed = np.sqrt(1 - part) * plain[inner][touched] + np.sqrt(part) * fine
        fall = part * (held.densified if modification.mode == "densify" else 0.0)
        here = {phase: values[inner][touched] for phase, values in shares.items()}
        porosity = twin.copy()
        porosity[touched] = _porosity(
            here, mixed, packing[inner][touched], held, np.float32(logit_shift) - fall.astype(np.float32)
        )
        levels = _levels(porosity, clinker)
    return IntrudedRegion(levels, levels != twin_levels, clinker, porosity, phases, spots)


def _window(region: int, shape_px: tuple[int, int]) -> Window:
    """Return the region with its margin on the paste, at a place that the packing's coarser grid has too."""
    apart = shape_px[1] + round(GAP_UM / PIXEL_SIZE_UM)
    left = region * (apart // PACKING_STEP_PX) * PACKING_STEP_PX
    return Window(-MARGIN_PX, left - MARGIN_PX, shape_px[0] + 2 * MARGIN_PX, shape_px[1] + 2 * MARGIN_PX)


def _packing(paste: Paste, window: Window, *, threads: int | None) -> Field:
    """Return the paste's packing in standard deviations, read off an image of nothing but that, interpolated."""
    from scipy.ndimage import gaussian_filter, zoom

    step = PACKING_STEP_PX
    flat = Imaging(
        eta=(0.5,) * len(Phase),
        eta_per_packing=tuple(1 / PACKING_RANGE if p in (Phase.LD_CSH, Phase.HD_CSH) else 0.0 for p in Phase),
        surface_depth_um=0.0,
        surface_weight=1.0,
        surface_blur_um=0.0,
        layer_depth_um=(),
        layer_weight=(),
        layer_blur_um=(),
        gain=255.0,
        offset=0.0,
        read_noise=0.0,
        shot_noise=0.0,
    )
    coarse = Window(window.row // step, window.col // step, -(-window.rows // step) + 1, -(-window.cols // step) + 1)
    grey = render_bse(paste, flat, coarse, pixel_size_um=step * PIXEL_SIZE_UM, threads=threads).astype(np.float32)
    smooth = gaussian_filter((grey / 255 - 0.5) * PACKING_RANGE, 1.0, mode="nearest")
    fine_shape = tuple((edge - 1) * step + 1 for edge in smooth.shape)
    factors = [fine / edge for fine, edge in zip(fine_shape, smooth.shape, strict=True)]
    fine = zoom(smooth, factors, order=1, grid_mode=False)
    packing: Field = fine[: window.rows, : window.cols]
    return packing


def _shares(phases: NDArray[np.uint8]) -> dict[Phase, Field]:
    """Return the share of each hydrate and of pores in what a pixel blends, clinker left out of account."""
    from scipy.ndimage import gaussian_filter

    sigma_px = INTERACTION_FWHM_UM / FWHM_PER_SD / PIXEL_SIZE_UM
    shares: dict[Phase, Field] = {
        phase: gaussian_filter((phases == phase).astype(np.float32), sigma_px, mode="nearest") for phase in HYDRATES
    }
    total: Field = np.maximum(np.sum(list(shares.values()), axis=0), np.float32(1e-6))
    return {phase: share / total for phase, share in shares.items()}


def _porosity(
    shares: dict[Phase, Field], field: Field, packing: Field, held: Porosities, shift: Field | np.float32
) -> Field:
    """Return n of what is not clinker; all arrays of one shape."""

    def csh(median: float, texture_sd: float, per_packing: float) -> Field:
        logit = np.float32(np.log(median / (1 - median)))
        exponent = logit + shift + np.float32(texture_sd) * field - np.float32(per_packing) * packing
        values: Field = 1 / (1 + np.exp(-exponent))
        return values

    porosity: Field = (
        shares[Phase.LD_CSH] * csh(held.ld_csh, held.ld_texture, held.ld_packing)
        + shares[Phase.HD_CSH] * csh(held.hd_csh, held.hd_texture, held.hd_packing)
        + shares[Phase.CH] * np.float32(held.ch)
        + shares[Phase.PORE] * np.float32(held.pore)
    )
    return porosity


def _levels(porosity: Field, clinker: NDArray[np.bool_]) -> NDArray[np.uint8]:
    levels = np.rint(255 * np.clip(porosity, 0, 1)).astype(np.uint8)
    levels[clinker] = 0
    return levels
