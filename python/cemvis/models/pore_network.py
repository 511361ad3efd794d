"""The network that tells classes of nano-porosity maps apart: seven convolutions, then the mean over the map.

The paper on graphene oxide gives seven convolutional layers, each with batch normalisation and ReLU, for a map of
384 x 384; it gives no widths and no pooling. Here the first convolution sees full resolution, and the mean of 2 x 2
halves the map after each of the first six: a mean, unlike a maximum, is linear, so that a decomposition of the answer
passes it exactly. Nothing fixes the size of a map: each feature is averaged over all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cemvis.errors import InputError

CHANNELS = (8, 16, 32, 32, 64, 64, 128)


class PoreNetwork(nn.Module):
    """Seven 3 x 3 convolutions with batch normalisation and ReLU, the mean over the map, and one linear layer.

    ``forward`` takes maps, ``(n, 1, rows, cols)`` float32 with levels / 255, so 0 to 1, and returns logits,
    ``(n, classes)``. Convolutions are padded with zeros.

    Parameters
    ----------
    classes : int
        At least two.
    channels : sequence of int
        Outputs of each convolution. All but the last are followed by a mean of 2 x 2.

    Raises
    ------
    InputError
        If there are fewer than two classes or no channels.
    """

    def __init__(self, classes: int = 3, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        if classes < 2 or not channels or min(channels) < 1:
            msg = f"a network of {classes} classes, channels {tuple(channels)}; wanted at least two classes, and widths"
            raise InputError(msg)
        self.classes, self.channels = classes, tuple(channels)
        chain: list[nn.Module] = []
        come = 1
        for index, go in enumerate(self.channels):
            # Batch normalisation brings an offset of its own.
            chain += [nn.Conv2d(come, go, 3, padding=1, bias=False), nn.BatchNorm2d(go), nn.ReLU()]
            if index < len(self.channels) - 1:
                chain.append(nn.AvgPool2d(2))
            come = go
        chain += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(come, classes)]
        self.chain = nn.Sequential(*chain)

    @property
    def smallest_map_px(self) -> int:
        """Edge of the smallest map that leaves a pixel after all halvings."""
        return int(2 ** (len(self.channels) - 1))

    def layers(self) -> tuple[nn.Module, ...]:
        """Return the layers in the order in which they are applied, each to the answer of the one before."""
        return tuple(self.chain)

    def features(self, maps: Tensor) -> Tensor:
        """Return the mean of each feature over the map, ``(n, channels[-1])``: what the linear layer weighs."""
        found: Tensor = self.chain[:-1](maps)
        return found

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``, for ``(n, 1, rows, cols)``."""
        logits: Tensor = self.chain(maps)
        return logits
