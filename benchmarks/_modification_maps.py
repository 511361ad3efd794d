"""Maps of the modification study: virtual specimens as truth, as calibrated from images, or as raw grey levels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tifffile import imread

from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.analysis.porosity.calibration import csh_metal_curve
from cemvis.analysis.porosity.nano_porosity import micro_features, nano_porosity

Kind = Literal["truth", "measured", "grey"]


@dataclass(frozen=True)
class Maps:
    """Maps of one class: (n, size, size) levels and masks, the specimen and the region of each."""

    levels: NDArray[np.uint8]
    modified: NDArray[np.bool_]
    specimen: NDArray[np.intp]
    region: NDArray[np.intp]


def load(root: Path, name: str, kind: Kind, *, micro: bool) -> Maps:
    """Return all maps of a class in a folder of virtual specimens; MicF where `micro`, else MulF."""
    about = json.loads((root / "specimen.json").read_text())
    size = about["map_px"]
    levels, modified, specimens, regions = [], [], [], []
    of_class = [each for each in about["specimens"] if each["class"] == name]
    for number, each in enumerate(of_class):
        folder = root / name / each["specimen"]
        for place, region in enumerate(each["regions"]):
            image = _levels(folder / region["name"], kind, each["session"])
            if micro:
                image = gaussian_grey(image) if kind == "grey" else micro_features(image)
            cut = _cut(image, size)
            levels.append(cut)
            modified.append(_cut(imread(folder / f"{region['name']}.modified.tif"), size) > 0)
            specimens += [number] * len(cut)
            regions += [place] * len(cut)
    return Maps(np.concatenate(levels), np.concatenate(modified), np.array(specimens), np.array(regions))


def gaussian_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey levels through the filter of MicF."""
    return np.rint(gaussian_filter(image.astype(np.float32), 10.0, mode="nearest")).astype(np.uint8)


def _levels(stem: Path, kind: Kind, session: dict[str, float]) -> NDArray[np.uint8]:
    if kind == "truth":
        return imread(stem.with_name(f"{stem.name}.tif"))
    grey = imread(stem.with_name(f"{stem.name}.bse.tif"))
    if kind == "grey":
        return grey
    clinker = imread(stem.with_name(f"{stem.name}.clinker.tif")) > 0
    anchors = GreyAnchors(session["grey_csh"], session["grey_metal"])
    return nano_porosity(grey, anchors, curve=csh_metal_curve(), clinker=clinker)


def _cut(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    rows, cols = image.shape[0] // size, image.shape[1] // size
    return image.reshape(rows, size, cols, size).transpose(0, 2, 1, 3).reshape(-1, size, size)
