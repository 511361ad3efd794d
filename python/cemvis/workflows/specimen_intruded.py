"""Virtual metal-intruded specimens on disk, class by class, with the truth of what was modified where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._files import write_text
from cemvis.analysis.specimen.intruded import (
    INTERACTION_FWHM_UM,
    NOISE,
    PIXEL_SIZE_UM,
    IntrudedRegion,
    RegionKey,
    make_region,
)
from cemvis.analysis.specimen.intruded_image import region_image
from cemvis.analysis.specimen.intruded_recipes import Porosities
from cemvis.analysis.specimen.intruded_texture import FINE_TEXTURE, PLAIN_TEXTURE
from cemvis.errors import OutputExistsError
from cemvis.workflows._intruded_classes import ABOUT, LIST, PICTURE, design_classes, parse_class
from cemvis.workflows._intruded_config import IntrudedConfig
from cemvis.workflows._intruded_files import FILES, RegionRecord, write_region
from cemvis.workflows._whole_folder import made_whole

__all__ = ["ABOUT", "LIST", "PICTURE", "IntrudedConfig", "design_classes", "make_intruded", "parse_class"]

#: Edge of what the figure shows of a class: maps of 4096 px from 26 classes would be 1.3 GB.
SHOWN_PX = 768
Progress = Callable[[str, int, int], None]


@dataclass
class _Record:
    """What has been made so far, and one corner of each class for the figure."""

    specimens: list[dict[str, Any]] = field(default_factory=list)
    rows: list[str] = field(default_factory=lambda: ["file,class,specimen,region,session"])
    corners: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]] = field(default_factory=list)


def make_intruded(
    config: IntrudedConfig,
    output: Path,
    *,
    overwrite: bool = False,
    command: str = "",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write virtual metal-intruded specimens into a folder that appears once all are made; return the folder.

    A region is ``<class>/<specimen>/<region>.tif``, its true nano-porosity map, with the BSE image and the masks of
    what is modified and of clinker beside it. ``specimen.json`` holds settings, sessions, shares and digests, and
    ``maps.csv`` lists the maps. One region is held in memory at a time.

    Parameters
    ----------
    config
        What to make.
    output
        The folder; it must not be there yet.
    overwrite
        Whether specimens that an earlier call made, or what a killed call left, may be replaced.
    command
        As it goes into the record.
    threads
        Of the paste; all cores by default.
    progress
        Called with the stage, the steps done and the steps there are.

    Raises
    ------
    OutputExistsError
        If the folder is there already, and is not to be or cannot be replaced.
    FileAccessError
        If a file cannot be written.
    """
    output = Path(output)
    _check_free(output, overwrite=overwrite)
    record = _Record()
    tell = progress or (lambda *_: None)
    with made_whole(output, overwrite=overwrite) as part:
        total = len(config.classes) * config.specimens * config.regions
        done = 0
        for class_index, specimen in _specimens(config):
            for _ in _make_specimen(config, class_index, specimen, part, record, threads=threads):
                done += 1
                tell("Regions", done, total)
        _write_figure(config, record, part)
        write_text(part / LIST, "\n".join(record.rows) + "\n")
        write_text(part / ABOUT, json.dumps(_about(config, record, command), indent=2) + "\n")
    return output


def _check_free(output: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is there, unless it may be replaced and is one of virtual specimens."""
    if not output.exists():
        return
    if not overwrite:
        msg = f"{output} is there already; choose another folder or replace it with --overwrite"
        raise OutputExistsError(msg)
    try:
        kind = json.loads((output / ABOUT).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = None
    if kind != "metal-intruded":
        msg = f"{output} holds something else than virtual metal-intruded specimens; choose another folder"
        raise OutputExistsError(msg)


def _specimens(config: IntrudedConfig) -> Iterator[tuple[int, int]]:
    for class_index in range(len(config.classes)):
        for specimen in range(config.specimens):
            yield class_index, specimen


def _make_specimen(
    config: IntrudedConfig, class_index: int, specimen: int, part: Path, record: _Record, *, threads: int | None
) -> Iterator[RegionRecord]:
    """Write the regions of one specimen, one at each step, and add the specimen to the record."""
    of = config.classes[class_index]
    name = f"{of.name}-{specimen + 1:02d}"
    session_name, session = config.session_of(class_index, specimen)
    shift = config.logit_shift(class_index, specimen)
    folder = part / of.name / name
    folder.mkdir(parents=True)
    regions: list[RegionRecord] = []
    for number in range(config.regions):
        key = RegionKey(seed=config.seed, class_index=class_index, specimen=specimen, region=number)
        region = make_region(
            key,
            of.modification,
            shape_px=config.shape_px,
            recipe=config.recipe,
            logit_shift=shift,
            threads=threads,
        )
        image = region_image(region, session, key.stream(NOISE))
        region_name = f"region-{number + 1:02d}"
        origin = {
            "cemvis": __version__,
            "class": asdict(of),
            "key": asdict(key),
            "logit_shift": shift,
            "map_px": config.map_px,
            "maps": list(config.maps),
            "recipe": config.recipe,
            "session": asdict(session),
        }
        regions.append(write_region(region, image, folder, region_name, origin))
        record.rows.append(f"{of.name}/{name}/{region_name}.tif,{of.name},{name},{region_name},{session_name}")
        if specimen == number == 0:
            record.corners.append((of.name, *_corner(region, image, min(config.map_px, SHOWN_PX))))
        yield regions[-1]
    record.specimens.append(
        {
            "class": of.name,
            "specimen": name,
            "session": {"name": session_name, **asdict(session)},
            "logit_shift": shift,
            "regions": [asdict(each) for each in regions],
        }
    )


def _corner(
    region: IntrudedRegion, image: NDArray[np.uint8], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    cut = (slice(0, size), slice(0, size))
    return image[cut].copy(), region.levels[cut].copy(), region.modified[cut].copy()


def _write_figure(config: IntrudedConfig, record: _Record, part: Path) -> None:
    from cemvis.report import intruded, style

    rows = [intruded.ClassRow(name, image, levels, modified) for name, image, levels, modified in record.corners]
    what = "First map" if config.map_px <= SHOWN_PX else f"{SHOWN_PX} px of the first map"
    caption = (
        f"{what} of each class's first specimen; {config.recipe}, seed {config.seed}, "
        f"{config.session} session; cemvis {__version__}"
    )
    style.save_png(intruded.class_figure(rows, pixel_size_um=PIXEL_SIZE_UM, caption=caption), part / PICTURE)


def _about(config: IntrudedConfig, record: _Record, command: str) -> dict[str, Any]:
    return {
        "kind": "metal-intruded",
        "cemvis": __version__,
        "command": command,
        "settings": config.to_json(),
        "pixel_size_um": PIXEL_SIZE_UM,
        "map_px": config.map_px,
        "units": {"density_per_um2": "spots per um2 of C-S-H", "radius_um": "um", "logit_shift": "logit of n"},
        "files": {ending: text for ending, (_, text) in FILES.items()},
        "porosities": asdict(Porosities()),
        "texture": {
            "plain": [{"length_um": length, "share": share} for length, share in PLAIN_TEXTURE],
            "fine": [{"length_um": length, "share": share} for length, share in FINE_TEXTURE],
            "interaction_fwhm_um": INTERACTION_FWHM_UM,
        },
        "classes": [
            {"name": each.name, **asdict(each.modification), "expected_share_of_csh": each.modification.expected_share}
            for each in config.classes
        ],
        "specimens": record.specimens,
    }
