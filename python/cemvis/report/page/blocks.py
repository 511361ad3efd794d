"""Tables, pictures, records, facts and origins as markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import count, groupby
from typing import Any

from cemvis.report.page.charts import drawn_chart
from cemvis.report.page.content import Block, Chart, Fact, Message, Picture, Table, View
from cemvis.report.page.markup import Html, element
from cemvis.report.page.view import drawn_view

MOST_LISTED, MOST_ENTRIES = 40, 2000  # entries of a list or an object in a record, and of all of them
_MOST_DEPTH = 8
_LONGEST = 400
_GROUPED: dict[type, str] = {Chart: "charts", Picture: "pictures"}


class Drawer:
    """Draws blocks of one page; views and tables get numbers, so that the script finds their parts."""

    def __init__(self) -> None:
        self._views = count(1)

    def blocks(self, blocks: Sequence[Block]) -> list[Html]:
        """Return blocks as markup; charts that follow each other stand side by side, and so do pictures."""
        drawn: list[Html] = []
        for kind, group in groupby(blocks, key=type):
            parts = [self._block(block) for block in group]
            drawn += [element("div", *parts, class_=_GROUPED[kind])] if kind in _GROUPED else parts
        return drawn

    def _block(self, block: Block) -> Html:
        if isinstance(block, View):
            return drawn_view(block, next(self._views))
        if isinstance(block, Chart):
            return drawn_chart(block)
        if isinstance(block, Picture):
            return _picture(block)
        if isinstance(block, Table):
            return _table(block)
        assert isinstance(block, Message)
        return element("p", block.text, class_="message alarming" if block.alarming else "message")


def _picture(picture: Picture) -> Html:
    image = element(
        "img",
        src=picture.data,
        alt=picture.title,
        width=picture.width_px,
        height=picture.height_px,
    )
    larger = element("button", image, type="button", data_do="large", aria_expanded="false", title="Larger or smaller")
    return element("figure", larger, element("figcaption", picture.title), class_="picture")


def _table(table: Table) -> Html:
    shown = f"first {len(table.rows):,} of {table.all_rows:,} rows" if len(table.rows) < table.all_rows else ""
    note = ". ".join(each for each in (table.note, shown and f"Here are the {shown}") if each)
    head = element(
        "tr", *(element("th", element("button", name, type="button"), scope="col") for name in table.columns)
    )
    body = [element("tr", *(_cell(text) for text in row)) for row in table.rows]
    grid = element("table", element("thead", head), element("tbody", *body))
    buttons = element(
        "span",
        element("button", "Copy as CSV", type="button", data_do="copy"),
        element("span", class_="said", role="status"),
        class_="buttons",
    )
    return element(
        "div",
        element("div", element("h4", table.title), buttons, class_="table-head"),
        element("div", grid, class_="scroll", tabindex=0, role="region", aria_label=f"Table {table.title}"),
        element("p", f"{note}.", class_="soft") if note else None,
        class_="table",
    )


def _cell(text: str) -> Html:
    try:
        number = float(text)
    except ValueError:
        return element("td", text[:_LONGEST])
    if not math.isfinite(number):
        return element("td", text, class_="n")
    short = rounded(text, number)
    return element("td", short, class_="n", data_v=None if short == text else text)


def rounded(text: str, number: float) -> str:
    """Return a number as it stands in a file, with at most five significant digits unless it is whole."""
    if len(text) <= 10 or (number.is_integer() and "e" not in text.lower() and abs(number) < 1e15):
        return text
    return f"{number:.5g}"


def drawn_facts(facts: Sequence[Fact]) -> Html | None:
    """Return numbers worth a glance as a list of terms."""
    if not facts:
        return None
    cards = [
        element(
            "div",
            element("dt", each.label),
            element("dd", element("b", each.value), element("small", each.note) if each.note else None),
        )
        for each in facts
    ]
    return element("dl", *cards, class_="facts")


def drawn_origins(origins: Sequence[tuple[str, str]]) -> Html | None:
    """Return what a folder was made from as a list of terms."""
    if not origins:
        return None
    pairs = [part for name, text in origins for part in (element("dt", name), element("dd", text))]
    return element("details", element("summary", "Origin"), element("dl", *pairs, class_="origins"), open=True)


def drawn_records(records: Mapping[str, Any]) -> list[Html]:
    """Return JSON as trees that open and close."""
    return [
        element("details", element("summary", f"All of {name}"), element("div", _Tree().drawn(data), class_="record"))
        for name, data in records.items()
    ]


class _Tree:
    """Draws one record; what lies beyond its first entries is only counted."""

    def __init__(self) -> None:
        self._left = MOST_ENTRIES

    def drawn(self, data: Any, depth: int = 0) -> Html:
        """Return a value as markup."""
        if isinstance(data, list) and any(isinstance(each, (Mapping, list)) for each in data):
            data = {f"{n + 1}": each for n, each in enumerate(data)}
        if not isinstance(data, Mapping) or not data or depth >= _MOST_DEPTH or self._left <= 0:
            return element("span", _brief(data), class_="v")
        rows = []
        shown = list(data.items())[: min(MOST_LISTED, self._left)]
        self._left -= len(shown)
        for name, each in shown:
            inner = self.drawn(each, depth + 1)
            if depth > 0 and inner.startswith("<dl"):
                rows.append(element("div", element("details", element("summary", name), inner), class_="nested"))
            else:
                rows.append(element("div", element("dt", name), element("dd", inner)))
        if len(data) > len(shown):
            rows.append(element("div", element("dt", f"and {len(data) - len(shown):,} more"), element("dd")))
        return element("dl", *rows)


def _brief(data: Any) -> str:
    """Return a value in one line: a list of plain values, or how many entries anything nested has."""
    if isinstance(data, Mapping):
        return f"{len(data):,} entries" if data else "none"
    if not isinstance(data, list):
        return _scalar(data)
    numbers = [each for each in data if isinstance(each, (int, float)) and not isinstance(each, bool)]
    if len(data) > 12 and len(numbers) == len(data) and all(abs(each) < 1e300 for each in numbers):
        return f"{len(data):,} numbers, {min(numbers):.5g} to {max(numbers):.5g}"
    if any(isinstance(each, (Mapping, list)) for each in data):
        return f"{len(data):,} entries"
    more = f" and {len(data) - MOST_LISTED:,} more" if len(data) > MOST_LISTED else ""
    return (", ".join(_scalar(each) for each in data[:MOST_LISTED]) + more) or "none"


def _scalar(data: Any) -> str:
    if data is None:
        return "none"
    if isinstance(data, bool):
        return "yes" if data else "no"
    if isinstance(data, float):
        return f"{data:.6g}"
    return str(data)[: 4 * _LONGEST]
