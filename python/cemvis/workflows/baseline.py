"""Classes of nano-porosity maps told apart by porosity and pore size alone: ``cemvis baseline``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis._files import access_errors, check_free
from cemvis.analysis.porosity.baseline import Identification, identify
from cemvis.analysis.porosity.baseline_tests import MeansTest, compare_means, group_means, intraclass
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows._baseline_files import OUTPUTS, few_of, write_results
from cemvis.workflows._baseline_measure import Measured, least_groups, measure
from cemvis.workflows._npm_maps import SIZE_PX, read_map_set

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BaselineConfig", "BaselineResult", "baseline"]

Progress = Callable[[str, int, int], None]

LEAST_MAPS = 2


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """What is measured and tested.

    Parameters
    ----------
    size_px : int
        Edge of a map.
    pixel_size : PixelSize, optional
        Instead of what the files say.
    pore_threshold : float, optional
        Porosity above which a pixel is pore; None for ISODATA of all maps together.
    area_weighted : bool
        Whether a map's pore size is the mean over pore pixels instead of over pores.
    level : float
        Confidence level of Tukey-Kramer.
    resamplings, seed : int
        For the intervals of accuracies.
    """

    size_px: int = SIZE_PX
    pixel_size: PixelSize | None = None
    pore_threshold: float | None = 0.5
    area_weighted: bool = False
    level: float = 0.90
    resamplings: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        fraction(self.level, name="level")
        if self.pore_threshold is not None:
            fraction(self.pore_threshold, name="pore_threshold")


@dataclass(frozen=True)
class BaselineResult:
    """What plain statistics say of classes.

    Attributes
    ----------
    config : BaselineConfig
    sources : tuple of Path
    measured : Measured
    identifications : tuple of Identification
        By porosity, pore size and both; each with nothing left out, and without the judged map's region and specimen
        where there are enough.
    interval_groups : str
        What was resampled: "regions" or "specimens".
    tests : tuple of MeansTest
        Over maps; over regions and specimens where there are enough.
    intraclass : dict
        Intraclass correlation of the maps of a region, by feature; None where it can't be told.
    warnings, notes : tuple of str
        Warnings go into the figure as well; notes hold them too.
    files : tuple of Path
        The summary first.
    """

    config: BaselineConfig
    sources: tuple[Path, ...]
    measured: Measured
    identifications: tuple[Identification, ...]
    interval_groups: str
    tests: tuple[MeansTest, ...]
    intraclass: dict[str, float | None]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each map."""
        return self.measured.to_frame()


def baseline(
    sources: Sequence[Path],
    output: Path,
    config: BaselineConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> BaselineResult:
    """Identify maps by the nearest class mean and compare the classes' means; write tables, a summary and a figure.

    Parameters
    ----------
    sources : sequence of Path
        Folders ``<class>/<specimen>/<region>.tif``, or lists of maps.
    output : Path
        A folder.
    config : BaselineConfig, optional
    overwrite : bool
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If there are fewer than two classes or two maps a class, or the maps do not go together.
    OutputExistsError
        If an output is there and `overwrite` is not set; tested before work starts.
    FileAccessError, FileFormatError
    """
    config = config or BaselineConfig()
    output = Path(output)
    check_free(output, OUTPUTS, overwrite=overwrite)
    size = None if config.pixel_size is None else config.pixel_size.um
    paths = tuple(Path(path) for path in sources)
    maps = read_map_set(paths, size_px=config.size_px, pixel_size_um=size, least_maps=LEAST_MAPS, least_classes=2)
    measured = measure(
        maps, pore_threshold=config.pore_threshold, area_weighted=config.area_weighted, progress=progress
    )
    groups = "specimens" if least_groups(measured.labels, measured.specimens) > 2 else "regions"
    identifications = _identifications(measured, config, groups)
    tests = _tests(measured, config)
    alike = {
        name: intraclass(values, measured.labels, measured.regions)
        for name, values in (("porosity", measured.porosity), ("pore size", measured.pore_size_um2))
    }
    warnings = _warnings(measured)
    notes = (*warnings, *_notes(measured, alike), *maps.notes)
    found = BaselineResult(
        config, paths, measured, identifications, groups, tests, alike, tuple(warnings), tuple(notes)
    )
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        (output / OUTPUTS[0]).unlink(missing_ok=True)
    return replace(found, files=write_results(found, output, command=command))


def _identifications(measured: Measured, config: BaselineConfig, groups: str) -> tuple[Identification, ...]:
    porosity, size = measured.porosity[:, None], measured.pore_size_um2[:, None]
    features = (("porosity", porosity), ("pore size", size), ("both", np.hstack([porosity, size])))
    left_out: list[tuple[str, NDArray[np.intp]] | None] = [None]
    left_out += [
        (name, numbers)
        for name, numbers in (("region", measured.regions), ("specimen", measured.specimens))
        if least_groups(measured.labels, numbers) > 1
    ]
    # Classes are dealt out among specimens wherever that can be done: regions of one specimen may be alike.
    dealt = measured.specimens if least_groups(measured.labels, measured.specimens) > 1 else measured.regions
    return tuple(
        identify(
            values,
            measured.labels,
            feature=name,
            groups=getattr(measured, groups),
            left_out=without,
            dealt=dealt,
            resamplings=config.resamplings,
            seed=config.seed,
        )
        for without in left_out
        for name, values in features
    )


def _tests(measured: Measured, config: BaselineConfig) -> tuple[MeansTest, ...]:
    found = []
    for over in ("maps", "regions", "specimens"):
        for feature, unit, values in (
            ("porosity", "", measured.porosity),
            ("pore size", "um2", measured.pore_size_um2),
        ):
            labels = measured.labels
            if over != "maps":
                groups = getattr(measured, over)
                if least_groups(labels, groups) < 2:
                    continue
                values, labels = group_means(values, labels, groups)
            classes = measured.maps.classes
            found.append(
                compare_means(
                    values, labels, classes=classes, feature=feature, unit=unit, over=over, level=config.level
                )
            )
    return tuple(found)


def _warnings(measured: Measured) -> list[str]:
    if least_groups(measured.labels, measured.specimens) > 1:
        return []
    names = measured.maps.classes
    single = [
        name for number, name in enumerate(names) if np.unique(measured.specimens[measured.labels == number]).size == 1
    ]
    return [
        f"class and specimen coincide ({few_of(single, ', ')}: one specimen): any difference between specimens, "
        "sessions or mixes passes for one between classes"
    ]


def _notes(measured: Measured, alike: dict[str, float | None]) -> list[str]:
    notes = ["means with nothing left out hold the judged map itself: optimistic, as in the paper"]
    if least_groups(measured.labels, measured.regions) < 2:
        notes.append("a class has one region only: no map can be judged without its own region")
    told = [f"{value:.2f} for {name}" for name, value in alike.items() if value is not None]
    if told:
        notes.append(
            f"maps of one region may be alike (intraclass correlation {' and '.join(told)}): tests over maps take them "
            "as independent, those over regions or specimens do not"
        )
    elif len(measured.maps) > np.unique(measured.regions).size:
        notes.append("maps of one region are not independent, and tests over maps take them as if they were")
    return notes
