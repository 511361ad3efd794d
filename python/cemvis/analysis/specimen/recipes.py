"""Recipes of virtual paste: what comes from sources, what was tuned, and the pastes made of both.

The calibrated recipe was tuned so that virtual indents follow the four-population mixture of area A3 in Table 1 of
Liang et al. (2023, doi 10.1016/j.matdes.2023.111905); ``benchmarks/specimen_calibration.py`` measures how well, and
benchmarks/README.md states the figures. The constants were frozen before any model was trained on virtual paste.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cemvis.analysis.specimen.backscatter import compound_backscatter
from cemvis.errors import InputError
from cemvis.kernels.specimen import Imaging, Paste

# --- Constants from sources -------------------------------------------------------------------------------------

# Formula units. C-S-H as saturated, (CaO)1.7(SiO2)(H2O)4: Young and Hansen 1987, doi 10.1557/PROC-85-313.
FORMULAS: dict[str, dict[str, float]] = {
    "csh": {"Ca": 1.7, "Si": 1, "O": 7.7, "H": 8},
    "ch": {"Ca": 1, "O": 2, "H": 2},
    "alite": {"Ca": 3, "Si": 1, "O": 5},
    "belite": {"Ca": 2, "Si": 1, "O": 4},
    "aluminate": {"Ca": 3, "Al": 2, "O": 6},
    "ferrite": {"Ca": 4, "Al": 2, "Fe": 2, "O": 10},
}
# Indentation modulus and hardness in GPa. Hydrates: Constantinides and Ulm 2007, doi 10.1016/j.jmps.2006.06.003;
# clinker: Velez et al. 2001, doi 10.1016/S0008-8846(00)00505-6.
SOURCED_GPA: dict[str, tuple[float, float]] = {
    "ld_csh": (18.2, 0.45),
    "hd_csh": (29.1, 0.83),
    "ch": (40.3, 1.31),
    "belite": (130.0, 8.0),
    "alite": (135.0, 8.7),
}
# Relative moduli of the clinker phases against alite's, from the same measurements of Velez et al.
BELITE_RATIO, ALUMINATE_RATIO, FERRITE_RATIO = 0.96, 1.07, 0.93
# Grains of Portland cement fill 1 / (1 + 3.15 w/c) of the fresh paste.
CEMENT_DENSITY_G_CM3 = 3.15

# --- Constants tuned: shape and size to the eye and to the phase fractions, the rest to Table 1 ----------------------

# Share of the backscatter signal lost to pores that the image does not resolve, and CH's intergrowth with C-S-H.
LD_CSH_DIMMING, HD_CSH_DIMMING, CH_INTERGROWTH = 0.243, 0.075, 0.30
# Of a capillary pore: above resin's, since walls and floor of a pore this small shine through.
PORE_ETA = 0.088
ETA_PER_PACKING = (0.0, 0.0096, 0.0036, 0.0, 0.0, 0.0, 0.0, 0.0)

_GEOMETRY = Paste(
    seed=0,
    grains=((1.0, 2.1, 0.062), (2.1, 4.3, 0.174), (4.3, 8.6, 0.285), (8.6, 14.0, 0.136)),
    outline_coarse_um=0.35,
    outline_fine_um=0.12,
    reaction_depth_um=1.3,
    reaction_spread=0.3,
    belite_reaction_ratio=0.5,
    rim_um=0.4,
    hollow_share=0.12,
    hollow_gap_um=0.3,
    crystal_um=9.0,
    belite_share=0.22,
    interstitial_share=0.12,
    ferrite_share=0.5,
    ch_wavelength_um=9.0,
    ch_threshold=0.275,
    ch_crystal_um=5.0,
    plate_cell_um=12.0,
    plate_share=0.5,
    pore_wavelength_um=2.0,
    pore_threshold=0.45,
    pore_patchiness=0.15,
    crack_wavelength_um=90.0,
    crack_width_um=0.35,
    crack_share=0.3,
    texture_um=6.0,
)


@dataclass(frozen=True, kw_only=True)
class Mechanics:
    """How a contact's volume becomes a modulus and a hardness; moduli in GPa.

    Parameters
    ----------
    modulus_gpa
        Of each phase at its mean packing; of CH averaged over orientations.
    modulus_radius_um, hardness_radius_um
        Radius within which 63 % of the elastic and of the plastic response lies.
    mixing_exponent
        Phases mix as a power mean: 1 is Voigt's, -1 Reuss's bound.
    packing_effect
        Change of the logarithm of each phase's modulus per standard deviation of packing.
    ch_anisotropy
        Relative fall of CH's modulus from its mean over orientations to its value along the c axis; along the basal
        plane it lies half as much above the mean.
    local_spread
        Sd of the logarithm of each phase's modulus from contact to contact that no image shows.
    hardness_spread
        Sd of the logarithm of hardness about its relation to modulus.
    noise
        Relative error of one measurement of either.
    failure_rate
        Share of tests that fail even on a sound surface.
    """

    modulus_gpa: tuple[float, ...]
    modulus_radius_um: float
    hardness_radius_um: float
    mixing_exponent: float
    packing_effect: tuple[float, ...]
    ch_anisotropy: float
    local_spread: tuple[float, ...]
    hardness_spread: float
    noise: float
    failure_rate: float


ALITE_GPA = 146.0
_MECHANICS = Mechanics(
    modulus_gpa=(
        2.3,
        26.6,
        35.5,
        38.5,
        ALITE_GPA,
        ALITE_GPA * BELITE_RATIO,
        ALITE_GPA * ALUMINATE_RATIO,
        ALITE_GPA * FERRITE_RATIO,
    ),
    modulus_radius_um=2.3,
    hardness_radius_um=1.6,
    mixing_exponent=0.28,
    packing_effect=(0.0, 0.157, 0.088, 0.0, 0.0, 0.0, 0.0, 0.0),
    ch_anisotropy=0.37,
    local_spread=(0.0, 0.045, 0.065, 0.08, 0.11, 0.11, 0.11, 0.11),
    hardness_spread=0.08,
    noise=0.03,
    failure_rate=0.01,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A virtual paste and how it is looked at and indented.

    Parameters
    ----------
    name, description
        What the command line calls it, and one line for people.
    water_cement_ratio, age
        What the paste stands for.
    paste, imaging, mechanics
        Geometry, microscope and indenter; the paste's seed is set when a specimen is made.
    """

    name: str
    description: str
    water_cement_ratio: float
    age: str
    paste: Paste
    imaging: Imaging
    mechanics: Mechanics

    def in_session(self, *, contrast: float, brightness: float) -> Recipe:
        """Return this paste as another session images it: every grey level times `contrast` plus `brightness`."""
        image = self.imaging
        imaging = replace(
            image,
            gain=image.gain * contrast,
            offset=image.offset * contrast + brightness,
            read_noise=image.read_noise * contrast,
            shot_noise=image.shot_noise * contrast**2,
        )
        return replace(self, imaging=imaging)


