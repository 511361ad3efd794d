"""A trained residual network with all that is needed to use it: weights, standards, and how to run it.

Nothing here imports PyTorch before a network is built or run, so that a model file can be read and described quickly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.models.prediction import Flag
from cemvis.models.resnet_layout import ResNetLayout

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyTransform
    from cemvis.models.inference import Backend, Predictor
    from cemvis.models.resnet import ResNet

Precision = Literal["float32", "float16"]

_UNTRAINED = "num_batches_tracked"


@dataclass(frozen=True, eq=False)
class WindowNetwork:
    """A trained `ResNet` as numbers.

    Attributes
    ----------
    layout : ResNetLayout
    targets : tuple of str
        The properties that it predicts, in the order of its outputs.
    grey_mean, grey_sd : float
        Of the training windows, on the model's grey scale; the network reads ``(grey - grey_mean) / grey_sd``.
    grey_range : (float, float)
        Lowest and highest mean grey level of the training cells, on the model's grey scale.
    target_mean_gpa, target_sd_gpa : tuple of float
        Of the training values, one for each target: an output of 0 is the mean, of 1 one deviation above it.
    state : mapping of str to float32 or float16 arrays
        The arrays of `ResNetLayout.state_shapes`.
    precision : "float32" or "float16"
        Of the weights in `state`. Biases and the numbers of the batch normalisations are float32 in either case: they
        are few, and a variance may lie outside the range of float16.

    Raises
    ------
    InputError
        If anything of it contradicts the rest.
    """

    layout: ResNetLayout
    targets: tuple[str, ...]
    grey_mean: float
    grey_sd: float
    grey_range: tuple[float, float]
    target_mean_gpa: tuple[float, ...]
    target_sd_gpa: tuple[float, ...]
    state: Mapping[str, NDArray[Any]]
    precision: Precision

    def __post_init__(self) -> None:
        _check_targets(self.layout, self.targets, self.target_mean_gpa, self.target_sd_gpa)
        numbers = (self.grey_mean, self.grey_sd, *self.grey_range)
        if not all(map(math.isfinite, numbers)) or self.grey_sd <= 0 or self.grey_range[0] > self.grey_range[1]:
            msg = "grey levels of a network must be finite, with a deviation above 0 and a rising range"
            raise InputError(msg)
        _check_state(self.layout, self.state, self.precision)

    @classmethod
    def from_module(
        cls,
        module: ResNet,
        *,
        targets: Sequence[str],
        grey_mean: float,
        grey_sd: float,
        grey_range: tuple[float, float],
        target_mean_gpa: Sequence[float],
        target_sd_gpa: Sequence[float],
        half: bool = False,
    ) -> WindowNetwork:
        """Return the numbers of a trained `ResNet`; its weights are rounded to float16 if `half`.

        Raises
        ------
        InputError
            If anything contradicts the layout, is not finite, or is too large for float16.
        """
        precision: Precision = "float16" if half else "float32"
        arrays = {name: each.detach().cpu().numpy() for name, each in module.state_dict().items()}
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            state = {
                name: np.array(array, dtype=_stored(array.ndim, precision), order="C")
                for name, array in arrays.items()
                if not name.endswith(_UNTRAINED)
            }
        return cls(
            module.layout,
            tuple(targets),
            float(grey_mean),
            float(grey_sd),
            (float(grey_range[0]), float(grey_range[1])),
            tuple(map(float, target_mean_gpa)),
            tuple(map(float, target_sd_gpa)),
            state,
            precision,
        )

    def module(self) -> ResNet:
        """Return the network as PyTorch's, in float32 and ready to predict."""
        import torch

        from cemvis.models.resnet import ResNet

        module = ResNet(self.layout)
        counters = {name: each for name, each in module.state_dict().items() if name.endswith(_UNTRAINED)}
        weights = {name: torch.from_numpy(array.astype(np.float32)) for name, array in self.state.items()}
        module.load_state_dict(counters | weights)
        return module.eval()

    def standard_on(self, transform: GreyTransform) -> tuple[float, float]:
        """Return `grey_mean` and `grey_sd` on the grey scale of a mosaic that `transform` takes to the model's."""
        return standard_on(transform, grey_mean=self.grey_mean, grey_sd=self.grey_sd)

    def grey_flags(self, mean_grey: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the flags of cells that are darker or brighter than every training cell.

        Parameters
        ----------
        mean_grey : (...) float64
            Of the cells, on the model's grey scale.
        """
        darkest, brightest = self.grey_range
        flags = np.zeros(mean_grey.shape, np.uint8)
        flags[mean_grey < darkest] = Flag.CLIPPED_LOW
        flags[mean_grey > brightest] = Flag.CLIPPED_HIGH
        return flags

    def predictor(self, *, backend: Backend = "auto", device: str = "cpu", threads: int | None = None) -> Predictor:
        """Return what runs this network; see `cemvis.models.inference.predictor`."""
        from cemvis.models.inference import predictor

        return predictor(self, backend=backend, device=device, threads=threads)


def standard_on(transform: GreyTransform, *, grey_mean: float, grey_sd: float) -> tuple[float, float]:
    """Return a mean and a deviation on the model's grey scale as they are on a mosaic's; see `GreyTransform`."""
    return (grey_mean - transform.offset) / transform.gain, grey_sd / transform.gain


def _stored(dimensions: int, precision: str) -> np.dtype[Any]:
    return np.dtype(precision if dimensions > 1 else "float32")


def _check_targets(
    layout: ResNetLayout, targets: tuple[str, ...], means: tuple[float, ...], deviations: tuple[float, ...]
) -> None:
    counts = {len(targets), len(set(targets)), len(means), len(deviations)}
    if counts != {layout.targets}:
        msg = (
            f"a network with {layout.targets} targets got {len(targets)} names, {len(means)} means and "
            f"{len(deviations)} deviations; wanted {layout.targets} of each, no name twice"
        )
        raise InputError(msg)
    if not all(map(math.isfinite, (*means, *deviations))) or min(deviations) <= 0:
        msg = "means and deviations of a network's targets must be finite, the deviations above 0"
        raise InputError(msg)


def _check_state(layout: ResNetLayout, state: Mapping[str, NDArray[Any]], precision: str) -> None:
    if precision not in ("float32", "float16"):
        msg = f"precision of the network is {precision!r}; wanted float32 or float16"
        raise InputError(msg)
    wanted = layout.state_shapes()
    for names, fault in ((wanted.keys() - state.keys(), "lacks"), (state.keys() - wanted.keys(), "does not have")):
        if names:
            msg = f"the network is of another layout: this one {fault} the array {min(names)!r}"
            raise InputError(msg)
    for name, shape in wanted.items():
        array, dtype = state[name], _stored(len(shape), precision)
        if array.shape != shape or array.dtype != dtype:
            msg = f"array {name!r} of the network is {array.dtype} {array.shape}; wanted {dtype} {shape}"
            raise InputError(msg)
        if not np.isfinite(array).all():
            msg = f"array {name!r} of the network is not finite in {dtype}; wanted finite numbers"
            raise InputError(msg)
        if name.endswith("running_var") and np.any(array < 0):
            msg = f"array {name!r} of the network holds a variance below 0"
            raise InputError(msg)
