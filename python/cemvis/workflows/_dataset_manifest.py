"""The manifest of a data set: a table with a row for each pair, and what it was made from; no pixels."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis._checks import positive
from cemvis._files import access_errors, json_record, sha256_of
from cemvis.errors import FileFormatError, InputError
from cemvis.images.grey_scale import AnchorFit, GreyScale
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows._dataset_rows import MEASURED, indents_of
from cemvis.workflows._dataset_sources import find_moved
from cemvis.workflows._dataset_splits import TEST
from cemvis.workflows.pairs import Area, Listed, Pairs

if TYPE_CHECKING:
    import pandas as pd

TABLE, ABOUT = "manifest.parquet", "manifest.json"
FORMAT, FORMAT_VERSION = "cemvis data set", 1
_DIGEST_LENGTH = 64
COLUMNS = (
    "area",
    "id",
    "batch",
    "row",
    "column",
    "x_um",
    "y_um",
    "top_left_row_px",
    "top_left_col_px",
    *MEASURED,
    "depth_nm",
    "load_mn",
    "score",
    "residual_px",
    "error_px",
    "split_random",
    "split_batch",
)
UNITS = {
    "x_um": "um",
    "y_um": "um",
    "modulus_gpa": "GPa",
    "hardness_gpa": "GPa",
    "depth_nm": "nm",
    "load_mn": "mN",
    "top_left_row_px": "px",
    "top_left_col_px": "px",
    "residual_px": "px",
    "error_px": "px",
}


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set as it was read.

    Attributes
    ----------
    folder : Path
    areas : tuple of Area
        Ready to be trained on.
    frame : DataFrame
        A row for each pair, with the columns of `COLUMNS`.
    about : dict
        What manifest.json says.
    """

    folder: Path
    areas: tuple[Area, ...]
    frame: pd.DataFrame
    about: dict[str, Any]

    @property
    def window_um(self) -> float:
        """Edge of the square windows."""
        return float(self.about["settings"]["window_um"])

    @property
    def seed(self) -> int:
        """Seed of the splits."""
        return int(self.about["settings"]["seed"])

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each pair."""
        return self.frame.copy()


def area_record(pairs: Pairs, folder: Path) -> dict[str, Any]:
    """Return what an area of a data set in `folder` was made from, as `load_data_set` needs it, JSON-ready."""
    return {
        "name": pairs.area.name,
        "mosaic": {
            "path": relative_to(pairs.area.mosaic, folder),
            "sha256": pairs.mosaic_sha256,
            "pixel_size_um": pairs.pixel_size.um,
            "pixel_size_source": pairs.pixel_size.source,
            "shape": list(pairs.shape),
            "anchors": {"matrix": pairs.anchors.matrix, "clinker": pairs.anchors.clinker},
            "anchors_source": "given" if pairs.fit is None else "histogram",
            "anchors_fit": None if pairs.fit is None else asdict(pairs.fit),
            "virtual": pairs.area.virtual,
        },
        "table": {"path": relative_to(pairs.area.indents, folder), "sha256": pairs.indents_sha256},
        "window_px": pairs.window_px,
        "pairs": len(pairs.indents),
    }


def relative_to(path: Path, folder: Path) -> str:
    """Return `path` as seen from `folder`, or as it is where no relative path leads there (another drive)."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def write_manifest(table: Path, about_file: Path, frame: pd.DataFrame, about: dict[str, Any]) -> None:
    """Write the table, and what it was made from with the table's digest, where nothing is yet."""
    record = {"format": FORMAT, "format_version": FORMAT_VERSION} | about
    frame.to_parquet(table, engine="pyarrow", index=False)
    record["manifest"] = {"path": TABLE, "sha256": sha256_of(table), "columns": list(COLUMNS), "units": UNITS}
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    about_file.write_text(text, encoding="utf-8", newline="\n")


