"""Where an indenter's stage really goes: lattices of batches with the errors of a virtual stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StageErrors:
    """How far a stage misses its lattice; batch by batch, as in eq. 3 of Liang et al. 2023 with an affine part.

    Parameters
    ----------
    origin_um
        A batch's centre lies anywhere in a disc of this radius about its commanded place.
    step_um
        Sd of the error of one step from column to column (along x) and from row to row (along y). Errors add up, and
        all indents of a column or row share them.
    rotation_deg, shear_deg
        Sd of a batch's rotation, and of the departure of its rows and columns from a right angle.
    missed
        Share of tests that never touch the surface: no imprint, no values.

    References
    ----------
    Liang et al. 2023, doi 10.1016/j.matdes.2023.111905.
    """

    origin_um: float = 2.4
    step_um: float = 0.2
    rotation_deg: float = 0.2
    shear_deg: float = 0.05
    missed: float = 0.01

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                msg = f"stage error {field.name} is {value!r}; wanted a finite number, 0 or more"
                raise InputError(msg)
        if self.missed >= 1:
            msg = f"stage error missed is {self.missed:g}; wanted a share below 1"
            raise InputError(msg)


@dataclass(frozen=True)
class BatchErrors:
    """What the stage did in one batch.

    Attributes
    ----------
    origin_um
        x and y by which the centre of the batch is off.
    rotation_deg, shear_deg
        From x towards y.
    column_um, row_um
        (columns,) and (rows,): accumulated error of each column along x and of each row along y; the first is 0.
    """

    origin_um: tuple[float, float]
    rotation_deg: float
    shear_deg: float
    column_um: tuple[float, ...]
    row_um: tuple[float, ...]

    def moved(self, xy_um: Floats) -> Floats:
        """Return where the indents of one batch really are, (rows, columns, 2) in um, from where they should be."""
        centre = xy_um.mean(axis=(0, 1))
        away = xy_um - centre
        away[..., 0] += np.array(self.column_um)
        away[..., 1] += np.array(self.row_um)[:, None]
        turn, lean = math.radians(self.rotation_deg), math.radians(self.rotation_deg + self.shear_deg)
        axes = np.array([[math.cos(turn), -math.sin(lean)], [math.sin(turn), math.cos(lean)]])
        return np.asarray(centre + np.array(self.origin_um) + away @ axes.T, dtype=np.float64)


def draw_batch_errors(errors: StageErrors, *, rows: int, columns: int, rng: np.random.Generator) -> BatchErrors:
    """Return the errors of one batch, drawn from `rng`."""
    distance, bearing = errors.origin_um * math.sqrt(rng.random()), 2 * math.pi * rng.random()
    rotation, shear = rng.standard_normal(2) * (errors.rotation_deg, errors.shear_deg)

    def walk(steps: int) -> tuple[float, ...]:
        return (0.0, *np.cumsum(errors.step_um * rng.standard_normal(steps - 1)).tolist())

    return BatchErrors(
        (distance * math.cos(bearing), distance * math.sin(bearing)),
        float(rotation),
        float(shear),
        walk(columns),
        walk(rows),
    )
