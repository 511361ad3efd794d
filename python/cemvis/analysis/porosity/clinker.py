"""Unhydrated clinker in images of metal-intruded paste: large, compact, uniform regions a little brighter than C-S-H.

By its grey alone clinker cannot be told from C-S-H with fine pores full of metal. But no metal gets into clinker: its
grains are flat, that is, they vary no more than the noise does, and they are microns across. Portlandite is as flat and
a little darker, and the lower end of the greys has to part the two. Every step looks at most `ClinkerRule.halo_px` far,
so that an image cut into tiles gives the same pixels as the whole.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import image_2d, positive
from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.analysis.porosity.flat_places import NoiseCurve, flat_windows
from cemvis.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ClinkerRule:
    """What counts as clinker.

    Parameters
    ----------
    low, high : float
        Range of (G - G_CSH) / (G_m - G_CSH). By simulated electron paths at 5 keV aluminate lies at 0.14, belite at
        0.16, alite at 0.18, ferrite at 0.23 and portlandite at 0.11; at 20 keV alite at 0.14 and ferrite at 0.19.
    least_um : float
        Diameter of a disc that has to fit in.
    flatness : float
        Most that the variance of a window may be, in variances of the noise.
    window_px : int
        Edge of the window, odd.
    closing_um : float
        Radius of specks and seams within a grain that are filled: the edges between its minerals are not flat.

    Raises
    ------
    InputError
        If the range is empty or a length is not above 0.
    """

    low: float = 0.13
    high: float = 0.26
    least_um: float = 1.5
    flatness: float = 2.0
    window_px: int = 9
    closing_um: float = 0.25

    def __post_init__(self) -> None:
        if not (-1 < self.low < self.high < 1):
            msg = f"clinker's relative grey is {self.low:g} to {self.high:g}; wanted two rising numbers from -1 to 1"
            raise InputError(msg)
        for name in ("least_um", "flatness", "closing_um"):
            positive(getattr(self, name), name=name)
        if self.window_px < 3 or self.window_px % 2 == 0:
            msg = f"window_px is {self.window_px}; wanted an odd number from 3 on"
            raise InputError(msg)

    def opening_px(self, pixel_size_um: float) -> float:
        """Return the radius of the disc that has to fit among flat windows, which end half a window inside a grain."""
        return max(1.0, self.least_um / pixel_size_um / 2 - self.window_px // 2)

    def halo_px(self, pixel_size_um: float) -> int:
        """Return how far a pixel's verdict looks."""
        reach = 2 * self.closing_um / pixel_size_um + 2 * self.opening_px(pixel_size_um) + self.window_px
        return math.ceil(reach) + 4

    def to_json(self) -> dict[str, Any]:
        """Return it for a record."""
        return asdict(self)


def segment_clinker(
    grey: NDArray[Any],
    anchors: GreyAnchors,
    *,
    noise: NoiseCurve,
    pixel_size_um: float,
    rule: ClinkerRule | None = None,
) -> NDArray[np.bool_]:
    """Return where an image of metal-intruded paste shows unhydrated clinker.

    Windows that are flat and of clinker's grey are closed by a small disc, opened by one of the least diameter, and
    grown by half a window. A grain that the image's edge cuts goes on beyond it.

    Parameters
    ----------
    grey : (rows, cols) uint8 or uint16
    anchors : GreyAnchors
    noise : NoiseCurve
        Of the session.
    pixel_size_um : float
    rule : ClinkerRule, optional

    Returns
    -------
    (rows, cols) bool
    """
    image_2d(grey, name="grey")
    rule = rule or ClinkerRule()
    flat, mean = flat_windows(grey, noise, edge=rule.window_px, flatness=rule.flatness)
    relative = anchors.relative(mean)
    found = flat & (relative >= rule.low) & (relative <= rule.high)
    closing = rule.closing_um / pixel_size_um
    opening = rule.opening_px(pixel_size_um)
    found = eroded(dilated(found, closing), closing)
    found = dilated(eroded(found, opening), opening)
    return dilated(found, rule.window_px // 2)


def dilated(mask: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """Return the pixels whose centre is at most `radius_px` from one of the mask's.

    Examples
    --------
    >>> import numpy as np
    >>> dilated(np.array([[False, True, False, False]]), 1)
    array([[ True,  True,  True, False]])
    """
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return mask.copy()
    near: NDArray[np.bool_] = distance_transform_edt(~mask) <= radius_px
    return near


def eroded(mask: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """Return the pixels of a mask with none outside it within `radius_px`; what is beyond the image does not count."""
    return ~dilated(~mask, radius_px)
