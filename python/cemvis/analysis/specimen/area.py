"""Areas of a virtual specimen: where their pixels, batches and indents lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.analysis.specimen.indentation import Indents, indent, true_properties
from cemvis.analysis.specimen.recipes import Recipe
from cemvis.errors import InputError
from cemvis.kernels.specimen import Paste, Window, phase_plane, render_bse

PITCH_UM = 10.0
BATCH = 20  # indents along a batch's edge
GAP_UM = 100.0  # between areas of one specimen, so that none shares a grain with the next


@dataclass(frozen=True)
class Area:
    """A square area of a virtual specimen with indents in batches of 20 x 20, 10 um apart.

    Coordinates inside an area have their origin at the centre of its own top-left pixel.

    Parameters
    ----------
    recipe
        What the specimen is made of.
    seed
        Of the specimen; its areas share it.
    index
        Which area of the specimen, from 0: areas lie side by side with a gap.
    batches
        Batches along the area's edge.
    pixel_size_um
        Of the BSE image.
    """

    recipe: Recipe
    seed: int = 0
    index: int = 0
    batches: int = 2
    pixel_size_um: float = 0.04

    def __post_init__(self) -> None:
        positive(self.pixel_size_um, name="pixel_size_um")
        if not 0 <= self.seed < 2**63:
            msg = f"seed is {self.seed}; wanted a whole number from 0 to 2**63 - 1"
            raise InputError(msg)
        if not 0 <= self.index <= 999 or not 1 <= self.batches <= 50:
            msg = f"area {self.index} with {self.batches} batches along its edge; wanted 0 to 999 and 1 to 50"
            raise InputError(msg)
        if self.pixel_size_um > PITCH_UM / 8:
            msg = f"pixel_size_um is {self.pixel_size_um:g}; wanted at most {PITCH_UM / 8:g}, 8 pixels between indents"
            raise InputError(msg)

    @property
    def edge_um(self) -> float:
        """Edge length in um."""
        return self.batches * BATCH * PITCH_UM

    @property
    def edge_px(self) -> int:
        """Edge length in pixels."""
        return round(self.edge_um / self.pixel_size_um)

    @property
    def first_um(self) -> float:
        """Place of this area's origin along the specimen's x, in um."""
        return self._first_col * self.pixel_size_um

    @property
    def _first_col(self) -> int:
        return self.index * round((self.edge_um + GAP_UM) / self.pixel_size_um)

    @property
    def _paste(self) -> Paste:
        return replace(self.recipe.paste, seed=self.seed)

    def image(self, window: Window, *, threads: int | None = None) -> NDArray[np.uint8]:
        """Return the BSE image of a window of this area, (rows, cols) uint8."""
        return render_bse(
            self._paste, self.recipe.imaging, self._shifted(window), pixel_size_um=self.pixel_size_um, threads=threads
        )

    def phases(self, window: Window, *, threads: int | None = None) -> NDArray[np.uint8]:
        """Return the phases at the surface in a window of this area, (rows, cols) uint8 as in `Phase`."""
        return phase_plane(self._paste, self._shifted(window), pixel_size_um=self.pixel_size_um, threads=threads)

    def indents_xy_um(self) -> NDArray[np.float64]:
        """Return the positions of the indents, (n, 2) float64 in um, batch by batch and row by row."""
        corner = PITCH_UM / 2 - self.pixel_size_um / 2  # the first indent stands in the middle of the first cell
        step = corner + PITCH_UM * np.arange(BATCH)
        rows = []
        for down in range(self.batches):
            for across in range(self.batches):
                x, y = np.meshgrid(step + across * BATCH * PITCH_UM, step + down * BATCH * PITCH_UM)
                rows.append(np.stack([x.ravel(), y.ravel()], axis=1))
        return np.concatenate(rows)

    def indent(self, xy_um: NDArray[np.float64] | None = None, *, threads: int | None = None) -> Indents:
        """Return what the indenter reports at positions in this area, at `indents_xy_um` by default."""
        rng = np.random.default_rng([self.seed, self.index])
        placed = self._placed(self.indents_xy_um() if xy_um is None else xy_um)
        return indent(self._paste, self.recipe.mechanics, placed, rng=rng, threads=threads)

    def truth(self, xy_um: NDArray[np.float64], *, threads: int | None = None) -> tuple[NDArray[np.float64], ...]:
        """Return true modulus and hardness in GPa at positions in this area."""
        return true_properties(self._paste, self.recipe.mechanics, self._placed(xy_um), threads=threads)

    def windows(self, rows_px: int = 1024) -> Iterator[Window]:
        """Yield full-width windows, `rows_px` rows each, from the top of the area to its bottom."""
        for row in range(0, self.edge_px, rows_px):
            yield Window(row, 0, min(rows_px, self.edge_px - row), self.edge_px)

    def _shifted(self, window: Window) -> Window:
        return replace(window, col=window.col + self._first_col)

    def _placed(self, xy_um: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ascontiguousarray(xy_um + np.array([self.first_um, 0.0]))
