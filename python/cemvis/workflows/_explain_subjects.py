"""What is explained: nano-porosity maps and their classifier, read when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, PixelSizeError
from cemvis.images.pixel_size import TOLERANCE, PixelSize
from cemvis.models.explain.explanation import Score, ScoreKind
from cemvis.models.explain.methods import Reading
from cemvis.models.map_classifier_model import PORE_NETWORK, ClassModel
from cemvis.workflows._npm_maps import MapPlace, MapSet, read_map_set, read_maps

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
Asked = Literal["predicted", "own"] | str

_LEVELS = 255.0


@dataclass(frozen=True)
class Picture:
    """One image to explain: its file, what it is of, and its top-left pixel there.

    `name` is of the files about it: a number and the names, in letters that every system knows. `seen` says whether the
    classifier was trained or validated on the image; None where nobody knows.
    """

    source: Path
    class_name: str
    specimen: str
    region: str
    row_px: int
    column_px: int
    name: str
    seen: bool | None = None


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
    maps = (read_maps if files else read_map_set)(sources, size_px=model.size_px, pixel_size_um=given)
    if abs(maps.pixel_size_um / model.pixel_size_um - 1) > TOLERANCE:
        msg = (
            f"the maps have {maps.pixel_size_um * 1e3:.4g} nm/px, the model was trained at "
            f"{model.pixel_size_um * 1e3:.4g} nm/px; wanted the same"
        )
        raise PixelSizeError(msg)
    chosen = _spread(maps, most)
    places = [maps.places[index] for index in chosen]
    # The model keeps the first digits of each image's digest.
    known = np.array([digest.startswith(model.training.seen) for digest in maps.image_digests])
    seen, regions = known[maps.images()[chosen]], maps.regions()[chosen]

    def read(indices: Sequence[int]) -> tuple[Levels, Floats]:
        levels = maps.levels([chosen[index] for index in indices], sigma_px=model.sigma_px)
        return levels, levels / _LEVELS

    return Subjects(
        tuple(_picture(number, place, bool(seen[number])) for number, place in enumerate(places)),
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
            "maps": {
                "sha256": maps.digest,
                "size_px": maps.size_px,
                "found": len(maps.places),
                "explained": {"maps": len(chosen), "regions": len(set(regions))},
                "seen_in_training": {"maps": int(seen.sum()), "regions": len(set(regions[seen]))},
            },
        },
        (*maps.notes, *model.warnings, *_seen_notes(seen, regions)),
    )


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


def _seen_notes(seen: NDArray[np.bool_], regions: NDArray[np.intp]) -> list[str]:
    if not seen.any():
        return []
    return [
        f"the classifier was trained or validated on {len(set(regions[seen]))} of these {len(set(regions))} regions, "
        f"{int(seen.sum())} of the {len(seen)} maps: it may know them by heart, so that relevance in them need not "
        "tell what it finds in new material; maps.csv says which"
    ]


def _picture(number: int, place: MapPlace, seen: bool) -> Picture:
    parts = (place.class_name, place.specimen, place.region, f"{place.row_px}-{place.column_px}")
    words = [re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-.") for part in dict.fromkeys(parts)]
    name = "_".join([f"{number:05d}", *(word[:40] for word in words if word)])
    return Picture(
        place.path, place.class_name, place.specimen, place.region, place.row_px, place.column_px, name, seen
    )
