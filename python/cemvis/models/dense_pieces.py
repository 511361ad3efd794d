"""How a dense map is cut: the trunk over pieces of the tile, the means and the head over what it found in all of them.

A piece overlaps the next one by what a single feature depends on, however many features a window pools. So the memory
goes with the piece, not with the tile, and a large tile costs little more than its own samples.
"""

from __future__ import annotations

import math
from itertools import pairwise

from cemvis.models.resnet_layout import CHANNELS, ResNetLayout

Cut = tuple[slice, slice]

HEAD_AT_ONCE = 4096
"""Positions of a dense map whose 1,024 hidden numbers are held at a time."""
_LEAST_FIELDS = 4  # along a piece: with fewer, the first layers would do more than twice the work


def piece_edge(layout: ResNetLayout, *, map_bytes: int) -> int:
    """Return how many samples a piece has along its edge if its largest feature map is to take `map_bytes`."""
    return max(math.isqrt(map_bytes // (4 * CHANNELS[0])), _LEAST_FIELDS * layout.field)


def piece_cuts(layout: ResNetLayout, samples: int, *, most_samples: int) -> list[Cut]:
    """Cut an axis of a tile into pieces of about equal length.

    Parameters
    ----------
    layout : ResNetLayout
        Without padding.
    samples : int
        Of the tile, along this axis.
    most_samples : int
        That a piece may have; at least those of one feature.

    Returns
    -------
    list of (slice, slice)
        Features of each piece among those of the tile, and the samples that they depend on.
    """
    features = (samples - layout.field) // layout.stride + 1
    at_once = (most_samples - layout.field) // layout.stride + 1
    parts = -(-features // at_once)
    edges = [features * part // parts for part in range(parts + 1)]
    return [
        (slice(first, last), slice(first * layout.stride, (last - 1) * layout.stride + layout.field))
        for first, last in pairwise(edges)
    ]


def head_cuts(rows: int, cols: int, *, pooled: int) -> list[Cut]:
    """Cut a dense map of `rows` x `cols` outputs into strips for the head.

    Returns
    -------
    list of (slice, slice)
        Rows of each strip among the outputs, and the rows of features that their means are taken over.
    """
    at_once = max(1, HEAD_AT_ONCE // cols)
    strips = ((first, min(first + at_once, rows)) for first in range(0, rows, at_once))
    return [(slice(first, last), slice(first, last + pooled - 1)) for first, last in strips]
