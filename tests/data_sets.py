"""How data sets are made in tests."""

from __future__ import annotations

from pathlib import Path

from areas import WINDOW_UM
from cemvis.workflows.dataset import DatasetConfig
from cemvis.workflows.train import TrainConfig

CONFIG = DatasetConfig(window_um=WINDOW_UM, threads=1)
TRAINING = TrainConfig(window_um=WINDOW_UM, threads=1)


def decide(folder: Path, *lines: str) -> None:
    (folder / "decisions.csv").write_text("id,batch,decision,note\n" + "".join(f"{line}\n" for line in lines))