def load_data_set(folder: Path) -> DataSet:
    """Read a data set that ``cemvis dataset`` wrote.

    Mosaics are looked for where the manifest says, seen from `folder`, and then in it and above it. Their digests are
    tested when pairs are made from them.

    Raises
    ------
    FileAccessError
        If a file cannot be read, or a mosaic is not where it was.
    FileFormatError
        If the manifest is damaged, was changed, or is of another version.
    """
    folder = Path(folder)
    about_file, table_file = folder / ABOUT, folder / TABLE
    with json_record(about_file, "cemvis dataset") as about:
        if about["format"] != FORMAT or about["format_version"] != FORMAT_VERSION:
            msg = (
                f"{about_file} is {about['format']} of version {about['format_version']}; wanted {FORMAT} of version "
                f"{FORMAT_VERSION}: make it anew"
            )
            raise FileFormatError(msg)
        frame = _read_table(table_file, _digest(about["manifest"]))
        areas = tuple(_area(record, frame, about, folder) for record in about["areas"])
        if len({area.name for area in areas}) < len(areas):
            msg = "an area is there twice"
            raise ValueError(msg)
    if not areas:
        msg = f"{folder} is a data set without an area; make it anew"
        raise InputError(msg)
    return DataSet(folder, areas, frame, about)


def _digest(record: dict[str, Any]) -> str:
    sha256 = record["sha256"]
    if not isinstance(sha256, str) or len(sha256) != _DIGEST_LENGTH:
        msg = f"sha256 is {sha256!r}; wanted {_DIGEST_LENGTH} hexadecimal digits"
        raise ValueError(msg)
    return sha256


def _text(record: dict[str, Any], name: str) -> str:
    text = record[name]
    if not isinstance(text, str) or not text:
        msg = f"{name} is {text!r}; wanted text"
        raise ValueError(msg)
    return text


def _number(record: dict[str, Any], name: str) -> float:
    number = record[name]
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
        msg = f"{name} is {number!r}; wanted a number"
        raise ValueError(msg)
    return float(number)


def _settings(about: dict[str, Any]) -> tuple[float, int]:
    """Return the edge of the windows in um, and the seed."""
    settings = about["settings"]
    seed = settings["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        msg = f"seed is {seed!r}; wanted a whole number from 0 to 2**32 - 1"
        raise ValueError(msg)
    return positive(_number(settings, "window_um"), name="window_um"), seed


def _read_table(path: Path, sha256: str) -> pd.DataFrame:
    import pandas as pd

    with access_errors(path, doing="read"):
        found = sha256_of(path)
    if found != sha256:
        msg = (
            f"{path} is not the table that {ABOUT} describes (its SHA-256 begins with {found[:12]}, not "
            f"{sha256[:12]}); make the data set anew"
        )
        raise FileFormatError(msg)
    return pd.read_parquet(path, engine="pyarrow")


def _area(record: dict[str, Any], frame: pd.DataFrame, about: dict[str, Any], folder: Path) -> Area:
    mosaic, name, (window_um, seed) = record["mosaic"], _text(record, "name"), _settings(about)
    rows = frame[frame["area"] == name]
    if not len(rows) or len(rows) != record["pairs"]:
        msg = f"area {name} has {len(rows)} rows, {ABOUT} says {record['pairs']}"
        raise ValueError(msg)
    anchors: GreyScale | AnchorFit = GreyScale(*(_number(mosaic["anchors"], one) for one in ("matrix", "clinker")))
    if mosaic["anchors_fit"] is not None:
        anchors = AnchorFit(**(mosaic["anchors_fit"] | {"scale": anchors}))
    listed = Listed(
        indents=indents_of(rows),
        table_sha256=_digest(record["table"]),
        mosaic_sha256=_digest(mosaic),
        pixel_size=PixelSize(_number(mosaic, "pixel_size_um"), _text(mosaic, "pixel_size_source")),
        anchors=anchors,
        window_um=window_um,
        seed=seed,
        sha256=_digest(about["manifest"]),
        tested=(rows["split_batch"] == TEST).to_numpy(bool),
    )
    table = folder / _text(record["table"], "path")
    path = find_moved(Path(_text(mosaic, "path")), folder, what=f"the mosaic of {name} in {folder}")
    return Area(name, path, table, listed)
