"""A campaign of tests on an area: where the stage really went, what was measured and what imprints are left."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.analysis.specimen.area import BATCH, Area
from cemvis.analysis.specimen.imprints import Imprint, contact_depth_nm, draw_imprint, load_mn, side_um
from cemvis.analysis.specimen.indentation import Indents
from cemvis.analysis.specimen.stage import BatchErrors, StageErrors, draw_batch_errors
from cemvis.kernels.specimen import Phase, Window

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DEPTH_NM = 500.0
# Where more than this of the triangle is pore, its walls give way and no imprint can be made out.
LOST_PORE_SHARE = 0.3
# The streams of random numbers, so that a change of one leaves the others alone; 0 is the stage of the specimen.
_STAGE, _IMPRINTS = 101, 102


@dataclass(frozen=True)
class Campaign:
    """The n tests of an area, batch by batch and row by row.

    Attributes
    ----------
    xy_um
        (n, 2) float64: where they really are, in the area's frame.
    stage_xy_um
        (n, 2) float64: where the stage was told to go, in a frame of its own.
    order
        (n,) int64: 0 for the first test made; rows are made to and fro.
    indents
        What was measured; NaN where it failed.
    missed
        (n,) bool: never touched the surface.
    contact_nm, side_um, load_mn
        (n,) float64: contact depth, side of the imprint and load; NaN where a test missed.
    pore_share
        (n,) float64: share of the imprint's triangle that is pore at the surface.
    orientation_rad
        Of the tip: direction from an imprint's centre to a corner, from x towards y.
    imprints
        (n,): what shows; None where a test missed or its imprint is lost in a pore.
    batches
        What the stage did in each.
    """

    xy_um: Floats
    stage_xy_um: Floats
    order: NDArray[np.int64]
    indents: Indents
    missed: Bools
    contact_nm: Floats
    side_um: Floats
    load_mn: Floats
    pore_share: Floats
    orientation_rad: float
    imprints: tuple[Imprint | None, ...]
    batches: tuple[BatchErrors, ...]

    @property
    def ids(self) -> list[str]:
        """Names of the tests, in the order in which they were made."""
        return [f"T{made + 1:05d}" for made in self.order]


def run_campaign(area: Area, errors: StageErrors | None = None, *, threads: int | None = None) -> Campaign:
    """Return the tests of an area made with a stage that errs; the same area and errors give the same tests."""
    errors = errors or StageErrors()
    rng = np.random.default_rng([area.seed, area.index, _STAGE])
    commanded = area.indents_xy_um()
    grids = commanded.reshape(-1, BATCH, BATCH, 2)
    batches = tuple(draw_batch_errors(errors, rows=BATCH, columns=BATCH, rng=rng) for _ in grids)
    xy = np.concatenate([batch.moved(grid).reshape(-1, 2) for batch, grid in zip(batches, grids, strict=True)])
    missed = rng.random(len(xy)) < errors.missed
    measured = area.indent(xy, threads=threads)
    failed = measured.failed | missed
    indents = Indents(
        np.where(failed, np.nan, measured.modulus_gpa), np.where(failed, np.nan, measured.hardness_gpa), failed
    )
    # An imprint is there whether the fit succeeded or not.
    true_modulus, true_hardness = area.truth(xy, threads=threads)
    modulus = np.where(measured.failed, true_modulus, measured.modulus_gpa)
    hardness = np.where(measured.failed, true_hardness, measured.hardness_gpa)
    contact = np.where(missed, np.nan, contact_depth_nm(modulus, hardness, depth_nm=DEPTH_NM))
    offset, orientation = _mounting(area)
    side = side_um(contact)
    pore = _pore_share(area, xy, side, orientation, threads)
    shows = ~missed & (pore <= LOST_PORE_SHARE)
    rng = np.random.default_rng([area.seed, area.index, _IMPRINTS])
    drawn = [
        draw_imprint((float(x), float(y)), float(e), float(h), side_um=float(a), rng=rng)
        for (x, y), e, h, a in zip(xy, modulus, hardness, side, strict=True)
    ]
    return Campaign(
        xy_um=xy,
        stage_xy_um=commanded + offset,
        order=_to_and_fro(len(grids)),
        indents=indents,
        missed=missed,
        contact_nm=contact,
        side_um=side,
        load_mn=load_mn(contact, hardness),
        pore_share=pore,
        orientation_rad=orientation,
        imprints=tuple(imprint if seen else None for imprint, seen in zip(drawn, shows, strict=True)),
        batches=batches,
    )


def _mounting(area: Area) -> tuple[Floats, float]:
    """Return the stage's position at the area's origin, in um, and how the tip is mounted: one for the specimen."""
    rng = np.random.default_rng([area.seed, 0, 0, _STAGE])
    offset = np.round(rng.uniform((20_000.0, -60_000.0), (80_000.0, -10_000.0)), 1)
    orientation = float(rng.uniform(0, 2 * math.pi / 3))
    return offset + np.array([area.first_um, 0.0]), orientation


def _to_and_fro(batches: int) -> NDArray[np.int64]:
    """Return when each test was made: batch by batch, odd rows backwards."""
    grid = np.arange(BATCH * BATCH).reshape(BATCH, BATCH)
    grid[1::2] = grid[1::2, ::-1]
    return np.concatenate([grid.ravel() + batch * BATCH * BATCH for batch in range(batches)])


def _pore_share(area: Area, xy_um: Floats, side: Floats, orientation_rad: float, threads: int | None) -> Floats:
    """Return the share of each imprint's triangle that is pore; 0 where there is no triangle."""
    with ThreadPoolExecutor(thread_count(threads)) as pool:
        share = pool.map(partial(_pores_under, area, orientation_rad=orientation_rad), xy_um, side, chunksize=16)
        return np.fromiter(share, np.float64, len(xy_um))


def _pores_under(area: Area, xy_um: Floats, side: float, *, orientation_rad: float) -> float:
    if math.isnan(side):
        return 0.0
    half = math.ceil(side / math.sqrt(3) / area.pixel_size_um) + 1
    col, row = (round(float(each) / area.pixel_size_um) for each in xy_um)
    phases = area.phases(Window(row - half, col - half, 2 * half + 1, 2 * half + 1), threads=1)
    step = np.arange(-half, half + 1) * area.pixel_size_um
    dx = step + col * area.pixel_size_um - xy_um[0]
    dy = (step + row * area.pixel_size_um - xy_um[1])[:, None]
    inside = np.ones(phases.shape, np.bool_)
    for k in range(3):
        bearing = orientation_rad + math.pi / 3 + k * 2 * math.pi / 3
        inside &= dx * math.cos(bearing) + dy * math.sin(bearing) <= side / (2 * math.sqrt(3))
    return float((phases[inside] == Phase.PORE).mean()) if inside.any() else 0.0
