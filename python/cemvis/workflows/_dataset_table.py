"""The pairs of all areas in one table, each indent once, with the splits that travel with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cemvis.errors import InputError
from cemvis.workflows._dataset_manifest import COLUMNS
from cemvis.workflows._dataset_rows import Rows
from cemvis.workflows._dataset_splits import split_by_batches, split_by_pairs
from cemvis.workflows.pairs import Pairs

if TYPE_CHECKING:
    import pandas as pd


def check_overlaps(pairs: Sequence[Pairs], window_um: float) -> None:
    """Refuse two tables with indents at the same places of one mosaic."""
    from scipy.spatial import cKDTree

    for number, one in enumerate(pairs):
        for other in pairs[:number]:
            if one.mosaic_sha256 != other.mosaic_sha256:
                continue
            here, there = (np.column_stack([each.indents.x_um, each.indents.y_um]) for each in (one, other))
            nearest, _ = cKDTree(there).query(here)
            shared = int(np.count_nonzero(nearest < window_um / 2))
            if shared:
                msg = (
                    f"{one.area.name} and {other.area.name} overlap: {shared:,} indents of {one.area.indents} lie "
                    f"within half a window ({window_um / 2:g} um) of one of {other.area.indents} on the same mosaic; "
                    "wanted each indent once"
                )
                raise InputError(msg)


def frame_of(pairs: Sequence[Pairs], rows: Sequence[Rows], seed: int) -> pd.DataFrame:
    """Return a row for each pair, with its splits."""
    import pandas as pd

    parts = []
    for each, chosen in zip(pairs, rows, strict=True):
        part = chosen.frame.iloc[each.indents.row].reset_index(drop=True)
        parts.append(
            part.assign(area=each.area.name, top_left_row_px=each.top_left[:, 0], top_left_col_px=each.top_left[:, 1])
        )
    frame = pd.concat(parts, ignore_index=True)
    offsets = np.cumsum([0, *(int(each.indents.batch.max()) + 1 for each in pairs)])
    batches = np.concatenate([each.indents.batch + first for each, first in zip(pairs, offsets, strict=False)])
    frame["split_random"] = split_by_pairs(len(frame), seed=seed)
    frame["split_batch"] = split_by_batches(batches, seed=seed)
    return frame[list(COLUMNS)]
