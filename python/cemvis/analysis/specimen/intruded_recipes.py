"""What virtual metal-intruded paste is made of: classes with their modification, and the porosity of each phase."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from cemvis._checks import positive
from cemvis.errors import InputError

Mode = Literal["conserve", "densify"]
MODES: tuple[Mode, ...] = get_args(Mode)
#: Spots are thinned out of a process of this density, so that a sparser modification holds a part of a denser one's.
MOST_DENSITY_PER_UM2 = 0.5
MOST_RADIUS_UM = 3.0
# Names become folders. Those that begin with . or _ are passed over where maps are looked for.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Modification:
    """Spots in C-S-H inside which its texture is another one, and nothing else.

    Parameters
    ----------
    strength
        0 to 1: share of the texture's variance inside a spot that belongs to the finer texture.
    density_per_um2
        Expected number of spots per um2 of C-S-H, at most 0.5.
    radius_um
        Mean radius; a spot's own is uniform within a quarter of it.
    mode
        ``conserve``: the porosity of each pixel keeps its distribution, only the texture's correlation length falls.
        ``densify``: porosity falls as well.
    """

    strength: float = 0.0
    density_per_um2: float = 0.03
    radius_um: float = 0.7
    mode: Mode = "conserve"

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            msg = f"strength is {self.strength:g}; wanted 0 to 1"
            raise InputError(msg)
        if not 0 <= self.density_per_um2 <= MOST_DENSITY_PER_UM2:
            msg = f"density is {self.density_per_um2:g} spots per um2; wanted 0 to {MOST_DENSITY_PER_UM2:g}"
            raise InputError(msg)
        if not positive(self.radius_um, name="radius") <= MOST_RADIUS_UM:
            msg = f"radius is {self.radius_um:g} um; wanted at most {MOST_RADIUS_UM:g}"
            raise InputError(msg)
        if self.mode not in MODES:
            msg = f"mode is {self.mode!r}; wanted {' or '.join(MODES)}"
            raise InputError(msg)

    @property
    def is_null(self) -> bool:
        """Whether nothing is modified at all."""
        return self.strength == 0 or self.density_per_um2 == 0

    @property
    def expected_share(self) -> float:
        """Expected share of C-S-H that lies in spots, overlaps counted once; spots on its edge left out of account.

        A spot counts to the middle of its soft edge, which reaches 0.1 um farther: in 8 regions of 21 x 31 um with the
        usual radius, 1.23 times as many pixels of C-S-H were modified as lay in spots.
        """
        mean_square = self.radius_um**2 * (1 + RADIUS_SPREAD**2 / 3)
        return 0.0 if self.is_null else 1 - math.exp(-self.density_per_um2 * math.pi * mean_square)


#: A spot's radius lies within this share of the mean radius.
RADIUS_SPREAD = 0.25


@dataclass(frozen=True, kw_only=True)
class IntrudedClass:
    """A class of specimens: its name, which becomes a folder, and how they are modified."""

    name: str
    modification: Modification = Modification()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            msg = f"a class is called {self.name!r}; wanted 1 to 64 letters, digits and ._+-, the first no sign"
            raise InputError(msg)


@dataclass(frozen=True, kw_only=True)
class Porosities:
    """Equivalent porosity of the phases; C-S-H's is the logistic function of a Gaussian field.

    Set to the eye and so that a region's mean is near 0.2: metal-intruded pastes with and without graphene oxide are
    reported at 0.17 to 0.24. No phase was measured.

    Parameters
    ----------
    ld_csh, hd_csh
        Median of each C-S-H.
    ld_texture, hd_texture
        Sd of the texture, in logits.
    ld_packing, hd_packing
        Fall of the logit per standard deviation of the paste's packing, which varies over 1 to 25 um.
    ch
        CH is brighter than C-S-H without pores and shows as this much porosity at 5 keV.
    pore
        A capillary pore, filled with metal as a rule.
    densified
        Fall of the logit inside a spot of full strength under ``densify``.
    """

    ld_csh: float = 0.26
    hd_csh: float = 0.09
    ld_texture: float = 0.60
    hd_texture: float = 0.45
    ld_packing: float = 0.30
    hd_packing: float = 0.20
    ch: float = 0.034
    pore: float = 0.97
    densified: float = 0.6
