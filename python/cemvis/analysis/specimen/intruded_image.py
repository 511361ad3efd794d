"""What the microscope shows of virtual metal-intruded paste: grey levels of a session, its focus and its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.analysis.porosity.calibration import BackscatterCurve, csh_metal_curve
from cemvis.analysis.specimen.intruded import INTERACTION_FWHM_UM, PIXEL_SIZE_UM, IntrudedRegion
from cemvis.analysis.specimen.intruded_texture import FWHM_PER_SD
from cemvis.errors import InputError
from cemvis.kernels.specimen import Phase

if TYPE_CHECKING:
    from cemvis.analysis.specimen.intruded_texture import Field

#: Signal of clinker between C-S-H without pores, 0, and metal, 1: 300,000 electron paths each at 5 keV, +- 0.003.
CLINKER_SIGNAL = {Phase.ALITE: 0.176, Phase.BELITE: 0.156, Phase.ALUMINATE: 0.147, Phase.FERRITE: 0.225}


@dataclass(frozen=True, kw_only=True)
class Session:
    """How a microscope was set.

    Parameters
    ----------
    grey_csh, grey_metal
        Grey levels of C-S-H without pores and of metal alone: brightness and contrast.
    electrons
        Backscattered electrons counted per pixel of metal; their Poisson noise is the only noise.
    focus_um
        Sd of the Gaussian blur by the beam's focus, besides what the electrons' interaction blends.
    """

    grey_csh: float = 60.0
    grey_metal: float = 220.0
    electrons: float = 4000.0
    focus_um: float = 0.03

    def __post_init__(self) -> None:
        if not 0 <= self.grey_csh < self.grey_metal <= 255:
            msg = (
                f"C-S-H at grey level {self.grey_csh:g}, metal at {self.grey_metal:g}; wanted 0 to 255, metal brighter"
            )
            raise InputError(msg)
        positive(self.electrons, name="electrons")
        if not 0 <= self.focus_um <= 1:
            msg = f"focus_um is {self.focus_um:g}; wanted 0 to 1"
            raise InputError(msg)


def draw_session(rng: np.random.Generator, *, spread: float = 1.0) -> Session:
    """Return the setting of another session: uniform about the usual one, within `spread` times what is usual.

    At a spread of 1 C-S-H lies within 15 and metal within 20 grey levels of the usual ones, the count within a factor
    of 1.6, the focus within 0.02 um.
    """
    if not 0 <= spread <= 1.5:
        msg = f"the sessions' spread is {spread:g}; wanted 0 to 1.5"
        raise InputError(msg)
    usual = Session()
    grey_csh, grey_metal, electrons, focus = spread * rng.uniform(-1, 1, 4)
    return Session(
        grey_csh=round(usual.grey_csh + 15 * grey_csh, 2),
        grey_metal=round(usual.grey_metal + 20 * grey_metal, 2),
        electrons=round(usual.electrons * 1.6**electrons, 1),
        focus_um=round(usual.focus_um + 0.02 * focus, 5),
    )


def region_image(region: IntrudedRegion, session: Session, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the BSE image of a region in a session.

    The signal of what is not clinker follows from its equivalent porosity by the backscatter curve of C-S-H with
    Field's metal at 5 keV, that of clinker from its formula; at clinker's edges a pixel blends both. Then comes the
    focus, then the counts.

    Parameters
    ----------
    region
        What is looked at.
    session
        How.
    rng
        Of the noise.

    Returns
    -------
    (rows, cols) uint8
    """
    from scipy.ndimage import gaussian_filter

    curve = csh_metal_curve()
    csh, metal = curve.eta[0], curve.eta[-1]
    signal = _blended_signal(region, curve)
    if session.focus_um > 0:
        signal = gaussian_filter(signal, session.focus_um / PIXEL_SIZE_UM, mode="nearest")
    per_eta = session.electrons / metal
    eta = np.maximum(csh + (metal - csh) * signal, 0)
    counted = rng.poisson(eta * per_eta) / per_eta
    grey = session.grey_csh + (session.grey_metal - session.grey_csh) * (counted - csh) / (metal - csh)
    levels: NDArray[np.uint8] = np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
    return levels


def _blended_signal(region: IntrudedRegion, curve: BackscatterCurve) -> Field:
    from scipy.ndimage import gaussian_filter

    sigma_px = INTERACTION_FWHM_UM / FWHM_PER_SD / PIXEL_SIZE_UM
    of_phase = np.zeros(len(Phase), np.float32)
    for phase, held in CLINKER_SIGNAL.items():
        of_phase[phase] = held
    covered = gaussian_filter(region.clinker.astype(np.float32), sigma_px, mode="nearest")
    of_clinker = gaussian_filter(of_phase[region.phases], sigma_px, mode="nearest")
    porosity = np.asarray(region.porosity, np.float64)
    signal: Field = (1 - covered) * curve.relative_of(porosity).astype(np.float32) + of_clinker
    return signal
