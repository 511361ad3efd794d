"""Virtual specimens on disk: the BSE mosaic, the indenter's table, the truth and figures, area by area."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cemvis import __version__
from cemvis._checks import positive
from cemvis._files import sha256_of, write_text
from cemvis.analysis.specimen.after import after_image
from cemvis.analysis.specimen.area import Area
from cemvis.analysis.specimen.campaign import run_campaign
from cemvis.analysis.specimen.imprints import ImprintLook
from cemvis.analysis.specimen.indentation import Indents
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.analysis.specimen.stage import StageErrors
from cemvis.analysis.specimen.visit_settings import VisitSettings
from cemvis.errors import InputError, OutputExistsError
from cemvis.workflows._specimen_after import write_after
from cemvis.workflows._specimen_files import (
    INDENTS,
    MOSAIC,
    PICTURE,
    Progress,
    indents_csv,
    write_figures,
    write_images,
    write_truth,
)
from cemvis.workflows._whole_folder import made_whole

__all__ = ["ABOUT", "INDENTS", "MOSAIC", "PICTURE", "Progress", "SpecimenConfig", "make_specimen"]

ABOUT = "specimen.json"
MOST_BRIGHTNESS = 255
TRUTH_POINTS = 10_000  # along an edge: the maps are held in memory, 8 bytes a point


@dataclass(frozen=True, kw_only=True)
class SpecimenConfig:
    """What a virtual specimen is to be.

    Parameters
    ----------
    recipe
        Name of a recipe.
    seed
        The same seed gives the same files.
    areas
        How many areas to make.
    batches
        Batches of 20 x 20 indents along the edge of an area; 2 make 400 um.
    pixel_size_um
        Of the BSE mosaic.
    truth_step_um
        Step of the true property maps.
    contrast, brightness
        How another session's grey levels follow from the recipe's: times `contrast`, plus `brightness`.
    after
        Whether the tests leave imprints, and a second visit and the indenter's own table are written, too. The tests
        are then made where a stage that errs really goes; without, exactly on their lattice.
    stage, visit, imprints
        How far the stage errs, how the second visit differs and how imprints show, for `after`.
    """

    recipe: str = CALIBRATED
    seed: int = 0
    areas: int = 1
    batches: int = 2
    pixel_size_um: float = 0.04
    truth_step_um: float = 2.0
    contrast: float = 1.0
    brightness: float = 0.0
    after: bool = False
    stage: StageErrors = field(default_factory=StageErrors)
    visit: VisitSettings = field(default_factory=VisitSettings)
    imprints: ImprintLook = field(default_factory=ImprintLook)

    def __post_init__(self) -> None:
        positive(self.contrast, name="contrast")
        if not abs(self.brightness) <= MOST_BRIGHTNESS:
            msg = f"brightness is {self.brightness:g} grey levels; wanted {-MOST_BRIGHTNESS} to {MOST_BRIGHTNESS}"
            raise InputError(msg)

    def area(self, index: int) -> Area:
        """Return the geometry of one area."""
        recipe = recipe_named(self.recipe).in_session(contrast=self.contrast, brightness=self.brightness)
        return Area(recipe, self.seed, index, self.batches, self.pixel_size_um)

    def origin(self, index: int) -> dict[str, Any]:
        """Return what one area is made from, for its files."""
        settings = asdict(self)
        del settings["areas"]  # an area is the same however many others there are
        if (self.contrast, self.brightness) == (1.0, 0.0):
            del settings["contrast"], settings["brightness"]
        if not self.after:
            del settings["after"], settings["stage"], settings["visit"], settings["imprints"]
        return {"cemvis": __version__, "area": index, **settings}


def make_specimen(
    config: SpecimenConfig,
    output: Path,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the areas of a virtual specimen, each into a folder of its own; return the folders.

    An area is made under a temporary name and renamed when it is whole. Areas that are there already, made by the
    same version from the same recipe and settings, are kept: an interrupted run is continued by running it again.
    A run that was killed outright leaves the temporary folder, which only `overwrite` replaces: it may as well belong
    to a run that is still going.

    Parameters
    ----------
    config
        What to make.
    output
        Folder for area-000, area-001 and so on.
    overwrite
        Whether areas made with other settings, and the temporary folders of killed runs, may be replaced.
    threads
        All cores by default.
    progress
        Called with the stage, the steps done and the steps there are.

    Raises
    ------
    InputError
        If the settings make no specimen.
    OutputExistsError
        If an area's folder or its temporary folder holds something else and `overwrite` is not set.
    FileAccessError
        If a file cannot be written.
    """
    if not 1 <= config.areas <= 1000:
        msg = f"areas is {config.areas}; wanted 1 to 1000"
        raise InputError(msg)
    step_um = positive(config.truth_step_um, name="truth_step_um")
    edge_um = config.area(0).edge_um
    finest_um = max(config.pixel_size_um, edge_um / TRUTH_POINTS)
    if not finest_um <= step_um <= edge_um / 2:
        msg = (
            f"truth_step_um is {step_um:g}; wanted {finest_um:g} (a pixel of the mosaic, and at most {TRUTH_POINTS} "
            f"steps along an area) to {edge_um / 2:g} (half an area)"
        )
        raise InputError(msg)
    folders = [Path(output) / f"area-{index:03d}" for index in range(config.areas)]
    missing = [i for i, folder in enumerate(folders) if not _is_made(folder, config, i, overwrite=overwrite)]
    for index in missing:
        with made_whole(folders[index], overwrite=overwrite) as part:
            _make_area(config, index, part, folders[index].name, threads, progress or (lambda *_: None))
    return folders


