"""A trained model: what it predicts, on what grey scale and pixel size, from which data, and how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyScale
from cemvis.models.inference import Outputs
from cemvis.models.intervals import Interval, normal_quantiles
from cemvis.models.metrics import PropertyReport
from cemvis.models.networks import RESNET, Network
from cemvis.models.prediction import Prediction
from cemvis.models.window_network import WindowNetwork

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
        One of `cemvis.models.networks.KINDS`.
    fitted : Network or WindowNetwork
        The network with its numbers; a window network is shared by all properties of a model.
    interval : Interval
        How the prediction intervals are made from the network's bounds.
    metrics : PropertyReport
        Of this very model by batch; for the random split of a fit of its own, or of the same network on pairs left
        out of its training batches.
    """

    name: str
    network: str
    fitted: Network | WindowNetwork
    interval: Interval
    metrics: PropertyReport

    @property
    def unit(self) -> str:
        """Unit of the predicted values."""
        return UNITS[self.name]

    @property
    def needs(self) -> Literal["mean_grey", "window"]:
        """What a prediction has to be given: the mean grey level of a window, or its pixels."""
        return "window" if isinstance(self.fitted, WindowNetwork) else "mean_grey"

    def predict(self, mean_grey: ArrayLike) -> Prediction:
        """Predict windows from their mean grey levels.

        Parameters
        ----------
        mean_grey : (n,) float64
            On the model's grey scale.

        Raises
        ------
        InputError
            If `mean_grey` has another shape, or is not finite, or if the model needs whole windows.
        """
        if isinstance(self.fitted, WindowNetwork):
            msg = f"the {self.network} model of {self.name} needs whole windows, not their mean grey levels"
            raise InputError(msg)
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
        Either each with a network of its own, or all with one `WindowNetwork`, in the order of its targets.
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

    def __post_init__(self) -> None:
        unknown = [one.name for one in self.properties if one.name not in UNITS]
        if unknown:
            msg = f"property {unknown[0]!r} is unknown; wanted some of {', '.join(UNITS)}"
            raise InputError(msg)
        network = self.window_network
        if network is None:
            return
        names = tuple(one.name for one in self.properties)
        if names != network.targets or any(one.fitted is not network for one in self.properties):
            msg = (
                f"a window network that predicts {', '.join(network.targets)} cannot be the model of "
                f"{', '.join(names)}; wanted the same properties in the same order, all with this network"
            )
            raise InputError(msg)
        if any(one.network != RESNET for one in self.properties):
            msg = f"a window network is called {RESNET!r}, not {self.properties[0].network!r}"
            raise InputError(msg)

    @property
    def window_network(self) -> WindowNetwork | None:
        """The network that all properties share, or None for models of mean grey levels."""
        return next((one.fitted for one in self.properties if isinstance(one.fitted, WindowNetwork)), None)

    def predict_outputs(self, outputs: Outputs, flags: NDArray[np.uint8]) -> dict[str, Prediction]:
        """Return what the outputs of the window network mean, by property, with calibrated intervals.

        Parameters
        ----------
        outputs : Outputs
            (..., targets), from windows or from a dense map.
        flags : (...) uint8
            Sums of `Flag`. There is no interval where the cell is darker or brighter than those of the training, or
            where what the network reads was mirrored at a border.

        Raises
        ------
        InputError
            If the model has no window network, or the shapes do not agree.
        """
        if self.window_network is None:
            msg = "this model has no window network; predict from mean grey levels, property by property"
            raise InputError(msg)
        wanted = (*flags.shape, len(self.properties))
        if outputs.value_gpa.shape != wanted or outputs.spread_gpa.shape != wanted:
            msg = f"outputs have shapes {outputs.value_gpa.shape} and {outputs.spread_gpa.shape}; wanted {wanted}"
            raise InputError(msg)
        return {
            one.name: one.interval.calibrated(
                normal_quantiles(
                    outputs.value_gpa[..., index], outputs.spread_gpa[..., index], flags, level=one.interval.level
                )
            )
            for index, one in enumerate(self.properties)
        }
