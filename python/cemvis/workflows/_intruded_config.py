"""What virtual metal-intruded specimens are to be made, and in which sessions they are looked at."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from cemvis.analysis.specimen.intruded_image import Session, draw_session
from cemvis.analysis.specimen.intruded_recipes import IntrudedClass
from cemvis.analysis.specimen.intruded_texture import stream
from cemvis.analysis.specimen.recipes import CALIBRATED, recipe_named
from cemvis.errors import InputError
from cemvis.workflows._intruded_classes import check_names

Sessions = Literal["shared", "by-class", "by-specimen"]
SESSIONS: tuple[Sessions, ...] = get_args(Sessions)

#: Of one region: it is held in memory, up to 100 bytes a pixel.
MOST_REGION_PX = 1 << 24
MOST = 100
# First part of the keys of random numbers that belong to no region; a class's index is less.
_SESSION, _SPECIMEN = 1 << 20, (1 << 20) + 1


@dataclass(frozen=True, kw_only=True)
class IntrudedConfig:
    """What virtual metal-intruded specimens are to be made.

    Parameters
    ----------
    classes
        At least one.
    specimens, regions
        Specimens of each class, and regions of each specimen.
    maps, map_px
        Maps across and down a region, and a map's edge in pixels of 0.052 um.
    session
        ``shared``: one setting of the microscope for all; ``by-class``: one for each class, the confounding of class
        and session; ``by-specimen``: one for each specimen.
    session_spread
        How far sessions differ, against what is usual.
    specimen_spread
        Sd, in logits, of how far C-S-H as a whole differs from specimen to specimen in its porosity.
    seed
        The same seed gives the same files. Random numbers go by the class's place, so the same specimens, not
        modified, come of the same call with a strength of 0.
    recipe
        Of the paste.
    """

    classes: tuple[IntrudedClass, ...]
    specimens: int = 4
    regions: int = 5
    maps: tuple[int, int] = (5, 3)
    map_px: int = 384
    session: Sessions = "shared"
    session_spread: float = 1.0
    specimen_spread: float = 0.0
    seed: int = 0
    recipe: str = CALIBRATED

    def __post_init__(self) -> None:
        check_names(self.classes)
        recipe_named(self.recipe)
        draw_session(stream(0), spread=self.session_spread)
        for name in ("specimens", "regions"):
            if not _is_whole(getattr(self, name)) or not 1 <= getattr(self, name) <= MOST:
                msg = f"{name} is {getattr(self, name)!r}; wanted 1 to {MOST}"
                raise InputError(msg)
        if len(self.maps) != 2 or not all(_is_whole(each) for each in (*self.maps, self.map_px)):
            msg = f"maps are {self.maps!r} of {self.map_px!r} px; wanted two whole numbers, of a whole number of px"
            raise InputError(msg)
        across, down = self.maps
        if min(across, down) < 1 or not 32 <= self.map_px <= 4096 or across * down * self.map_px**2 > MOST_REGION_PX:
            msg = (
                f"regions of {across} x {down} maps of {self.map_px} px; wanted at least one map, "
                f"of 32 to 4096 px, and at most {MOST_REGION_PX:,} px a region"
            )
            raise InputError(msg)
        if self.session not in SESSIONS:
            msg = f"session is {self.session!r}; wanted {', '.join(SESSIONS)}"
            raise InputError(msg)
        if not 0 <= self.specimen_spread <= 1:
            msg = f"specimen_spread is {self.specimen_spread:g}; wanted 0 to 1"
            raise InputError(msg)
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**63:
            msg = f"seed is {self.seed!r}; wanted a whole number from 0 to 2**63 - 1"
            raise InputError(msg)

    @property
    def shape_px(self) -> tuple[int, int]:
        """Rows and columns of a region."""
        return self.maps[1] * self.map_px, self.maps[0] * self.map_px

    def session_of(self, class_index: int, specimen: int) -> tuple[str, Session]:
        """Return the name and the setting of the session in which a specimen was looked at."""
        if self.session == "shared":
            return "session-01", Session()
        key = (class_index,) if self.session == "by-class" else (class_index, specimen)
        number = class_index if self.session == "by-class" else class_index * self.specimens + specimen
        drawn = draw_session(stream(self.seed, _SESSION, *key), spread=self.session_spread)
        return f"session-{number + 1:02d}", drawn

    def logit_shift(self, class_index: int, specimen: int) -> float:
        """Return how far a specimen's C-S-H as a whole differs from others, in logits."""
        return self.specimen_spread * float(stream(self.seed, _SPECIMEN, class_index, specimen).standard_normal())

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
