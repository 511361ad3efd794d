"""The results of homogenising as JSON and as a table."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cemvis import __version__
from cemvis._files import finite_or_none, sha256_of

if TYPE_CHECKING:
    from cemvis.workflows._homogenise_populations import Populations
    from cemvis.workflows.homogenise import HomogeniseConfig, HomogeniseResult

PLANE, SPACE = "plane strain", "3-D"
_COLUMNS = (
    "source",
    "kind",
    "method",
    "modulus_gpa",
    "modulus_low_gpa",
    "modulus_high_gpa",
    "modulus_outer_low_gpa",
    "modulus_outer_high_gpa",
    "poisson",
    "plane_modulus_gpa",
    "bulk_gpa",
    "shear_gpa",
)


def rows_of(result: HomogeniseResult) -> list[dict[str, Any]]:
    """Return a row a method: Young's modulus, Poisson's ratio, and the moduli that they follow from.

    In plane strain, modulus and ratio are those of the isotropic solid with the same in-plane bulk and shear modulus,
    and the plane modulus is stress over strain in the plane, E / (1 - nu^2) of an isotropic solid. The interval
    modulus_low_gpa to modulus_high_gpa takes errors as independent, but for populations with resamplings, and the outer
    one as all making the paste softer, or stiffer.
    """
    rows = []
    nothing = (None, None)
    for each in result.estimates:
        ends = (*(each.interval_gpa or nothing), *(each.outer_gpa or nothing))
        values = (each.modulus_gpa, *ends, finite_or_none(each.poisson), None, each.bulk_gpa, each.shear_gpa)
        rows.append(dict(zip(_COLUMNS, ("phases", SPACE, each.method, *values), strict=True)))
    if result.field is None:
        return rows
    for name, solid in result.field.all_methods.items():
        modulus, ratio, plane = (float(each) for each in (solid.modulus_gpa, solid.poisson, solid.plane_modulus_gpa))
        interval = result.field.intervals.get(name)
        ends = (*nothing, *nothing)
        if interval is not None:
            ends = (*(interval.independent_gpa or nothing), *interval.correlated_gpa)
        numbers = (modulus, *ends, finite_or_none(ratio), plane, float(solid.bulk_gpa), float(solid.shear_gpa))
        rows.append(dict(zip(_COLUMNS, ("map", PLANE, name, *numbers), strict=True)))
    return rows


def rows_csv(result: HomogeniseResult) -> str:
    """Return the rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows_of(result))
    return text.getvalue()


def record_json(config: HomogeniseConfig, result: HomogeniseResult, *, command: str, pore_digest: str | None) -> str:
    """Return what was homogenised and what came out, as JSON."""
    record = {
        "format": "cemvis homogenise",
        "format_version": 1,
        "cemvis": __version__,
        "command": command,
        "units": {"modulus": "GPa", "poisson": "1", "fraction": "share of the volume"},
        "phases": [asdict(each) for each in config.all_phases],
        "phases_file": None if config.phases_file is None else str(config.phases_file),
        "populations": _populations(config),
        "phases_sha256": None if config.phases_file is None else sha256_of(config.phases_file),
        "matrix": config.matrix_name,
        "porosity": _porosity(config, result, pore_digest),
        "intervals": {"level": config.level, "samples": config.samples, "seed": config.seed},
        "map": _map(config, result),
        "results": rows_of(result),
        "notes": list(result.notes),
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _porosity(config: HomogeniseConfig, result: HomogeniseResult, digest: str | None) -> dict[str, Any] | None:
    if result.porosity is None:
        return None
    image = {} if digest is None else {"image": str(config.pore_image), "image_sha256": digest}
    levels = {} if digest is None else {"grey_up_to": config.pore_up_to, "grey_tolerance": config.pore_tolerance}
    return {**asdict(result.porosity), **image, **levels}


def _populations(config: HomogeniseConfig) -> dict[str, Any] | None:
    found = config.populations
    if found is None:
        return None
    return {
        "file": str(found.path),
        "sha256": found.sha256,
        "properties": found.properties,
        "interval_level": found.level,
        "resamplings": _resamplings(found),
        "notes": list(found.notes),
    }


def _resamplings(found: Populations) -> dict[str, Any] | None:
    if found.draws is None:
        return None
    count = len(found.draws.fractions)
    return {"file": str(found.draws_path), "sha256": found.draws_sha256, "count": count, "units": found.draws.units}


def _half_widths(result: HomogeniseResult) -> dict[str, Any] | None:
    if result.map is None or result.map.half_widths is None:
        return None
    found = result.map.half_widths
    return {"file": str(found.path), "sha256": found.sha256, "level": found.level, "cells_without": found.missing}


def _map(config: HomogeniseConfig, result: HomogeniseResult) -> dict[str, Any] | None:
    if result.map is None or result.field is None:
        return None
    stiffness = result.field.stiffness
    return {
        "file": str(result.map.path),
        "sha256": result.map.sha256,
        "cells": list(result.map.modulus_gpa.shape),
        "step_um": result.map.step_um,
        "half_widths": _half_widths(result),
        "poisson": config.map_poisson,
        "cells_without_value": result.map.unmapped,
        "cells_without_value_gpa": config.unmapped_gpa if result.map.unmapped else None,
        "scheme": "periodic, plane strain; rotated scheme, conjugate gradients with a homogeneous reference by FFT",
        "stiffness_gpa": stiffness.tensor_gpa.tolist(),
        "stiffness_components": ["xx", "yy", "xy, of the angle"],
        "plane_modulus_along_x_and_y_gpa": list(stiffness.plane_moduli_gpa),
        "anisotropy": stiffness.anisotropy,
        "inside_hashin_shtrikman": result.field.inside,
        "iterations": list(stiffness.iterations),
        "residual": stiffness.residual,
        "converged": stiffness.converged,
    }
