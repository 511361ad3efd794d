"""A whole comparison of classes of images, from images or nano-porosity maps to one page: ``cemvis compare``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cemvis._files import access_errors, check_free
from cemvis.workflows._classify_files import model_name
from cemvis.workflows._compare_config import CompareConfig
from cemvis.workflows._compare_correlation import correlate
from cemvis.workflows._compare_explained import HELD_OUT, read_explained, write_held_out
from cemvis.workflows._compare_files import (
    FINDINGS,
    PAGE,
    SUMMARY,
    summary,
    write_correlations,
    write_patterns,
    write_summary,
)
from cemvis.workflows._compare_shared import find_patterns
from cemvis.workflows._compare_steps import STEPS, Steps, check_outside, listing
from cemvis.workflows._explain_result import spread_over
from cemvis.workflows._npm_maps import MapSet, read_map_set

__all__ = ["CompareConfig", "CompareResult", "compare"]

Progress = Callable[[str, int, int], None]

FILES = (PAGE, SUMMARY, FINDINGS, HELD_OUT)
FOLDERS = ("npm", "baseline", "classify", "explain", "correlation", "shared")


@dataclass(frozen=True)
class CompareResult:
    """Where a comparison went, and what it says.

    Attributes
    ----------
    record : dict
        As in compare.json.
    warnings : tuple of str
    files : tuple of Path
        The page first.
    """

    record: dict[str, Any] = field(repr=False)
    warnings: tuple[str, ...]
    files: tuple[Path, ...]


def compare(
    sources: Sequence[Path],
    output: Path,
    config: CompareConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> CompareResult:
    """Compare classes of maps by statistics, classifier, explanation, correlation and shared patterns.

    Parameters
    ----------
    sources : sequence of Path
        Folders ``<class>/<specimen>/<region>.tif``, or lists of maps (of maps only).
    output : Path
        A folder; each step has a folder in it.
    config : CompareConfig, optional
    overwrite : bool
        Whether an earlier comparison may be replaced.
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If there are too few classes, images or maps, settings do not fit, or the output lies in a source.
    OutputExistsError
        If an output is there and neither `overwrite` nor ``config.resume`` is set.
    PixelSizeError, FileAccessError, FileFormatError, TrainingError
    """
    config, output = config or CompareConfig(), Path(output)
    check_outside(output, sources)
    check_free(output, (*FILES, STEPS, *FOLDERS), overwrite=overwrite or config.resume)
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        # What an earlier run says of all steps must not stand beside those of a run that stops half way.
        for name in FILES:
            (output / name).unlink(missing_ok=True)
    run = _Run([Path(source) for source in sources], output, config, progress)
    run.maps = run.calibrated()
    run.baseline()
    run.classified()
    run.explained()
    run.correlated()
    run.patterns()
    return run.told(command)


class _Run:
    """The steps of one comparison, each from files to files."""

    def __init__(self, sources: list[Path], output: Path, config: CompareConfig, progress: Progress | None) -> None:
        self.sources, self.output, self.config, self.progress = sources, output, config, progress
        self.steps = Steps(output, resume=config.resume)
        self.maps: MapSet

    def calibrated(self) -> MapSet:
        """Return the maps, calibrated from images where need be."""
        config = self.config
        if config.images:
            from cemvis.workflows.npm import NpmConfig, npm

            npm_config = replace(NpmConfig(figures=False), pixel_size=config.pixel_size)
            made_of = {"sources": [listing(source) for source in self.sources], "pixel_size": config.pixel_size}
            folder = self.output / "npm"
            self.steps.run(
                "npm",
                made_of,
                lambda: npm(self.sources, folder, npm_config, overwrite=True, progress=self.progress),
            )
            self.sources = [folder]
        size = None if config.pixel_size is None else config.pixel_size.um
        return read_map_set(self.sources, size_px=config.size_px, pixel_size_um=size, least_maps=3, least_classes=2)

    def baseline(self) -> None:
        """Tell classes by porosity and pore size."""
        from cemvis.workflows.baseline import BaselineConfig, baseline

        config = self.config
        wanted = BaselineConfig(size_px=config.size_px, pixel_size=config.pixel_size, seed=config.seed)
        folder = self.output / "baseline"
        self.steps.run(
            "baseline",
            {"maps": self.maps.digest, "config": wanted},
            lambda: baseline(self.sources, folder, wanted, overwrite=True, progress=self.progress),
        )

    def classified(self) -> None:
        """Train and test the network."""
        from cemvis.workflows.classify import ClassifyConfig, classify

        config = self.config
        wanted = ClassifyConfig(
            features=config.features,
            size_px=config.size_px,
            pixel_size=config.pixel_size,
            channels=config.channels,
            trainer=replace(config.trainer, seed=config.seed),
            folds=config.folds,
            threads=config.threads,
        )
        folder = self.output / "classify"
        resumed = replace(wanted, resume=config.resume)
        self.steps.run(
            "classify",
            {"config": wanted},
            lambda: classify(self.sources, folder, resumed, overwrite=True, progress=self.progress),
        )

    def explained(self) -> None:
        """Explain maps that were never trained on."""
        from cemvis.workflows.explain import ExplainConfig, explain_images

        config = self.config
        held_out = write_held_out(self.maps, self.output / "classify", self.output)
        wanted = ExplainConfig(most=config.explained_maps, score="contrast", seed=config.seed)
        wanted = replace(wanted, pixel_size=config.pixel_size)
        model = self.output / "classify" / model_name(config.features[0])
        folder = self.output / "explain"
        self.steps.run(
            "explain",
            {"config": wanted},
            lambda: explain_images([held_out], model, folder, wanted, overwrite=True, progress=self.progress),
        )

    def correlated(self) -> None:
        """Correlate whole maps, characteristic regions, and the same masks on other maps."""
        config = self.config

        def work() -> None:
            explained, _, _ = read_explained(self.maps, self.output / "explain")
            found = correlate(
                self.maps,
                explained,
                whole=self._whole_maps(),
                sigma_px=config.sigma_px,
                r_max=config.reach_px,
                seed=config.seed,
                threads=config.threads,
                progress=self._told("correlating"),
            )
            write_correlations(found, self.maps, self.output / "correlation", features=config.features[0])

        self.steps.run("correlation", {"r_max": config.reach_px, "whole": config.whole_maps}, work)

    def patterns(self) -> None:
        """Find patterns that maps of a class share, beside what chance makes of them."""
        config = self.config

        def work() -> None:
            explained, relevance, _ = read_explained(self.maps, self.output / "explain")
            levels = self.maps.levels(explained.indices, sigma_px=config.sigma_px)
            found = find_patterns(
                self.maps,
                explained,
                relevance,
                levels,
                draws=config.draws,
                seed=config.seed,
                threads=config.threads,
                progress=self._told("shared patterns"),
            )
            write_patterns(found, self.maps, self.output / "shared")

        self.steps.run("shared", {"draws": config.draws}, work)

    def told(self, command: str) -> CompareResult:
        """Write the summary and the page."""
        from cemvis.workflows.report import ReportConfig, write_report

        folders = [self.output / name for name in FOLDERS if (self.output / name).is_dir()]
        shown = [each for folder in folders for each in (folder, folder / "figures") if each.is_dir()]
        record = summary(self.output, self.maps, self.config.features, command=command)
        write_summary(self.output, record)
        page = ReportConfig(title="Comparison of " + ", ".join(self.maps.classes))
        write_report([self.output, *shown], self.output / PAGE, page, overwrite=True, progress=self.progress)
        warned = tuple(record["warnings"])
        return CompareResult(record, warned, (self.output / PAGE, self.output / SUMMARY, *folders))

    def _whole_maps(self) -> list[int]:
        labels = self.maps.labels()
        chosen: list[int] = []
        for number in range(len(self.maps.classes)):
            own = (labels == number).nonzero()[0]
            chosen += own[spread_over(len(own), self.config.whole_maps)].tolist()
        return chosen

    def _told(self, stage: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, steps: progress(stage, done, steps)
