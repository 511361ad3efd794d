"""The residual network that reads a window of a BSE mosaic: ResNet-18 at half width, and its variants.

The layout is the paper's to the last parameter [1]_: a 3 x 3 stem, eight residual blocks of 32 to 256 channels, the
mean over the last feature map, and two linear layers. Its windows are padded with zeros, so every feature near the
edge of a window depends on where the window was cut. Without padding (``padding="none"``) the same blocks see real
pixels only, the window brings its surroundings along, and one pass over a large tile gives exactly the features of
every window in it: a map of any fineness for the price of one pass.

References
----------
.. [1] Liang et al., Materials & Design 229 (2023) 111905, section 2.4, doi:10.1016/j.matdes.2023.111905
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from cemvis.errors import InputError

Padding = Literal["zero", "none"]

CHANNELS = (32, 32, 32, 64, 64, 128, 128, 256, 256)
"""Channels of the stem's output and of each block's."""
HIDDEN, DROPOUT = 1024, 0.4
PAPER_WINDOW = 247
_PAPER_MARGIN = 3  # zeros around the window before the stem


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


class ResNet(nn.Module):
    """The network of a `ResNetLayout`, with random weights.

    ``forward`` takes standardised windows, ``(n, 1, window, window)``, and returns ``(n, outputs)``: the standardised
    values, and behind them, if the layout has `spread`, the logarithms of their expected errors. Those come from a
    layer of their own that is shut off from the gradient of everything before it: the values are those of a network
    without it [1]_.

    References
    ----------
    .. [1] Stirn et al., Faithful heteroscedastic regression with neural networks, AISTATS 2023,
           doi:10.48550/arXiv.2212.09184
    """

    def __init__(self, layout: ResNetLayout) -> None:
        super().__init__()
        self.layout = layout
        padded = layout.padding == "zero"
        self.stem = nn.Sequential(
            nn.ZeroPad2d(_PAPER_MARGIN if padded else 0),
            nn.Conv2d(1, CHANNELS[0], 3),
            nn.BatchNorm2d(CHANNELS[0]),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1 if padded else 0) if layout.stem_pool else nn.Identity(),
        )
        self.blocks = nn.Sequential(*(Block(come, go, padded=padded) for come, go in pairwise(CHANNELS)))
        self.hidden = nn.Linear(CHANNELS[-1], HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.value = nn.Linear(HIDDEN, layout.targets)
        self.log_spread = nn.Linear(HIDDEN, layout.targets) if layout.spread else None

    def forward(self, windows: Tensor) -> Tensor:
        """Return ``(n, outputs)`` for ``(n, 1, window, window)``."""
        return self.head(self.features(windows).mean((2, 3)))

    def features(self, tile: Tensor) -> Tensor:
        """Return the last block's feature map, ``(n, 256, rows, cols)``, of a tile of any size."""
        mapped: Tensor = self.blocks(self.stem(tile))
        return mapped

    def head(self, pooled: Tensor) -> Tensor:
        """Return ``(n, outputs)`` for mean features, ``(n, 256)``."""
        hidden = self.dropout(torch.relu(self.hidden(pooled)))
        value: Tensor = self.value(hidden)
        if self.log_spread is None:
            return value
        return torch.cat([value, self.log_spread(hidden.detach())], dim=1)

    def dense(self, tile: Tensor) -> Tensor:
        """Return the outputs of every window of an unpadded network in a tile, `stride` samples apart.

        Parameters
        ----------
        tile : (n, 1, rows, cols)
            Standardised samples; at least a window along each edge.

        Returns
        -------
        (n, outputs, (rows - window) // stride + 1, (cols - window) // stride + 1)
        """
        if self.layout.padding != "none":
            msg = "a zero-padded network has no dense maps: its features depend on where the window was cut"
            raise InputError(msg)
        pooled = nn.functional.avg_pool2d(self.features(tile), self.layout.pooled, stride=1)
        count, channels, rows, cols = pooled.shape
        flat = self.head(pooled.permute(0, 2, 3, 1).reshape(-1, channels))
        return flat.view(count, rows, cols, -1).permute(0, 3, 1, 2)


class Block(nn.Module):
    """A residual block of two 3 x 3 convolutions; the first halves the map where the channels change.

    Without padding each convolution takes a ring off the map, and the shortcut is cropped to match.
    """

    def __init__(self, come: int, go: int, *, padded: bool) -> None:
        super().__init__()
        self.halves = come != go
        self.padded = padded
        around = 1 if padded else 0
        self.first = nn.Conv2d(come, go, 3, stride=2 if self.halves else 1, padding=around)
        self.first_norm = nn.BatchNorm2d(go)
        self.second = nn.Conv2d(go, go, 3, padding=around)
        self.second_norm = nn.BatchNorm2d(go)
        self.shortcut: nn.Module = nn.Conv2d(come, go, 1, stride=2) if self.halves else nn.Identity()

    def forward(self, map_in: Tensor) -> Tensor:
        """Return ``(n, go, rows, cols)``."""
        inner = torch.relu(self.first_norm(self.first(map_in)))
        inner = self.second_norm(self.second(inner))
        return torch.relu(inner + self.shortcut(self._cropped(map_in, inner.shape[-2:])))

    def _cropped(self, map_in: Tensor, shape: torch.Size) -> Tensor:
        """Return the part of the input under the output of the unpadded convolutions."""
        if self.padded:
            return map_in
        # Two convolutions of stride 1 drop two samples in front. At stride 2 the first one is centred on the samples
        # 1, 3, 5, ..., and the second drops the first of those.
        start, step = (3, 2) if self.halves else (2, 1)
        rows, cols = ((start + step * (count - 1) + 1) for count in shape)
        return map_in[..., start:rows, start:cols]


def parameter_counts(network: nn.Module) -> tuple[int, int]:
    """Return how many numbers are trained, and how many running statistics there are beside them."""
    running = (buffer for name, buffer in network.named_buffers() if name.rpartition(".")[2].startswith("running_"))
    return sum(each.numel() for each in network.parameters()), sum(each.numel() for each in running)


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
