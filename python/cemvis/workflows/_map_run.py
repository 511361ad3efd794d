"""A map from an opened mosaic and a model: prepare, pass over the pixels, predict, write, publish."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from cemvis._checks import thread_count
from cemvis.errors import (
    CemvisWarning,
    DeviceMemoryError,
    FileAccessError,
    FileFormatError,
    GreyScaleWarning,
    InputError,
)
from cemvis.images.grey_scale import GreyScale
from cemvis.workflows._map_files import publish
from cemvis.workflows._map_grey import matched_grey
from cemvis.workflows._map_inputs import check_mask, image_origin, notes_on, path_of
from cemvis.workflows._map_network_pass import Gatherer, NetworkGrids, NetworkJob, run_network
from cemvis.workflows._map_network_plan import NetworkPlan, Tile, fitted_layout, in_words, plan_network
from cemvis.workflows._map_pass import WindowGrids, sum_windows
from cemvis.workflows._map_plan import BYTES_PER_CELL, Block, CellGrid, cell_grid, pixel_size_warning, plan_blocks
from cemvis.workflows._map_predict import NetworkCells, Statistics, predict_cells, sampled
from cemvis.workflows._map_result import MapConfig, MapResult
from cemvis.workflows._map_store import WorkFolder
from cemvis.workflows._map_summary import origin_of
from cemvis.workflows._map_write import Predicted, Prepared, Progress, write_files

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph
    from cemvis.models.model import Model

OUTSIDE_SHARE = 0.05  # of the mapped cells: more outside the training range than that is warned of


@contextmanager
def collected_warnings(into: list[str]) -> Iterator[None]:
    """Append the text of each warning of cemvis to `into`, and give all warnings again when the block ends."""
    given: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            given = caught
            yield
    finally:  # a warning may explain the error that follows it
        into += [str(each.message) for each in given if issubclass(each.category, CemvisWarning)]
        for each in given:
            warnings.warn(each.message, each.category, stacklevel=5)


def run_map(
    image: Micrograph,
    model: Model,
    config: MapConfig,
    *,
    region: Micrograph | None,
    warned: list[str],
    notes: tuple[str, ...],
    progress: Progress | None,
    notify: Callable[[str], None] | None,
) -> MapResult:
    """Map `image` with `model`; see `cemvis.map_mosaic`.

    `warned` holds the warnings so far and gets the new ones, `notes` what was decided until here.
    """
    report = progress if progress is not None else _silent
    with collected_warnings(warned):
        job = _prepare(image, region, model, config, notes=notes)
    finished = job.work.open(resume=config.resume, overwrite=config.overwrite)
    if notify is not None:
        for note in job.notes:
            notify(note)
    try:
        windows = _pass_over(image, region, job, finished, threads=thread_count(config.threads), report=report)
        with collected_warnings(warned):
            cells = _predict(job, model, windows)
        files = write_files(job, model, cells, warned=warned, report=report)
        paths = publish(job.work.path, config.output, files)
    except (FileFormatError, InputError):  # going on would meet the same again, so there is nothing to resume
        job.work.remove()
        raise
    except DeviceMemoryError as error:
        if job.network is None:
            raise
        raise _with_advice(error, job.network.plan, job.work, resumable=bool(model.digest)) from error
    except FileAccessError as error:
        if not model.digest:
            raise
        msg = f"{error}; the work so far is kept: free space or mend the access, and go on with --resume (resume=True)"
        raise FileAccessError(msg) from error
    job.work.remove()
    return MapResult(
        config.output,
        paths,
        job.grid,
        image.require_pixel_size(),
        job.transform,
        cells.counts,
        cells.statistics,
        {each.name: each.unit for each in model.properties},
        tuple(warned),
        notes=(*notes_on(image), *job.notes),
        interval_notes={each.name: each.interval.note for each in model.properties if each.interval.stretch is None},
        network="" if job.network is None else in_words(job.network.plan),
    )


def _with_advice(
    error: DeviceMemoryError, plan: NetworkPlan, work: WorkFolder, *, resumable: bool
) -> DeviceMemoryError:
    """Return `error` with the setting that takes less memory; drop the work that a map with it could not go on with."""
    advice = "one window is all that it was given: give another --device (device=)"
    if plan.dense and plan.tile_samples > plan.layout.window:
        advice = f"give --tile under {plan.tile_samples} (tile_samples=), or another --device (device=)"
    elif not plan.dense and plan.batch > 1:
        advice = f"give --batch under {plan.batch} (batch=), or another --device (device=)"
    if plan.dense:  # other tiles are another job
        work.remove()
    elif resumable:
        advice += "; the work so far is kept: go on with --resume (resume=True)"
    return DeviceMemoryError(f"{error}: {advice}")


def _silent(stage: str, done: int, steps: int) -> None:
    """Report nothing."""


def _pass_over(
    image: Micrograph, region: Micrograph | None, job: Prepared, finished: set[int], *, threads: int, report: Progress
) -> WindowGrids:
    """Fill the grids of the work folder: sums of the pixels of each cell, then what a network says, if there is one."""
    windows = WindowGrids.in_folder(job.work)
    sum_windows(
        image,
        region,
        job.grid,
        job.plan,
        job.work,
        windows,
        field=None if job.network is None else job.network.plan.beyond_the_cell,
        finished=finished,
        threads=threads,
        progress=lambda done, all_blocks: report("reading the mosaic", done, all_blocks),
    )
    if job.network is not None:
        standard = job.network.network.standard_on(job.transform)
        run_network(
            job.network,
            Gatherer(image, job.network.plan, standard, threads=threads),
            job.work,
            NetworkGrids.in_folder(job.work, job.network.network.targets),
            inside=windows.inside,
            first_block=len(job.plan.blocks),
            finished=finished,
            progress=lambda done, cells: report("running the network", done, cells),
        )
    return windows


def _prepare(
    image: Micrograph, region: Micrograph | None, model: Model, config: MapConfig, *, notes: tuple[str, ...]
) -> Prepared:
    """Check everything that can be checked before the pass, and settle what the values depend on."""
    pixel_size = image.require_pixel_size()
    grid = cell_grid(image.shape, pixel_size.um, window_um=model.window_um, step_um=config.step_um)
    network, more_notes = _network(image, model, grid, config)
    grid = grid if network is None else network.plan.grid
    warning = pixel_size_warning(pixel_size.um, model.pixel_size_um)
    if warning is not None:
        warnings.warn(warning, stacklevel=2)
    if region is not None:
        check_mask(region, image)
    if config.resume and not model.digest:
        msg = "resume needs a model from a file: one made in memory cannot be told from another"
        raise InputError(msg)
    transform = matched_grey(image, model, config.anchors, threads=thread_count(config.threads))
    plan = plan_blocks(
        grid,
        image.chunk_shape,
        block_px=max(1, config.block_bytes // image.dtype.itemsize),
        block_cells=max(1, config.block_bytes // BYTES_PER_CELL),
    )
    origin = origin_of(
        mosaic=image_origin(image),
        mask=None if region is None else image_origin(region),
        model=model,
        pixel_size=pixel_size,
        grid=grid,
        transform=transform,
        asked={
            "step_um": config.step_um,
            "anchors": asdict(config.anchors) if isinstance(config.anchors, GreyScale) else config.anchors,
        },
        network=None if network is None else network.plan,
    )
    field = None if network is None else network.plan.beyond_the_cell
    kinds, blocks = WindowGrids.kinds(grid, plan, masked=region is not None, field=field), len(plan.blocks)
    if network is not None:
        kinds |= NetworkGrids.kinds(grid, network.network.targets)
        blocks += len(network.plan.tiles)
    # Blocks are finished by their numbers: the same number has to stand for the same cells when the map goes on.
    pieces = _digest(plan.blocks, () if network is None else network.plan.tiles)
    job = origin | {"block_bytes": int(config.block_bytes), "pieces": pieces}
    if network is not None and config.tile_samples is not None:
        job |= {"tile_samples": int(config.tile_samples)}
    work = WorkFolder(config.output, job, blocks=blocks, grids=kinds)
    return Prepared(grid, plan, transform, origin, work, network, (*notes, *more_notes), path_of(image))


def _digest(*pieces: Sequence[Block] | Sequence[Tile]) -> str:
    """Return a digest of the cells and pixels of every piece that a map is made in."""
    return hashlib.sha256(repr(pieces).encode()).hexdigest()


def _network(
    image: Micrograph, model: Model, grid: CellGrid, config: MapConfig
) -> tuple[NetworkJob | None, tuple[str, ...]]:
    """Return the model's network, ready to run, and what there is to say about it; None if it has none."""
    network = model.window_network
    if network is None:
        return None, _unused_options(config)
    layout = fitted_layout(network.layout, pixel_size_um=grid.pixel_size_um, model_pixel_size_um=model.pixel_size_um)
    plan, notes = plan_network(
        layout,
        grid,
        step_given=config.step_um is not None,
        tile_samples=config.tile_samples,
        block_px=max(1, config.block_bytes // image.dtype.itemsize),
        batch=config.batch,
    )
    predictor = network.predictor(backend=config.backend, device=config.device, threads=thread_count(config.threads))
    return NetworkJob(plan, network, predictor), notes


def _unused_options(config: MapConfig) -> tuple[str, ...]:
    """Return a note on the options that mean nothing to a model without a network, if any were given.

    Raises
    ------
    InputError
        If the device is not there, all the same.
    """
    if config.device not in ("auto", "cpu"):
        from cemvis.models.device import torch_device

        torch_device(config.device)
    asked = {
        "--device": config.device != "auto",
        "--backend": config.backend != "auto",
        "--batch": config.batch is not None,
        "--tile": config.tile_samples is not None,
    }
    given = [name for name, is_given in asked.items() if is_given]
    return (f"{', '.join(given)}: for networks, and this model has none",) if given else ()


def _predict(job: Prepared, model: Model, windows: WindowGrids) -> Predicted:
    """Predict every cell, with a warning if too many lie outside the training range."""
    network = None
    if job.network is not None:
        targets = job.network.network.targets
        grids = NetworkGrids.in_folder(job.work, targets)
        network = NetworkCells(job.network.plan, grids, windows.around, job.network.network)
    properties, flags, counts = predict_cells(windows, job.grid, job.transform, model, job.work, network)
    if counts.mapped == 0:
        msg = "no window lies wholly in the mask; is it inverted? wanted nonzero where it is to be mapped"
        raise InputError(msg)
    if job.network is not None and counts.border == counts.mapped:
        field = job.network.plan.field_px
        msg = (
            f"no cell has an interval: the {field} px ({field * job.grid.pixel_size_um:.4g} um) that the network reads "
            "around each reach over the border of the mosaic or of the region of interest; trust the values less, and "
            "map a larger piece, or with a model that reads less"
        )
        warnings.warn(msg, CemvisWarning, stacklevel=2)
    if counts.outside_share > OUTSIDE_SHARE:
        values = "their values are those of the range's ends" if network is None else "their values are guesses"
        msg = (
            f"{counts.outside_share:.0%} of the cells ({counts.outside:,} of {counts.mapped:,}) lie outside the grey "
            f"range that the model was trained on: {values}; check the grey scale, or train on material like this"
        )
        warnings.warn(msg, GreyScaleWarning, stacklevel=2)
    samples = {name: sampled(each.value) for name, each in properties.items()}
    statistics = {name: Statistics.of(values) for name, values in samples.items()}
    return Predicted(windows, properties, flags, counts, samples, statistics)
