"""Which command wrote a folder, and which of its numbers are worth a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cemvis.report.page.content import Fact
from cemvis.workflows._report_folder import RunFolder, dig, entries, items, number, texts
from cemvis.workflows._report_kind import Facts, Kind, of_format
from cemvis.workflows._report_porosity import POROSITY_KINDS
from cemvis.workflows._report_validation import FORMAT as VALIDATED
from cemvis.workflows._report_validation import doubted_mixtures, validated_facts


def recognised(folder: RunFolder) -> tuple[Kind, str]:
    """Return a folder's kind, and the name of the record that says so; empty if none does."""
    for kind in KINDS:
        for name, record in folder.records.items():
            if isinstance(record, Mapping) and kind.fits(name, record):
                return kind, name
    stated = [name for name, record in folder.records.items() if str(dig(record, "format") or "").startswith("cemvis ")]
    main = next(iter(stated or folder.records), "")
    written = str(dig(folder.records.get(main), "format") or "").removeprefix("cemvis ")
    return Kind(written or "files", "", lambda _name, _record: True, _plain_facts), main


def count(value: float | None) -> str:
    """Return a whole number with separators; "unknown" for None."""
    return "unknown" if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in per cent."""
    return "unknown" if value is None else f"{100 * value:.{digits}f} %"


def fact(label: str, value: float | None, unit: str = "", note: str = "") -> Facts:
    """Return a fact as a list, which is empty if there is no value."""
    return [] if value is None else [Fact(label, f"{value:.4g} {unit}".strip(), note)]


def _map_facts(record: Any) -> Facts:
    rows, cols = ([*items(record, "grid", "cells"), None, None])[:2]
    found = [
        Fact(
            "cells",
            count(number(record, "cells", "mapped")),
            f"{rows} x {cols}, every {number(record, 'grid', 'step_um') or 0:.4g} \N{MICRO SIGN}m",
        )
    ]
    for name, each in entries(record, "properties"):
        low, high = (number(each, "quantiles", share) for share in ("0.05", "0.95"))
        unit = str(dig(each, "unit") or "")
        mean = number(each, "mean")
        told = [] if low is None or high is None else [f"90 % from {low:.3g} to {high:.3g}"]
        told += [] if mean is None else [f"mean {mean:.3g}"]
        found += fact(f"{name}, median", number(each, "quantiles", "0.5"), unit, ", ".join(told))
    outside = number(record, "cells", "outside_training_range_share")
    if outside is not None:
        found.append(Fact("outside the training range", percent(outside), "of the cells"))
    return found


def _deconvolve_facts(record: Any) -> Facts:
    found = []
    for name, each in entries(record, "found"):
        there = len(items(each, "populations"))
        verdict = "supported" if dig(each, "supported") else "not supported by the data"
        found.append(Fact(f"populations, {name}", str(there), f"{verdict}; {count(number(each, 'values'))} values"))
    for name, each in entries(record, "hydration"):
        for key, label in (("degree", "degree of hydration"), ("low_density_by_volume", "LD share of C-S-H")):
            value, low, high = (number(each, key, end) for end in ("value", "low", "high"))
            if value is not None and low is not None and high is not None:
                found.append(Fact(label, f"{value:.3f}", f"{low:.3f} to {high:.3f}, by {name}"))
    return found


def _homogenise_facts(record: Any) -> Facts:
    found = []
    for row in items(record, "results")[:6]:
        low, high = number(row, "modulus_low_gpa"), number(row, "modulus_high_gpa")
        span = f"{low:.4g} to {high:.4g}" if low is not None and high is not None else str(dig(row, "source") or "")
        found += fact(str(dig(row, "method") or "modulus"), number(row, "modulus_gpa"), "GPa", span)
    return found


def _located_facts(record: Any) -> Facts:
    fine = number(record, "flags", "fine")
    told = [(name, number(record, "flags", name)) for name, _ in entries(record, "flags") if name != "fine"]
    others = ", ".join(f"{value:,.0f} {name}" for name, value in told if value)
    found = [Fact("indents", count(number(record, "indents")), f"in {len(items(record, 'batches'))} batches")]
    return [*found, Fact("without a flag", count(fine), others or "none flagged")]


def _registration_facts(record: Any) -> Facts:
    about = dig(record, "registration")
    found = fact("rotation", number(about, "angle_deg"), "\N{DEGREE SIGN}")
    found += fact("scale", number(about, "scale"))
    found += fact("error of the field", number(about, "field_error_px", "median"), "px", "median")
    share = number(about, "reliable_share")
    return found + ([] if share is None else [Fact("reliable", percent(share), "of the places")])


def _data_set_facts(record: Any) -> Facts:
    found = [Fact("pairs", count(number(record, "pairs"))), Fact("batches", count(number(record, "batches")))]
    found.append(Fact("areas", str(len(items(record, "areas")))))
    for name, parts in entries(record, "splits"):
        told = ", ".join(f"{count(number(parts, part))} {part}" for part, _ in entries(parts))
        found.append(Fact(name.replace("_", " "), told))
    return found


def _specimen_facts(record: Any) -> Facts:
    found = [Fact("recipe", str(dig(record, "recipe", "name") or "unknown"))]
    found += fact("edge", number(record, "edge_um"), "\N{MICRO SIGN}m")
    found.append(Fact("indents", count(number(record, "indents")), f"{count(number(record, 'failed'))} failed"))
    return found


def _training_facts(record: Any) -> Facts:
    found = [Fact("network", str(dig(record, "network") or "unknown"))]
    for name, each in entries(record, "properties"):
        for split in ("by_batch", "random"):
            told = "whole batches never seen" if split == "by_batch" else "pairs drawn at random"
            found += fact(f"{name}, R\N{SUPERSCRIPT TWO}", number(each, split, "test", "r2"), "", told)
    return found


def _judged_facts(record: Any) -> Facts:
    found: Facts = []
    for name, each in entries(record, "properties"):
        found += fact(f"{name}, R\N{SUPERSCRIPT TWO}", number(each, "overall", "scores", "r2"))
        held, level = number(each, "overall", "intervals", "coverage"), number(each, "level")
        if held is not None:
            found.append(Fact(f"{name}, interval held", percent(held), f"promised {percent(level, 0)}"))
    return found


def _indents_facts(record: Any) -> Facts:
    files = len(items(record, "sources"))
    told = ", ".join(f"{count(number(record, 'status', name))} {name}" for name, _ in entries(record, "status"))
    return [Fact("tests", count(number(record, "tests")), told), Fact("files", str(files))]


def _plain_facts(record: Any) -> Facts:
    """Return the first numbers of a record whose kind is not known."""
    if not isinstance(record, Mapping):
        return []
    plain = {str(key): number(record, key) for key in record if key != "format_version"}
    known = [(key, each) for key, each in plain.items() if each is not None]
    return [Fact(key.replace("_", " "), f"{each:.6g}") for key, each in known[:8]]


def warnings_in(record: Any) -> tuple[str, ...]:
    """Return what a record warns of, and verdicts that its data do not support."""
    found = list(texts(record, "warnings"))
    for name, each in entries(record, "found"):
        if dig(each, "supported") is False:
            why = texts(each, "verdict")
            more = f" (more below: {len(why) - 1})" if len(why) > 1 else ""
            found.append(f"populations in {name} are not supported by the data: {(*why, 'see below')[0]}{more}")
    return (*found, *doubted_mixtures(record))


def notes_in(record: Any) -> tuple[str, ...]:
    """Return what a record notes, at its top, of its mosaic, of its registration and on missing intervals."""
    found = [*texts(record, "notes"), *texts(record, "mosaic", "notes"), *texts(record, "registration", "notes")]
    grey = dig(record, "grey_scale", "note")
    found += [f"Grey scale: {grey}"] if isinstance(grey, str) else []
    found += [
        f"Populations in {name}: {text}" for name, each in entries(record, "found") for text in texts(each, "verdict")
    ]
    told = [(name, dig(each, "interval_note")) for name, each in entries(record, "properties")]
    found += [f"{name}: {why}" for name, why in told if isinstance(why, str) and why]
    return tuple(dict.fromkeys(found))


KINDS = (
    Kind(
        "map",
        "Modulus and hardness predicted over a mosaic.",
        lambda _file, record: dig(record, "format") == "cemvis map" or {"grid", "properties"} <= set(record),
        _map_facts,
    ),
    Kind(
        "populations",
        "Mechanical populations as a mixture. A population is not a phase by itself; its name says what it usually is.",
        of_format("cemvis deconvolve"),
        _deconvolve_facts,
    ),
    Kind(
        "homogenised", "The elastic modulus of the paste as a whole.", of_format("cemvis homogenise"), _homogenise_facts
    ),
    Kind(
        "data set",
        "Located indents chosen as pairs to train on.",
        of_format("cemvis data set", "cemvis data set with its windows"),
        _data_set_facts,
    ),
    Kind(
        "located indents",
        "Indents placed on the mosaic taken before they were made.",
        lambda file, _record: file == "located.json",
        _located_facts,
    ),
    Kind(
        "registration",
        "Where the mosaic taken after indentation lies on the one taken before.",
        lambda file, _record: file == "registration.json",
        _registration_facts,
    ),
    Kind(
        "virtual specimen",
        "A virtual paste with known truth.",
        lambda file, _record: file == "specimen.json",
        _specimen_facts,
    ),
    Kind(
        "training",
        "A model and how well it does on what it never saw.",
        lambda file, record: file.endswith(".metrics.json") or {"network", "properties", "by_batch"} <= set(record),
        _training_facts,
    ),
    Kind(
        "judged model",
        "A model on areas that it was not trained on.",
        lambda _file, record: (
            isinstance(dig(record, "properties"), Mapping)
            and any(isinstance(each, Mapping) and "overall" in each for each in record["properties"].values())
        ),
        _judged_facts,
    ),
    Kind(
        "out-of-bag test",
        "Whether maps of an unseen area have the statistics of what was measured.",
        of_format(VALIDATED),
        validated_facts,
    ),
    *POROSITY_KINDS,
    Kind(
        "indents",
        "An indenter's files as one table.",
        lambda _file, record: {"tests", "sources", "units"} <= set(record),
        _indents_facts,
    ),
)
