"""What is explained: nano-porosity maps and their classifier, read when they are asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis._files import file_digest
from cemvis.errors import InputError, PixelSizeError
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import TOLERANCE, PixelSize
from cemvis.models.explain.explanation import Score, ScoreKind
from cemvis.models.explain.methods import Reading
from cemvis.models.map_classifier_model import PORE_NETWORK, ClassModel
from cemvis.workflows._npm_maps import MapSet, read_map_set
from cemvis.workflows._npm_sources import MapPlace, region_of

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
Asked = Literal["predicted", "own"] | str

_LEVELS = 255.0


@dataclass(frozen=True)
class Picture:
    """One image to explain: its file, what it is of, and its top-left pixel there."""

    source: Path
    class_name: str
    specimen: str
    region: str
    row_px: int
    column_px: int
    name: str
    """Of the files about it: a number and the names, in letters that every system knows."""


@dataclass(frozen=True, eq=False)
class Subjects:
    """Images to explain, and the network that they are for.

    Attributes
    ----------
    pictures : tuple of Picture
    outputs : tuple of str
        What the network's outputs are: classes, or properties.
    targets : (n,) int
        Output that each is asked about; -1 for the one that the network chooses.
    network : torch.nn.Module
    reading : Reading
    score : Score
    unit : str
        Of the score; empty for logits.
    pixel_size_um : float
        Of the relevance.
    sides : (str, str)
        What is below and above ISODATA's level.
    read : callable
        Takes indices; returns levels, (n, rows, cols) uint8, and what the network reads, (n, rows, cols) float64.
    origin : mapping
        Of the model and the images, for the summary.
    notes : tuple of str
    """

    pictures: tuple[Picture, ...]
    outputs: tuple[str, ...]
    targets: NDArray[np.intp]
    network: Any
    reading: Reading
    score: Score
    unit: str
    pixel_size_um: float
    sides: tuple[str, str]
    read: Callable[[Sequence[int]], tuple[Levels, Floats]]
    origin: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def map_subjects(
    sources: Sequence[Path],
    model: ClassModel,
    *,
    asked: Asked,
    score: ScoreKind,
    most: int | None,
    pixel_size: PixelSize | None,
    reading: Reading,
) -> Subjects:
    """Return the maps in `sources` as subjects of a classifier.

    Parameters
    ----------
    sources : sequence of Path
        Folders and lists as for `read_map_set`, or map files, whose class nobody knows.
    model : ClassModel
    asked : "predicted", "own" or a class
        Which logit is explained: that of the class that the network chose, of the map's own, or of one for all.
    score, reading
    most : int, optional
        How many maps of each class, evenly spread over them; all by default.
    pixel_size : PixelSize, optional
        Taken instead of the files'.

    Raises
    ------
    InputError
        If the classifier is not the seven-convolution network, or the maps and it do not go together.
    PixelSizeError, FileAccessError, FileFormatError
    """
    if model.classifier != PORE_NETWORK:
        msg = f"the model is a {model.classifier} on {model.describe}; wanted a {PORE_NETWORK}"
        raise InputError(msg)
    given = None if pixel_size is None else pixel_size.um
    files = all(source.is_file() and source.suffix.lower() != ".csv" for source in sources)
    maps = (
        _map_files(sources, model, given)
        if files
        else read_map_set(sources, size_px=model.size_px, pixel_size_um=given)
    )
    if abs(maps.pixel_size_um / model.pixel_size_um - 1) > TOLERANCE:
        msg = (
            f"the maps have {maps.pixel_size_um * 1e3:.4g} nm/px, the model was trained at "
            f"{model.pixel_size_um * 1e3:.4g} nm/px; wanted the same"
        )
        raise PixelSizeError(msg)
    chosen = _spread(maps, most)
    places = [maps.places[index] for index in chosen]

    def read(indices: Sequence[int]) -> tuple[Levels, Floats]:
        levels = maps.levels([chosen[index] for index in indices], sigma_px=model.sigma_px)
        return levels, levels / _LEVELS

    return Subjects(
        tuple(_picture(number, place) for number, place in enumerate(places)),
        model.classes,
        _targets(places, model.classes, asked),
        model.pore_network(),
        reading,
        Score(score),
        "",
        maps.pixel_size_um,
        ("low porosity", "high porosity"),
        read,
        {
            "model": {"classes": list(model.classes), "features": model.features, "sha256": model.digest},
            "maps": {"sha256": maps.digest, "size_px": maps.size_px, "found": len(maps.places)},
        },
        (*maps.notes, *model.warnings),
    )


def _map_files(paths: Sequence[Path], model: ClassModel, given: float | None) -> MapSet:
    """Return the maps in files of no known class."""
    option = None if given is None else PixelSize(given, "option")
    places: list[MapPlace] = []
    sizes: list[float] = []
    for path in paths:
        with open_micrograph(path, pixel_size=option, info_bar=False) as image:
            rows, cols = image.shape
            if image.dtype != np.uint8 or min(rows, cols) < model.size_px:
                msg = f"{path} is {image.dtype}, {rows} x {cols} px; wanted uint8, at least {model.size_px} px each way"
                raise InputError(msg)
            sizes.append(image.require_pixel_size().um)
        found = region_of(path)
        corners = [
            (row, col)
            for row in range(0, rows - model.size_px + 1, model.size_px)
            for col in range(0, cols - model.size_px + 1, model.size_px)
        ]
        places += [MapPlace(path, "", found.specimen, found.region, row, col) for row, col in corners]
    if not sizes or max(sizes) > min(sizes) * (1 + TOLERANCE):
        msg = (
            f"{len(sizes)} maps of {min(sizes, default=0) * 1e3:g} to {max(sizes, default=0) * 1e3:g} nm/px; wanted one"
        )
        raise PixelSizeError(msg)
    digest = hashlib.sha256(repr([file_digest(path) for path in paths]).encode()).hexdigest()
    return MapSet(tuple(places), ("",), model.size_px, sizes[0], digest)


def _spread(maps: MapSet, most: int | None) -> list[int]:
    """Return the indices of at most so many maps of each class, evenly spread over their order."""
    labels = maps.labels()
    found: list[int] = []
    for label in range(len(maps.classes)):
        there = np.flatnonzero(labels == label)
        if most is not None and len(there) > most:
            there = there[(np.arange(most) * len(there)) // most]
        found += there.tolist()
    return found


def _targets(places: Sequence[MapPlace], classes: tuple[str, ...], asked: Asked) -> NDArray[np.intp]:
    if asked == "predicted":
        return np.full(len(places), -1, np.intp)
    names = [place.class_name if asked == "own" else asked for place in places]
    unknown = sorted({name for name in names if name not in classes})
    if unknown:
        msg = (
            f"class {unknown[0]!r} is none of the model's, {', '.join(classes)}; "
            "wanted one of them, or predicted, or own where folders name them"
        )
        raise InputError(msg)
    return np.array([classes.index(name) for name in names], np.intp)


def _picture(number: int, place: MapPlace) -> Picture:
    parts = (place.class_name, place.specimen, place.region, f"{place.row_px}-{place.column_px}")
    words = [re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-.") for part in dict.fromkeys(parts)]
    name = "_".join([f"{number:05d}", *(word[:40] for word in words if word)])
    return Picture(place.path, place.class_name, place.specimen, place.region, place.row_px, place.column_px, name)
