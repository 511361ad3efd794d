"""Which residual network is trained and how, and what is written beside the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis._files import write_text
from cemvis.errors import InputError
from cemvis.images.grey_scale import GreyTransform
from cemvis.images.micrograph import open_micrograph
from cemvis.models.metrics import coverage_by_value
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.trainer_config import TrainerConfig
from cemvis.report.network_training import (
    IntervalsByValue,
    NetworkPairs,
    coverage_csv,
    coverage_figure,
    history_figure,
    network_figure,
)
from cemvis.report.style import save_png
from cemvis.workflows.pairs import Pairs, field_corner

if TYPE_CHECKING:
    from cemvis.models.network_training import MosaicWindows, TrainedNetwork, WindowPairs


@dataclass(frozen=True)
class ResNetConfig:
    """Which residual network, and how to train it; the defaults are the paper's.

    Attributes
    ----------
    downsample : int
        Pixels of the mosaic along the edge of a sample that the network reads: their mean.
    pooled : int or None
        For dense maps: no padding, and the head reads the mean of so many features along each edge. None for the
        paper's zero-padded windows.
    stem_pool : bool
        Maximum pooling behind the stem: a quarter of the arithmetic.
    half : bool
        Keep the weights in float16.
    trainer : TrainerConfig
    resume : bool
        Go on from the checkpoint of a run that was stopped.
    """

    downsample: int = 1
    pooled: int | None = None
    stem_pool: bool = False
    half: bool = False
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    resume: bool = False

    def layout(self, window_px: int, *, targets: int) -> ResNetLayout:
        """Return the network's layout for cells of `window_px` pixels.

        Raises
        ------
        InputError
            If the window is too small for so much downsampling.
        """
        if self.pooled is not None:
            return ResNetLayout.dense(
                pooled=self.pooled,
                targets=targets,
                downsample=self.downsample,
                stem_pool=self.stem_pool,
                spread=True,
            )
        samples = round(window_px / self.downsample)
        if samples < 16:
            msg = (
                f"a window of {window_px} px is {samples} samples wide when it is downsampled by {self.downsample}; "
                "wanted 16 or more: give a smaller --downsample"
            )
            raise InputError(msg)
        return ResNetLayout(
            targets=targets, downsample=self.downsample, window=samples, stem_pool=self.stem_pool, spread=True
        )


@contextmanager
def opened_windows(
    pairs: Sequence[Pairs], transforms: Sequence[GreyTransform], layout: ResNetLayout
) -> Iterator[tuple[MosaicWindows, ...]]:
    """Yield the windows that a network reads around the indents of all areas, with their mosaics open."""
    from cemvis.models.network_training import MosaicWindows

    with ExitStack() as stack:
        yield tuple(
            MosaicWindows(
                stack.enter_context(open_micrograph(each.area.mosaic, pixel_size=each.pixel_size)),
                each.mosaic_sha256,
                transform,
                field_corner(each.top_left, each.window_px, layout.window_px),
            )
            for each, transform in zip(pairs, transforms, strict=True)
        )


def write_network_files(
    trained: TrainedNetwork, pairs: WindowPairs, config: TrainerConfig, output: Path
) -> dict[str, Any]:
    """Write what a network's training leaves beside `output`, and return what there is to say about it, JSON-ready.

    Those are the history, the figure of predicted against measured values, and the coverage of the intervals.
    """
    split, stem = trained.split, output.with_suffix("")
    shown = [
        NetworkPairs(
            one.name,
            one.unit,
            pairs.measured_gpa[one.name],
            trained.predictions[one.name],
            split.train,
            split.neighbours,
            split.test,
        )
        for one in trained.properties
    ]
    covered = [
        IntervalsByValue(
            one.name,
            one.unit,
            one.interval.level,
            coverage_by_value(
                trained.predictions[one.name].only(split.test),
                pairs.measured_gpa[one.name][split.test],
                batches=pairs.batches[split.test],
            ),
        )
        for one in trained.properties
    ]
    write_text(stem.with_name(f"{stem.name}.history.csv"), trained.history.to_csv())
    write_text(stem.with_name(f"{stem.name}.coverage.csv"), coverage_csv(covered))
    save_png(network_figure(shown), stem.with_name(f"{stem.name}.png"))
    save_png(history_figure(trained.history), stem.with_name(f"{stem.name}.history.png"))
    save_png(coverage_figure(covered), stem.with_name(f"{stem.name}.coverage.png"))
    sets = {name: getattr(split, name) for name in ("train", "neighbours", "validation", "calibration", "test")}
    return {
        "layout": asdict(trained.network.layout),
        "trainer": config.identity,
        "precision": trained.network.precision,
        "epochs": len(trained.history.epochs),
        "best_epoch": trained.history.best.epoch,
        "pairs_in": {name: len(chosen) for name, chosen in sets.items()},
        "left_out_by_the_guard": split.guarded,
        "coverage_by_predicted_value": {one.name: [asdict(each) for each in one.bins] for one in covered},
    }
