"""Indents that were located on a mosaic: the indenter's table with positions, scores and flags, batch by batch."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cemvis._files import access_errors, written_whole
from cemvis.analysis.indentation.table import COLUMNS, IndentTable
from cemvis.errors import FileFormatError, InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

TABLE, SUMMARY, DECISIONS = "located.csv", "located.json", "decisions.csv"
FINE, MISSING, PORE, AMBIGUOUS, UNREGISTERED = "", "missing", "pore", "ambiguous", "unregistered"
FLAGS = (FINE, MISSING, PORE, AMBIGUOUS, UNREGISTERED)
ADDED = ("after_x_px", "after_y_px", "score", "residual_x_px", "residual_y_px", "error_px", "flag")
ACCEPT, REJECT = "accept", "reject"
_TEXTS = dict.fromkeys(("id", "batch", "status", "flag"), str)
_EMPTY = {name: ["", "nan"] for name in (*COLUMNS, *ADDED) if name not in _TEXTS}  # a batch may be called NA
_PLACES = {"x_um": 4, "y_um": 4, "after_x_px": 3, "after_y_px": 3, "score": 2, "error_px": 3}
_PLACES |= {"residual_x_px": 2, "residual_y_px": 2}


@dataclass(frozen=True)
class LocatedBatch:
    """Where a batch lies on the before-image, and how the stage erred.

    Attributes
    ----------
    name : str
    rows, columns : int
    pitch_px : tuple of float
        Between columns and between rows.
    origin_px : tuple of float
        x and y of the first place.
    x_axis, y_axis : tuple of float
        Unit vectors along the rows and down the columns; they include the shear that was found.
    column_error_px, row_error_px : tuple of float
        Accumulated error of each column along the rows and of each row down the columns, from 0 at the first.
    amplitude : float
        Score expected of an imprint.
    mean_score : float
        Mean of the indents' scores.
    evidence : float
        That there are imprints: about N(0, 1) if there are none.
    walk_px : float
        Standard deviation of the errors' steps.
    spread_px : float
        Root mean square difference between starts of nearly the same score.
    """

    name: str
    rows: int
    columns: int
    pitch_px: tuple[float, float]
    origin_px: tuple[float, float]
    x_axis: tuple[float, float]
    y_axis: tuple[float, float]
    column_error_px: tuple[float, ...]
    row_error_px: tuple[float, ...]
    amplitude: float
    mean_score: float
    evidence: float
    walk_px: float
    spread_px: float

    def places_px(self) -> Floats:
        """Return x and y of all places without the stage's errors, (rows, columns, 2) float64."""
        i, j = np.mgrid[: self.rows, : self.columns]
        along, down = j * self.pitch_px[0], i * self.pitch_px[1]
        return self._placed(along, down)

    def erred_places_px(self) -> Floats:
        """Return x and y of all places with the stage's errors, (rows, columns, 2) float64."""
        i, j = np.mgrid[: self.rows, : self.columns]
        along = j * self.pitch_px[0] + np.array(self.column_error_px)[None, :]
        down = i * self.pitch_px[1] + np.array(self.row_error_px)[:, None]
        return self._placed(along, down)

    def _placed(self, along: Floats, down: Floats) -> Floats:
        steps = np.stack([along, down], axis=-1) @ np.array([self.x_axis, self.y_axis])
        return np.asarray(np.array(self.origin_px) + steps)


