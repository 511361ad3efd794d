"""The effective elastic moduli of a paste, from its phases or from a map: ``cemvis homogenise``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cemvis._checks import fraction, thread_count
from cemvis._files import check_free, check_writable, write_text
from cemvis.analysis.homogenisation.field import FieldEstimate, estimate_field
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Estimate, Phase, estimate_paste
from cemvis.analysis.homogenisation.pores import pore_share
from cemvis.errors import InputError
from cemvis.images.micrograph import open_micrograph
from cemvis.workflows._homogenise_figure import write_figures
from cemvis.workflows._homogenise_map import ModulusMap, read_map
from cemvis.workflows._homogenise_notes import notes_of
from cemvis.workflows._homogenise_populations import Populations
from cemvis.workflows._homogenise_record import record_json, rows_csv

Progress = Callable[[str, int, int], None]
_ENDS = (".json", ".csv", ".png", ".pdf")


@dataclass(frozen=True)
class HomogeniseConfig:
    """What to homogenise, and how.

    Attributes
    ----------
    phases
        With fractions of the volume without capillary pores; none to homogenise only a map.
    phases_file
        Where they were read from, for the record.
    populations
        What `cemvis deconvolve` found, instead of `phases`.
    matrix
        Name of the phase that surrounds the others for Mori and Tanaka; by default that with the largest fraction.
    porosity
        Share of the whole volume that is capillary pores.
    pore_image, pore_up_to, pore_tolerance
        An image, instead of `porosity`, its highest grey level that is a pore, and by how much that may be wrong.
    map_poisson
        Poisson's ratio of all cells of a map.
    unmapped_gpa
        Modulus of cells without a value, 0 for pores; they are refused if None.
    samples, seed, level
        For the intervals, as in `estimate_paste`.
    threads
        All cores if None.
    """

    phases: tuple[Phase, ...] = ()
    phases_file: Path | None = None
    populations: Populations | None = None
    matrix: str | None = None
    porosity: Known | None = None
    pore_image: Path | None = None
    pore_up_to: int | None = None
    pore_tolerance: int = 0
    map_poisson: float = 0.24
    unmapped_gpa: float | None = None
    samples: int = 10_000
    seed: int = 0
    level: float = 0.95
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.phases and self.populations is not None:
            msg = "both phases and populations are given; wanted one of them"
            raise InputError(msg)
        if self.porosity is not None and self.pore_image is not None:
            msg = "both a porosity and an image of pores are given; wanted one of them"
            raise InputError(msg)
        if (self.pore_image is None) != (self.pore_up_to is None):
            msg = "an image of pores and its highest grey level that is a pore go together; give both"
            raise InputError(msg)
        if self.porosity is not None and not 0 <= self.porosity.value < 1:
            msg = f"the porosity is {self.porosity.value:g}; wanted 0 to below 1"
            raise InputError(msg)
        if self.pore_tolerance and self.pore_image is None:
            msg = "the threshold's tolerance is for an image of pores; give one"
            raise InputError(msg)
        thread_count(self.threads)
        fraction(self.level, name="level")

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases, or the populations as such."""
        return self.phases if self.populations is None else self.populations.phases

    @property
    def matrix_name(self) -> str | None:
        """The phase that surrounds the others for Mori and Tanaka; None without phases."""
        if self.matrix is not None or not self.all_phases:
            return self.matrix
        return max(self.all_phases, key=lambda each: each.fraction.value).name


@dataclass(frozen=True)
class HomogeniseResult:
    """What was found.

    Attributes
    ----------
    estimates
        From the phases; none if there were no phases.
    porosity
        That was used.
    field, map
        The map's moduli and what is known of the map; None if there was none.
    notes
        What to bear in mind.
    files
        That were written.
    """

    estimates: tuple[Estimate, ...]
    porosity: Known | None
    field: FieldEstimate | None
    map: ModulusMap | None
    notes: tuple[str, ...]
    files: tuple[Path, ...] = ()


def homogenise(
    config: HomogeniseConfig,
    *,
    map_path: Path | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> HomogeniseResult:
    """Return bounds and estimates of the effective moduli, from phases, from a map, or from both.

    Parameters
    ----------
    config
    map_path
        A map of moduli as OME-TIFF, or the folder that `cemvis map` made.
    output
        The stem of the names of the results, ``OUT.json``, ``OUT.csv``, ``OUT.png`` and ``OUT.pdf``; None to write
        nothing.
    overwrite
        Whether existing results are replaced.
    command
        The command line, for the record.
    progress
        Called with a stage's name, the steps done and how many there are.

    Raises
    ------
    OutputExistsError
        If a result exists and `overwrite` is not set; tested before work starts.
    InputError
        If there are neither phases nor a map, or they cannot be used.
    CemvisError
        If a file cannot be read or written.
    """
    if not config.all_phases and map_path is None:
        msg = "nothing to homogenise; give phases or a map"
        raise InputError(msg)
    paths = None if output is None else _outputs(Path(output), overwrite=overwrite)
    modulus_map = None if map_path is None else read_map(Path(map_path), config.unmapped_gpa, config.threads)
    porosity, pore_digest = _porosity(config, progress)
    estimates: tuple[Estimate, ...] = ()
    if config.all_phases:
        estimates = estimate_paste(
            config.all_phases,
            porosity=porosity,
            matrix=config.matrix,
            draws=None if config.populations is None else config.populations.draws,
            samples=config.samples,
            seed=config.seed,
            level=config.level,
        )
    field = None
    if modulus_map is not None:
        field = estimate_field(
            modulus_map.modulus_gpa,
            config.map_poisson,
            porosity=porosity,
            error_gpa=None if modulus_map.half_widths is None else modulus_map.half_widths.error_gpa,
            level=config.level,
            samples=config.samples,
            seed=config.seed,
            local=paths is not None,
            threads=config.threads,
            progress=progress,
        )
    result = HomogeniseResult(
        estimates, porosity, field, modulus_map, notes_of(config, porosity, modulus_map, field), paths or ()
    )
    if paths is not None:
        write_text(paths[0], record_json(config, result, command=command, pore_digest=pore_digest))
        write_text(paths[1], rows_csv(result))
        write_figures(result, config.level, paths[2:])
    return result


def _outputs(stem: Path, *, overwrite: bool) -> tuple[Path, ...]:
    plain = stem.with_suffix("") if stem.suffix in _ENDS else stem
    paths = tuple(plain.with_name(plain.name + end) for end in _ENDS)
    check_writable(paths[0])
    check_free(plain.parent, [path.name for path in paths], overwrite=overwrite)
    return paths


def _porosity(config: HomogeniseConfig, progress: Progress | None) -> tuple[Known | None, str | None]:
    """Return the porosity, and the digest of the image that it came from."""
    if config.pore_image is None or config.pore_up_to is None:
        return config.porosity, None
    threads = thread_count(config.threads)
    with open_micrograph(config.pore_image) as image:
        share = pore_share(
            image, config.pore_up_to, tolerance=config.pore_tolerance, threads=threads, progress=progress
        )
        return share, image.digest()
