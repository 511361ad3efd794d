"""Values of a map as counts, and the map of populations; both a band of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, json_record, sha256_of
from cemvis.analysis.indentation.deconvolution.assignment import UNCERTAIN, assigned
from cemvis.analysis.indentation.deconvolution.grouped import BINS_PER_SPREAD, MOST_DISTINCT, Grouped, halfway
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.errors import FileFormatError, InputError
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.workflows._deconvolve_sources import HIGHEST_GPA
from cemvis.workflows._map_files import SUMMARY, raster_name

Floats = NDArray[np.float64]

BLOCKS = 8  # of a map's rows and columns: cells of a block stand for a batch, since neighbours are alike
BINS = 4096
MOST_LEVELS = 2048


@dataclass(frozen=True)
class MapFolder:
    """A map that `cemvis map` made.

    Attributes
    ----------
    path : Path
    summary : mapping
        What its summary says.
    step_um, first_um : float
        Between cells, and x and y of the first one.
    """

    path: Path
    summary: Mapping[str, Any]
    step_um: float
    first_um: float

    @classmethod
    def open(cls, path: Path) -> MapFolder:
        """Read the summary.

        Raises
        ------
        FileFormatError
            If it is not that of a map.
        FileAccessError
        """
        with json_record(path / SUMMARY, "cemvis map") as summary:
            grid = summary["grid"]
            return cls(path, summary, float(grid["step_um"]), float(grid["first_centre_um"]))

    def has(self, name: str) -> bool:
        """Return whether a property was mapped."""
        return (self.path / raster_name(name)).is_file()

    def origin(self, names: Sequence[str]) -> dict[str, Any]:
        """Return where the maps of the properties `names` come from, with the digests of their files."""
        about = {key: self.summary[key] for key in ("mosaic", "model", "pixel_size", "grid") if key in self.summary}
        files = [SUMMARY, *(raster_name(name) for name in names)]
        return {"path": str(self.path), "sha256": {each: sha256_of(self.path / each) for each in files}, **about}

    @contextmanager
    def opened(self, name: str) -> Iterator[Any]:
        """Yield a property's raster, to be sliced by rows; see `opened_raster`."""
        with opened_raster(self.path / raster_name(name)) as raster:
            if raster.dtype.kind != "f":
                msg = f"{self.path / raster_name(name)} holds {raster.dtype}; wanted a map's floating-point values"
                raise FileFormatError(msg)
            yield raster


@contextmanager
def opened_raster(path: Path) -> Iterator[Any]:
    """Yield an OME-TIFF of one value a cell as an array that is read where it is sliced.

    Raises
    ------
    FileFormatError
        If it is no such file.
    FileAccessError
    """
    import tifffile
    import zarr

    with access_errors(path, doing="read"):
        try:
            store = tifffile.imread(path, aszarr=True)
        except (tifffile.TiffFileError, ValueError, KeyError) as error:
            msg = f"{path} is not a map: {error}"
            raise FileFormatError(msg) from error
        try:
            raster = zarr.open(store, mode="r")
            if not isinstance(raster, zarr.Array) or raster.ndim != 2:
                msg = f"{path} is not a map of one value a cell; map again with `cemvis map`"
                raise FileFormatError(msg)
            yield raster
        finally:
            store.close()