@dataclass(frozen=True)
class LocatedIndents:
    """n tests with where their imprints are.

    Attributes
    ----------
    table : IndentTable
        `x_um` and `y_um` are on the before-image: from the centre of its top-left pixel, x right, y down.
    after_xy_px : (n, 2) float64
        x and y on the after-image; NaN where it does not show the place.
    score : (n,) float64
        Standardised response of the imprint's template: about N(0, 1) where there is none.
    residual_px : (n, 2) float64
        From the grid to the indent's own peak, on the before-image; NaN where it has none.
    error_px : (n,) float64
        Estimated standard error of the position, registration included.
    flag : tuple of str
        "" (fine), "missing" (no imprint seen), "pore" (on a pore), "ambiguous" (its own peak disagrees with the grid),
        "unregistered" (off the images, or where they could not be brought together).
    batches : tuple of LocatedBatch
    pixel_size_um : float
        Of the before-image.
    about : dict
        Files and digests, settings, appearance of the imprints, notes.
    """

    table: IndentTable
    after_xy_px: Floats
    score: Floats
    residual_px: Floats
    error_px: Floats
    flag: tuple[str, ...]
    batches: tuple[LocatedBatch, ...]
    pixel_size_um: float
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def before_xy_px(self) -> Floats:
        """Positions on the before-image in px, (n, 2) float64."""
        return np.column_stack([self.table.x_um, self.table.y_um]) / self.pixel_size_um

    def to_frame(self) -> pd.DataFrame:
        """Return the indents as a pandas table: the columns of `COLUMNS`, then those of `ADDED`."""
        import pandas as pd

        added = [*self.after_xy_px.T, self.score, *self.residual_px.T, self.error_px, np.array(self.flag, object)]
        return pd.concat([self.table.to_frame(), pd.DataFrame(dict(zip(ADDED, added, strict=True)))], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Return what was found batch by batch, with counts and `about`."""
        counts = {flag or "fine": self.flag.count(flag) for flag in FLAGS}
        return {
            **self.about,
            "pixel_size_um": self.pixel_size_um,
            "indents": len(self),
            "flags": counts,
            "batches": [_finite(asdict(batch)) for batch in self.batches],
            "notes": list(self.table.notes),
        }

    def save(self, folder: Path) -> list[Path]:
        """Write located.csv and located.json into a folder that is there; return them.

        Raises
        ------
        FileAccessError
            If they cannot be written.
        """
        frame = self.to_frame().round(_PLACES)
        kept = [name for name in COLUMNS if name in ("id", "batch", "status") or not frame[name].isna().all()]
        with written_whole(folder / TABLE) as beside:
            frame[[*kept, *ADDED]].to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
        with written_whole(folder / SUMMARY) as beside:
            beside.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
        return [folder / TABLE, folder / SUMMARY]

    @classmethod
    def load(cls, folder: Path) -> LocatedIndents:
        """Return what `save` wrote.

        Raises
        ------
        FileAccessError, FileFormatError
            If the files cannot be read or are not what `save` writes.
        """
        import pandas as pd

        with access_errors(folder / SUMMARY, doing="read"):
            text = (folder / SUMMARY).read_text("utf-8")
        try:
            about = json.loads(text)
            batches = tuple(_batch(each) for each in about.pop("batches"))
            with access_errors(folder / TABLE, doing="read"):
                frame = pd.read_csv(folder / TABLE, dtype=_TEXTS, keep_default_na=False, na_values=_EMPTY)
            return cls._from_frame(frame, batches, about)
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{folder / SUMMARY} and {TABLE} are not what `cemvis locate` writes ({error}); locate again"
            raise FileFormatError(msg) from error

    @classmethod
    def _from_frame(
        cls, frame: pd.DataFrame, batches: tuple[LocatedBatch, ...], about: dict[str, Any]
    ) -> LocatedIndents:
        texts = {name: tuple(frame[name].fillna("").astype(str).str.strip()) for name in _TEXTS}
        unknown = sorted(set(texts["flag"]) - set(FLAGS))
        if unknown:
            msg = f"unknown flags {', '.join(unknown)}"
            raise ValueError(msg)
        n = len(frame)
        numbers: dict[str, Any] = {
            name: frame[name].to_numpy(np.float64) if name in frame else np.full(n, np.nan)
            for name in COLUMNS
            if name not in texts and name not in ("row", "column")
        }
        places = {name: frame[name].to_numpy(np.int64) for name in ("row", "column")}
        notes = tuple(about.pop("notes", ()))
        table = IndentTable(
            id=texts["id"], batch=texts["batch"], status=texts["status"], sources=(), notes=notes, **places, **numbers
        )
        pixel_size_um = float(about.pop("pixel_size_um"))
        for counted in ("indents", "flags"):
            about.pop(counted, None)
        after, residual = frame[["after_x_px", "after_y_px"]], frame[["residual_x_px", "residual_y_px"]]
        return cls(
            table,
            after.to_numpy(np.float64),
            frame["score"].to_numpy(np.float64),
            residual.to_numpy(np.float64),
            frame["error_px"].to_numpy(np.float64),
            texts["flag"],
            batches,
            pixel_size_um,
            about,
        )


class Decision(NamedTuple):
    """What a person decided on an indent, "accept" or "reject", and the note beside it."""

    word: str
    note: str


def read_decisions(path: Path) -> dict[tuple[str, str], Decision]:
    """Return what a person decided on indents, by batch and id; empty if there is no such file.

    Spaces around cells and the case of a decision are of no account. A line without a decision says nothing.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    InputError
        If it is no table of decisions, or an indent is both accepted and rejected.
    """
    import pandas as pd

    if not path.exists():
        return {}
    try:
        with access_errors(path, doing="read"):
            frame = pd.read_csv(path, dtype=str, encoding="utf-8-sig", skipinitialspace=True, keep_default_na=False)
        frame = frame.rename(columns=str.strip).fillna("")
        notes = frame["note"] if "note" in frame else [""] * len(frame)
        rows = list(zip(frame["batch"], frame["id"], frame["decision"], notes, strict=True))
    except (ValueError, KeyError) as error:
        msg = f"{path} is no table of decisions; wanted the columns id, batch, decision"
        raise InputError(msg) from error
    decided: dict[tuple[str, str], Decision] = {}
    for line, row in enumerate(rows, 2):
        batch, name, said, note = (cell.strip() for cell in row)
        decision = Decision(said.lower(), note)
        if not decision.word:
            continue
        about = f"{path}, line {line}: indent {name} of batch {batch}"
        if decision.word not in (ACCEPT, REJECT):
            msg = f"{about}: the decision is {said!r}; wanted {ACCEPT} or {REJECT}"
            raise InputError(msg)
        earlier = decided.get((batch, name), decision)
        if earlier.word != decision.word:
            msg = f"{about} is both accepted and rejected; keep one decision"
            raise InputError(msg)
        decided[(batch, name)] = decision if note else earlier
    return decided


def _batch(record: dict[str, Any]) -> LocatedBatch:
    def tuples(value: Any) -> Any:
        return tuple(math.nan if each is None else each for each in value) if isinstance(value, list) else value

    return LocatedBatch(**{name: tuples(value) for name, value in record.items()})


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record for JSON, which has no NaN."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: plain(value) for name, value in record.items()}
