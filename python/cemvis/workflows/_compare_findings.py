"""What a comparison says at a glance: each number beside what it has to be held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cemvis.analysis.correlation.classes import FEWEST_SPECIMENS
from cemvis.workflows._compare_correlation import KINDS

Row = dict[str, Any]
REGIONS = KINDS["regions"]


def findings(steps: Mapping[str, Any], features: Sequence[str]) -> list[Row]:
    """Return rows of what was asked, its value with a 95 % interval, and what stands beside it.

    Parameters
    ----------
    steps : mapping
        Summaries of the steps by name.
    features : sequence of str

    Raises
    ------
    KeyError, TypeError
        If a summary is not what its step writes.
    """
    rows = _accuracies(steps, features)
    rows += _explanations(steps["explain"])
    rows += _lengths(steps["correlation"])
    rows += _tests(steps["correlation"])
    for name, each in steps["shared"]["classes"].items():
        fractions = each["shared_pore_fractions"]
        for null in each["nulls"]:
            low, high = null["interval_95"]
            beside = f"{low:.3g} to {high:.3g} {_NULLS[null['kind']]}, p {null['p_value']:.2g}"
            rows.append(_row(f"shared pores of {name}, share of the area", sum(fractions) / len(fractions), "", beside))
    return rows


_NULLS = {
    "displaced": "where relevance is displaced",
    "exchanged": "where relevance lies on other maps",
    "drawn": "of groups drawn at random",
}


def warnings_of(steps: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """Return what the steps warn of, each once."""
    found = [*steps["classify"].get("warnings", []), *steps["shared"].get("warnings", [])]
    explained = steps["explain"]
    known = {(each["of"], each["class"]) for each in steps["correlation"]["lengths"]}
    found += [
        f"no explained map of {name} was told rightly: its regions are not correlated"
        for name in classes
        if (REGIONS, name) not in known
    ]
    by_images = {each["of"] for each in steps["correlation"]["tests"] if each["exchanged"] == "images"}
    if by_images:
        found.append(
            f"correlations of {', '.join(sorted(by_images))} were tested by exchanging images, as a class has fewer "
            f"than {FEWEST_SPECIMENS} specimens: a small p may say that specimens differ, not classes"
        )
    if explained["explained"] < explained["images"]:
        missing = explained["images"] - explained["explained"]
        found.append(f"{missing} of {explained['images']} maps could not be explained: their score is not positive")
    return list(dict.fromkeys(found))


def _row(what: str, value: float | None, unit: str = "", beside: str = "", *, low: Any = None, high: Any = None) -> Row:
    return {"what": what, "value": value, "low": low, "high": high, "unit": unit, "beside": beside}


def _accuracies(steps: Mapping[str, Any], features: Sequence[str]) -> list[Row]:
    split = steps["classify"]["split"]["tested_by"]
    rows = []
    for each in features:
        scores = steps["classify"]["results"][each]["scores"]
        interval = scores["interval"]
        what = f"accuracy of the network on {each} maps of {split}s left out"
        chance = f"chance {scores['chance']:.3g}"
        rows.append(_row(what, scores["accuracy"], "", chance, low=interval["low"], high=interval["high"]))
    for each in steps["baseline"]["identification"]:
        if each["left_out"] == "nothing" and any(
            other["left_out"] != "nothing" for other in steps["baseline"]["identification"]
        ):
            continue
        what = f"accuracy of the nearest mean by {each['feature']}, {each['left_out']} left out"
        chance = f"chance {each['chance']:.3g}, p {each['p_value']:.2g}"
        rows.append(_row(what, each["accuracy"], "", chance, low=each["accuracy_low"], high=each["accuracy_high"]))
    return rows


def _explanations(record: Mapping[str, Any]) -> list[Row]:
    regions, random = record["characteristic_regions"], record["random_weights"]
    share = 100 * regions["share"]
    rows = [
        _row(f"area of the regions with {share:g} % of the relevance", regions["mean_area"], "", "share of the map"),
        _row(
            "rank correlation of relevance with that of random weights",
            random["mean_rank_correlation"],
            "",
            "near 1, relevance shows the image and the layout rather than what was learned",
        ),
    ]
    comparison = record.get("comparison")
    if comparison:
        for each in comparison["methods"]:
            rows.append(
                _row(
                    f"faithfulness of {each['method']}",
                    each["faithfulness"],
                    "",
                    "area between insertion and deletion",
                    low=each.get("low"),
                    high=each.get("high"),
                )
            )
    return rows


def _lengths(record: Mapping[str, Any]) -> list[Row]:
    rows = []
    for name in ("correlation", "characteristic"):
        for each in record["lengths"]:
            what = f"{name} length of {each['of']}, {each['class']}"
            low, high = each[f"{name}_low_um"], each[f"{name}_high_um"]
            beside = _minimum(each) if name == "characteristic" else ""
            if each[f"{name}_um"] is None:
                beside = "beyond what was counted"
            rows.append(_row(what, each[f"{name}_um"], "um", beside, low=low, high=high))
    return rows


def _minimum(row: Mapping[str, Any]) -> str:
    if row["characteristic_at_end"]:
        return "least at the largest distance that was counted: perhaps beyond"
    if row["characteristic_distinct"] is None:
        return "too few images to say whether the minimum is distinct"
    return "" if row["characteristic_distinct"] else "no distinct minimum"


def _tests(record: Mapping[str, Any]) -> list[Row]:
    rows = []
    for each in record["tests"]:
        pair = f"{each['first']} and {each['second']}"
        usual = f"{each['distance_under_permutation']:.3g} with {each['exchanged']} exchanged"
        beside = f"{usual}, p {each['distance_p']:.2g}"
        rows.append(_row(f"distance of the correlations of {each['of']}, {pair}", each["distance"], "", beside))
        beside = f"p {each['characteristic_p']:.2g}, {each['exchanged']} exchanged"
        what = f"difference of the characteristic lengths of {each['of']}, {pair}"
        rows.append(_row(what, each["characteristic_difference_um"], "um", beside))
    return rows
