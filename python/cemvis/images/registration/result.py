"""What a registration is asked for, and what it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError
from cemvis.images.registration.field import DisplacementField
from cemvis.images.registration.fit import outliers
from cemvis.images.registration.levels import Level
from cemvis.images.registration.similarity import Similarity
from cemvis.images.registration.tiles import Tiles

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_TILES_ACROSS, _LEAST_OWN_TILE_PX = 8, 96  # of small images

USED, OUTSIDE, WEAK, OUTLIER = "used", "outside", "weak", "outlier"


@dataclass(frozen=True, kw_only=True)
class RegistrationConfig:
    """How images are registered.

    Parameters
    ----------
    overview_px
        Longest edge of the overviews with which it begins.
    tile_px, step_px
        Edge of the tiles that are matched at full resolution, and how far apart they are at most. On small images they
        are smaller, see `fitting`.
    many_tiles
        Above this number of tiles they stand side by side (step = edge).
    reach_px
        How far from its expectation a tile is looked for.
    least_peak, least_contrast
        Tiles whose correlation has a lower peak, or one less far above the next, are not trusted.
    seams
        Whether seams are looked for.
    """

    overview_px: int = 1500
    tile_px: int = 256
    step_px: int = 192
    many_tiles: int = 20_000
    reach_px: int = 48
    least_peak: float = 0.3
    least_contrast: float = 1.2
    seams: bool = True

    def __post_init__(self) -> None:
        if not 64 <= self.tile_px <= 2048 or not 16 <= self.step_px <= self.tile_px or self.overview_px < 256:
            msg = (
                f"tiles of {self.tile_px} px every {self.step_px} px, overviews of {self.overview_px} px; wanted tiles "
                "of 64 to 2048 px, steps of 16 px to one tile, overviews of at least 256 px"
            )
            raise InputError(msg)

    def fitting(self, shape: tuple[int, int]) -> RegistrationConfig:
        """Return the settings for an image of `shape`: tiles of at most an eighth of its shorter edge, down to 96 px.

        Distortion that a small image shows at all bends within it; a handful of tiles could not follow. The smaller
        tiles overlap by half.
        """
        tile = max(_LEAST_OWN_TILE_PX, min(shape) // _TILES_ACROSS)
        if tile >= self.tile_px:
            return self
        return replace(self, tile_px=tile, step_px=min(self.step_px, tile // 2))

    def step_for(self, shape: tuple[int, int]) -> int:
        """Return how far apart tiles are: `step_px`, or one edge where they would be too many."""
        return self.step_px if math.prod(shape) <= self.many_tiles * self.step_px**2 else self.tile_px


@dataclass(frozen=True, eq=False)
class Registration:
    """A displacement field and what it rests on.

    Attributes
    ----------
    field : DisplacementField
    tiles : Tiles
        All tiles matched at full resolution, positions in px of the full images.
    status : (n,) str
        Of each tile: "used", "outside" (of the before-image), "weak" (no clear match, or nothing to see) or "outlier".
    similarity : Similarity
        The first, global estimate.
    residual_px : (n,) float64
        Distance of each found tile from the field.
    notes : tuple of str
    """

    field: DisplacementField
    tiles: Tiles
    status: NDArray[np.str_]
    similarity: Similarity
    residual_px: Floats
    notes: tuple[str, ...]

    @property
    def seams_px(self) -> dict[str, list[float]]:
        """Where seams were found on the after-image: x of those along columns, y of those along rows."""
        return {"x": self.field.x_edges_px[1:-1].tolist(), "y": self.field.y_edges_px[1:-1].tolist()}

    @property
    def overlap(self) -> float:
        """Share of the after-image that lies on the before-image."""
        rows, cols = self.field.after_shape
        grid = np.stack(np.meshgrid(np.linspace(0, cols - 1, 101), np.linspace(0, rows - 1, 101)), axis=-1)
        before = self.field.before_xy(grid.reshape(-1, 2))
        last = np.array(self.field.before_shape[::-1]) - 1
        return float(((before >= 0) & (before <= last)).all(axis=1).mean())

    def to_frame(self) -> pd.DataFrame:
        """Return the tiles as a table."""
        import pandas as pd

        tiles = self.tiles
        return pd.DataFrame(
            {
                "after_x_px": tiles.after_xy[:, 0],
                "after_y_px": tiles.after_xy[:, 1],
                "before_x_px": tiles.found_xy[:, 0],
                "before_y_px": tiles.found_xy[:, 1],
                "peak": tiles.peak,
                "contrast": tiles.contrast,
                "error_px": tiles.error_px,
                "residual_px": self.residual_px,
                "status": self.status,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return the summary."""
        used = self.status == USED
        linear = self.field.affine[:, :2]
        names, counts = np.unique(self.status, return_counts=True)
        nodes = self.field.node_reliable
        return {
            "angle_deg": math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])),
            "scale": math.sqrt(abs(float(np.linalg.det(linear)))),
            "affine": self.field.affine.tolist(),
            "overview_score": self.similarity.score,
            "seams_px": self.seams_px,
            "overlap": self.overlap,
            "tiles": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
            "tile_residual_px": _percentiles(self.residual_px[used]),
            "field_error_px": _percentiles(self.field.node_error_px[nodes]),
            "reliable_share": float(nodes.mean()),
            "notes": list(self.notes),
        }


def _percentiles(values: Floats) -> dict[str, float]:
    if len(values) == 0:
        return {}
    return {name: float(np.percentile(values, q)) for name, q in (("median", 50), ("p90", 90), ("p99", 99))}


def full_size(tiles: Tiles, pair: tuple[Level, Level]) -> Tiles:
    """Return tiles with positions and errors in px of the full images."""
    before, after = pair
    return replace(
        tiles,
        after_xy=after.to_full(tiles.after_xy),
        expected_xy=before.to_full(tiles.expected_xy),
        found_xy=before.to_full(tiles.found_xy),
        error_px=tiles.error_px * before.factor,
    )


def judged(tiles: Tiles, config: RegistrationConfig) -> NDArray[np.str_]:
    """Return what each tile is good for; neighbours are compared by how far they are from their expectation."""
    status = np.full(len(tiles), USED, dtype="<U8")
    found = np.isfinite(tiles.found_xy).all(axis=1)
    status[~found | (tiles.peak < config.least_peak) | (tiles.contrast < config.least_contrast)] = WEAK
    status[np.isnan(tiles.peak)] = OUTSIDE
    used = np.flatnonzero(status == USED)
    status[used[outliers(tiles.after_xy[used], tiles.shift[used])]] = OUTLIER
    return status
