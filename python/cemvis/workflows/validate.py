"""The out-of-bag test: whether maps of an unseen area have the statistics of measured indents. Files in, files out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cemvis._files import access_errors, check_free
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import Grouped
from cemvis.analysis.validation.distances import compare, groups_apart, halves_of
from cemvis.analysis.validation.mixtures import differences
from cemvis.analysis.validation.result import MEASURED, TESTS, TRUTH, Judged, PropertyValidation, Source
from cemvis.analysis.validation.sample import Sample
from cemvis.errors import InputError
from cemvis.workflows._deconvolve_sources import PROPERTIES, TableValues, read_tables
from cemvis.workflows._validate_files import ERROR_OUTPUTS, OUTPUTS, SUMMARY, write_all
from cemvis.workflows._validate_maps import MapSettings, Progress, gathered
from cemvis.workflows._validate_sources import Mapped, map_sample, measured_sample, table_of_batch
from cemvis.workflows._validate_truth import Truth, judge, tests_sample, truth_digests

__all__ = ["MapSettings", "Progress", "PropertyValidation", "ValidateConfig", "ValidateResult", "validate"]


@dataclass(frozen=True)
class ValidateConfig:
    """How maps are compared with measured indents.

    Attributes
    ----------
    settings : Settings
        Of the mixtures; its seed, resamplings and level hold for distances and errors too. Without a number of
        populations, that which the measured values ask for is taken for all.
    wanted : tuple of str
        Of "modulus" and "hardness"; what measured values and all maps have if empty.
    maps : MapSettings
        How models map the mosaic.
    truth : Path, optional
        The folder of the virtual area that the mosaic is of.
    """

    settings: Settings = field(default_factory=lambda: Settings(populations=4, settling_draws=0))
    wanted: tuple[str, ...] = ()
    maps: MapSettings = field(default_factory=MapSettings)
    truth: Path | None = None


@dataclass(frozen=True)
class ValidateResult:
    """What was found, property by property, and the files that were written."""

    properties: tuple[PropertyValidation, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...]


def validate(
    models: Sequence[Path],
    output: Path,
    config: ValidateConfig | None = None,
    *,
    measured: Sequence[Path],
    mosaic: Path | None = None,
    maps: Sequence[Path] = (),
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> ValidateResult:
    """Compare maps of an area that no model saw with measured indents, and write what was found to `output`.

    Parameters
    ----------
    models : sequence of Path
        Model files; each maps the mosaic.
    output : Path
        Folder.
    config : ValidateConfig, optional
    measured : sequence of Path
        Tables of indents, or folders that hold located.csv or indents.csv.
    mosaic : Path, optional
        Of the unseen area.
    maps : sequence of Path
        Folders of `cemvis map`, made already of one unseen mosaic.
    resume : bool
        Take maps that an earlier run finished.
    overwrite : bool
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If values are unusable, maps are of several mosaics, a model saw the mosaic, or the truth is another area's.
    OutputExistsError
        If an output is there and neither `overwrite` nor, for maps, `resume` is set.
    FileAccessError, FileFormatError
    """
    config = config or ValidateConfig()
    unknown = [each for each in config.wanted if each not in PROPERTIES]
    if unknown:
        msg = f"{unknown[0]!r} cannot be compared; wanted {' or '.join(PROPERTIES)}"
        raise InputError(msg)
    if not measured:
        msg = "no measured indents; give --measured with tables of them"
        raise InputError(msg)
    check_free(output, [*OUTPUTS, *ERROR_OUTPUTS], overwrite=overwrite)
    table = read_tables(measured)
    truth = None if config.truth is None else Truth.open(config.truth)
    mapped, notes = gathered(
        models, maps, mosaic, output, config.maps, resume=resume, overwrite=overwrite, progress=progress
    )
    if truth is not None:
        for each in mapped:
            truth.check(each)
    names = _names(table, mapped, config)
    found = tuple(_property(name, table, mapped, truth, config, progress) for name in names)
    notes = [*table.notes, *notes, *_caveats(table, found), *_of_maps(mapped), *_of_truth(table, truth)]
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        for stale in (SUMMARY, *ERROR_OUTPUTS):  # the summary first, so that no folder mixes two runs
            (output / stale).unlink(missing_ok=True)
    inputs = {
        "measured": list(table.files),
        "maps": [
            {"label": each.label, "path": str(each.folder.path)}
            | {key: each.folder.summary[key] for key in ("model", "mosaic", "mask", "pixel_size", "grid", "grey_scale")
               if key in each.folder.summary}
            for each in mapped
        ],
        "truth": None if truth is None else {"path": str(truth.path), "sha256": truth_digests(truth)},
    }  # fmt: skip
    files = write_all(
        output, found, mapped, truth, inputs=inputs, settings=config.settings, notes=notes, command=command
    )
    return ValidateResult(found, tuple(notes), files)


def _names(table: TableValues, mapped: Sequence[Mapped], config: ValidateConfig) -> list[str]:
    """Return the properties that all have, of those that are wanted."""
    names = []
    for name in config.wanted or PROPERTIES:
        lacking = [each.folder.path for each in mapped if not each.folder.has(name)]
        has_values = measured_sample(table, name) is not None
        if has_values and not lacking:
            names.append(name)
        elif config.wanted:
            what = f"{lacking[0]} maps no {name}" if lacking else f"{table.files[0]['path']} has no {name}_gpa"
            msg = f"{what}; choose another property, or maps and tables that have it"
            raise InputError(msg)
    if not names:
        msg = f"{table.files[0]['path']} and the maps share neither {' nor '.join(PROPERTIES)}; nothing can be compared"
        raise InputError(msg)
    return names


def _property(
    name: str,
    table: TableValues,
    mapped: Sequence[Mapped],
    truth: Truth | None,
    config: ValidateConfig,
    progress: Progress | None,
) -> PropertyValidation:
    settings = config.settings
    told: Callable[[str, int, int], None] = progress or (lambda *_: None)
    own = measured_sample(table, name)
    assert own is not None  # `_names` takes no property without values
    samples: list[tuple[str, bool, Sample, Grouped]] = [(MEASURED, False, own, own.grouped())]
    for each in mapped:
        values = map_sample(each, name)
        samples.append((each.label, True, values, values.grouped()))
    judged: dict[str, Judged] = {}
    if truth is not None:
        for number, each in enumerate(mapped):
            told(f"{name}: beside the truth", number, len(mapped))
            judged[each.label], true = judge(
                each, truth, name, resamplings=settings.resamplings, level=settings.level, seed=settings.seed
            )
            if number == 0:
                samples.append((TRUTH, False, true, true.grouped()))
        tests = tests_sample(truth, name)
        if tests is not None:
            samples.append((TESTS, False, tests, tests.grouped()))
    sources = []
    for number, (label, is_map, sample, grouped) in enumerate(samples):
        told(f"{name}: mixtures", number, len(samples))
        found, mixture = deconvolve(grouped, name=name, settings=settings)
        if settings.populations is None:  # maps get as many as the measured values ask for
            settings = replace(settings, populations=len(found.populations))
        sources.append(Source(label, is_map, sample, grouped, found, mixture))
    told(f"{name}: mixtures", len(samples), len(samples))
    halves = halves_of(own, seed=settings.seed)
    compared, populations = {}, {}
    for other in sources[1:]:
        compared[other.label] = compare(
            own, other.sample, halves=halves, resamplings=settings.resamplings, level=settings.level, seed=settings.seed
        )
        populations[other.label] = differences(sources[0].found, other.found, source=other.label, name=name)
    apart = groups_apart(own, [table_of_batch(table, unit) for unit in own.units])
    return PropertyValidation(name, tuple(sources), halves, apart, compared, populations, judged)


def _caveats(table: TableValues, found: Sequence[PropertyValidation]) -> list[str]:
    """Return what has to be known to read the numbers."""
    notes = []
    failed = sum(each["not_ok"] for each in table.files)
    total = failed + sum(each["used"] + each["without_value"] for each in table.files)
    if failed:
        notes.append(
            f"{failed:,} of {total:,} tests failed (many of them in pores) and are not among the measured values; "
            "maps have a value everywhere"
        )
    measured = found[0].sources[0].sample
    if not measured.by_unit:
        count = len(measured.units)
        notes.append(
            f"{count} {'batch is' if count == 1 else 'batches are'} too few to resample (8 are wanted): intervals are "
            "by single indents, and too narrow if those of a batch are alike"
        )
    for each in found:
        for source in each.sources:
            below = round(float(source.sample.total[source.sample.values <= 0].sum()))
            if below:
                notes.append(f"{below:,} values of {each.name} in {source.label} are not positive: an extrapolation")
            if source.is_map and each.compared[source.label].narrower:
                ratio = each.compared[source.label].sd_ratio
                notes.append(
                    f"{source.label} spreads {each.name} less than the measured indents: {ratio.value:.2f} of their sd "
                    f"({ratio.low:.2f} to {ratio.high:.2f})"
                )
            if source.is_map and not source.sample.by_unit:
                notes.append(f"{source.label} has fewer than 8 blocks with cells: its intervals are by single cells")
    if any(each.compared[source.label].narrower for each in found for source in each.sources if source.is_map):
        notes.append(
            "a map says what is to be expected in a window, without the noise of single tests and without what the "
            "image does not show: a narrower distribution is no error by itself, and no distance of zero is to be "
            "expected"
        )
    return notes


def _of_maps(mapped: Sequence[Mapped]) -> list[str]:
    return [f"{each.label}: {text}" for each in mapped for text in each.folder.summary.get("warnings", [])]


def _of_truth(table: TableValues, truth: Truth | None) -> list[str]:
    if truth is None:
        return ["the truth of this area is not known: alike distributions do not prove that values are right in place"]
    notes = ["the specimen is virtual: errors and distances hold for its recipe, not for a real paste"]
    digests = {each["sha256"] for each in table.files}
    if truth.tests_digest() in digests:
        notes.append("the measured indents were made in the unseen area itself")
    return notes
