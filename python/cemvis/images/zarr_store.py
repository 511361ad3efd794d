"""Zarr arrays (formats 2 and 3) and the full-size level of OME-Zarr images, by window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from cemvis.errors import FileFormatError
from cemvis.images.colour import Encoding
from cemvis.images.pixel_size import RecordedSize, to_um
from cemvis.images.storage import FileMetadata


class ZarrStorage:
    """The micrograph in a Zarr store; see `cemvis.images.storage.Storage`.

    Axes before the last two (time, channel, z) must have one entry each.
    """

    lossy = False

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        try:
            node = zarr.open(path, mode="r")
            array, self.metadata = _level_0(node, self._name)
        except FileFormatError:
            raise
        except Exception as error:  # zarr raises whatever broken metadata lead to
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            msg = f"{path} is a damaged Zarr store ({reason})"
            raise FileFormatError(msg) from error
        if array.ndim < 2 or any(length != 1 for length in array.shape[:-2]):
            msg = f"{path} has shape {array.shape}; wanted one image, (rows, cols) or with leading axes of length 1"
            raise FileFormatError(msg)
        self._array = array
        self.format = "OME-Zarr" if isinstance(node, zarr.Group) else "Zarr"
        self.shape: tuple[int, int] = (array.shape[-2], array.shape[-1])
        self.dtype: np.dtype[Any] = np.dtype(array.dtype).newbyteorder("=")
        self.chunk_shape = (min(array.chunks[-2], self.shape[0]), min(array.chunks[-1], self.shape[1]))
        self.layout = (
            f"chunks of {self.chunk_shape[0]} x {self.chunk_shape[1]} px, Zarr format {array.metadata.zarr_format}"
        )
        self.encoding = Encoding()

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int) -> NDArray[Any]:  # noqa: ARG002
        """Return the window; zarr decodes chunks in threads of its own."""
        try:
            window = self._array[..., row : row + rows, col : col + cols]
        except Exception as error:  # codecs raise errors of their own kinds
            msg = f"{self._name} is damaged: the chunks of rows {row}-{row + rows - 1}, columns {col}-{col + cols - 1} "
            raise FileFormatError(msg + "do not decode") from error
        return np.asarray(window, dtype=self.dtype).reshape(rows, cols)

    def close(self) -> None:
        """Close the store."""
        self._array.store.close()


def _level_0(node: zarr.Array[Any] | zarr.Group, name: str) -> tuple[zarr.Array[Any], FileMetadata]:
    """Return the full-size array and what its OME metadata says."""
    if isinstance(node, zarr.Array):
        return node, FileMetadata()
    attributes: Mapping[str, Any] = node.attrs.asdict()
    ome = attributes.get("ome", attributes)
    scales = ome.get("multiscales") if isinstance(ome, Mapping) else None
    if not scales:
        msg = f"{name} is a Zarr group without OME-Zarr multiscales; give the path of the array in it"
        raise FileFormatError(msg)
    image = scales[0]
    dataset = image["datasets"][0]
    array = node[dataset["path"]]
    if not isinstance(array, zarr.Array):
        msg = f"{name}: {dataset['path']} is not an array"
        raise FileFormatError(msg)
    return array, FileMetadata(sizes=_sizes(image, dataset, array.ndim))


def _sizes(image: Mapping[str, Any], dataset: Mapping[str, Any], ndim: int) -> tuple[RecordedSize, ...]:
    """Return the pixel size: the scale of the level times that of the image, if the axes have a unit."""
    scale = [1.0] * ndim
    found = False
    for transform in [*dataset.get("coordinateTransformations", []), *image.get("coordinateTransformations", [])]:
        if transform.get("type") == "scale":
            scale = [a * float(b) for a, b in zip(scale, transform["scale"], strict=True)]
            found = True
    axes: Sequence[Any] = image.get("axes", [])
    units = [str(axis.get("unit", "")) if isinstance(axis, Mapping) else "" for axis in axes][-2:]
    if not found or len(units) != 2:
        return ()
    y_um, x_um = (to_um(value, unit) for value, unit in zip(scale[-2:], units, strict=True))
    size = RecordedSize(x_um or math.nan, y_um or math.nan, "OME-Zarr")
    return (size,) if size.plausible else ()
