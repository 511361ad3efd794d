"""The files of one region of a virtual metal-intruded specimen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import sha256_of
from cemvis.analysis.specimen.intruded import PIXEL_SIZE_UM, IntrudedRegion
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.kernels.specimen import Phase

#: Ending of each file's name, its name inside the file, and what it holds.
FILES: dict[str, tuple[str, str]] = {
    ".tif": ("Equivalent porosity", "True nano-porosity map: level = round(255 n); 0 in clinker."),
    ".bse.tif": ("BSE", "What the microscope shows in this specimen's session."),
    ".modified.tif": ("Modified", "255 where the true map differs from that of the twin without modification, else 0."),
    ".clinker.tif": ("Clinker", "255 in unhydrated clinker, else 0."),
}


@dataclass(frozen=True)
class RegionRecord:
    """What is said of a region in the specimen's record.

    Attributes
    ----------
    name : str
    porosity : float
        Mean n of the whole region, clinker counted as 0.
    clinker_share, csh_share, modified_share : float
        Of the region's area.
    spots : int
        Whose centre lies in the region.
    sha256 : mapping
        Of each file, by name.
    """

    name: str
    porosity: float
    clinker_share: float
    csh_share: float
    modified_share: float
    spots: int
    sha256: Mapping[str, str]


def write_region(
    region: IntrudedRegion, image: NDArray[np.uint8], folder: Path, name: str, origin: Mapping[str, Any]
) -> RegionRecord:
    """Write a region's four files into `folder`; return what the record says of it."""
    held = {
        ".tif": region.levels,
        ".bse.tif": image,
        ".modified.tif": _mask(region.modified),
        ".clinker.tif": _mask(region.clinker),
    }
    digests = {}
    for ending, values in held.items():
        path = folder / f"{name}{ending}"
        raster = Raster(*FILES[ending], PIXEL_SIZE_UM, origin=origin)
        write_ome_tiff(path, [values], shape=values.shape, dtype="uint8", raster=raster, compression="zstd")
        digests[path.name] = sha256_of(path)
    height_um, width_um = (edge * PIXEL_SIZE_UM for edge in region.levels.shape)
    x, y = region.spots.xy_um[:, 0], region.spots.xy_um[:, 1]
    within = (x >= 0) & (x < width_um) & (y >= 0) & (y < height_um)
    return RegionRecord(
        name=name,
        porosity=round(float(region.levels.mean()) / 255, 6),
        clinker_share=round(float(region.clinker.mean()), 6),
        csh_share=round(float(np.isin(region.phases, (Phase.LD_CSH, Phase.HD_CSH)).mean()), 6),
        modified_share=round(float(region.modified.mean()), 6),
        spots=int(within.sum()),
        sha256=digests,
    )


def _mask(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return inside.astype(np.uint8) * np.uint8(255)
