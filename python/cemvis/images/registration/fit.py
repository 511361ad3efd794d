"""A smooth field through measured shifts, and how far it can be trusted, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis.images.registration.field import LEAST_NODES, DisplacementField
from cemvis.images.registration.gaps import GapError, Gaps, gaps_of, misses_in, some_pieces
from cemvis.images.registration.tiles import Tiles

Floats = NDArray[np.float64]

NEIGHBOURS = 30  # tiles that a local quadratic (6 numbers) goes through
_FOR_QUADRATIC, _FOR_LINE = 14, 5
_ROUNDS = 4
_TUKEY = 4.685
_LEAST_SPREAD_PX = 0.05
_MOST_NODES_AT_ONCE = 4096
# A tile farther from its neighbours' median than some spreads of theirs takes no part in the fit; these are the least
# and the most px that it is allowed, since tiles that all match by chance spread widely.
_OUTLIER_PX, _OUTLIER_SPREADS = (1.5, 4.0), 6.0
_NEAR_TILES = 12


@dataclass(frozen=True, eq=False)
class LocalFit:
    """Values at places, and what bears them: the estimated error (sd along one axis) and the tiles that count.

    Attributes
    ----------
    values : (m, 2) float64
    error_px : (m,) float64
    support : (m,) float64
        Share of the tiles nearby that agree.
    """

    values: Floats
    error_px: Floats
    support: Floats


def fit_locally(xy: Floats, values: Floats, error_px: Floats, at: Floats) -> LocalFit:
    """Fit local quadratics robustly to values (n, 2) at xy (n, 2) and return what they give at `at` (m, 2).

    Neighbours weigh by distance (tricube), by their own error and by how well they agree (Tukey's biweight). With few
    tiles it is a plane, with fewer a weighted mean; with none zero, with infinite error.
    """
    from scipy.spatial import cKDTree

    if len(xy) == 0:
        return LocalFit(np.zeros((len(at), 2)), np.full(len(at), np.inf), np.zeros(len(at)))
    count = min(NEIGHBOURS, len(xy))
    tree = cKDTree(xy)
    parts = []
    for start in range(0, len(at), _MOST_NODES_AT_ONCE):
        some = at[start : start + _MOST_NODES_AT_ONCE]
        distance, index = (np.asarray(each).reshape(len(some), count) for each in tree.query(some, k=count))
        parts.append(_fit_block(xy[index] - some[:, None], values[index], error_px[index], distance))
    return LocalFit(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _fit_block(away: Floats, values: Floats, error_px: Floats, distance: Floats) -> tuple[Floats, Floats, Floats]:
    count = distance.shape[1]
    reach = np.maximum(distance.max(axis=1, keepdims=True), 1.0) * 1.1
    near = (1 - (distance / reach) ** 3) ** 3 / (error_px**2 + _LEAST_SPREAD_PX**2)
    x, y = away[..., 0] / reach, away[..., 1] / reach
    columns = [np.ones_like(x)]
    if count >= _FOR_LINE:
        columns += [x, y]
    if count >= _FOR_QUADRATIC:
        columns += [x * x, x * y, y * y]
    design = np.stack(columns, axis=-1)
    ridge = np.diag([0.0, *[1e-4] * 2, *[1e-3] * 3][: design.shape[-1]])
    middle = np.median(values, axis=1, keepdims=True)
    # The first round compares with the neighbours' median, so that outliers do not get to bend the surface first.
    agree = _agreement(values - middle, least=1.0)
    for _ in range(_ROUNDS):
        weight = near * agree
        normal = np.einsum("mki,mk,mkj->mij", design, weight, design)
        scale = np.einsum("mk->m", weight)[:, None, None]
        inverse = np.linalg.inv(normal + (ridge + 1e-9 * np.eye(len(ridge))) * np.maximum(scale, 1e-12))
        solve = np.einsum("mij,mkj,mk->mik", inverse, design, weight)
        coefficients = np.einsum("mik,mkc->mic", solve, values)
        left = values - np.einsum("mki,mic->mkc", design, coefficients)
        agree = _agreement(left, least=_LEAST_SPREAD_PX)
    hat = solve[:, 0]  # what each tile contributes to the value at the place itself
    spread = np.sqrt((weight[..., None] * left**2).sum(axis=(1, 2)) / np.maximum(2 * weight.sum(axis=1), 1e-300))
    own = np.sqrt((hat**2 * np.maximum(error_px, spread[:, None]) ** 2).sum(axis=1))
    return coefficients[:, 0], own, agree.mean(axis=1)


def _agreement(left: Floats, *, least: float) -> Floats:
    """Return Tukey's biweight of residuals (m, k, 2) by the spread that their median shows."""
    size = np.hypot(left[..., 0], left[..., 1])
    spread = np.maximum(1.4826 * np.median(size, axis=1, keepdims=True), least)
    return np.clip(1 - (size / (_TUKEY * spread)) ** 2, 0, 1) ** 2


def outliers(xy: Floats, values: Floats) -> NDArray[np.bool_]:
    """Return which values (n, 2) at xy (n, 2) lie far from the median of their nearest neighbours."""
    from scipy.spatial import cKDTree

    if len(xy) < 4:
        return np.zeros(len(xy), bool)
    count = min(_NEAR_TILES + 1, len(xy))
    index = np.asarray(cKDTree(xy).query(xy, k=count)[1])[:, 1:]
    around = values[index]
    middle = np.median(around, axis=1)
    spread = 1.4826 * np.median(np.hypot(*np.moveaxis(around - middle[:, None], -1, 0)), axis=1)
    away = np.hypot(*(values - middle).T)
    far: NDArray[np.bool_] = away > np.clip(_OUTLIER_SPREADS * spread, *_OUTLIER_PX)
    return far


@dataclass(frozen=True, eq=False)
class Pieces:
    """How the after-image is cut: edges of the columns and rows of pieces, in px; the first is -0.5."""

    x_edges: Floats
    y_edges: Floats

    def of(self, xy: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the column and row of the piece of each place."""
        return (
            np.searchsorted(self.x_edges[1:-1], xy[:, 0], side="right").astype(np.int64),
            np.searchsorted(self.y_edges[1:-1], xy[:, 1], side="right").astype(np.int64),
        )


def fit_field(
    tiles: Tiles,
    pieces: Pieces,
    *,
    affine: Floats,
    shapes: tuple[tuple[int, int], tuple[int, int]],
    node_px: float,
    reach_px: float,
    trust_px: float,
    least_support: float = 0.4,
    most_error_px: float = 1.0,
) -> DisplacementField:
    """Return the field through found tiles (positions in px of the full images), fitted in each piece for itself.

    Parameters
    ----------
    tiles
        Only such as are to count.
    pieces
        Tiles count for the piece in which their centre lies.
    affine : (2, 3) float64
        The linear part.
    shapes
        Of the after-image and of the before-image.
    node_px
        Distance of the nodes, at most.
    reach_px
        How far from the nearest tile's centre the fit goes on; beyond, it stays what it is there.
    trust_px
        A node farther than that, along x or y, from the nearest tile's centre is not reliable: half a tile's edge, so
        that a tile that was found shows the place.
    least_support, most_error_px
        Nor is one around which a smaller share of the tiles agrees, or with a larger estimated error.
    """
    counts = [
        np.maximum(np.ceil(np.diff(edges) / node_px).astype(np.int64) + 1, LEAST_NODES)
        for edges in (pieces.x_edges, pieces.y_edges)
    ]
    lines = [
        np.concatenate([np.linspace(a, b, n) for a, b, n in zip(edges, edges[1:], many, strict=False)])
        for edges, many in zip((pieces.x_edges, pieces.y_edges), counts, strict=True)
    ]
    starts = [np.concatenate([[0], np.cumsum(many)]) for many in counts]
    size = (len(lines[1]), len(lines[0]))
    residual, error, reliable = np.zeros((*size, 2)), np.full(size, np.inf), np.zeros(size, bool)
    distance, beyond = np.full(size, np.inf), np.full(size, np.inf)
    values = tiles.found_xy - tiles.after_xy @ affine[:, :2].T - affine[:, 2]
    column, row = pieces.of(tiles.after_xy)
    order = np.argsort(row * len(counts[0]) + column, kind="stable")
    bounds = np.searchsorted((row * len(counts[0]) + column)[order], np.arange(len(counts[0]) * len(counts[1]) + 1))
    tried, misses = set(some_pieces(len(bounds) - 1).tolist()), []
    for number in range(len(bounds) - 1):
        mine = order[bounds[number] : bounds[number + 1]]
        j, i = divmod(number, len(counts[0]))
        window = np.s_[starts[1][j] : starts[1][j + 1], starts[0][i] : starts[0][i + 1]]
        at = np.stack(np.meshgrid(lines[0][window[1]], lines[1][window[0]]), axis=-1)
        xy, own = tiles.after_xy[mine], (values[mine], tiles.error_px[mine])
        near = _nearness(at.reshape(-1, 2), xy, reach_px)
        fit = fit_locally(xy, *own, near.held)
        trusted = (near.square_px <= trust_px) & (fit.support >= least_support)
        residual[window] = fit.values.reshape(at.shape)
        error[window] = fit.error_px.reshape(at.shape[:2])
        reliable[window] = trusted.reshape(at.shape[:2])
        distance[window] = near.gaps.distance_px.reshape(at.shape[:2])
        beyond[window] = near.gaps.beyond_px.reshape(at.shape[:2])
        if number in tried:
            misses += misses_in(xy, *own, reach_px=reach_px, neighbours=NEIGHBOURS, fit=_fit_block)
    steepest = float(values.std()) / max(float(np.ptp(tiles.after_xy)), 1.0) if len(values) else 0.0
    added = GapError.learnt(misses, spacing_px=1.5 * trust_px, steepest=2 * steepest)
    known = np.isfinite(error)
    error[known] = np.hypot(error[known], added(Gaps(distance[known], beyond[known])))
    reliable &= error <= most_error_px
    _fill_empty(residual, error, lines)
    return DisplacementField(
        after_shape=shapes[0],
        before_shape=shapes[1],
        affine=affine,
        x_edges_px=pieces.x_edges,
        y_edges_px=pieces.y_edges,
        x_nodes=counts[0],
        y_nodes=counts[1],
        residual_px=residual,
        node_error_px=error,
        node_reliable=reliable,
    )


@dataclass(frozen=True, eq=False)
class _Nearness:
    """Places (m, 2) moved towards the nearest tile until within reach of it, and how far off tiles they were."""

    held: Floats
    square_px: Floats  # to the nearest, along x or y
    gaps: Gaps


def _nearness(at: Floats, xy: Floats, reach_px: float) -> _Nearness:
    from scipy.spatial import cKDTree

    if len(xy) == 0:
        far = np.full(len(at), np.inf)
        return _Nearness(at, far, Gaps(far, far))
    tree = cKDTree(xy)
    count = min(NEIGHBOURS, len(xy))
    found, index = (np.asarray(each).reshape(len(at), count) for each in tree.query(at, k=count))
    share = np.minimum(1.0, reach_px / np.maximum(found[:, 0], 1e-9))[:, None]
    nearest = xy[index[:, 0]]
    square = np.asarray(tree.query(at, p=np.inf)[0])
    return _Nearness(nearest + share * (at - nearest), square, gaps_of(xy[index] - at[:, None]))


def _fill_empty(residual: Floats, error: Floats, lines: list[Floats]) -> None:
    """Give nodes of pieces without any tile the residual of the nearest node that has one."""
    from scipy.spatial import cKDTree

    empty = ~np.isfinite(error)
    if not empty.any():
        return
    x, y = np.meshgrid(lines[0], lines[1])
    if not empty.all():
        nearest = cKDTree(np.stack([x[~empty], y[~empty]], axis=1)).query(np.stack([x[empty], y[empty]], axis=1))[1]
        residual[empty] = residual[~empty][nearest]
    error[empty] = UNKNOWN_ERROR_PX


UNKNOWN_ERROR_PX = 1e3  # stands for "no idea" where no tile says anything
