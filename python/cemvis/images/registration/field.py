"""A displacement field from an after-image to a before-image: smooth in pieces, broken at stitching seams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cemvis._files import access_errors, written_whole
from cemvis.errors import FileFormatError, InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = 1
LEAST_NODES = 4  # along each axis of a piece: what a cubic needs
_ITERATIONS = 12
_SETTLED_PX = 0.01
_ARRAYS = ("affine", "x_edges_px", "y_edges_px", "x_nodes", "y_nodes", "residual_px", "node_error_px", "node_reliable")


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Where each place of the after-image lies in the before-image.

    ``before = affine @ (after, 1) + r(after)``. The residual r is a table of nodes for each rectangular piece of the
    after-image, spread evenly from edge to edge and interpolated by local cubics inside the piece alone; so it may
    jump from one piece to the next. Beyond the after-image's edges the residual stays what it is at the edge.

    Positions are (x, y) in px, origin at the centre of the top-left pixel, x right, y down.

    Attributes
    ----------
    after_shape, before_shape : (rows, cols)
        Of the two images.
    affine : (2, 3) float64
        The linear part.
    x_edges_px, y_edges_px : (columns + 1,), (rows + 1,) float64
        Where pieces begin and end on the after-image; the first is -0.5, the last columns - 0.5 or rows - 0.5.
    x_nodes, y_nodes : (columns,), (rows,) int64
        Nodes across each column and down each row of pieces, at least 4.
    residual_px : (sum of y_nodes, sum of x_nodes, 2) float64
        The residual (x, y) at the nodes.
    node_error_px : (sum of y_nodes, sum of x_nodes) float64
        Estimated standard deviation of the position found, along one axis; finite, 0 or more.
    node_reliable : same shape, bool
        Whether measurements near the node bear it.
    about : mapping
        Version, digests, pixel sizes, settings: anything that JSON holds.

    Raises
    ------
    InputError
        If the arrays do not fit together, or hold what they cannot.
    """

    after_shape: tuple[int, int]
    before_shape: tuple[int, int]
    affine: Floats
    x_edges_px: Floats
    y_edges_px: Floats
    x_nodes: Ints
    y_nodes: Ints
    residual_px: Floats
    node_error_px: Floats
    node_reliable: NDArray[np.bool_]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in (("x_nodes", "iu"), ("y_nodes", "iu"), ("node_reliable", "b"), ("node_error_px", "f")):
            found = getattr(self, name).dtype
            if found.kind not in kind:
                wanted = {"iu": "whole numbers", "b": "true or false", "f": "floating-point numbers"}[kind]
                msg = f"the field's {name} has {found} values; wanted {wanted}"
                raise InputError(msg)
        nodes = (int(self.y_nodes.sum()), int(self.x_nodes.sum()))
        fit = (
            self.affine.shape == (2, 3)
            and self.x_edges_px.shape == (len(self.x_nodes) + 1,)
            and self.y_edges_px.shape == (len(self.y_nodes) + 1,)
            and int(np.concatenate([self.x_nodes, self.y_nodes]).min(initial=LEAST_NODES)) >= LEAST_NODES
            and min(len(self.x_nodes), len(self.y_nodes)) > 0
            and self.residual_px.shape == (*nodes, 2)
            and self.node_error_px.shape == nodes
            and self.node_reliable.shape == nodes
        )
        if not fit:
            msg = f"the field's tables do not fit together: nodes {nodes}, residuals {self.residual_px.shape}"
            raise InputError(msg)
        tables = (self.affine, self.residual_px, self.x_edges_px, self.y_edges_px, self.node_error_px)
        finite = all(np.isfinite(part).all() for part in tables)
        rising = bool((np.diff(self.x_edges_px) > 0).all() and (np.diff(self.y_edges_px) > 0).all())
        rows, cols = self.after_shape
        ends = [*self.x_edges_px[[0, -1]], *self.y_edges_px[[0, -1]]]
        if finite and not np.allclose(ends, [-0.5, cols - 0.5, -0.5, rows - 0.5], rtol=0, atol=1e-6):
            msg = f"the field's pieces lie between {ends[:2]} and {ends[2:]} px; wanted an image of {rows} x {cols} px"
            raise InputError(msg)
        if finite and (self.node_error_px < 0).any():
            msg = f"the field's least error is {self.node_error_px.min():g} px; wanted 0 or more"
            raise InputError(msg)
        if not finite or not rising or abs(np.linalg.det(self.affine[:, :2])) < 1e-9:
            msg = "the field is not finite, its pieces do not follow each other, or its linear part has no inverse"
            raise InputError(msg)

    @classmethod
    def from_affine(
        cls, affine: ArrayLike, *, after_shape: tuple[int, int], before_shape: tuple[int, int], error_px: float = 0.0
    ) -> DisplacementField:
        """Return the field of one piece without residual: ``before = affine @ (after, 1)``, affine (2, 3)."""
        nodes = (LEAST_NODES, LEAST_NODES)
        return cls(
            after_shape=after_shape,
            before_shape=before_shape,
            affine=np.asarray(affine, np.float64),
            x_edges_px=np.array([-0.5, after_shape[1] - 0.5]),
            y_edges_px=np.array([-0.5, after_shape[0] - 0.5]),
            x_nodes=np.array([LEAST_NODES]),
            y_nodes=np.array([LEAST_NODES]),
            residual_px=np.zeros((*nodes, 2)),
            node_error_px=np.full(nodes, float(error_px)),
            node_reliable=np.ones(nodes, bool),
        )

    def before_xy(self, after_xy_px: ArrayLike) -> Floats:
        """Return where places of the after-image, (n, 2) x and y in px, lie in the before-image, (n, 2) in px."""
        after = _positions(after_xy_px, "after_xy_px")
        return self.in_piece(after, *self.piece_of(after))

    def after_xy(self, before_xy_px: ArrayLike) -> Floats:
        """Return where places of the before-image, (n, 2) x and y in px, lie in the after-image, (n, 2) in px.

        Where two pieces show a place (they overlap at a seam) the one counts in which it lies deeper; where none does
        (a strip was lost at the seam) the one that comes closest to it.
        """
        return self._located(_positions(before_xy_px, "before_xy_px"))[0]

    def reliable(self, before_xy_px: ArrayLike) -> NDArray[np.bool_]:
        """Return whether the after-image shows each place of the before-image and measurements bear the field there.

        Not where the field folds so much that the place could not be found.
        """
        before = _positions(before_xy_px, "before_xy_px")
        after, column, row = self._located(before)
        settled = np.abs(self.in_piece(after, column, row) - before).max(axis=1, initial=0.0) < _SETTLED_PX
        inside = settled & self._inside(after, self.after_shape) & self._inside(before, self.before_shape)
        borne: NDArray[np.bool_] = inside & self._at_nearest_node(self.node_reliable, after, column, row)
        return borne

    def error_px(self, before_xy_px: ArrayLike) -> Floats:
        """Return the estimated standard deviation of the field along one axis, (n,) in px."""
        after, column, row = self._located(_positions(before_xy_px, "before_xy_px"))
        return self._at_nearest_node(self.node_error_px, after, column, row)

    # ------------------------------------------------------------------------------------------------ pieces

    def piece_of(self, after: Floats) -> tuple[Ints, Ints]:
        """Return the column and row of the piece in which each place of the after-image lies, the nearest outside."""
        column = np.searchsorted(self.x_edges_px[1:-1], after[:, 0], side="right").astype(np.int64)
        row = np.searchsorted(self.y_edges_px[1:-1], after[:, 1], side="right").astype(np.int64)
        return column, row

    def in_piece(self, after: Floats, column: Ints, row: Ints) -> Floats:
        """Return where places of the after-image lie in the before-image if they belong to the piece given each."""
        linear = after @ self.affine[:, :2].T + self.affine[:, 2]
        return linear + self._residual(after, column, row)

    def out_of_piece(self, before: Floats, column: Ints, row: Ints) -> Floats:
        """Return the inverse of `in_piece`, by iteration; it need not settle where the residual is steep or folds."""
        inverse = np.linalg.inv(self.affine[:, :2])
        linear = (before - self.affine[:, 2]) @ inverse.T
        after = linear
        for _ in range(_ITERATIONS):
            moved = linear - self._residual(after, column, row) @ inverse.T
            done = bool(np.abs(moved - after).max(initial=0.0) < 1e-4)
            after = moved
            if done:
                break
        return after

    def depth_in_piece(self, after: Floats, column: Ints, row: Ints) -> Floats:
        """Return how far inside its piece each place lies, in px; negative outside.

        The mosaic's own edges do not count: a piece there reaches on for ever.
        """
        x, y = after[:, 0], after[:, 1]
        left = np.where(column > 0, x - self.x_edges_px[column], np.inf)
        right = np.where(column < len(self.x_nodes) - 1, self.x_edges_px[column + 1] - x, np.inf)
        above = np.where(row > 0, y - self.y_edges_px[row], np.inf)
        below = np.where(row < len(self.y_nodes) - 1, self.y_edges_px[row + 1] - y, np.inf)
        depth: Floats = np.minimum(np.minimum(left, right), np.minimum(above, below))
        return depth

    @property
    def farthest_jump_px(self) -> float:
        """How far from a seam, in px of the after-image, a place may have its home in the piece beyond."""
        if len(self.x_nodes) == 1 and len(self.y_nodes) == 1:
            return 0.0
        return 2.0 + 2.0 * self._largest_jump

    @property
    def _largest_jump(self) -> float:
        jumps = [0.0]
        for axis, counts in ((1, self.x_nodes), (0, self.y_nodes)):
            table = np.moveaxis(self.residual_px, axis, 0)
            for end in np.cumsum(counts)[:-1]:
                jumps.append(float(np.abs(table[end] - table[end - 1]).max()))
        scale = float(np.linalg.norm(np.linalg.inv(self.affine[:, :2]), 2))
        return max(jumps) * scale * 2**0.5

    def _located(self, before: Floats) -> tuple[Floats, Ints, Ints]:
        """Return the place in the after-image and the piece that shows it best."""
        linear = (before - self.affine[:, 2]) @ np.linalg.inv(self.affine[:, :2]).T
        column, row = self.piece_of(linear)
        after = self.out_of_piece(before, column, row)
        for _ in range(3):  # the residual may have led over a seam, or further
            next_column, next_row = self.piece_of(after)
            moved = (next_column != column) | (next_row != row)
            if not moved.any():
                break
            column, row = next_column, next_row
            after[moved] = self.out_of_piece(before[moved], column[moved], row[moved])
        depth = self.depth_in_piece(after, column, row)
        doubtful = np.flatnonzero(depth < self.farthest_jump_px)
        home_column, home_row = column.copy(), row.copy()
        for across in (-1, 0, 1):
            for down in (-1, 0, 1):
                other_column, other_row = home_column[doubtful] + across, home_row[doubtful] + down
                there = (other_column >= 0) & (other_column < len(self.x_nodes))
                there &= (other_row >= 0) & (other_row < len(self.y_nodes))
                chosen, other_column, other_row = doubtful[there], other_column[there], other_row[there]
                other = self.out_of_piece(before[chosen], other_column, other_row)
                other_depth = self.depth_in_piece(other, other_column, other_row)
                deeper = other_depth > depth[chosen]
                chosen = chosen[deeper]
                after[chosen], depth[chosen] = other[deeper], other_depth[deeper]
                column[chosen], row[chosen] = other_column[deeper], other_row[deeper]
        return after, column, row

    # ------------------------------------------------------------------------------------------------ nodes

    def _node_units(self, after: Floats, column: Ints, row: Ints) -> tuple[Floats, Floats]:
        """Return positions in units of the node distance from the piece's first node, held inside the piece."""
        units = []
        for at, piece, edges, counts in (
            (after[:, 0], column, self.x_edges_px, self.x_nodes),
            (after[:, 1], row, self.y_edges_px, self.y_nodes),
        ):
            last = (counts - 1).astype(np.float64)
            unit = (at - edges[piece]) * (last / np.diff(edges))[piece]
            units.append(np.clip(unit, 0.0, last[piece]))
        return units[0], units[1]

    def _residual(self, after: Floats, column: Ints, row: Ints) -> Floats:
        across, down = self._node_units(after, column, row)
        first_x, weights_x = _cubic(across, self.x_nodes[column])
        first_y, weights_y = _cubic(down, self.y_nodes[row])
        first_x += _starts(self.x_nodes)[column]
        first_y += _starts(self.y_nodes)[row]
        width = self.residual_px.shape[1]
        table = self.residual_px.reshape(-1, 2)
        total = np.zeros((len(after), 2))
        for j in range(4):
            line = np.zeros((len(after), 2))
            for i in range(4):
                line += weights_x[i][:, None] * table[(first_y + j) * width + first_x + i]
            total += weights_y[j][:, None] * line
        return total

    def _at_nearest_node(self, table: NDArray[Any], after: Floats, column: Ints, row: Ints) -> NDArray[Any]:
        across, down = self._node_units(after, column, row)
        x = np.rint(across).astype(np.int64) + _starts(self.x_nodes)[column]
        y = np.rint(down).astype(np.int64) + _starts(self.y_nodes)[row]
        values: NDArray[Any] = table[y, x]
        return values

    @staticmethod
    def _inside(xy: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
        last = np.array([shape[1], shape[0]]) - 0.5
        return np.asarray(((xy >= -0.5) & (xy <= last)).all(axis=1))

    # ------------------------------------------------------------------------------------------------ files

    def save(self, path: Path) -> None:
        """Write the field to an .npz file, whole or not at all; the same field gives the same bytes."""
        header = {
            "format": FORMAT,
            "after_shape_px": list(self.after_shape),
            "before_shape_px": list(self.before_shape),
            "about": dict(self.about),
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with written_whole(Path(path).with_suffix(".npz")) as beside, beside.open("wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header, sort_keys=True)), **arrays)

    @classmethod
    def load(cls, path: Path) -> DisplacementField:
        """Read a field; no code in the file is run.

        Raises
        ------
        FileAccessError, FileFormatError
            If the file cannot be read or is no such field.
        """
        path = Path(path)
        with access_errors(path, doing="read"), path.open("rb") as file:
            try:
                with np.load(file, allow_pickle=False) as archive:
                    header = json.loads(str(archive["header"]))
                    arrays = {name: archive[name] for name in _ARRAYS}
                if header["format"] != FORMAT:
                    msg = f"{path} has format {header['format']} of displacement fields; wanted {FORMAT}"
                    raise FileFormatError(msg)
                shapes = [
                    (int(rows), int(cols)) for rows, cols in (header["after_shape_px"], header["before_shape_px"])
                ]
                return cls(after_shape=shapes[0], before_shape=shapes[1], about=header["about"], **arrays)
            except FileFormatError:
                raise
            except Exception as error:  # whatever a damaged archive leads to
                msg = f"{path} is not a displacement field that `cemvis register` wrote, or is damaged"
                raise FileFormatError(msg) from error


def _positions(xy: ArrayLike, name: str) -> Floats:
    positions = np.array(xy, dtype=np.float64, ndmin=2)
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        msg = f"{name} has shape {positions.shape}; wanted (n, 2) finite numbers, x and y in px"
        raise InputError(msg)
    return positions


def _starts(counts: Ints) -> Ints:
    starts: Ints = np.cumsum(counts) - counts
    return starts


def _cubic(units: Floats, counts: Ints) -> tuple[Ints, list[Floats]]:
    """Return the first of four nodes around each position, and the weights of Lagrange's cubic through them."""
    first = np.clip(np.floor(units).astype(np.int64) - 1, 0, counts - 4)
    t = units - first
    weights = [
        -(t - 1) * (t - 2) * (t - 3) / 6,
        t * (t - 2) * (t - 3) / 2,
        -t * (t - 1) * (t - 3) / 2,
        t * (t - 1) * (t - 2) / 6,
    ]
    return first, weights
