"""What is compared: the measured values, and maps of an area that no model saw."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._files import digest_of, file_digest, sha256_of
from cemvis.analysis.validation.result import MEASURED, TESTS, TRUTH
from cemvis.analysis.validation.sample import MOST_DISTINCT, Sample, rounded, sample_of
from cemvis.errors import CemvisError, FileFormatError, InputError
from cemvis.workflows._deconvolve_map import BLOCKS, MapFolder, bands
from cemvis.workflows._deconvolve_sources import PROPERTIES, TableValues, is_map

RESERVED = (MEASURED, TRUTH, TESTS)
MAP_BLOCKS, BATCHES = "blocks of the map", "batches"


@dataclass(frozen=True)
class Mapped:
    """A map with the name that it has in tables and figures, and the kinds of its networks."""

    label: str
    folder: MapFolder
    kind: str

    def level(self, name: str) -> float | None:
        """Return the level of a property's intervals; None if the map has none."""
        level = self.folder.summary["properties"][name]["interval_level"]
        return None if level is None else float(level)


def open_map(path: Path, label: str) -> Mapped:
    """Open a folder of `cemvis map`.

    Raises
    ------
    FileFormatError
        If it is none, or not whole.
    InputError
        If a property is not in GPa.
    FileAccessError
    """
    if not is_map(path):
        msg = f"{path} holds no map of `cemvis map`; give such a folder, or a model file with --mosaic"
        raise FileFormatError(msg)
    folder = MapFolder.open(path)
    try:
        units = {name: each["unit"] for name, each in folder.summary["properties"].items()}
        kinds = set(folder.summary["model"]["networks"].values())
        digest_of(folder.summary["mosaic"])
        float(folder.summary["pixel_size"]["um"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"the summary of {path} is not whole ({error} is missing or wrong); map again with `cemvis map`"
        raise FileFormatError(msg) from error
    wrong = [f"{name} in {unit}" for name, unit in units.items() if name in PROPERTIES and unit != "GPa"]
    if wrong:
        msg = f"{path} maps {wrong[0]}; wanted GPa, as measured values are"
        raise InputError(msg)
    return Mapped(label, folder, " and ".join(sorted(kinds)))


def labels_of(paths: Sequence[Path]) -> list[str]:
    """Return a name for each path: its stem, or the folder's; numbered where two would share a file name."""
    stems = [path.stem if path.suffix == ".safetensors" else path.name or str(path) for path in paths]
    stems = [f"{stem} (map)" if stem in RESERVED else stem for stem in stems]
    names = [file_name(stem).lower() for stem in stems]  # some file systems do not tell cases apart
    taken = {name for name in names if names.count(name) == 1}
    labels = []
    for stem, name in zip(stems, names, strict=True):
        label, number = stem, 0
        while names.count(name) > 1 and (number == 0 or file_name(label).lower() in taken):
            number += 1
            label = f"{stem} ({number})"
        taken.add(file_name(label).lower())
        labels.append(label)
    return labels


def file_name(label: str) -> str:
    """Return the name of the folder that the map of a label goes into."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in label)


def check_one_mosaic(maps: Sequence[Mapped]) -> list[str]:
    """Check that all maps are of one mosaic at one pixel size; return what differs otherwise.

    Raises
    ------
    InputError
    """
    first, notes = maps[0], []
    for each in maps[1:]:
        if digest_of(each.folder.summary["mosaic"]) != digest_of(first.folder.summary["mosaic"]):
            msg = (
                f"{each.folder.path} maps {_mosaic(each)}, {first.folder.path} another mosaic, {_mosaic(first)}; "
                "wanted maps of one unseen area"
            )
            raise InputError(msg)
        sizes = [one.folder.summary["pixel_size"]["um"] for one in (first, each)]
        if abs(sizes[1] / sizes[0] - 1) > 1e-6:
            msg = (
                f"{first.folder.path} took {sizes[0] * 1000:g} nm/px for the mosaic and {each.folder.path} "
                f"{sizes[1] * 1000:g} nm/px; wanted one pixel size: map one of them again"
            )
            raise InputError(msg)
        for what, label in (("grid", "step and window"), ("mask", "mask")):
            mine, theirs = (_geometry(one, what) for one in (first, each))
            if mine != theirs:
                notes.append(f"{first.label} and {each.label} were mapped with another {label}: cells are not the same")
    return notes


def _geometry(each: Mapped, what: str) -> object:
    part = each.folder.summary.get(what)
    return {key: part[key] for key in ("step_um", "window_um")} if what == "grid" and part else part


def _mosaic(each: Mapped) -> str:
    kind, digest = digest_of(each.folder.summary["mosaic"])
    return f"{each.folder.summary['mosaic'].get('file', 'an array')} ({kind} {digest[:12]})"


def check_made_unseen(each: Mapped) -> list[str]:
    """Return what there is to say on whether the model of a finished map was trained on the mosaic.

    Raises
    ------
    InputError
        If it was, and the whole of it is mapped.
    """
    mosaic = each.folder.summary["mosaic"]
    areas = each.folder.summary["model"].get("training_areas")
    seen = {str(area.get("mosaic_sha256") or "") for area in areas or [] if isinstance(area, dict)} - {""}
    digest = str(mosaic.get("sha256") or (_whole_digest(each) if seen else ""))
    if seen and digest:
        return check_unseen(seen, each.label, digest, masked=each.folder.summary.get("mask") is not None)
    why = "its mosaic was digested in samples and is not there any more" if seen else "its summary does not say"
    return [f"whether the model of {each.label} saw this area is not known: {why}"]


def _whole_digest(each: Mapped) -> str:
    """Return the digest of all of a large mosaic, whose map has one of samples; empty if it is not where it was."""
    mosaic = each.folder.summary["mosaic"]
    path = each.folder.path / str(mosaic.get("path") or mosaic.get("file") or "")
    try:
        return sha256_of(path) if file_digest(path).items() <= mosaic.items() else ""
    except CemvisError:
        return ""


def check_unseen(trained_on: Collection[str], label: str, mosaic_sha256: str, *, masked: bool) -> list[str]:
    """Return what there is to say where a model was trained on the mosaic that it maps.

    `trained_on` are the digests of the mosaics that it was trained on.

    Raises
    ------
    InputError
        If it was, and the whole of it is mapped.
    """
    if mosaic_sha256 not in trained_on:
        return []
    if not masked:
        msg = (
            f"{label} was trained on this very mosaic, so its map is not of an unseen area; "
            "give another mosaic, or --mask for the part without indents"
        )
        raise InputError(msg)
    return [f"{label} was trained on indents in this mosaic; the mask has to leave out the windows around them"]


def measured_sample(table: TableValues, name: str) -> Sample | None:
    """Return the measured values of a property by batch; None if the tables have none."""
    there = np.isfinite(table.values[name])
    return sample_of(table.values[name][there], table.batch[there], kind=BATCHES) if there.any() else None


def table_of_batch(table: TableValues, batch: str) -> str:
    """Return the path of the table that a batch of `measured_sample` is in."""
    number = int(batch.partition(" ")[0]) - 1 if len(table.files) > 1 else 0  # as `read_tables` names batches
    return str(table.files[number]["path"])


def map_sample(each: Mapped, name: str) -> Sample:
    """Return a map's values by 8 x 8 blocks, read a band of rows at a time.

    More than 16,384 distinct values are rounded to steps of 1/16,384 of their range.

    Raises
    ------
    InputError
        If nothing is mapped, or all of it has one value.
    """
    low, high, distinct = np.inf, -np.inf, np.zeros(0)
    many = False
    with each.folder.opened(name) as raster:
        for _, values in bands(raster):
            finite = values[np.isfinite(values)].astype(np.float64)
            if finite.size:
                low, high = min(low, finite.min()), max(high, finite.max())
                distinct = distinct if many else np.union1d(distinct, finite)
                many = many or len(distinct) > MOST_DISTINCT
        if not high > low:
            msg = f"{each.folder.path} maps no {name} that varies; a distribution needs values that vary"
            raise InputError(msg)
        if many:
            distinct = rounded(low + (high - low) * np.arange(MOST_DISTINCT + 1) / MOST_DISTINCT, low, high)
        counts = np.zeros((BLOCKS * BLOCKS, len(distinct)))
        rows, cols = raster.shape
        for first, values in bands(raster):
            r, c = np.nonzero(np.isfinite(values))
            at = values[r, c].astype(np.float64)
            place = (
                np.rint((at - low) / (high - low) * MOST_DISTINCT).astype(np.intp)
                if many
                else np.searchsorted(distinct, at)
            )
            block = block_of(first + r, c, (rows, cols))
            counts += np.bincount(block * len(distinct) + place, minlength=counts.size).reshape(counts.shape)
    kept, used = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    names = tuple(f"block {n // BLOCKS},{n % BLOCKS}" for n in np.flatnonzero(kept))
    return Sample(distinct[used], counts[kept][:, used], names, MAP_BLOCKS)


def block_of(row: NDArray[np.intp], col: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return which of 8 x 8 blocks the cells of a map of `shape` lie in."""
    return np.asarray(row * BLOCKS // shape[0] * BLOCKS + col * BLOCKS // shape[1], np.intp)
