"""A batch as a grid on an image: where its places lie, with the stage's errors (eq. 3 of Liang et al., 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Places of a batch's indents on an image, in px.

    Place (i, j) lies at ``origin + (j * pitch_x + u[j] + shear_x * (i - (rows - 1) / 2)) * ex + (i * pitch_y + v[i]
    + shear_y * (j - (columns - 1) / 2)) * ey``, with unit vectors ex at `angle_rad` and ey at right angles to it.

    Attributes
    ----------
    origin_px : (2,) float64
        x and y of place (0, 0) without errors.
    pitch_px : tuple of float
        Between columns and between rows.
    angle_rad : float
        From x to the direction of the rows, towards y.
    present : (rows, columns) bool
        Places that were indented.
    column_error_px, row_error_px : (columns,) and (rows,) float64
        The stage's accumulated errors u and v.
    shear_x, shear_y : float
        Px per row that columns lean, and px per column that rows lean: what is left of rotation and shear.
    """

    origin_px: Floats
    pitch_px: tuple[float, float]
    angle_rad: float
    present: NDArray[np.bool_]
    column_error_px: Floats = field(default_factory=lambda: np.zeros(0))
    row_error_px: Floats = field(default_factory=lambda: np.zeros(0))
    shear_x: float = 0.0
    shear_y: float = 0.0

    def __post_init__(self) -> None:
        rows, columns = self.present.shape
        if not rows * columns or not self.present.any():
            msg = "a grid without a place; wanted at least one indent"
            raise InputError(msg)
        if not self.column_error_px.size:
            object.__setattr__(self, "column_error_px", np.zeros(columns))
        if not self.row_error_px.size:
            object.__setattr__(self, "row_error_px", np.zeros(rows))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.present.shape[0], self.present.shape[1]

    @property
    def axes(self) -> Floats:
        """Unit vectors along rows and columns, (2, 2) float64."""
        c, s = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return np.array([[c, s], [-s, c]])

    def places(self) -> Floats:
        """Return x and y of all places, (rows, columns, 2) float64."""
        rows, columns = self.shape
        i, j = np.arange(rows)[:, None], np.arange(columns)[None, :]
        along = j * self.pitch_px[0] + self.column_error_px[None, :] + self.shear_x * (i - (rows - 1) / 2)
        across = i * self.pitch_px[1] + self.row_error_px[:, None] + self.shear_y * (j - (columns - 1) / 2)
        along, across = np.broadcast_arrays(along, across)
        return np.asarray(self.origin_px + np.stack([along, across], axis=-1) @ self.axes)

    def moved(self, column_px: Floats, row_px: Floats) -> Grid:
        """Return the grid with these added to the errors of columns and rows."""
        return replace(self, column_error_px=self.column_error_px + column_px, row_error_px=self.row_error_px + row_px)

    def shifted(self, shift_px: Floats) -> Grid:
        """Return the grid with x and y added to every place."""
        return replace(self, origin_px=self.origin_px + shift_px)

    def turned(self, angle_rad: float) -> Grid:
        """Return the grid turned about its middle."""
        other = replace(self, angle_rad=self.angle_rad + angle_rad)
        return other.shifted(self.places().mean(axis=(0, 1)) - other.places().mean(axis=(0, 1)))

    def without_errors(self) -> Grid:
        """Return the grid with columns and rows at their pitch; turn and leans stay."""
        return replace(
            self, column_error_px=np.zeros_like(self.column_error_px), row_error_px=np.zeros_like(self.row_error_px)
        )

    def settled(self) -> Grid:
        """Return the same places with the origin at the first place: errors start at 0 (the field's convention)."""
        u, v = self.column_error_px[0], self.row_error_px[0]
        origin = self.origin_px + np.array([u, v]) @ self.axes
        return replace(
            self, origin_px=origin, column_error_px=self.column_error_px - u, row_error_px=self.row_error_px - v
        )
