"""The page itself: one HTML file that needs no network, no server and no other file."""

from __future__ import annotations

from collections.abc import Sequence

from cemvis import __version__
from cemvis.report.page.blocks import Drawer, drawn_facts, drawn_origins, drawn_records
from cemvis.report.page.content import Section
from cemvis.report.page.markup import Html, asset, element, escaped, filled, joined, source_hash

SCRIPTS = ("run_report_data.js", "run_report_parts.js", "run_report_view.js", "run_report.js")
STYLES = ("run_report.css", "run_report_view.css")


def page_text(sections: Sequence[Section], *, title: str) -> str:
    """Return the page; nothing but its own scripts and styles can run on it, by its content security policy."""
    drawer = Drawer()
    names = [f"part-{number}" for number in range(1, len(sections) + 1)]
    alone = len(sections) == 1
    body = [
        _section(each, name, drawer, alone=alone, same_title=each.title == title)
        for each, name in zip(sections, names, strict=True)
    ]
    script = "\n".join(asset(name).rstrip() for name in SCRIPTS) + "\n"
    style = "\n".join(asset(name).rstrip() for name in STYLES) + "\n"
    return filled(
        asset("run_report.html"),
        {
            "title": escaped(title),
            "subtitle": escaped(_subtitle(sections)),
            "warnings": _all_warnings(sections, names),
            "contents": _contents(sections, names),
            "sections": joined(*body),
            "version": escaped(__version__),
            "css": style,
            "js": script,
            "css_hash": source_hash(style),
            "js_hash": source_hash(script),
        },
    )


def _subtitle(sections: Sequence[Section]) -> str:
    kinds = [each.kind for each in sections]
    told = [f"{kinds.count(kind)} x {kind}" if kinds.count(kind) > 1 else kind for kind in dict.fromkeys(kinds)]
    return ", ".join(told)


def _all_warnings(sections: Sequence[Section], names: Sequence[str]) -> Html:
    told = [
        element("li", element("a", section.title, href=f"#{name}"), ": ", text)
        if len(sections) > 1
        else element("li", text)
        for section, name in zip(sections, names, strict=True)
        for text in section.warnings
    ]
    if not told:
        return Html("")
    count = "1 warning" if len(told) == 1 else f"{len(told)} warnings"
    return element("div", element("h2", count), element("ul", *told), class_="warnings", role="alert")


def _contents(sections: Sequence[Section], names: Sequence[str]) -> Html:
    if len(sections) < 2:
        return Html("")
    links = [
        element("li", element("a", section.title, " ", element("small", section.kind), href=f"#{name}"))
        for section, name in zip(sections, names, strict=True)
    ]
    return element("nav", element("ul", *links), aria_label="Contents")


def _section(section: Section, name: str, drawer: Drawer, *, alone: bool, same_title: bool) -> Html:
    head = element(
        "div",
        element("p", section.kind, class_="kind"),
        element("h2", section.title, id=f"{name}-title"),
        element("p", section.lead, class_="lead") if section.lead else None,
        class_="head",
    )
    notes = element("ul", *(element("li", each) for each in section.notes), class_="notes") if section.notes else None
    warned = (
        element("ul", *(element("li", each) for each in section.warnings), class_="warned")
        if section.warnings and not alone  # they stand right above
        else None
    )
    return element(
        "section",
        head,
        warned,
        drawn_facts(section.facts),
        *drawer.blocks(section.blocks),
        notes,
        drawn_origins(section.origins),
        *drawn_records(section.records),
        _files(section),
        id=name,
        class_="single" if alone and same_title else None,
        aria_label=section.title,
    )


def _files(section: Section) -> Html | None:
    if not section.files:
        return None
    rows = [
        element("li", element("code", name), " ", element("small", size_in_words(size))) for name, size in section.files
    ]
    return element(
        "details", element("summary", f"{len(rows)} files in the folder"), element("ul", *rows, class_="files")
    )


def size_in_words(size_bytes: int) -> str:
    """Return a size such as ``1.2 MB``."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes} B"
