"""What is said of each located indent: score, error, flag; and whether the table fits the image the right way round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.batches import Batch
from cemvis.analysis.indentation.located import AMBIGUOUS, FINE, MISSING, PORE, UNREGISTERED, LocatedBatch
from cemvis.analysis.indentation.micro_positioning.arrangement import AS_GIVEN, arrangements, better_than_given
from cemvis.analysis.indentation.micro_positioning.batch import Appearance, FoundBatch
from cemvis.errors import InputError
from cemvis.images.grey_scale import measure_anchors
from cemvis.images.micrograph import Micrograph
from cemvis.images.registration import DisplacementField
from cemvis.workflows._locate_table import StageTable, axes_matrix, axes_named
from cemvis.workflows.pairs import mean_grey_at

Floats = NDArray[np.float64]

_LEAST_SCORE = 4.0  # the best of several sizes is about N(1, 1) where there is no imprint
_CERTAIN = 6.0  # evidence that a batch was found where it is expected
_LEAST_SHARE = 0.1  # of the score expected of an imprint
_OWN_PEAK_PX = 2.5  # beyond which an indent's own peak disagrees with the grid
_PORE = 0.45  # of the way from the matrix's grey level down to the blackest, below which a place is taken for a pore
_CENTRE = 0.5  # edge of the square that is looked at for pores, in sizes of the imprint
_GREY = 0.6  # edge of the square whose grey level is set against the modulus, in pitches


@dataclass(frozen=True)
class Judged:
    """What is said of n indents, in the order of the table; see `LocatedIndents`."""

    before_xy_px: Floats
    after_xy_px: Floats
    score: Floats
    residual_px: Floats
    error_px: Floats
    flag: tuple[str, ...]
    batches: tuple[LocatedBatch, ...]
    lattice_px: Floats
    grey: Floats
    notes: tuple[str, ...]


def judged_indents(
    before: Micrograph,
    field: DisplacementField,
    stage: StageTable,
    found: list[FoundBatch],
    appearance: Appearance,
    pixel_size_um: float,
) -> Judged:
    """Return positions, scores, errors and flags of a table's tests."""
    n = len(stage.table)
    xy, lattice, residual = np.empty((n, 2)), np.empty((n, 2)), np.empty((n, 2))
    score, error, expected = np.empty(n), np.empty(n), np.empty(n)
    for batch, each in zip(stage.batches, found, strict=True):
        at = stage.members(batch)
        place = stage.table.row[at], stage.table.column[at]
        xy[at], score[at], error[at] = each.grid.places()[place], each.score[place], each.error_px[place]
        residual[at], expected[at] = each.residual_px[place], each.amplitude
        lattice[at] = each.grid.without_errors().places()[place]
    inside: NDArray[np.bool_] = np.all((xy >= -0.5) & (xy <= np.array(before.shape[::-1]) - 0.5), axis=1)
    after = field.after_xy(xy)
    shown = ((after >= -0.5) & (after <= np.array(field.after_shape[::-1]) - 0.5)).all(axis=1)
    after[~shown] = np.nan
    known = inside & shown & field.reliable(xy)
    error = np.hypot(error, math.sqrt(2) * field.error_px(xy))
    centre, note = _pores(before, xy, inside, appearance)
    seen = score >= np.maximum(_LEAST_SCORE, _LEAST_SHARE * expected)
    disagrees = ~(np.hypot(*residual.T) <= _OWN_PEAK_PX)
    flag = np.full(n, FINE, object)
    flag[seen & disagrees] = AMBIGUOUS
    flag[~seen] = MISSING
    flag[~seen & centre] = PORE
    flag[~known] = UNREGISTERED
    grey_px = max(3, round(_GREY * stage.pitch_um / pixel_size_um))
    return Judged(
        xy,
        after,
        score,
        residual,
        error,
        tuple(flag.tolist()),
        tuple(_located(batch, each) for batch, each in zip(stage.batches, found, strict=True)),
        lattice,
        _grey(before, xy, grey_px),
        (*note, *_edge_notes(stage.batches, found)),
    )


def refuse_overlaps(found: list[FoundBatch], appearance: Appearance, path: Path, names: list[str]) -> None:
    """Refuse batches whose imprints would lie on each other.

    Raises
    ------
    InputError
        If indents of two batches are closer than half an imprint.
    """
    from scipy.spatial import cKDTree

    places = [each.grid.places()[each.grid.present] for each in found]
    owner = np.repeat(np.arange(len(found)), [len(each) for each in places])
    tree = cKDTree(np.concatenate(places))
    pairs = tree.query_pairs(0.5 * appearance.template.size_px, output_type="ndarray")
    apart = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    if len(apart):
        one, two = owner[apart[0]]
        msg = (
            f"{path}: batches {names[one]} and {names[two]} overlap on the mosaic ({len(apart)} pairs of indents are "
            "closer than half an imprint); wanted areas that lie side by side: is one of them in the table twice?"
        )
        raise InputError(msg)


