"""What an explanation is asked for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction, positive
from cemvis.analysis.relevance.boundary import THRESHOLD_PER_PX
from cemvis.analysis.relevance.centre import CentreBias
from cemvis.analysis.relevance.faithfulness import BLUR_PX, FRACTIONS, Baseline, Curves, Verdict, check_fractions
from cemvis.analysis.relevance.regions import SHARE, RegionShares
from cemvis.errors import InputError
from cemvis.images.pixel_size import PixelSize
from cemvis.models.explain.decomposition import Precision
from cemvis.models.explain.explanation import Score, ScoreKind
from cemvis.models.explain.gradients import MOST_STEPS, STEPS
from cemvis.models.explain.methods import METHODS, Reading
from cemvis.workflows._explain_subjects import Picture, Subjects
from cemvis.workflows._explain_windows import Place
from cemvis.workflows._map_result import Anchors

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class ExplainConfig:
    """How images are explained.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    asked : str
        "predicted", "own", a class, or a property.
    score : "logit" or "contrast"
    places : tuple of Place
        Middles of windows; needed for a model of modulus or hardness.
    most : int, optional
        Maps of each class that are explained, evenly spread; all by default.
    share : float
        Of the relevance, in characteristic regions.
    boundary_per_px : float
        Threshold of the gradient of relevance, a map's relevance adding up to 1.
    boundary_quantile : float, optional
        Taken instead: a quantile of each map's gradient.
    compare : int
        Images on which all methods are compared, evenly spread; 0 for none.
    fractions, baseline, blur_px, block_px
        Of the comparison: see `perturbation_curves` and `baseline_of`. Also of integrated gradients' baseline.
    steps : int
        Of integrated gradients.
    layer : str, optional
        Of Grad-CAM.
    precision : "float64" or "float32"
    figures : int
        Images that are drawn; 0 for no figures at all.
    batch : int
        Images in memory at once.
    pixel_size : PixelSize, optional
    anchors : "auto", "none" or GreyScale
    seed : int
        Of random weights, random orders and resampling.

    Raises
    ------
    InputError
    """

    method: str = "deep-taylor"
    asked: str = "predicted"
    score: ScoreKind = "logit"
    places: tuple[Place, ...] = ()
    most: int | None = None
    share: float = SHARE
    boundary_per_px: float = THRESHOLD_PER_PX
    boundary_quantile: float | None = None
    compare: int = 8
    fractions: tuple[float, ...] = FRACTIONS
    baseline: Baseline = "blurred"
    blur_px: float = BLUR_PX
    block_px: int = 8
    steps: int = STEPS
    layer: str | None = None
    precision: Precision = "float64"
    figures: int = 6
    batch: int = 4
    pixel_size: PixelSize | None = None
    anchors: Anchors = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            msg = f"method is {self.method!r}; wanted one of {', '.join(METHODS)}"
            raise InputError(msg)
        fraction(self.share, name="share")
        positive(self.boundary_per_px, name="boundary_per_px")
        if self.boundary_quantile is not None:
            fraction(self.boundary_quantile, name="boundary_quantile")
        for name, least in (("compare", 0), ("figures", 0), ("batch", 1), ("block_px", 1), ("seed", 0), ("steps", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                msg = f"{name} is {value!r}; wanted a whole number of {least} or more"
                raise InputError(msg)
        positive(self.blur_px, name="blur_px")
        check_fractions(self.fractions)
        Score(self.score)
        for name, known in (("baseline", get_args(Baseline)), ("precision", get_args(Precision))):
            if getattr(self, name) not in known:
                msg = f"{name} is {getattr(self, name)!r}; wanted one of {', '.join(known)}"
                raise InputError(msg)
        if self.steps > MOST_STEPS:
            msg = f"steps is {self.steps!r}; wanted a whole number from 1 to {MOST_STEPS}"
            raise InputError(msg)
        if self.most is not None and self.most < 1:
            msg = f"most is {self.most!r}; wanted a whole number of 1 or more"
            raise InputError(msg)

    @property
    def reading(self) -> Reading:
        """What the methods need to know; the bounds are those of nano-porosity."""
        return Reading(
            baseline=self.baseline,
            blur_px=self.blur_px,
            steps=self.steps,
            layer=self.layer,
            precision=self.precision,
        )


@dataclass(frozen=True, eq=False)
class Explained:
    """What is kept of one explained image.

    Attributes
    ----------
    picture : Picture
    predicted, target : int
        Outputs that the network chose and that was asked about.
    outputs : tuple of float
    score : float
    explained : bool
    conservation_error, absorbed_share : float
        NaN where nothing is explained, or the method promises nothing.
    shares : RegionShares
    boundary, boundary_low, boundary_high : float
        Areas of boundary features as shares of the map: all, and in its low and high part.
    half_um : float
        Distance from the middle of the image within which half of the relevance is; NaN without any.
    random_agreement : float
        Rank correlation with the same network's relevance with random weights; NaN where one of them is empty.
    random_overlap : float
        Share of the characteristic regions that are some with random weights, too.
    """

    picture: Picture
    predicted: int
    target: int
    outputs: tuple[float, ...]
    score: float
    explained: bool
    conservation_error: float
    absorbed_share: float
    shares: RegionShares
    boundary: float
    boundary_low: float
    boundary_high: float
    half_um: float
    random_agreement: float
    random_overlap: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """How faithful each method is on the same images.

    Attributes
    ----------
    chosen : tuple of int
        The images, by their place among the pictures.
    curves : dict of Curves
        By method; "random order" and "random weights" among them.
    verdicts : tuple of Verdict
        The most faithful first.
    """

    chosen: tuple[int, ...]
    curves: dict[str, Curves]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, eq=False)
class ExplainResult:
    """What was found.

    Attributes
    ----------
    config : ExplainConfig
    subjects : Subjects
    images : tuple of Explained
    centre : dict of CentreBias
        By class, over its maps; and with random weights.
    layers : dict of (float, float)
        Mean share of the score that a layer absorbed, and mean number of units that did.
    comparison : Comparison or None
    notes : tuple of str
    files : tuple of Path
    """

    config: ExplainConfig
    subjects: Subjects
    images: tuple[Explained, ...]
    centre: dict[str, CentreBias]
    layers: dict[str, tuple[float, float]]
    comparison: Comparison | None
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())

    def to_frame(self) -> DataFrame:
        """Return a row for each image."""
        import pandas as pd

        names = self.subjects.outputs
        classes = self.subjects.unit == ""
        rows = []
        for each in self.images:
            row: dict[str, Any] = {
                "name": each.picture.name,
                "file": each.picture.source.name,
                "class": each.picture.class_name,
                "specimen": each.picture.specimen,
                "region": each.picture.region,
                "row_px": each.picture.row_px,
                "column_px": each.picture.column_px,
            }
            row |= {"seen": each.picture.seen, "predicted": names[each.predicted]} if classes else {}
            row |= {"explained_output": names[each.target], "score": each.score, "explained": each.explained}
            row |= {f"output_{name}": value for name, value in zip(names, each.outputs, strict=True)}
            row |= {"conservation_error": each.conservation_error, "absorbed_share": each.absorbed_share}
            row |= {"threshold_level": each.shares.threshold, "region_area": each.shares.area}
            low, high = (side.replace(" ", "_") for side in self.subjects.sides)
            row |= {f"{low}_area": each.shares.low_porosity, f"{high}_area": each.shares.high_porosity}
            row |= {f"region_area_{low}": each.shares.area_low, f"region_area_{high}": each.shares.area_high}
            row |= {f"relevance_{low}": each.shares.relevance_low, f"relevance_{high}": each.shares.relevance_high}
            row |= {"boundary_area": each.boundary}
            row |= {f"boundary_area_{low}": each.boundary_low, f"boundary_area_{high}": each.boundary_high}
            row |= {"half_relevance_um": each.half_um}
            row |= {"random_weights_correlation": each.random_agreement, "random_weights_overlap": each.random_overlap}
            rows.append(row)
        return pd.DataFrame(rows)


def spread_over(count: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of `count` indices, evenly spread."""
    most = min(most, count)
    return (np.arange(most, dtype=np.intp) * count) // max(most, 1)
