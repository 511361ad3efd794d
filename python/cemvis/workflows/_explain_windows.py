"""Windows of a mosaic whose modulus or hardness is explained."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.tiling import gather_windows
from cemvis.models.explain.explanation import Score, ScoreKind
from cemvis.models.explain.methods import Reading
from cemvis.models.model import UNITS, Model
from cemvis.workflows._explain_subjects import Floats, Levels, Picture, Subjects
from cemvis.workflows._map_grey import matched_grey
from cemvis.workflows._map_inputs import image_origin, notes_on
from cemvis.workflows._map_network_plan import fitted_layout
from cemvis.workflows._map_plan import pixel_size_warning
from cemvis.workflows._map_result import Anchors


@dataclass(frozen=True)
class Place:
    """The middle of a window: x to the right and y down from the middle of the top-left pixel, in um or in px."""

    x: float
    y: float
    unit: str = "um"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that a text such as ``60.5,40`` (um) or ``1500px,1000px`` says.

        Raises
        ------
        InputError

        Examples
        --------
        >>> Place.parse("1500px,1000px")
        Place(x=1500.0, y=1000.0, unit='px')
        """
        parts = [part.strip() for part in text.split(",")]
        unit = next((each for each in ("px", "um") if all(part.endswith(each) for part in parts)), "")
        try:
            x, y = (float(part.removesuffix(unit)) for part in parts)
        except ValueError:
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            msg = f"{text!r} is not a place; wanted x,y in um such as 60.5,40, or in pixels such as 1500px,1000px"
            raise InputError(msg)
        return cls(x, y, unit or "um")

    def pixels(self, pixel_size_um: float) -> tuple[float, float]:
        """Return x and y in px."""
        scale = 1.0 if self.unit == "px" else pixel_size_um
        return self.x / scale, self.y / scale


def window_subjects(
    mosaic: Path,
    places: Sequence[Place],
    model: Model,
    *,
    asked: str,
    score: ScoreKind,
    pixel_size: PixelSize | None,
    anchors: Anchors,
    reading: Reading,
) -> Subjects:
    """Return windows of a mosaic as subjects of a model of modulus or hardness.

    Parameters
    ----------
    mosaic : Path
    places : sequence of Place
        Middles of the windows, rounded so that a window begins at a whole pixel.
    model : Model
        With a residual network.
    asked : str
        Property, or "predicted" for the model's first.
    score, reading
    pixel_size : PixelSize, optional
    anchors : "auto", "none" or GreyScale
        How the grey scale is brought to the model's.

    Raises
    ------
    InputError
        If the model reads mean grey levels alone, or a window leaves the mosaic.
    PixelSizeError, GreyScaleError, FileAccessError, FileFormatError
    """
    network = model.window_network
    if network is None:
        kinds = ", ".join(sorted({one.network for one in model.properties}))
        msg = f"the model ({kinds}) reads mean grey levels, every pixel alike; wanted one with a network"
        raise InputError(msg)
    name = network.targets[0] if asked == "predicted" else asked
    if name not in network.targets:
        msg = f"{name!r} is not a property of the model; wanted one of {', '.join(network.targets)}"
        raise InputError(msg)
    target = network.targets.index(name)
    with open_micrograph(mosaic, pixel_size=pixel_size) as image:
        um = image.require_pixel_size().um
        layout = fitted_layout(network.layout, pixel_size_um=um, model_pixel_size_um=model.pixel_size_um)
        corners = [_corner(place, um, layout.window_px, image) for place in places]
        if (warning := pixel_size_warning(um, model.pixel_size_um)) is not None:
            warnings.warn(warning, stacklevel=2)
        transform = matched_grey(image, model, anchors)
        pixels = [image.read(row, col, layout.window_px, layout.window_px) for row, col in corners]
        origin, notes, bits = image_origin(image), notes_on(image), 8 * image.dtype.itemsize
    # Cameras of 10 to 14 bits are stored in 16: no pixel gets near the type's brightest, which bounds what it can be.
    bits_used = max(8, *(int(each.max()).bit_length() for each in pixels))
    brightest = float(2**bits_used - 1)
    if bits_used < bits:
        notes = (
            *notes,
            f"grey levels are taken to reach to {brightest:.0f}: the windows use {bits_used} of {bits} bits",
        )
    grey_mean, grey_sd = network.standard_on(transform)
    middle = (layout.window_px - 1) / 2

    def read(indices: Sequence[int]) -> tuple[Levels, Floats]:
        how = {"window_px": layout.window_px, "border": "refuse", "downsample": layout.downsample, "threads": 1}
        grey = np.concatenate([gather_windows(pixels[index], [(middle, middle)], **how) for index in indices])  # type: ignore[arg-type]
        standard = (grey.astype(np.float64) - grey_mean) / grey_sd
        return np.rint(grey * (255.0 / brightest)).astype(np.uint8), standard

    return Subjects(
        tuple(_picture(number, mosaic, corner, layout.window_px, um) for number, corner in enumerate(corners)),
        network.targets,
        np.full(len(corners), target, np.intp),
        network.module(),
        # A hair wider than all grey there can be: a sample is computed in float32.
        replace(reading, low=(0.0 - grey_mean) / grey_sd - 1e-5, high=(brightest - grey_mean) / grey_sd + 1e-5),
        Score(score, network.target_sd_gpa[target], network.target_mean_gpa[target]),
        UNITS[name],
        um * layout.downsample,
        ("dark", "bright"),
        read,
        {"model": {"properties": list(network.targets), "sha256": model.digest}, "mosaic": origin},
        tuple(note for note in (*notes, transform.note, str(warning or "")) if note),
    )


def _corner(place: Place, um: float, window_px: int, image: Micrograph) -> tuple[int, int]:
    x, y = place.pixels(um)
    row, col = (round(middle - (window_px - 1) / 2) for middle in (y, x))
    if min(row, col) < 0 or row + window_px > image.shape[0] or col + window_px > image.shape[1]:
        half = (window_px - 1) / 2 * um
        far_x, far_y = ((side - 1) * um - half for side in reversed(image.shape))
        msg = (
            f"the window around {place.x:g},{place.y:g} {place.unit} leaves the mosaic; wanted x from {half:.4g} to "
            f"{far_x:.4g} um and y from {half:.4g} to {far_y:.4g} um"
        )
        raise InputError(msg)
    return row, col


def _picture(number: int, mosaic: Path, corner: tuple[int, int], window_px: int, um: float) -> Picture:
    row, col = corner
    x, y = ((first + (window_px - 1) / 2) * um for first in (col, row))
    return Picture(mosaic, "", "", f"{x:.4g}, {y:.4g} um", row, col, f"{number:05d}_x{x:.1f}_y{y:.1f}")
