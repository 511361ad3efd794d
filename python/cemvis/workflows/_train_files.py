"""The files that a training leaves, and whether they may be written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from cemvis._files import check_free, check_writable
from cemvis.errors import InputError, OutputExistsError


@dataclass(frozen=True)
class TrainedFiles:
    """Where the results of a training are.

    Attributes
    ----------
    model, metrics_json, metrics_csv, figure : Path
    history, history_figure, coverage_csv, coverage_figure : Path or None
        Of a network only.
    """

    model: Path
    metrics_json: Path
    metrics_csv: Path
    figure: Path
    history: Path | None = None
    history_figure: Path | None = None
    coverage_csv: Path | None = None
    coverage_figure: Path | None = None

    @classmethod
    def beside(cls, output: Path, *, network: bool) -> TrainedFiles:
        """Return the names of the files that go with the model file `output`."""
        ends = ["metrics.json", "metrics.csv", "png"]
        if network:
            ends += ["history.csv", "history.png", "coverage.csv", "coverage.png"]
        return cls(output, *(output.with_name(f"{output.stem}.{end}") for end in ends))

    @property
    def all(self) -> tuple[Path, ...]:
        """Return the files that there are."""
        return tuple(path for path in asdict(self).values() if path is not None)

    @property
    def checkpoint(self) -> Path:
        """Where a network's training keeps what a stopped run needs; removed once the results are written."""
        return self.model.with_name(f"{self.model.stem}.checkpoint.safetensors")


def check_output(files: TrainedFiles, *, network: bool, resume: bool, overwrite: bool) -> None:
    """Refuse a model file that cannot be written, and results or a checkpoint that would be replaced unasked."""
    if files.model.suffix != ".safetensors":
        msg = f"output {files.model}: wanted a name that ends in .safetensors"
        raise InputError(msg)
    check_writable(files.model)
    check_free(files.model.parent, [path.name for path in files.all], overwrite=overwrite)
    if network and files.checkpoint.exists() and not resume and not overwrite:
        msg = (
            f"{files.checkpoint} is of a training that was stopped; go on with --resume, or start anew with --overwrite"
        )
        raise OutputExistsError(msg)
