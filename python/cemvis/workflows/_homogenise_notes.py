"""What has to be known beside the results of homogenising."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.analysis.homogenisation.field import FieldEstimate
    from cemvis.analysis.homogenisation.known import Known
    from cemvis.workflows._homogenise_map import ModulusMap
    from cemvis.workflows._homogenise_populations import Populations
    from cemvis.workflows.homogenise import HomogeniseConfig


def notes_of(
    config: HomogeniseConfig, porosity: Known | None, modulus_map: ModulusMap | None, field: FieldEstimate | None
) -> tuple[str, ...]:
    """Return a line for each thing that a reader of the results has to know."""
    notes = []
    if porosity is None:
        notes.append("no capillary pores: indentation leaves them out, so the paste itself is softer")
    total = sum(each.fraction.value for each in config.all_phases)
    if config.all_phases and abs(total - 1) > 1e-9:
        notes.append(f"the fractions sum to {total:.4g} and were scaled to 1")
    if config.matrix is None and len(config.all_phases) > 1:
        notes.append(f"Mori-Tanaka has {config.matrix_name} around the others, the largest; --matrix names another")
    if config.populations is not None:
        notes += _of_populations(config.populations)
    if modulus_map is not None and field is not None:
        notes += _of_map(config, porosity, modulus_map, field)
    return tuple(notes)


def _of_populations(populations: Populations) -> list[str]:
    drawn = (
        "fractions and means of populations are drawn independently of each other, from halves of normal distributions "
        "that their intervals give, which is wider than their resamplings; the outer interval holds however they go "
        "together"
    )
    if populations.draws is not None:
        drawn = (
            f"fractions and means of populations are those of {len(populations.draws.fractions):,} resamplings, kept "
            "together; their interval knows of chance alone, not of contacts that feel two phases at once"
        )
    return [
        "populations are mechanical and no phases by themselves: indents that feel two phases make up some of them",
        drawn,
        *(f"of the populations: {each}" for each in populations.notes),
    ]


def _of_map(
    config: HomogeniseConfig, porosity: Known | None, modulus_map: ModulusMap, field: FieldEstimate
) -> list[str]:
    notes = []
    notes.append(
        "the map is solved in plane strain, as if nothing changed across it, and repeated without end: compare it "
        "with the bounds in plane strain, not with those in three dimensions"
    )
    notes.append(
        "cells of a map are means over its model's window: contrasts inside that are not there, which makes the whole "
        "seem stiffer than it is"
    )
    if porosity is not None:
        notes.append("in the map, pores are thought to be round, small and evenly spread, besides what it shows")
    if modulus_map.unmapped:
        notes.append(f"{modulus_map.unmapped:,} cells without a value were taken as {config.unmapped_gpa:g} GPa")
    if not field.stiffness.converged:
        notes.append(f"the solution has not converged: {field.stiffness.residual:.1e} of the first residual is left")
    if not field.inside:
        notes.append(
            "the map's moduli lie outside the bounds of Hashin and Shtrikman: it has a direction, or is too small "
            "beside its structures"
        )
    if modulus_map.half_widths is not None:
        notes.append(
            "half widths are those of single indents, scatter included: cells that err independently give the narrower "
            "interval, cells that all err alike the wider one, and errors that are partly alike one between them"
        )
        if modulus_map.half_widths.missing:
            notes.append(
                f"{modulus_map.half_widths.missing:,} cells have no half width and were taken as exact: the map's "
                "intervals are too narrow"
            )
    return notes