def refuse_rearranged(judged: Judged, stage: StageTable, path: Path, axes: str, pixel_size_um: float) -> None:
    """Refuse a table whose moduli fit the grey levels much better mirrored, turned or moved by a row or column.

    Raises
    ------
    InputError
        It names the options that would be right.
    """
    first = judged.batches[0]
    steps = np.array([np.array(first.x_axis) * first.pitch_px[0], np.array(first.y_axis) * first.pitch_px[1]])
    found = arrangements(judged.lattice_px, judged.grey, stage.table.modulus_gpa, steps_px=steps)
    better = better_than_given(found)
    if better is None:
        return
    own = next(each.correlation for each in found if each.is_given)
    if better.way == AS_GIVEN:
        x, y = (judged.lattice_px[0] + np.array(better.shift) @ steps) * pixel_size_um
        way, remedy = _moved(better.shift), f"--first {x:.1f},{y:.1f} (where the first test lies)"
    else:
        way, remedy = better.way, f"--axes {axes_named(better.matrix @ axes_matrix(axes))}"
    msg = (
        f"{path} fits the mosaic better {way}: grey level and modulus correlate by {better.correlation:.2f} then, "
        f"by {own:.2f} as given (axes {axes}); locate again with {remedy}"
    )
    raise InputError(msg)


def _moved(shift: tuple[int, int]) -> str:
    """Return a shift by columns and rows in words."""
    across = {-1: "a column to the left", 1: "a column to the right"}.get(shift[0])
    down = {-1: "a row up", 1: "a row down"}.get(shift[1])
    return f"moved by {' and '.join(part for part in (across, down) if part)}"


def _located(batch: Batch, found: FoundBatch) -> LocatedBatch:
    """Return a batch for the file: leans belong to its axes there."""
    grid = found.grid
    rows, columns = grid.shape
    places = grid.without_errors().places()
    across = places[0, 1] - places[0, 0] if columns > 1 else grid.axes[0] * grid.pitch_px[0]
    down = places[1, 0] - places[0, 0] if rows > 1 else grid.axes[1] * grid.pitch_px[1]
    pitch = float(np.hypot(*across)), float(np.hypot(*down))
    return LocatedBatch(
        name=batch.name,
        rows=rows,
        columns=columns,
        pitch_px=pitch,
        origin_px=(float(places[0, 0, 0]), float(places[0, 0, 1])),
        x_axis=(float(across[0] / pitch[0]), float(across[1] / pitch[0])),
        y_axis=(float(down[0] / pitch[1]), float(down[1] / pitch[1])),
        column_error_px=tuple(map(float, grid.column_error_px)),
        row_error_px=tuple(map(float, grid.row_error_px)),
        amplitude=found.amplitude,
        mean_score=float(np.nanmean(found.score)),
        evidence=found.evidence,
        walk_px=found.walk_px,
        spread_px=found.spread_px,
    )


def _pores(
    before: Micrograph, xy: Floats, inside: NDArray[np.bool_], appearance: Appearance
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which places are dark as pores on the before-image, and a note where that cannot be told."""
    anchors = measure_anchors(before)
    if anchors.scale is None:
        return np.zeros(len(xy), bool), (f"pores under indents are not looked for: {anchors.note}",)
    edge = max(1, round(_CENTRE * appearance.template.size_px))
    grey = _grey(before, xy, edge)
    black = float(np.nanmin(grey))
    return inside & (grey < anchors.scale.matrix - _PORE * (anchors.scale.matrix - black)), ()


def _grey(before: Micrograph, xy: Floats, edge_px: int) -> Floats:
    """Return mean grey levels of squares around places; NaN where one leaves the image."""
    edge_px = min(edge_px, *before.shape)
    corner = np.floor(xy[:, ::-1] - (edge_px - 1) / 2 + 0.5).astype(np.int64)
    whole = ((corner >= 0) & (corner + edge_px <= np.array(before.shape))).all(axis=1)
    grey = np.full(len(xy), np.nan)
    if whole.any():
        grey[whole] = mean_grey_at(before, corner[whole], window_px=edge_px)
    return grey


def _edge_notes(batches: tuple[Batch, ...], found: list[FoundBatch]) -> tuple[str, ...]:
    """Return notes on batches that show no imprints along an edge, as one shifted by a row or column would."""
    notes = []
    for batch, each in zip(batches, found, strict=True):
        if each.evidence < _CERTAIN:
            notes.append(f"batch {batch.name}: imprints are not certain (evidence {each.evidence:.1f})")
            continue
        edges = {"first row": each.score[0], "last row": each.score[-1]}
        edges |= {"first column": each.score[:, 0], "last column": each.score[:, -1]}
        empty = [name for name, values in edges.items() if _is_empty(values, each.amplitude)]
        if empty and min(each.grid.shape) > 2:
            notes.append(f"batch {batch.name}: no imprints in the {' and the '.join(empty)}; is it off by one?")
    return tuple(notes)


def _is_empty(values: Floats, amplitude: float) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 2 and float(np.median(known)) < 0.15 * amplitude
