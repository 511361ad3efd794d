"""Data sets of training pairs: which windows of which mosaics go with which measurements: ``cemvis dataset``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cemvis import __version__
from cemvis._checks import positive, thread_count
from cemvis._files import check_free, sha256_of
from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyScale
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows._dataset_export import check_apart, check_export, write_data_set
from cemvis.workflows._dataset_manifest import (
    ABOUT,
    TABLE,
    area_record,
    relative_to,
)
from cemvis.workflows._dataset_manifest import DataSet as DataSet
from cemvis.workflows._dataset_manifest import load_data_set as load_data_set
from cemvis.workflows._dataset_rows import Limits, Rows, counted, read_rows
from cemvis.workflows._dataset_sources import Source, sources_of
from cemvis.workflows._dataset_table import check_overlaps, frame_of
from cemvis.workflows.pairs import Area, Listed, Pairs, check_same_material, pair_area

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
FLAGS = ("missing", "pore", "ambiguous", "unregistered")
"""What is said of located indents that are doubtful."""


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Which indents go into a data set.

    Attributes
    ----------
    statuses : tuple of str
        That tests may have.
    min_score : float or None
        Least score of a located indent.
    max_residual_px, max_error_px : float or None
        Largest distance of a located indent's own peak from its grid, and largest estimated error.
    depth_nm : (least, most) or None
        `most` may be infinite; manifest.json then says null.
    flags : tuple of str
        Of doubtful indents that are kept all the same; by default none is.
    window_um : float
        Edge of the square window around each indent.
    pixel_size : PixelSize or None
        Of all mosaics, instead of what their files say.
    anchors : GreyScale or None
        Grey levels of matrix and clinker in all mosaics, instead of those in their histograms.
    seed : int
        Of the splits.
    threads : int or None
        All cores if None.
    """

    statuses: tuple[str, ...] = ("ok",)
    min_score: float | None = None
    max_residual_px: float | None = None
    max_error_px: float | None = None
    depth_nm: tuple[float, float] | None = None
    flags: tuple[str, ...] = ()
    window_um: float = 10.0
    pixel_size: PixelSize | None = None
    anchors: GreyScale | None = None
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        positive(self.window_um, name="window_um")
        thread_count(self.threads)
        for name in ("max_residual_px", "max_error_px"):
            if getattr(self, name) is not None:
                positive(getattr(self, name), name=name)
        if self.min_score is not None and not np.isfinite(self.min_score):
            msg = f"min_score is {self.min_score}; wanted a finite number"
            raise InputError(msg)
        if self.depth_nm is not None and not 0 <= self.depth_nm[0] < self.depth_nm[1]:
            msg = f"depth_nm is {self.depth_nm[0]:g} to {self.depth_nm[1]:g}; wanted a smaller and a larger depth in nm"
            raise InputError(msg)
        if not self.statuses or not all(self.statuses):
            msg = "statuses is empty; wanted at least one, such as ok"
            raise InputError(msg)
        unknown = [flag for flag in self.flags if flag not in FLAGS]
        if unknown:
            msg = f"flag {unknown[0]!r} is unknown; wanted some of {', '.join(FLAGS)}"
            raise InputError(msg)
        if isinstance(self.seed, bool) or not 0 <= self.seed < 2**32:
            msg = f"seed is {self.seed}; wanted a whole number from 0 to 2**32 - 1"
            raise InputError(msg)

    @property
    def limits(self) -> Limits:
        """What a row has to keep to."""
        return Limits(
            statuses=tuple(status.strip().lower() for status in self.statuses),
            flags=self.flags,
            min_score=self.min_score,
            max_residual_px=self.max_residual_px,
            max_error_px=self.max_error_px,
            depth_nm=self.depth_nm,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the same data set would be made with; threads make no difference to it."""
        record = asdict(self)
        del record["threads"]
        if self.depth_nm is not None:
            record["depth_nm"] = [depth if np.isfinite(depth) else None for depth in self.depth_nm]
        return record


@dataclass(frozen=True, eq=False)
class DatasetResult:
    """A data set that was made.

    Attributes
    ----------
    folder : Path
    export : Path or None
    frame : DataFrame
        A row for each pair.
    about : dict
        What manifest.json says.
    """

    folder: Path
    export: Path | None
    frame: pd.DataFrame
    about: dict[str, Any]


def make_data_set(
    folders: Sequence[Path],
    output: Path,
    config: DatasetConfig | None = None,
    *,
    areas: Sequence[Area] = (),
    export: Path | None = None,
    overwrite: bool = False,
    command: str = "",
    on_area: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> DatasetResult:
    """Choose indents, tie each to its window of the before-image, and write the manifest; pixels only for an export.

    Parameters
    ----------
    folders : sequence of Path
        Each holds located.csv and located.json as ``cemvis locate`` writes them, with decisions.csv if a person made
        any, or before.tif and indents.csv.
    output : Path
        Folder for manifest.parquet and manifest.json.
    config : DatasetConfig, optional
    areas : sequence of Area
        Further mosaics with their tables.
    export : Path, optional
        A Zarr store that gets the windows, too.
    overwrite : bool
        Whether an existing data set or export is replaced.
    command : str
        The command line, for the record.
    on_area : callable, optional
        Called with a line on each area as soon as its pairs are there.
    progress : callable, optional
        Called with what is done, how far it is, and of how much.

    Returns
    -------
    DatasetResult

    Raises
    ------
    OutputExistsError
        If there is a data set or export already and `overwrite` is not set; tested before work starts.
    InputError
        If `export` is no export, or is, contains or lies inside what the data set is made from; if nothing is left of
        a table, two tables hold the same indents, pixel sizes differ, an image is not the one that indents were
        located on, or numbers cannot be what their columns say.
    CemvisError
        If files cannot be read or written. Whatever the error, all outputs are left as they were.
    """
    config, output = config or DatasetConfig(), Path(output)
    check_free(output, (ABOUT, TABLE), overwrite=overwrite)
    if export is not None:
        check_export(Path(export), output, overwrite=overwrite)
    sources = sources_of(folders, areas)
    if export is not None:
        check_apart(Path(export), [*map(Path, folders), *(path for source in sources for path in source.files)])
    rows = [read_rows(source.table, config.limits, decisions=source.decisions) for source in sources]
    pairs: list[Pairs] = []
    for source, chosen in zip(sources, rows, strict=True):
        pairs.append(_paired(source, chosen, config))
        if on_area is not None:
            on_area(_line(pairs[-1], chosen))
    check_same_material(pairs)
    check_overlaps(pairs, config.window_um)
    frame = frame_of(pairs, rows, config.seed)
    about = _about(sources, rows, pairs, frame, config, output, command)
    threads = thread_count(config.threads)
    write_data_set(output, export, pairs, frame, about, threads=threads, progress=progress)
    return DatasetResult(output, None if export is None else Path(export), frame, about)


def _paired(source: Source, chosen: Rows, config: DatasetConfig) -> Pairs:
    listed = Listed(
        indents=chosen.indents,
        table_sha256=chosen.sha256,
        mosaic_sha256=source.mosaic_sha256,
        pixel_size=source.pixel_size_with(config.pixel_size),
        anchors=config.anchors,
        window_um=config.window_um,
    )
    area = Area(source.name, source.mosaic, source.table, listed)
    return pair_area(area, properties=(), window_um=config.window_um, threads=config.threads)


def _line(pairs: Pairs, chosen: Rows) -> str:
    left_out = chosen.left_out | {"border": pairs.at_border}
    size = pairs.pixel_size
    accepted = f"; kept as accepted by a person: {chosen.accepted:,}" if chosen.accepted else ""
    return (
        f"{pairs.area.name}: {len(pairs.indents):,} pairs of {chosen.total:,} indents, windows of {pairs.window_px} px "
        f"at {size} per px ({size.source}); left out: {counted(left_out)}{accepted}"
    )


def _about(
    sources: Sequence[Source],
    rows: Sequence[Rows],
    pairs: Sequence[Pairs],
    frame: pd.DataFrame,
    config: DatasetConfig,
    output: Path,
    command: str,
) -> dict[str, Any]:
    """Return what the data set was made from and how, JSON-ready."""
    records = [
        area_record(each, output)
        | {
            "batches": len(np.unique(each.indents.batch)),
            "rows": chosen.total,
            "left_out": chosen.left_out | {"border": each.at_border},
            "decisions": None
            if source.decisions is None
            else {
                "path": relative_to(source.decisions, output),
                "sha256": sha256_of(source.decisions),
                "rejected": chosen.left_out["rejected"],
                "accepted": chosen.accepted,
            },
        }
        for source, chosen, each in zip(sources, rows, pairs, strict=True)
    ]
    return {
        "cemvis": __version__,
        "command": command,
        "settings": config.to_json(),
        "frame": "x right, y down from the centre of the top-left pixel of the area's mosaic",
        "pairs": len(frame),
        "batches": sum(record["batches"] for record in records),
        "splits": {
            name: {part: int(count) for part, count in sorted(frame[name].value_counts().items())}
            for name in ("split_random", "split_batch")
        },
        "areas": records,
    }
