"""Nano-porosity maps: grey levels of metal-intruded paste as equivalent porosities, with nano- or microscale features.

The equivalent porosity n of a pixel is the share of metal in a homogeneous mix of C-S-H and metal that scatters back
as much. Grey is linear in the backscatter coefficient, so that two anchors, the grey of C-S-H (n = 0) and of metal
(n = 1), and the curve eta(n) turn a grey level into n. Unhydrated clinker is brighter than C-S-H and holds no pores:
its pixels are set to 0.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import image_2d, positive
from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.errors import InputError

MICF_SIGMA_PX = 10.0
"""Standard deviation of the Gaussian that leaves microscale features only."""
_TRUNCATE = 4.0


class PorosityCurve(Protocol):
    """What says the equivalent porosity of a relative backscatter coefficient."""

    def porosity_of(self, relative: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return n from 0 to 1 of (eta - eta(0)) / (eta(1) - eta(0)), clamped beyond."""
        ...


def porosity_table(anchors: GreyAnchors, curve: PorosityCurve, *, levels: int = 256) -> NDArray[np.float64]:
    """Return the equivalent porosity of each grey level, (levels,), 0 below the anchor of C-S-H and 1 above metal's.

    Parameters
    ----------
    anchors : GreyAnchors
    curve : PorosityCurve
    levels : int
        256 for uint8 images, 65536 for uint16.
    """
    relative = np.clip(anchors.relative(np.arange(levels)), 0.0, 1.0)
    return np.clip(np.asarray(curve.porosity_of(relative), np.float64), 0.0, 1.0)


def nano_porosity(
    grey: NDArray[Any], anchors: GreyAnchors, *, curve: PorosityCurve, clinker: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return the nano-porosity map of an image, with nano- and microscale features (MulF).

    Parameters
    ----------
    grey : (rows, cols) uint8 or uint16
    anchors : GreyAnchors
    curve : PorosityCurve
    clinker : (rows, cols) bool, optional
        Pixels whose porosity is 0 whatever their grey.

    Returns
    -------
    (rows, cols) uint8
        round(255 n), halves to even.

    Raises
    ------
    InputError
        If `grey` is no such image, or `clinker` has another shape or type.

    References
    ----------
    The paper's step: n of C-S-H with Field's metal by Monte-Carlo, two anchors, clamped, clinker 0.

    Examples
    --------
    >>> import numpy as np
    >>> class Linear:
    ...     def porosity_of(self, relative):
    ...         return relative
    >>> nano_porosity(np.array([[50, 100, 150, 250]], np.uint8), GreyAnchors(100, 200), curve=Linear())
    array([[  0,   0, 128, 255]], dtype=uint8)
    """
    image_2d(grey, name="grey")
    table = level_table(porosity_table(anchors, curve, levels=int(np.iinfo(grey.dtype).max) + 1))
    found: NDArray[np.uint8] = table[grey]
    if clinker is not None:
        if clinker.shape != grey.shape or clinker.dtype != np.bool_:
            msg = f"clinker is {clinker.dtype} of shape {clinker.shape}; wanted bool of {grey.shape}"
            raise InputError(msg)
        found[clinker] = 0
    return found


def level_table(porosity: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return porosities from 0 to 1 as levels round(255 n), halves to even."""
    levels: NDArray[np.uint8] = np.rint(255.0 * porosity).astype(np.uint8)
    return levels


def micro_features(levels: NDArray[np.uint8], *, sigma_px: float = MICF_SIGMA_PX) -> NDArray[np.uint8]:
    """Return the microscale features of a nano-porosity map (MicF): the map through a Gaussian.

    Computed in float64; the Gaussian ends at 4 sigma, and beyond the image its nearest pixel goes on. A part of the map
    with `micro_halo` more pixels on each side gives the same bits as the whole.

    Parameters
    ----------
    levels : (rows, cols) uint8
    sigma_px : float

    Returns
    -------
    (rows, cols) uint8
    """
    from scipy.ndimage import gaussian_filter

    image_2d(levels, name="levels", dtypes=("uint8",))
    sigma = positive(sigma_px, name="sigma_px")
    smooth = gaussian_filter(levels.astype(np.float64), sigma, mode="nearest", truncate=_TRUNCATE)
    found: NDArray[np.uint8] = np.rint(smooth).astype(np.uint8)
    return found


def micro_halo(sigma_px: float) -> int:
    """Return how far in px `micro_features` looks."""
    return int(_TRUNCATE * sigma_px + 0.5)