def phase_backscatter() -> tuple[float, ...]:
    """Return the effective backscatter coefficient of each phase, in the order of `Phase`."""
    csh = compound_backscatter(FORMULAS["csh"])
    ch = compound_backscatter(FORMULAS["ch"])

    def dimmed(share: float) -> float:
        return (1 - share) * csh + share * PORE_ETA

    return (
        PORE_ETA,
        dimmed(LD_CSH_DIMMING),
        dimmed(HD_CSH_DIMMING),
        (1 - CH_INTERGROWTH) * ch + CH_INTERGROWTH * csh,
        *(compound_backscatter(FORMULAS[phase]) for phase in ("alite", "belite", "aluminate", "ferrite")),
    )


def _imaging(*, matrix_grey: float, alite_grey: float, read_noise: float, shot_noise: float) -> Imaging:
    """Return the microscope whose brightness and contrast give LD-CSH and alite these grey levels."""
    eta = phase_backscatter()
    gain = (alite_grey - matrix_grey) / (eta[4] - eta[1])
    return Imaging(
        eta=eta,
        eta_per_packing=ETA_PER_PACKING,
        surface_depth_um=0.03,
        surface_weight=0.4,
        surface_blur_um=0.06,
        layer_depth_um=(0.2, 0.45, 0.8),
        layer_weight=(0.3, 0.2, 0.1),
        layer_blur_um=(0.12, 0.25, 0.4),
        gain=gain,
        offset=matrix_grey - gain * eta[1],
        read_noise=read_noise,
        shot_noise=shot_noise,
    )


def _grains(water_cement_ratio: float) -> tuple[tuple[float, float, float], ...]:
    """Return the calibrated grain classes, scaled to another share of cement in the fresh paste."""

    def filled(ratio: float) -> float:
        return 1 / (1 + CEMENT_DENSITY_G_CM3 * ratio)

    scale = filled(water_cement_ratio) / filled(0.40)
    return tuple((low, high, scale * share) for low, high, share in _GEOMETRY.grains)


_ALL = (
    Recipe(
        name="wc040-28d",
        description="w/c 0.40, 28 days: calibrated to Table 1, area A3, of Liang et al. 2023",
        water_cement_ratio=0.40,
        age="28 d",
        paste=_GEOMETRY,
        imaging=_imaging(matrix_grey=95, alite_grey=200, read_noise=3.0, shot_noise=400.0),
        mechanics=_MECHANICS,
    ),
    Recipe(
        name="wc050-7d",
        description="w/c 0.50, 7 days: more pores, less hydrated, a darker and flatter image",
        water_cement_ratio=0.50,
        age="7 d",
        paste=replace(
            _GEOMETRY, grains=_grains(0.50), reaction_depth_um=0.9, ch_threshold=0.31, pore_threshold=0.36, rim_um=0.3
        ),
        imaging=_imaging(matrix_grey=70, alite_grey=150, read_noise=2.0, shot_noise=200.0),
        mechanics=_MECHANICS,
    ),
    Recipe(
        name="wc035-90d",
        description="w/c 0.35, 90 days: denser, more hydrated, a brighter image with more contrast",
        water_cement_ratio=0.35,
        age="90 d",
        paste=replace(
            _GEOMETRY, grains=_grains(0.35), reaction_depth_um=1.7, ch_threshold=0.27, pore_threshold=0.52, rim_um=0.5
        ),
        imaging=_imaging(matrix_grey=105, alite_grey=215, read_noise=2.0, shot_noise=300.0),
        mechanics=_MECHANICS,
    ),
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
CALIBRATED = "wc040-28d"


def recipe_named(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises
    ------
    InputError
        If there is none; the message names those that there are.
    """
    if name not in RECIPES:
        msg = f"no recipe is called {name!r}; there are {', '.join(RECIPES)}"
        raise InputError(msg)
    return RECIPES[name]
