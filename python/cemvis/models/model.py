"""A trained model: what it predicts, on what grey scale and pixel size, from which data, and how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyScale
from cemvis.models.intervals import Interval
from cemvis.models.metrics import PropertyReport
from cemvis.models.networks import Network
from cemvis.models.prediction import Prediction

UNITS = {"modulus": "GPa", "hardness": "GPa"}
"""Properties that a model can predict, with the unit of each."""


@dataclass(frozen=True)
class PropertyModel:
    """The model of one property.

    Attributes
    ----------
    name : str
        A key of `UNITS`.
    network : str
        A key of `cemvis.models.networks.NETWORKS`.
    fitted : Network
        The network with its numbers.
    interval : Interval
        How the prediction intervals are made from the network's bounds.
    metrics : PropertyReport
        Of this very model by batch, and of a fit of its own for the random split.
    """

    name: str
    network: str
    fitted: Network
    interval: Interval
    metrics: PropertyReport

    @property
    def unit(self) -> str:
        """Unit of the predicted values."""
        return UNITS[self.name]

    @property
    def needs(self) -> Literal["mean_grey"]:
        """What `predict` has to be given for each window."""
        return "mean_grey"

    def predict(self, mean_grey: ArrayLike) -> Prediction:
        """Predict windows from their mean grey levels.

        Parameters
        ----------
        mean_grey : (n,) float64
            On the model's grey scale.

        Raises
        ------
        InputError
            If `mean_grey` has another shape, or is not finite.
        """
        grey = np.asarray(mean_grey, dtype=np.float64)
        if grey.ndim != 1:
            msg = f"mean_grey has shape {grey.shape}; wanted (n,)"
            raise InputError(msg)
        if not np.isfinite(grey).all():
            msg = f"mean_grey holds {np.count_nonzero(~np.isfinite(grey))} values that are not finite; leave them out"
            raise InputError(msg)
        return self.interval.calibrated(self.fitted.predict(grey))


@dataclass(frozen=True)
class TrainingArea:
    """One mosaic with its indents, as it went into training.

    Attributes
    ----------
    name : str
    mosaic_sha256, indents_sha256 : str
        Digests of the two files.
    pairs, batches : int
        Pairs of a window and a measurement that were used, and the batches that they come from.
    virtual : str
        What a virtual specimen was made from; empty for everything else.
    """

    name: str
    mosaic_sha256: str
    indents_sha256: str
    pairs: int
    batches: int
    virtual: str = ""


@dataclass(frozen=True)
class Training:
    """What a model was made from.

    Attributes
    ----------
    areas : tuple of TrainingArea
    seed : int
        Of the splits.
    """

    areas: tuple[TrainingArea, ...]
    seed: int

    @property
    def pairs(self) -> int:
        """Pairs of all areas together."""
        return sum(area.pairs for area in self.areas)

    @property
    def batches(self) -> int:
        """Batches of all areas together."""
        return sum(area.batches for area in self.areas)

    @property
    def virtual(self) -> bool:
        """Whether any of it is a virtual specimen, so that the model is for demonstration only."""
        return any(area.virtual for area in self.areas)


@dataclass(frozen=True)
class Model:
    """A model of one or more properties; all read the same windows.

    Attributes
    ----------
    properties : tuple of PropertyModel
    grey_scale : GreyScale
        Grey levels of matrix and clinker that images are brought to before predicting.
    pixel_size_um, window_um : float
        Of the training mosaics, and the edge of the square window that a prediction is for.
    training : Training
    note : str
        What its maker wanted to say.
    version : str
        Of the cemvis that made it.
    digest : str
        SHA-256 of the file it was read from; empty for a model that is not in a file.
    """

    properties: tuple[PropertyModel, ...]
    grey_scale: GreyScale
    pixel_size_um: float
    window_um: float
    training: Training
    note: str
    version: str
    digest: str = ""
