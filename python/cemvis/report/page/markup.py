"""Markup in which every text is escaped unless it is markup itself, and templates that are filled once."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

_EMPTY = frozenset({"br", "hr", "img", "line", "path", "rect", "circle"})


class Html(str):
    """Text that is markup already; `element` escapes every other one."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Html:
    """Return an element as markup.

    Parameters
    ----------
    children : object
        `Html` goes in as it is, None is left out, everything else is escaped.
    attributes : object
        None and False are left out, True stands without a value. ``class_`` is ``class``, and other underscores are
        hyphens: ``aria_label`` is ``aria-label``.
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _EMPTY and not children:
        return Html(f"<{name}{said}>" if name in ("br", "hr", "img") else f"<{name}{said}/>")
    return Html(f"<{name}{said}>{joined(*children)}</{name}>")


def joined(*children: object) -> Html:
    """Return children one after another as markup; those that are not `Html` are escaped."""
    return Html(
        "".join(child if isinstance(child, Html) else escaped(child) for child in children if child is not None)
    )


def escaped(text: object) -> str:
    """Return text that means itself in elements and attributes; what UTF-8 cannot hold is a question mark."""
    return html.escape(str(text).encode("utf-8", "replace").decode("utf-8"), quote=True)


def _attribute(key: str, value: object) -> str:
    if value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(value)}"'


def safe_json(data: Any) -> str:
    """Return JSON that can stand inside a script element: nothing in it ends the element or begins another."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def asset(name: str) -> str:
    """Return the text of a file in the package's report/assets."""
    return importlib.resources.files("cemvis").joinpath("report", "assets", name).read_text("utf-8")


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with each ``{{name}}`` replaced once; what is put in is not looked through again."""
    first, *pieces = template.split("{{")
    parts = (piece.split("}}", 1) for piece in pieces)
    return first + "".join(values[name] + rest for name, rest in parts)


def source_hash(text: str) -> str:
    """Return a script's or a style's digest as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
