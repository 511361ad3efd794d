"""What else than the class could tell the classes apart: specimens and sessions, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cemvis.models.class_splits import ClassSplit
from cemvis.workflows._npm_maps import MapSet


def design_table(maps: MapSet) -> list[dict[str, object]]:
    """Return specimens, regions, maps and sessions of each class, JSON-ready."""
    table: list[dict[str, object]] = []
    for name in maps.classes:
        mine = [each for each in maps.places if each.class_name == name]
        table.append(
            {
                "class": name,
                "specimens": len({each.specimen for each in mine}),
                "regions": len({(each.specimen, each.region) for each in mine}),
                "maps": len(mine),
                "sessions": sorted({each.session for each in mine if each.session}),
            }
        )
    return table


def confounding(maps: MapSet, splits: tuple[ClassSplit, ...]) -> tuple[str, ...]:
    """Return one line for each thing besides the class that an accuracy could come from."""
    return tuple(_lines(maps, splits))


def _lines(maps: MapSet, splits: tuple[ClassSplit, ...]) -> Iterator[str]:
    single = [row["class"] for row in design_table(maps) if row["specimens"] == 1]
    if single:
        which = "class and specimen coincide" if len(single) == len(maps.classes) else "a class is a single specimen"
        yield (
            f"{which} ({_listed(single)}): whatever is special to a specimen (mix, curing, polish) tells the class as "
            "well, and no test on the same specimens can tell the two apart; give two or more specimens of each class"
        )
    elif splits[0].tested_by == "region":
        yield "the test maps are of specimens that were trained on: the accuracy is not that of a new specimen"
    sessions = {name: {each.session for each in maps.places if each.class_name == name} for name in maps.classes}
    if any("" in each for each in sessions.values()):
        yield (
            "sessions are unknown: grey scale, noise and focus of a session could tell the classes; say them in the "
            "column session of a maps.csv"
        )
    elif not _connected(list(sessions.values())):
        yield (
            "classes were taken in sessions of their own: grey scale, noise and focus of a session tell the class as "
            "well; take every class in every session"
        )
    if splits[0].tested_by == "specimen" and len(splits) == 1:
        tested = {(each.class_name, each.specimen) for each in (maps.places[index] for index in splits[0].test)}
        alone = [name for name in maps.classes if sum(one == name for one, _ in tested) == 1]
        if alone:
            of = "each class" if len(alone) == len(maps.classes) else _listed(alone)
            yield f"one specimen of {of} was tested: give --folds to test every specimen once"


def _connected(sessions: list[set[str]]) -> bool:
    """Return whether one can walk from each class to each other one over sessions that they share."""
    reached, left = set(sessions[0]), sessions[1:]
    while near := [each for each in left if each & reached]:
        reached |= set().union(*near)
        left = [each for each in left if each not in near]
    return not left


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
