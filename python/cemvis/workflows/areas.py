"""One mosaic with its indents: those of a table, or those that a data set lists."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, PixelSizeError
from cemvis.images.grey_scale import AnchorFit, GreyScale
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.ome_tiff import read_description
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows.indents import Indents, read_indents
from cemvis.workflows.specimen import ABOUT, INDENTS, MOSAIC

VIRTUAL_IMAGE = "Virtual backscattered-electron image"
"""How the description of every virtual mosaic begins."""


@dataclass(frozen=True, eq=False)
class Listed:
    """Indents that were chosen from a table before, with what was found of their mosaic then: those of a data set.

    Attributes
    ----------
    indents : Indents
        With NaN where a property was not measured.
    table_sha256 : str
        Digest of the table that they were chosen from.
    mosaic_sha256 : str
        The mosaic has to have this digest; empty if any will do.
    pixel_size : PixelSize or None
        None if the mosaic says.
    anchors : GreyScale, AnchorFit or None
        Of the mosaic; None to find them in its histogram.
    window_um : float
    seed : int
        Of the splits.
    sha256 : str
        Digest of the list; empty while it is being made.
    tested : (n,) bool or None
        Which of the indents are in batches to test on; None while the list is being made.
    """

    indents: Indents
    table_sha256: str
    mosaic_sha256: str
    pixel_size: PixelSize | None
    anchors: GreyScale | AnchorFit | None
    window_um: float
    seed: int = 0
    sha256: str = ""
    tested: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Area:
    """One mosaic taken before indentation, and the table of indents made in it.

    Attributes
    ----------
    name : str
    mosaic, indents : Path
    listed : Listed or None
        The indents, where they are not all those of the table.
    """

    name: str
    mosaic: Path
    indents: Path
    listed: Listed | None = field(default=None, compare=False, repr=False)

    @property
    def virtual(self) -> str:
        """What a virtual specimen was made from, as its mosaic or the file beside it says; empty for others."""
        return _origin_beside(self.mosaic) or _origin_inside(self.mosaic)

    @classmethod
    def in_folder(cls, folder: Path) -> Area:
        """Return the area of a folder that holds before.tif and indents.csv."""
        return cls(folder.resolve().name, folder / MOSAIC, folder / INDENTS)

    def opened(self, pixel_size: PixelSize | None) -> Micrograph:
        """Open the mosaic; `pixel_size` is taken instead of what it says.

        Raises
        ------
        PixelSizeError
            If the indents were chosen with another pixel size.
        """
        known = self.listed.pixel_size if self.listed else None
        if known is not None and pixel_size is not None and pixel_size.um != known.um:
            msg = (
                f"{self.name}: its data set was made with {known} per px ({known.source}), {pixel_size} is asked for; "
                "leave the pixel size out, or make the data set anew"
            )
            raise PixelSizeError(msg)
        return open_micrograph(self.mosaic, pixel_size=known or pixel_size)

    def read_indents(self, properties: tuple[str, ...]) -> Indents:
        """Return the indents for which all `properties` were measured, and count the others."""
        if self.listed is None:
            return read_indents(self.indents, properties=properties)
        every = self.listed.indents
        measured = {name: every.measured_gpa[name] for name in properties}
        complete = np.logical_and.reduce([np.ones(len(every), bool), *map(np.isfinite, measured.values())])
        if not complete.any():
            none = [name for name, values in measured.items() if np.isnan(values).all()]
            msg = f"{self.name}: no indent of the data set has {' and '.join(none or properties)}; choose --properties"
            raise InputError(msg)
        found = replace(every, measured_gpa=measured, incomplete=int(np.count_nonzero(~complete)))
        return found.only(complete)


def _origin_beside(mosaic: Path) -> str:
    try:
        return _origin_text(json.loads((mosaic.parent / ABOUT).read_text(encoding="utf-8"))["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _origin_inside(mosaic: Path) -> str:
    """Return what the mosaic's own description says, which stays with it when the mosaic is moved."""
    if not mosaic.is_file():
        return ""
    words, brace, origin = read_description(mosaic).partition("{")
    try:
        return _origin_text(json.loads(brace + origin))
    except (ValueError, KeyError, TypeError):
        return "a virtual specimen" if words.startswith(VIRTUAL_IMAGE) else ""


def _origin_text(origin: dict[str, object]) -> str:
    return f"recipe {origin['recipe']}, seed {origin['seed']}"
