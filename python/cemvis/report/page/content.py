"""What stands on a report's page: sections with facts, pictures, charts, tables and views, free of markup."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class Fact:
    """A number worth a glance: what it is, its value with its unit, and what to know about it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Message:
    """A sentence in place of what cannot be shown."""

    text: str
    alarming: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture from a file, made small enough for a page; `data` is a data URI."""

    title: str
    data: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Table:
    """A table with its first rows.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuple of str
        As they stand in the file.
    all_rows : int
        How many there are in all.
    note : str
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    all_rows: int
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """A mixture's component.

    Attributes
    ----------
    name : str
    fraction, mean, sd : float
        Mean and sd in the chart's unit.
    said : str
        Fraction, mean and sd in words, with their intervals.
    """

    name: str
    fraction: float
    mean: float
    sd: float
    said: str = ""

    def density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the component's share of the density of all values at `x`."""
        sd = max(self.sd, 1e-12)
        values: NDArray[np.float64] = self.fraction * np.exp(-0.5 * ((x - self.mean) / sd) ** 2)
        return values / (sd * math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Chart:
    """A histogram and the mixture fitted to it.

    Attributes
    ----------
    title, label : str
        What stands above it and at its axis, unit included.
    edges : (bins + 1,) float64
    counts : (bins,) int64
    all_values : int
        Those beyond the edges included.
    median : float
    unit : str
        Of the values.
    curves : tuple of Curve
    note : str
    doubtful : bool
        Whether the data do not support the mixture.
    """

    title: str
    label: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    all_values: int
    median: float
    unit: str = ""
    curves: tuple[Curve, ...] = ()
    note: str = ""
    doubtful: bool = False


@dataclass(frozen=True)
class ImageLayer:
    """A picture in a view; its extent is that of its outer edges, (left, right, top, bottom) in um."""

    name: str
    data: str
    extent_um: Extent
    um_per_px: float


@dataclass(frozen=True)
class ValueLayer:
    """Values of one property in a view.

    Attributes
    ----------
    name, unit : str
    values : (rows, cols) float
        NaN where there is none.
    extent_um : tuple of float
        Of the outer edges of the cells: left, right, top, bottom.
    colours : str
        Name of a matplotlib colour map.
    spread_of : str
        Name of the layer of which this is the half width of an interval.
    limits : tuple of float, optional
        Between which values are coloured, where layers share their colours; else their 1st and 99th percentile.
    """

    name: str
    unit: str
    values: NDArray[Any]
    extent_um: Extent
    colours: str
    spread_of: str = ""
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class ClassLayer:
    """Numbers that stand for classes in a view, (rows, cols) uint8, and what each means.

    Classes without a colour are only read out, not drawn.
    """

    name: str
    numbers: NDArray[np.uint8]
    extent_um: Extent
    legend: Mapping[int, str]
    colours: Mapping[int, str]
    bits: bool = False


@dataclass(frozen=True)
class Points:
    """Places in a view, such as indents, with what is said of each."""

    name: str
    xy_um: NDArray[np.float64]
    said: tuple[str, ...]
    doubtful: NDArray[np.bool_]


Layer = ImageLayer | ValueLayer | ClassLayer


@dataclass(frozen=True)
class View:
    """Layers on each other, to be zoomed, panned and compared by a slider.

    Attributes
    ----------
    title : str
    layers : tuple of Layer
        The first stands left of the slider, the second right of it.
    extent_um : tuple of float
        Of everything: left, right, top, bottom.
    note : str
        What has to be known, such as how many cells a shown value is the mean of.
    points : Points or None
    """

    title: str
    layers: tuple[Layer, ...]
    extent_um: Extent
    note: str = ""
    points: Points | None = None


Block = Message | Picture | Table | Chart | View


@dataclass(frozen=True)
class Section:
    """What one folder holds.

    Attributes
    ----------
    title, kind, lead : str
        The folder's name, what it is, and a sentence on it.
    warnings, notes : tuple of str
    facts : tuple of Fact
    blocks : tuple of Block
    origins : tuple of (str, str)
        What it was made from.
    records : mapping of str to object
        JSON as it was found, by file name.
    files : tuple of (str, int)
        Names and sizes in bytes.
    """

    title: str
    kind: str
    lead: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    blocks: tuple[Block, ...] = ()
    origins: tuple[tuple[str, str], ...] = ()
    records: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[tuple[str, int], ...] = ()
