"""Which residual network: the numbers that decide its shape, and where its features lie. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Literal, get_args

from cemvis.errors import InputError

Padding = Literal["zero", "none"]

CHANNELS = (32, 32, 32, 64, 64, 128, 128, 256, 256)
"""Channels of the stem's output and of each block's."""
HIDDEN, DROPOUT = 1024, 0.4
PAPER_WINDOW = 247
PAPER_MARGIN = 3
"""Zeros around a padded window before the stem, in samples."""
RUNNING = ("running_mean", "running_var")
"""Statistics that batch normalisation keeps; they are not trained."""


@dataclass(frozen=True)
class ResNetLayout:
    """Which network: everything that decides its shape, and nothing learned.

    A sample is a pixel of the network's input: the mean of `downsample` x `downsample` pixels of the mosaic.

    Attributes
    ----------
    targets : int
        Properties that it predicts.
    downsample : int
        Pixels of the mosaic along the edge of a sample.
    padding : "zero" or "none"
        "zero" is the paper's; "none" is for dense maps.
    window : int
        Samples along the window's edge; with ``padding="none"`` it follows from `pooled` and has to agree.
    pooled : int
        With ``padding="none"``, features along the edge of the square whose mean goes to the head, 0 with "zero",
        where all features do.
    stem_pool : bool
        A 3 x 3 maximum pooling of stride 2 behind the stem, as in ImageNet's ResNet: a quarter of the arithmetic.
    spread : bool
        Whether each property gets a second output, the logarithm of its expected error (standardised).
    """

    targets: int = 1
    downsample: int = 1
    padding: Padding = "zero"
    window: int = PAPER_WINDOW
    pooled: int = 0
    stem_pool: bool = False
    spread: bool = False

    def __post_init__(self) -> None:
        for name, least, most in (("targets", 1, 16), ("downsample", 1, 64), ("window", 16, 4096), ("pooled", 0, 512)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                msg = f"{name} of the network is {value!r}; wanted a whole number from {least} to {most}"
                raise InputError(msg)
        if self.padding not in get_args(Padding):
            msg = f"padding of the network is {self.padding!r}; wanted one of {', '.join(get_args(Padding))}"
            raise InputError(msg)
        if self.padding == "zero" and self.pooled:
            msg = "a zero-padded network pools all its features; wanted pooled = 0"
            raise InputError(msg)
        if self.padding == "none" and (self.pooled < 1 or self.window != self.field + (self.pooled - 1) * self.stride):
            msg = (
                f"an unpadded network that pools {self.pooled} x {self.pooled} features cannot have a window of "
                f"{self.window} samples; wanted {self.field} + {self.stride} * (pooled - 1)"
            )
            raise InputError(msg)

    @classmethod
    def dense(
        cls, *, pooled: int, targets: int = 1, downsample: int = 1, stem_pool: bool = False, spread: bool = False
    ) -> ResNetLayout:
        """Return the layout without padding whose window gives `pooled` x `pooled` features."""
        if isinstance(pooled, bool) or not isinstance(pooled, int) or not 1 <= pooled <= 256:
            msg = f"pooled is {pooled!r}; wanted a whole number from 1 to 256"
            raise InputError(msg)
        field, stride = _geometry(stem_pool=stem_pool)
        return cls(targets, downsample, "none", field + (pooled - 1) * stride, pooled, stem_pool, spread)

    @property
    def stride(self) -> int:
        """Samples between neighbouring features of the last block: 8, or 16 with a pooled stem."""
        return _geometry(stem_pool=self.stem_pool)[1]

    @property
    def field(self) -> int:
        """Samples along the edge of the square that one feature depends on: 109, or 217 with a pooled stem."""
        return _geometry(stem_pool=self.stem_pool)[0]

    @property
    def window_px(self) -> int:
        """Pixels of the mosaic along the edge of the window that the network reads."""
        return self.window * self.downsample

    @property
    def stride_px(self) -> int:
        """Pixels of the mosaic between neighbouring features."""
        return self.stride * self.downsample

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for a window: values first, then the logarithms of their spreads."""
        return self.targets * (2 if self.spread else 1)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every array that a trained network of this layout consists of, by its name."""
        wide = CHANNELS[0]
        shapes: dict[str, tuple[int, ...]] = {"stem.1.weight": (wide, 1, 3, 3), "stem.1.bias": (wide,)}
        shapes |= {f"stem.2.{name}": (wide,) for name in ("weight", "bias", *RUNNING)}
        for index, (come, go) in enumerate(pairwise(CHANNELS)):
            shapes |= {f"blocks.{index}.{name}": shape for name, shape in _block_shapes(come, go)}
        shapes |= {"hidden.weight": (HIDDEN, CHANNELS[-1]), "hidden.bias": (HIDDEN,)}
        for head in ("value", "log_spread") if self.spread else ("value",):
            shapes |= {f"{head}.weight": (self.targets, HIDDEN), f"{head}.bias": (self.targets,)}
        return shapes

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(prod(shape) for name, shape in self.state_shapes().items() if not name.endswith(RUNNING))


def _geometry(*, stem_pool: bool) -> tuple[int, int]:
    """Return the field of a feature and the distance between features, in samples, from the layers themselves."""
    field, step = 3, 1
    if stem_pool:
        field, step = field + 2 * step, 2 * step
    for come, go in pairwise(CHANNELS):
        field += 2 * step
        step *= 2 if come != go else 1
        field += 2 * step
    return field, step


def _block_shapes(come: int, go: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "first.weight", (go, come, 3, 3)
    yield "second.weight", (go, go, 3, 3)
    for layer in ("first", "first_norm", "second", "second_norm"):
        yield f"{layer}.bias", (go,)
    for layer in ("first_norm", "second_norm"):
        for name in ("weight", *RUNNING):
            yield f"{layer}.{name}", (go,)
    if come != go:
        yield "shortcut.weight", (go, come, 1, 1)
        yield "shortcut.bias", (go,)
