"""How different two visits to a microscope may be."""

from __future__ import annotations

from dataclasses import dataclass, fields

from cemvis.errors import InputError

# Of the settings of a visit; those that are not here are widths in um from 0 to 20.
_LIMITS = {
    "rotation_deg": (0.0, 10.0),
    "scale": (0.0, 0.1),
    "drift_um": (0.0, 5.0),
    "scan_um": (0.0, 5.0),
    "image_um": (5.0, 1e4),
    "contrast": (0.1, 10.0),
    "brightness": (-255.0, 255.0),
    "image_brightness": (0.0, 255.0),
    "dust_per_mm2": (0.0, 1e5),
}


@dataclass(frozen=True, kw_only=True)
class VisitSettings:
    """How different two visits may be.

    Parameters
    ----------
    rotation_deg, scale
        Largest rotation, and largest relative difference of the true pixel sizes.
    drift_um, scan_um
        Amplitude of the smooth drift, which varies down the mosaic only, and of the scan's distortion across it.
    seam_um
        Sd of the offset, along x and along y, of each of the images that the mosaic is stitched of.
    image_um
        Edge of these images.
    margin_um
        Least and most that the mosaic shows beyond the area, each side for itself.
    contrast, brightness
        Ranges of the factor and of the summand on the first visit's grey levels.
    image_brightness
        Sd of the brightness from image to image in grey levels.
    dust_per_mm2
        Mean number of specks of dust that came between the visits.
    """

    rotation_deg: float = 2.0
    scale: float = 0.01
    drift_um: float = 1.0
    scan_um: float = 0.6
    seam_um: float = 0.12
    image_um: float = 81.92
    margin_um: tuple[float, float] = (2.0, 10.0)
    contrast: tuple[float, float] = (0.8, 1.05)
    brightness: tuple[float, float] = (-8.0, 15.0)
    image_brightness: float = 1.0
    dust_per_mm2: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _LIMITS.get(field.name, (0.0, 20.0))
            ends = value if isinstance(value, tuple) else (value, value)
            if len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:
                two = ", two of them in rising order" if isinstance(value, tuple) else ""
                msg = f"visit's {field.name} is {value}; wanted {low:g} to {high:g}{two}"
                raise InputError(msg)