def _is_made(folder: Path, config: SpecimenConfig, index: int, *, overwrite: bool) -> bool:
    """Return whether the area is there already; refuse a folder that holds something else."""
    # A recipe may change while the version stands still, and its record has been through JSON.
    wanted = json.loads(json.dumps({"origin": config.origin(index), "recipe": asdict(config.area(index).recipe)}))
    if not folder.exists():
        return False
    about = folder / ABOUT
    try:
        made = json.loads(about.read_text(encoding="utf-8"))
        if all(made[key] == value for key, value in wanted.items()):
            return True
    except (OSError, ValueError, KeyError, TypeError):
        msg = f"{folder} is there already and is no area of a virtual specimen; choose another folder"
        raise OutputExistsError(msg) from None
    if not overwrite:
        msg = f"{folder} was made with other settings; choose another folder or replace it with --overwrite"
        raise OutputExistsError(msg)
    return False


def _make_area(
    config: SpecimenConfig, index: int, part: Path, name: str, threads: int | None, progress: Progress
) -> None:
    area = config.area(index)
    # What the first visit shows does not depend on what is done to the area afterwards.
    origin = replace(config, after=False).origin(index)
    overview = write_images(area, part, origin, threads=threads, progress=progress, name=name)
    progress(f"{name}: indents", 0, 1)
    more: dict[str, Any] = {}
    if config.after:
        campaign = run_campaign(area, config.stage, threads=threads)
        indents, xy_um, ids = campaign.indents, campaign.xy_um, campaign.ids
    else:
        indents, xy_um = area.indent(threads=threads), area.indents_xy_um()
        ids = [str(n) for n in range(len(xy_um))]
    write_text(part / INDENTS, indents_csv(area, indents, xy_um, ids))
    progress(f"{name}: indents", 1, 1)
    if config.after:
        image = after_image(area, campaign, settings=config.visit, look=config.imprints)
        more = write_after(image, part, config.origin(index), threads=threads, progress=progress, name=name)
    modulus = write_truth(
        area, part, origin, step_um=config.truth_step_um, threads=threads, progress=progress, name=name
    )
    write_figures(area, indents, overview, modulus, config.truth_step_um, part)
    write_text(part / ABOUT, _about(config, area, index, indents, part, more))


def _about(config: SpecimenConfig, area: Area, index: int, indents: Indents, part: Path, more: dict[str, Any]) -> str:
    about = {
        "origin": config.origin(index),
        "recipe": asdict(area.recipe),
        "edge_um": area.edge_um,
        "units": {"x_um": "um", "y_um": "um", "modulus_gpa": "GPa", "hardness_gpa": "GPa", "depth_nm": "nm"},
        "indents": len(indents.failed),
        "failed": int(indents.failed.sum()),
        **more,
        "sha256": {path.name: sha256_of(path) for path in sorted(part.iterdir())},
    }
    return json.dumps(about, indent=2) + "\n"
