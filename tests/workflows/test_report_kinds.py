"""Which command wrote a folder, what is said of it at a glance, and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cemvis.workflows._report_folder import RunFolder
from cemvis.workflows._report_kinds import notes_in, recognised, warnings_in
from cemvis.workflows._report_origin import MOST_INPUTS, origins_of

RECORDS: list[tuple[str, dict[str, Any], str, list[tuple[str, str]]]] = [
    (
        "summary.json",
        {
            "format": "cemvis map",
            "grid": {"cells": [3, 4], "step_um": 0.5},
            "cells": {"mapped": 12, "outside_training_range_share": 0.25},
            "properties": {"modulus": {"unit": "GPa", "mean": 31.25, "quantiles": {"0.5": 30.0}}},
        },
        "map",
        [("cells", "12"), ("modulus, median", "30 GPa"), ("outside the training range", "25.0 %")],
    ),
    (
        "populations.json",
        {
            "format": "cemvis deconvolve",
            "found": {"modulus": {"populations": [{}, {}], "values": 1500, "supported": True}},
            "hydration": {"modulus": {"degree": {"value": 0.85, "low": 0.8, "high": 0.9}}},
        },
        "populations",
        [("populations, modulus", "2"), ("degree of hydration", "0.850")],
    ),
    (
        "whole.json",
        {"format": "cemvis homogenise", "results": [{"method": "Voigt", "source": "map", "modulus_gpa": 39.71}]},
        "homogenised",
        [("Voigt", "39.71 GPa")],
    ),
    (
        "manifest.json",
        {
            "format": "cemvis data set",
            "pairs": 2981,
            "batches": 8,
            "areas": [{}, {}],
            "splits": {"split_batch": {"test": 3}},
        },
        "data set",
        [("pairs", "2,981"), ("batches", "8"), ("areas", "2"), ("split batch", "3 test")],
    ),
    (
        "located.json",
        {"indents": 1600, "batches": [{}] * 4, "flags": {"fine": 1562, "missing": 26}},
        "located indents",
        [("indents", "1,600"), ("without a flag", "1,562")],
    ),
    (
        "registration.json",
        {
            "registration": {
                "angle_deg": -0.14,
                "scale": 0.99,
                "field_error_px": {"median": 0.0576},
                "reliable_share": 0.956,
            }
        },
        "registration",
        [
            ("rotation", "-0.14 \N{DEGREE SIGN}"),
            ("scale", "0.99"),
            ("error of the field", "0.0576 px"),
            ("reliable", "95.6 %"),
        ],
    ),
    (
        "specimen.json",
        {"recipe": {"name": "wc040"}, "edge_um": 400.0, "indents": 1600, "failed": 34},
        "virtual specimen",
        [("recipe", "wc040"), ("edge", "400 \N{MICRO SIGN}m"), ("indents", "1,600")],
    ),
    (
        "a.metrics.json",
        {"network": "table", "properties": {"modulus": {"by_batch": {"test": {"r2": 0.769}}}}},
        "training",
        [("network", "table"), ("modulus, R\N{SUPERSCRIPT TWO}", "0.769")],
    ),
    (
        "judged.json",
        {
            "properties": {
                "modulus": {"level": 0.9, "overall": {"scores": {"r2": 0.9}, "intervals": {"coverage": 0.936}}}
            }
        },
        "judged model",
        [("modulus, R\N{SUPERSCRIPT TWO}", "0.9"), ("modulus, interval held", "93.6 %")],
    ),
    (
        "validation.json",
        {
            "format": "cemvis validate",
            "properties": {"modulus": {"compared": {"net": {"distance": {"value": 1.82, "low": 0.7, "high": 2.0}}}}},
        },
        "out-of-bag test",
        [("modulus, net", "1.82 GPa")],
    ),
    (
        "indents.json",
        {"tests": 1600, "status": {"ok": 1566, "failed": 34}, "sources": [{}], "units": {}},
        "indents",
        [("tests", "1,600"), ("files", "1")],
    ),
    (
        "x.json",
        {"format": "cemvis two-point", "format_version": 1, "pixels": 12345.678},
        "two-point",
        [("pixels", "12345.7")],
    ),
    ("x.json", {"number": 3}, "files", [("number", "3")]),
]


def folder_with(path: Path, name: str, record: Any) -> RunFolder:
    (path / name).write_text(json.dumps(record))
    return RunFolder.open(path)


@pytest.mark.parametrize(("name", "record", "kind", "facts"), RECORDS, ids=[each[2] for each in RECORDS])
def test_folders_are_recognised_by_their_record(tmp_path, name, record, kind, facts) -> None:
    found, main = recognised(folder_with(tmp_path, name, record))
    assert (found.name, main) == (kind, name)
    assert [(each.label, each.value) for each in found.facts(record)] == facts


@pytest.mark.parametrize("kind", [each[2] for each in RECORDS[:11]])
def test_an_empty_record_of_any_kind_has_facts_without_numbers(tmp_path, kind) -> None:
    name, record, _, _ = next(each for each in RECORDS if each[2] == kind)
    found, _ = recognised(folder_with(tmp_path, name, record))
    assert not any(character.isdecimal() for each in found.facts({}) for character in each.value.replace("0", ""))


def test_warnings_and_notes_are_gathered() -> None:
    record = {
        "warnings": ["grey"],
        "notes": ["n"],
        "grey_scale": {"note": "matrix 100"},
        "properties": {"modulus": {"interval_note": "none promised"}, "hardness": {}},
        "found": {
            "modulus": {"supported": False, "verdict": ["BIC prefers 3", "few"]},
            "hardness": {"supported": True, "verdict": ["fine"]},
        },
    }
    assert warnings_in(record) == (
        "grey",
        "populations in modulus are not supported by the data: BIC prefers 3 (more below: 1)",
    )
    wanted = ["n", "Grey scale: matrix 100", "Populations in modulus: BIC prefers 3", "Populations in modulus: few"]
    assert list(notes_in(record)) == [*wanted, "Populations in hardness: fine", "modulus: none promised"]


def test_origins_name_every_input_once_with_its_digest(tmp_path) -> None:
    record = {
        "cemvis": "0.1.0",
        "command": "cemvis map a.tif",
        "pixel_size": {"um": 0.04, "source": "OME"},
        "mosaic": {"file": "a.tif", "sha256": "aa"},
        "model": {"sha256_of_samples": "bb"},
        "areas": [{"name": "one", "mosaic": {"path": "/x/b.tif", "sha256": "cc"}, "table_sha256": "dd"}],
    }
    found = origins_of(folder_with(tmp_path, "summary.json", record), "summary.json")
    told = dict(found)
    assert told["folder"] == str(tmp_path.resolve())
    assert (told["cemvis"], told["command"], told["pixel size"]) == ("0.1.0", "cemvis map a.tif", "40 nm/px (OME)")
    assert told["written"].endswith(" UTC")
    texts = [text for _, text in found]
    for text in ("a.tif SHA-256 aa", "SHA-256 of samples bb", "/x/b.tif SHA-256 cc", "SHA-256 dd"):
        assert texts.count(text) == 1
    many = {"inputs": [{"path": f"{n}", "sha256": "e"} for n in range(MOST_INPUTS + 5)]}
    found = origins_of(folder_with(tmp_path, "summary.json", many), "summary.json")
    assert found[-1] == ("inputs", "and 5 more")
