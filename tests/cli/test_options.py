from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from cemvis.cli._options import parse_anchors, parse_populations
from cemvis.images.grey_scale import GreyScale


def parsed(text: str, callback) -> object:
    """Return what an option's callback makes of a text, or what the command says instead."""
    seen = []

    @click.command()
    @click.option("--option", callback=callback)
    def command(option: object) -> None:
        seen.append(option)

    result = CliRunner().invoke(command, ["--option", text])
    return seen[0] if result.exit_code == 0 else result.output


def test_numbers_of_populations() -> None:
    assert parsed("auto", parse_populations) is None
    assert [parsed(text, parse_populations) for text in ("1", "4", "20")] == [1, 4, 20]


@pytest.mark.parametrize("text", ["0", "21", "4.0", "-1", "many", ""])
def test_what_is_no_number_of_populations_is_refused(text: str) -> None:
    assert f"{text!r} is not auto or a number from 1 to 20" in str(parsed(text, parse_populations))


def test_anchors() -> None:
    assert [parsed(text, parse_anchors) for text in ("auto", "none")] == ["auto", "none"]
    assert parsed("112,205", parse_anchors) == GreyScale(matrix=112.0, clinker=205.0)


@pytest.mark.parametrize("text", ["automatic", "112", "112,205,3", "205,112"])
def test_what_is_no_anchors_is_refused(text: str) -> None:
    assert "Invalid value" in str(parsed(text, parse_anchors))
