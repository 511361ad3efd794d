"""The residual network that reads a window of a BSE mosaic: ResNet-18 at half width, and its variants.

The layout is the paper's to the last parameter [1]_: a 3 x 3 stem, eight residual blocks of 32 to 256 channels, the
mean over the last feature map, and two linear layers. Its windows are padded with zeros, so every feature near the
edge of a window depends on where the window was cut. Without padding (``padding="none"``) the same blocks see real
pixels only, the window brings its surroundings along, and one pass over a large tile gives exactly the features of
every window in it that begins a whole stride from its corner; finer maps take several passes, each shifted.

References
----------
.. [1] Liang et al., Materials & Design 229 (2023) 111905, section 2.4, doi:10.1016/j.matdes.2023.111905
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cemvis.errors import InputError
from cemvis.models.resnet_layout import CHANNELS, DROPOUT, HIDDEN, PAPER_MARGIN, RUNNING, ResNetLayout


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
            nn.ZeroPad2d(PAPER_MARGIN if padded else 0),
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
        return torch.relu(inner + self.shortcut(self._cropped(map_in)))

    def _cropped(self, map_in: Tensor) -> Tensor:
        """Return the part of the input under the output of the unpadded convolutions."""
        if self.padded:
            return map_in
        # Two convolutions of stride 1 take two samples off each edge. At stride 2 the first one is centred on the
        # samples 1, 3, 5, ..., and the second drops the first and the last of those.
        cut = 3 if self.halves else 2
        # A slice would lose the order of channels in memory on the way back, which costs a third of a training step.
        return nn.functional.pad(map_in, (-cut,) * 4)


def parameter_counts(network: nn.Module) -> tuple[int, int]:
    """Return how many numbers are trained, and how many running statistics there are beside them."""
    running = (buffer for name, buffer in network.named_buffers() if name.endswith(RUNNING))
    return sum(each.numel() for each in network.parameters()), sum(each.numel() for each in running)
