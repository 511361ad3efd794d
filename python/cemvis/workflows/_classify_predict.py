"""Class probabilities of maps whose class nobody knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._files import check_free, check_writable
from cemvis.errors import CemvisWarning, InputError, PixelSizeError
from cemvis.images.pixel_size import TOLERANCE, PixelSize
from cemvis.models.map_classifier_file import load_class_model
from cemvis.models.map_classifier_model import ClassModel
from cemvis.models.map_classifier_predict import ClassPredictor
from cemvis.workflows._classify_files import place_columns, write_csv
from cemvis.workflows._npm_maps import MapSet, read_maps

_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class ClassPrediction:
    """What a classifier says of maps.

    Attributes
    ----------
    model : ClassModel
    maps : MapSet
    probability : (n, classes) float64
        Of each map.
    """

    model: ClassModel
    maps: MapSet
    probability: NDArray[np.float64]

    def to_csv(self, path: Path) -> None:
        """Write a row a map: file, place in it, answer, and the probability of each class."""
        import pandas as pd

        answers = self.probability.argmax(axis=1)
        rows = []
        for place, answer, chances in zip(self.maps.places, answers, self.probability, strict=True):
            where = {name: value for name, value in place_columns(place).items() if name not in ("specimen", "session")}
            chance = {f"p_{name}": float(each) for name, each in zip(self.model.classes, chances, strict=True)}
            rows.append({**where, "answer": self.model.classes[answer], **chance})
        write_csv(path, pd.DataFrame(rows))


def predict_classes(
    images: Sequence[Path],
    model_file: Path,
    output: Path | None = None,
    *,
    weights: Path | None = None,
    pixel_size: PixelSize | None = None,
    device: str = "cpu",
    threads: int | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ClassPrediction:
    """Ask a classifier about images, cut into maps of the size that it was trained on.

    Parameters
    ----------
    images : sequence of Path
        MulF maps; a model of MicF maps filters them itself.
    model_file : Path
    output : Path, optional
        A CSV to write.
    weights : Path, optional
        Of the backbone, where the model has one.
    pixel_size : PixelSize, optional
        Taken instead of what the files say.
    device : str
    threads : int, optional
    overwrite : bool
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    PixelSizeError
        If the maps' pixels differ by more than 1 % from those that the model was trained on.
    InputError, FileAccessError, ModelFileError, OutputExistsError

    Warns
    -----
    CemvisWarning
        If the model was trained on one of the images, and for each thing that limits what its test says.
    """
    if not images:
        msg = "no image is given; wanted nano-porosity maps to classify"
        raise InputError(msg)
    if output is not None:
        check_free(output.parent, [output.name], overwrite=overwrite)
        check_writable(output)
    model = load_class_model(model_file)
    predictor = ClassPredictor.of(model, weights, device=device, threads=threads)
    maps = read_maps(images, size_px=model.size_px, pixel_size_um=None if pixel_size is None else pixel_size.um)
    _check_pixel_size(model, maps)
    for line in (*model.warnings, *_seen(model, maps)):
        warnings.warn(line, CemvisWarning, stacklevel=2)

    def levels(indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        return maps.levels(indices, sigma_px=model.sigma_px)

    found = []
    for begin in range(0, len(maps), _AT_ONCE):
        part = np.arange(begin, min(begin + _AT_ONCE, len(maps)))
        found.append(predictor.probabilities(levels, part))
        if progress is not None:
            progress("classifying", int(part[-1]) + 1, len(maps))
    prediction = ClassPrediction(model, maps, np.concatenate(found))
    if output is not None:
        prediction.to_csv(output)
    return prediction


def _check_pixel_size(model: ClassModel, maps: MapSet) -> None:
    if abs(maps.pixel_size_um - model.pixel_size_um) > TOLERANCE * model.pixel_size_um:
        msg = (
            f"the maps have pixels of {maps.pixel_size_um * 1e3:.6g} nm, the model was trained at "
            f"{model.pixel_size_um * 1e3:.6g} nm; resample the maps to the model's pixel size"
        )
        raise PixelSizeError(msg)


def _seen(model: ClassModel, maps: MapSet) -> list[str]:
    known = model.training.known(maps.image_digests)
    return [f"the model was trained on {known} of these images: it may know them by heart"] if known else []
