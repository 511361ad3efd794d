"""Registration: from two images of one surface to the displacement field between them, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph
from cemvis.images.registration.field import DisplacementField
from cemvis.images.registration.fit import Pieces, fit_field
from cemvis.images.registration.grid import tile_corners, tile_jobs
from cemvis.images.registration.levels import Level
from cemvis.images.registration.mosaic import find_pieces
from cemvis.images.registration.result import OUTSIDE, USED, Registration, RegistrationConfig, full_size, judged
from cemvis.images.registration.similarity import MOST_ANGLE_DEG, MOST_SCALE, Similarity, find_similarity
from cemvis.images.registration.tiles import TileJob, Tiles, match_tiles

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

LEAST_EDGE_PX = 128
LEAST_GOOD_SHARE = 0.25  # of the tiles that should lie on the before-image have to be found there
LOW_OVERLAP = 0.5  # of the after-image
_OVERVIEW_TILE_PX = 160
_LEVEL_RATIO = 8
_SAME_WINDOW_PX = 256


def register(
    before: Micrograph,
    after: Micrograph,
    *,
    config: RegistrationConfig | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Registration:
    """Find the displacement field that lays an after-image on a before-image of the same surface.

    First both images' overviews are laid on each other by rotation (to 5 degrees), scale (to 3 % beside the known
    pixel sizes) and shift. Then tiles are matched, on overviews and at full resolution, to what the field so far
    expects. Seams, lines along rows or columns of the after-image at which the shift jumps, are found and placed to
    the pixel; last, a smooth field is fitted robustly to the tiles of each piece between seams.

    Two overviews of at most `overview_px` along an edge are held, and tables of the tiles. Beside them each thread
    reads blocks of about 1,024 px plus a tile along an edge, counted on the level that is matched; one level between
    the overview and full resolution is matched whose pixels are up to L / (8 `overview_px`) px wide for a longest edge
    of L px. So a thread holds up to (1,300 px)**2 of each image up to L = 16 `overview_px`, and (1,300 L / (8
    `overview_px`) px)**2 beyond: 7,800 px squared for mosaics 75,000 px wide. The result does not depend on the number
    of threads.

    Parameters
    ----------
    before, after : Micrograph
        Where the pixel sizes of both are known, their ratio is the expected scale.
    config : RegistrationConfig, optional
    threads : int, optional
        Default: all cores that the process may use.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If the images are the same, do not overlap, or one is turned by a quarter or mirrored; or too small.
    """
    config = config or RegistrationConfig()
    threads = thread_count(threads)
    said: Progress = progress or (lambda stage, done, steps: None)  # noqa: ARG005
    _refuse_small_or_same(before, after)
    scale = 1.0
    if before.pixel_size is not None and after.pixel_size is not None:
        scale = after.pixel_size.um / before.pixel_size.um
    base = (max(1, round(scale)), max(1, round(1 / scale)))  # px of before and of after in one, so that both are alike
    config = config.fitting((after.shape[0] // base[1], after.shape[1] // base[1]))
    factors = _factors(before, after, base, config)
    levels = [(Level(before, base[0] * factor), Level(after, base[1] * factor)) for factor in factors]
    for level in levels[0]:
        level.hold(threads=threads)
    said("overview", 1, 2)
    similarity = _similarity(levels[0], scale, threads, said)
    shapes = (after.shape, before.shape)
    field = DisplacementField.from_affine(similarity.affine, after_shape=after.shape, before_shape=before.shape)
    for number, pair in enumerate([levels[0], *levels[:-1]] if len(levels) > 1 else [levels[0]] * 2):
        field = _coarse_field(pair, field, shapes, config, threads)
        said("coarse field", number + 1, max(2, len(levels)))
    pieces = find_pieces(levels[-1], field, config, threads, said)
    tiles, status = _final_tiles(levels[-1], field, pieces, config, threads, said)
    _refuse_strangers(status)
    side = config.tile_px * base[1]
    field = fit_field(
        tiles.only(status == USED),
        pieces,
        affine=field.affine,
        shapes=shapes,
        node_px=side / 2,
        reach_px=side,
        trust_px=side / 2,
    )
    residual = np.hypot(*(field.before_xy(tiles.after_xy) - tiles.found_xy).T)
    result = Registration(field, tiles, status, similarity, residual, ())
    about = {"settings": asdict(config), "scale_expected": scale}
    return replace(result, field=replace(field, about=about), notes=_notes(result, scale))


def _refuse_small_or_same(before: Micrograph, after: Micrograph) -> None:
    for name, image in (("before", before), ("after", after)):
        if min(image.shape) < LEAST_EDGE_PX:
            rows, cols = image.shape
            msg = f"the {name}-image has {rows} x {cols} px; wanted at least {LEAST_EDGE_PX} along each edge"
            raise InputError(msg)
    if before.shape != after.shape:
        return
    rows, cols = (min(_SAME_WINDOW_PX, side) for side in before.shape)
    for i in range(3):
        for j in range(3):
            corner = (i * (before.shape[0] - rows) // 2, j * (before.shape[1] - cols) // 2)
            if not np.array_equal(before.read(*corner, rows, cols), after.read(*corner, rows, cols)):
                return
    msg = "before and after are the same image; wanted one taken before indentation and one taken after it"
    raise InputError(msg)


def _factors(before: Micrograph, after: Micrograph, base: tuple[int, int], config: RegistrationConfig) -> list[int]:
    """Return by how much each level is coarser than the finest, from the overview down to 1."""
    longest = max(max(before.shape) / base[0], max(after.shape) / base[1])
    factors = [max(1, math.ceil(longest / config.overview_px))]
    while factors[-1] > 1:
        factors.append(max(1, factors[-1] // _LEVEL_RATIO))
    return factors


def _similarity(pair: tuple[Level, Level], scale: float, threads: int, said: Progress) -> Similarity:
    found = find_similarity(
        *pair, scale=scale, threads=threads, progress=lambda done, steps: said("orientation", done, steps)
    )
    said("overview", 2, 2)
    if found is None:
        msg = (
            "before and after do not overlap, or show nothing in common: no rotation within "
            f"{MOST_ANGLE_DEG:g} degrees (also from quarter turns and mirrored) and scale within {MOST_SCALE:.0%} of "
            f"{scale:g} lays one on the other; check that both show the same place and that their pixel sizes are right"
        )
        raise InputError(msg)
    if found.quarter_turns or found.mirrored:
        turn = f"rotated by {90 * found.quarter_turns} degrees" if found.quarter_turns else ""
        both = " and ".join(part for part in ("mirrored" if found.mirrored else "", turn) if part)
        steps = ["flip it left to right"] if found.mirrored else []
        steps += [f"turn it by {90 * found.quarter_turns} degrees clockwise"] if found.quarter_turns else []
        msg = f"the after-image is {both} against the before-image: {', then '.join(steps)} and register again"
        raise InputError(msg)
    return found


def _coarse_field(
    pair: tuple[Level, Level],
    field: DisplacementField,
    shapes: tuple[tuple[int, int], tuple[int, int]],
    config: RegistrationConfig,
    threads: int,
) -> DisplacementField:
    """Return a smooth field through tiles matched on a coarse level, as good as `field` where there are none."""
    before, after = pair
    side = min(_OVERVIEW_TILE_PX, min(after.shape) // 2)
    step = side / 2 if math.prod(after.shape) < 4 * config.overview_px**2 else side
    corners = tile_corners((0, after.shape[1] - 1), (0, after.shape[0] - 1), (side, side), step)
    job = TileJob(corners, (side, side), _expectation(pair, field))
    tiles = full_size(match_tiles(before, after, [job], reach_px=side // 4, threads=threads)[0], pair)
    used = judged(tiles, config) == USED
    if np.count_nonzero(used) < 4:
        return field
    affine = _affine_through(tiles.after_xy[used], tiles.found_xy[used])
    pieces = Pieces(np.array([-0.5, shapes[0][1] - 0.5]), np.array([-0.5, shapes[0][0] - 0.5]))
    node = side * after.factor / 2
    return fit_field(
        tiles.only(used), pieces, affine=affine, shapes=shapes, node_px=node, reach_px=2 * node, trust_px=node
    )


def _affine_through(after: Floats, before: Floats) -> Floats:
    """Return the affine map through pairs of places, robustly by reweighting."""
    design = np.column_stack([after, np.ones(len(after))])
    weight = np.ones(len(after))
    for _ in range(10):
        solution = np.linalg.lstsq(design * weight[:, None], before * weight[:, None], rcond=None)[0]
        away = np.hypot(*(before - design @ solution).T)
        weight = 1 / np.sqrt(1 + (away / max(float(np.median(away)), 1e-3) / 2) ** 2)
    return np.ascontiguousarray(solution.T)


def _expectation(pair: tuple[Level, Level], field: DisplacementField) -> Callable[[Floats], Floats]:
    before, after = pair
    return lambda xy: before.from_full(field.before_xy(after.to_full(xy)))


def _final_tiles(
    pair: tuple[Level, Level],
    field: DisplacementField,
    pieces: Pieces,
    config: RegistrationConfig,
    threads: int,
    said: Progress,
) -> tuple[Tiles, NDArray[np.str_]]:
    """Match tiles that lie within one piece each, and judge them piece by piece."""
    before, after = pair
    matched = match_tiles(
        before,
        after,
        tile_jobs(pair, pieces, config, _expectation(pair, field)),
        reach_px=config.reach_px,
        threads=threads,
        progress=lambda done, steps: said("tiles", done, steps),
    )
    parts = [full_size(tiles, pair) for tiles in matched]
    return Tiles.joined(parts), np.concatenate([judged(tiles, config) for tiles in parts])


def _refuse_strangers(status: NDArray[np.str_]) -> None:
    inside = int(np.count_nonzero(status != OUTSIDE))
    used = int(np.count_nonzero(status == USED))
    if used < max(1, LEAST_GOOD_SHARE * inside):
        msg = (
            f"before and after do not overlap, or show too little in common: only {used} of {inside} tiles that should "
            "lie on the before-image were found there; check that both show the same place, in focus"
        )
        raise InputError(msg)


def _notes(result: Registration, scale: float) -> tuple[str, ...]:
    notes = []
    if result.overlap < LOW_OVERLAP:
        notes.append(f"low overlap: only {result.overlap:.0%} of the after-image lies on the before-image")
    inside = result.status != OUTSIDE
    lost = float(np.mean(result.status[inside] != USED))
    if lost > 0.1:
        notes.append(f"{lost:.0%} of the tiles on the before-image are not trusted (weak or outliers); see the tiles")
    first = result.similarity
    if abs(first.angle_deg) > MOST_ANGLE_DEG - 0.4 or abs(first.scale / scale - 1) > MOST_SCALE - 0.007:
        notes.append(
            f"rotation {first.angle_deg:.2f} degrees and scale {first.scale:.4f} lie at the edge of what is searched"
        )
    return tuple(notes)