def bands(raster: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the first row and the values of bands as high as the raster's tiles."""
    high = int(raster.chunks[0])
    for first in range(0, raster.shape[0], high):
        yield first, np.asarray(raster[first : first + high])


def grouped_map(folder: MapFolder, name: str) -> Grouped:
    """Count a map's values by interval, and by 8 x 8 blocks of the map in place of batches.

    Raises
    ------
    InputError
        If nothing is mapped, all of it has one value, or a value is none that a solid can have.
    """
    with folder.opened(name) as raster:
        levels: NDArray[Any] | None = np.zeros(0)
        low, high, size = np.inf, -np.inf, 0
        for _, values in bands(raster):
            finite = values[np.isfinite(values)].astype(np.float64)
            if finite.size:
                low, high, size = min(low, finite.min()), max(high, finite.max()), size + finite.size
                levels = _more_levels(levels, finite)
        if size == 0 or high - low <= 1e-9 * max(abs(low), abs(high)):
            msg = f"{folder.path} maps no {name} that varies; a mixture needs values that vary"
            raise InputError(msg)
        highest = HIGHEST_GPA.get(name, np.inf)
        if max(-low, high) > highest:  # which intervals of equal width could not resolve
            msg = f"{folder.path} maps {name} from {low:g} to {high:g} GPa; wanted at most {highest:g}, as solids have"
            raise InputError(msg)
        discrete = levels is not None and len(levels) < MOST_DISTINCT * size
        if discrete and levels is not None:
            lower, upper = halfway(levels)
        else:
            edges = np.linspace(low, high, BINS + 1)
            lower, upper = edges[:-1], edges[1:]
        counts = np.zeros((BLOCKS * BLOCKS, len(lower)))
        rows, cols = raster.shape
        for first, values in bands(raster):
            r, c = np.nonzero(np.isfinite(values))
            cell = np.clip(np.searchsorted(lower, values[r, c].astype(np.float64), side="right") - 1, 0, len(lower) - 1)
            block = (first + r) * BLOCKS // rows * BLOCKS + c * BLOCKS // cols
            counts += np.bincount(block * len(lower) + cell, minlength=counts.size).reshape(counts.shape)
    if not discrete:
        lower, upper, counts = _no_narrower_than_needed(lower, upper, counts)
    kept, used = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    names = tuple(f"block {n // BLOCKS},{n % BLOCKS}" for n in np.flatnonzero(kept))
    return Grouped(lower[used], upper[used], counts[kept][:, used], names, discrete, "blocks of the map", "cells")


def _no_narrower_than_needed(lower: Floats, upper: Floats, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Return equal intervals joined to the width that tables of indents get: fewer of them make fits faster."""
    wanted = Grouped(lower, upper, counts, ()).spread() / BINS_PER_SPREAD
    every = max(1, int(wanted / (upper[0] - lower[0])))
    first = np.arange(0, len(lower), every)
    last = np.minimum(first + every, len(lower)) - 1
    return lower[first], upper[last], np.add.reduceat(counts, first, axis=1)


def _more_levels(levels: NDArray[Any] | None, values: NDArray[Any]) -> NDArray[Any] | None:
    if levels is None:
        return None
    both = np.union1d(levels, values)
    return both if len(both) <= MOST_LEVELS else None


def write_population_map(
    folder: MapFolder,
    name: str,
    mixture: PopulationMixture,
    called: tuple[str, ...],
    *,
    certain: float,
    number_path: Path,
    probability_path: Path,
) -> dict[str, Any]:
    """Write the number of each cell's population and its posterior probability as OME-TIFF; return the shares of cells.

    Numbers are 0 where nothing is mapped, 1 ... in rising mean, 255 where uncertain.
    """
    counts = np.zeros(256, np.int64)
    doubt = f"uncertain: posterior probability below {certain:g}, or beyond the mean of the next population"
    legend = {"0": "not mapped", str(UNCERTAIN): doubt}
    legend |= {str(number): each for number, each in enumerate(called, start=1)}
    origin = {"map": {key: folder.summary[key] for key in ("mosaic", "model", "grid") if key in folder.summary}}
    first = (folder.first_um, folder.first_um)
    with folder.opened(name) as raster:

        def numbers() -> Iterator[NDArray[Any]]:
            for _, values in bands(raster):
                number = assigned(mixture, values, certain=certain)[0]
                counts[:] += np.bincount(number.ravel(), minlength=256)
                yield number

        probabilities = (assigned(mixture, values, certain=certain)[1] for _, values in bands(raster))
        about = "Population by posterior probability. " + "; ".join(f"{n}: {text}" for n, text in legend.items()) + "."
        title = Raster(f"Population by {name}", about, folder.step_um, first, origin | {"legend": legend})
        write_ome_tiff(number_path, numbers(), shape=raster.shape, dtype="uint8", raster=title)
        about = "Posterior probability of the likeliest population; NaN: not mapped."
        title = Raster("Posterior probability", about, folder.step_um, first, origin)
        write_ome_tiff(probability_path, probabilities, shape=raster.shape, dtype="float32", raster=title)
    mapped = int(counts[1:].sum())
    return {
        "property": name,
        "certain_from": certain,
        "cells_mapped": mapped,
        "share_uncertain": float(counts[UNCERTAIN] / mapped) if mapped else None,
        "share_certain": {each: float(counts[n] / mapped) for n, each in enumerate(called, start=1)} if mapped else {},
        "legend": legend,
    }
