"""Nano-porosity maps of images of metal-intruded paste: ``cemvis npm``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cemvis._files import access_errors, check_free
from cemvis.analysis.porosity.clinker import ClinkerRule
from cemvis.analysis.porosity.nano_porosity import PorosityCurve
from cemvis.analysis.porosity.phases import clinker_range, phase_signals
from cemvis.workflows._npm_files import FIGURES, NpmResult, image_notes, output_names, write_results
from cemvis.workflows._npm_given import regions_of
from cemvis.workflows._npm_inputs import NpmConfig, Source, find_images, look_at
from cemvis.workflows._npm_pass import MappedImage, map_image
from cemvis.workflows._npm_regions import Region
from cemvis.workflows._npm_session import SessionAnchors, measure_session

__all__ = ["ClinkerRule", "NpmConfig", "NpmResult", "Region", "npm"]

Progress = Callable[[str, int, int], None]


def npm(
    paths: Sequence[Path],
    output: Path,
    config: NpmConfig | None = None,
    *,
    curve: PorosityCurve | None = None,
    signals: Mapping[str, float] | None = None,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> NpmResult:
    """Calibrate images of metal-intruded paste to equivalent porosity, and write maps, masks, statistics and figures.

    Parameters
    ----------
    paths : sequence of Path
        Micrographs, or folders of them: then the folders below are kept, so that a folder a class and a specimen
        becomes a folder a class and a specimen of maps.
    output : Path
        A folder.
    config : NpmConfig, optional
    curve : PorosityCurve, optional
        Instead of that of C-S-H with Field's metal at the configured energy.
    signals : mapping, optional
        Greys of portlandite and clinker phases from 0 at C-S-H to 1 at metal, which go with a given curve.
    overwrite : bool
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Raises
    ------
    InputError
        If images, masks, regions and settings do not go together.
    PixelSizeError
        If a pixel size is unknown or differs.
    OutputExistsError
        If an output is there and `overwrite` is not set; tested before work starts.
    FileAccessError, FileFormatError
    """
    config = config or NpmConfig()
    output = Path(output)
    images = find_images([Path(path) for path in paths])
    names = output_names([name for _, name in images], clinker=config.clinker != "none", figures=config.figures)
    check_free(output, names, overwrite=overwrite)
    sources = look_at(images, config)
    about: dict[str, Any] = {"method": "given"}
    if curve is None:
        curve, signals, about = _csh_and_metal(config)
        if config.rule is None:
            low, high = clinker_range(signals)
            config = replace(config, rule=ClinkerRule(low=low, high=high, least_um=config.least_clinker_um))
    sessions = _sessions(sources, config, signals or {}, progress)
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        (output / names[0]).unlink(missing_ok=True)
    mapped: list[MappedImage] = []
    for number, source in enumerate(sources):
        if progress is not None:
            progress("mapping", number, len(sources))
        each = map_image(source, sessions[source.session], config, curve=curve, output=output)
        if config.figures:
            each = _drawn(each, output)
        mapped.append(each)
    notes = [note for session in sessions.values() for note in session.notes] + image_notes(mapped, config)
    found = NpmResult(config, tuple(mapped), tuple(sessions.values()), tuple(dict.fromkeys(notes)), ())
    files = write_results(found, output, command=command, curve=about)
    return replace(found, files=(*files, *(path for each in mapped for path in each.files)))


def _sessions(
    sources: Sequence[Source], config: NpmConfig, signals: Mapping[str, float], progress: Progress | None
) -> dict[str, SessionAnchors]:
    grouped: dict[str, list[Source]] = {}
    for source in sources:
        grouped.setdefault(source.session, []).append(source)
    found = {}
    for number, (name, members) in enumerate(grouped.items()):
        if progress is not None:
            progress("finding anchors", number, len(grouped))
        found[name] = measure_session(members, regions_of(config, members, sources), signals=signals)
    return found


def _csh_and_metal(config: NpmConfig) -> tuple[PorosityCurve, dict[str, float], dict[str, Any]]:
    """Return the curve of C-S-H with Field's metal, the greys of other phases beside it, and both for the record."""
    from cemvis.analysis.porosity.calibration import csh_metal_curve

    curve = csh_metal_curve(energy_kev=config.energy_kev, method=config.curve)
    signals = phase_signals(curve)
    return curve, signals, {**curve.to_json(), "phases": signals}


def _drawn(image: MappedImage, output: Path) -> MappedImage:
    from cemvis.report.style import save_png_and_pdf
    from cemvis.workflows._npm_figures import figure_of

    stem = output / FIGURES / image.source.name
    with access_errors(stem.parent):
        stem.parent.mkdir(parents=True, exist_ok=True)
    return replace(image, files=(*image.files, *save_png_and_pdf(figure_of(image), stem)))
