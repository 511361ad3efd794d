"""Two-point correlation of images in which every grey level is a phase: ``cemvis two-point``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cemvis._files import access_errors, check_free
from cemvis.analysis.correlation.bands import bootstrap_bands
from cemvis.analysis.correlation.counting import Counting
from cemvis.analysis.correlation.segments import cluster_counts
from cemvis.errors import InputError
from cemvis.kernels.two_point import DifferenceCounts
from cemvis.workflows._two_point_count import count_images
from cemvis.workflows._two_point_files import output_names, write_results
from cemvis.workflows._two_point_inputs import Image, look_at, rings_to_count
from cemvis.workflows._two_point_notes import notes_of
from cemvis.workflows._two_point_read import open_levels
from cemvis.workflows._two_point_result import TwoPointConfig, TwoPointResult

__all__ = ["TwoPointConfig", "TwoPointResult", "two_point"]

Progress = Callable[[str, int, int], None]

MOST_CLUSTER_PX = 1 << 26
MOST_DIRECTIONAL_BYTES = 1 << 30


def two_point(
    paths: Sequence[Path],
    output: Path,
    config: TwoPointConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> TwoPointResult:
    """Count the pixel pairs of images by distance and levels, and write what they say to the folder `output`.

    Parameters
    ----------
    paths : sequence of Path
        Micrographs, maps of floats, or .npy arrays; several are an ensemble whose counts add up.
    output : Path
    config : TwoPointConfig, optional
    overwrite : bool
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If images, masks and settings do not go together.
    OutputExistsError
        If an output is there and `overwrite` is not set; tested before work starts.
    FileAccessError, FileFormatError
    """
    config = config or TwoPointConfig()
    output = Path(output)
    check_free(output, output_names(), overwrite=overwrite)
    look = {"pixel_size": config.pixel_size, "quantisation": config.quantisation}
    images = look_at([Path(path) for path in paths], config.masks, **look, progress=progress)  # type: ignore[arg-type]
    cross = _cross(config, images)
    what = _counting(config, images)
    ensemble, tiling = count_images(
        images,
        what,
        quantisation=config.quantisation,
        cross=cross,
        sample=config.tiles,
        seed=config.seed,
        progress=progress,
    )
    clusters = _clusters(config, images, what.r_max, progress) if config.clusters else {}
    bands = None
    if config.resamplings:
        if progress is not None:
            progress("resampling", 0, 1)
        bands = bootstrap_bands(
            ensemble.groups,
            ensemble.total,
            resamplings=config.resamplings,
            level=config.level,
            tolerance=config.tolerance,
            seed=config.seed,
        )
    found = TwoPointResult(
        config, images, cross, ensemble.total, clusters, bands, ensemble.unit, ensemble.units, tiling
    )
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    return write_results(found, output, notes=notes_of(found, len(ensemble.groups)), command=command)


def _cross(config: TwoPointConfig, images: Sequence[Image]) -> Image | None:
    if config.cross is None:
        return None
    if len(images) > 1:
        msg = f"{len(images)} images are given with --cross; wanted one, to pair with {config.cross}"
        raise InputError(msg)
    first = images[0]
    both = look_at(
        [first.path, config.cross],
        [] if first.mask is None else [first.mask],
        pixel_size=config.pixel_size,
        quantisation=config.quantisation,
    )
    if both[1].shape != first.shape:
        shapes = [f"{each.shape[0]} x {each.shape[1]} px" for each in both]
        msg = f"{config.cross} is {shapes[1]} and {first.path} {shapes[0]}; wanted the same"
        raise InputError(msg)
    return both[1]


def _counting(config: TwoPointConfig, images: Sequence[Image]) -> Counting:
    size = images[0].pixel_size
    r_max = rings_to_count(images, config.r_max, periodic=config.periodic, pixel_size=size)
    reach = None
    if config.directional is not None:
        reach = config.directional.pixels(size)
        limit = min(min(each.shape) for each in images)
        limit = limit // 2 if config.periodic else limit - 1
        both = 1 if config.cross is None else 2
        least = both * (reach + 1) * (2 * reach + 1) * config.quantisation.levels * 8
        if not 1 <= reach <= limit or least > MOST_DIRECTIONAL_BYTES:
            msg = (
                f"directions up to {reach} px take {least / 1e6:.0f} MB; wanted 1 to {limit} px and at most "
                f"{MOST_DIRECTIONAL_BYTES / 1e6:.0f} MB: choose fewer px, or fewer --levels"
            )
            raise InputError(msg)
    return Counting(
        r_max,
        config.quantisation.levels,
        config.phases,
        config.full,
        reach,
        config.lineal,
        config.periodic,
        config.threads,
    )


def _clusters(
    config: TwoPointConfig, images: Sequence[Image], r_max: int, progress: Progress | None
) -> dict[str, DifferenceCounts]:
    found: dict[str, DifferenceCounts] = {}
    if config.phases is None:
        return found
    for number, image in enumerate(images):
        if image.shape[0] * image.shape[1] > MOST_CLUSTER_PX:
            msg = f"{image.path} is too large to find clusters in, which holds it whole; wanted at most 67 Mpx"
            raise InputError(msg)
        with open_levels(image.path, pixel_size=image.pixel_size, quiet=True) as picture:
            levels = picture.levels(0, 0, *image.shape, quantisation=config.quantisation)
        for each in config.phases.given:
            inside = (levels >= each.lowest) & (levels <= each.highest)
            counts = cluster_counts(inside, r_max=r_max, threads=config.threads)
            found[each.name] = found[each.name] + counts if each.name in found else counts
        if progress is not None:
            progress("following clusters", number + 1, len(images))
    return found
