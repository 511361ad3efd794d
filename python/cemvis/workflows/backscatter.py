"""Backscatter coefficients of solids over beam energies: a table, as values and as a file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis import __version__
from cemvis._files import check_free, check_writable, write_text
from cemvis.analysis.porosity.backscatter import Backscatter, simulate_backscatter
from cemvis.analysis.porosity.compound import Compound
from cemvis.errors import FileAccessError, FileFormatError, InputError

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
SUFFIXES = (".csv", ".json")
_PLAIN = ("energy_kev", "tilt_deg", "electrons", "backscattered", "eta", "standard_error", "eta_mixture")
_DERIVED = (
    "mean_energy_kev",
    "scatterings_per_electron",
    "depth_50_nm",
    "depth_90_nm",
    "radius_50_nm",
    "radius_90_nm",
    "seed",
)


@dataclass(frozen=True)
class BackscatterTable:
    """What was simulated, solid by solid and energy by energy.

    Attributes
    ----------
    rows : tuple of Backscatter
    command : str
        As it goes into the file.
    """

    rows: tuple[Backscatter, ...]
    command: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return a row a solid and energy: eta, its error and Castaing's mean, where the electrons were, and the seed.

        Depths and radii hold 50 % and 90 % of the electrons that come back; NaN without a density.
        """
        import pandas as pd

        records = []
        for row in self.rows:
            values = row.to_json()
            solid = {"solid": row.compound.name, "density_g_cm3": row.compound.density_g_cm3}
            records.append({**solid, **{name: values[name] for name in (*_PLAIN, *_DERIVED)}})
        return pd.DataFrame(records)

    def to_json(self) -> dict[str, Any]:
        """Return all rows with version and command as plain values."""
        return {"version": __version__, "command": self.command, "rows": [row.to_json() for row in self.rows]}

    def write(self, path: Path) -> None:
        """Write the table as CSV or JSON, by the file's suffix, whole or not at all.

        Raises
        ------
        FileFormatError
            If the suffix is neither .csv nor .json.
        FileAccessError
        """
        check_suffix(path)
        if path.suffix.lower() == ".json":
            write_text(path, json.dumps(self.to_json(), indent=1) + "\n")
            return
        text = io.StringIO()
        self.to_frame().to_csv(text, index=False, lineterminator="\n")
        write_text(path, text.getvalue())


def check_suffix(path: Path) -> None:
    """Check that a table can be written to `path`.

    Raises
    ------
    FileFormatError
        If its suffix is neither .csv nor .json.
    """
    if path.suffix.lower() not in SUFFIXES:
        msg = f"{path} ends in {path.suffix or 'no suffix'!r}; wanted a table's name that ends in .csv or .json"
        raise FileFormatError(msg)


def backscatter(
    solids: Sequence[Compound],
    energies_kev: Sequence[float],
    output: str | os.PathLike[str] | None = None,
    *,
    electrons: int = 100_000,
    tilt_deg: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> BackscatterTable:
    """Simulate how many electrons solids send back at each energy, and write the table if a file is named.

    Parameters
    ----------
    solids : sequence of Compound
    energies_kev : sequence of float
        1 to 30 each.
    output : path, optional
        A .csv or .json file.
    electrons, tilt_deg, seed, threads
        Of each simulation, as of `simulate_backscatter`.
    overwrite : bool
        Whether `output` may be replaced.
    command : str
        As it goes into the file.
    progress : callable, optional
        Called with what is being done, simulations done and all of them.

    Raises
    ------
    InputError
        If there is no solid or no energy, or an argument is out of range.
    OutputExistsError, FileFormatError, FileAccessError
    """
    if not solids or not energies_kev:
        msg = "nothing to simulate; wanted at least one solid and one energy"
        raise InputError(msg)
    path = None if output is None else Path(output)
    if path is not None:
        check_suffix(path)
        if path.is_dir():
            msg = f"{path} is a folder; wanted the name of a table"
            raise FileAccessError(msg)
        check_free(path.parent, [path.name], overwrite=overwrite)
        check_writable(path)
    rows: list[Backscatter] = []
    for solid in solids:
        for energy in energies_kev:
            if progress is not None:
                progress("following electrons", len(rows), len(solids) * len(energies_kev))
            rows.append(
                simulate_backscatter(solid, energy, electrons=electrons, tilt_deg=tilt_deg, seed=seed, threads=threads)
            )
    table = BackscatterTable(tuple(rows), command)
    if path is not None:
        table.write(path)
    return table
