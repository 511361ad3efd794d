"""The floors of the house: nothing imports from a floor above its own."""

from __future__ import annotations

import ast
from pathlib import Path

import cemvis

PACKAGE = Path(cemvis.__file__).resolve().parent
FLOORS = ["ground", "kernels", "images", "analysis", "models", "report", "workflows", "cli"]
GROUND = {"errors", "_checks", "_files", "__init__", "__main__"}
FREE = {"__init__", "__main__"}  # the package's own face and entry point may look anywhere, lazily


def floor_of(parts: tuple[str, ...]) -> str:
    return "ground" if parts[0] in GROUND else parts[0]


def imported(tree: ast.Module, package: tuple[str, ...]) -> set[tuple[str, ...]]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = base + tuple((node.module or "").split(".") if node.module else ())
            found |= {(*module, alias.name) for alias in node.names}
    return found


def violations(path: Path) -> list[str]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    here = floor_of(parts)
    wrong = []
    for name in imported(tree, ("cemvis", *parts[:-1])):
        if name[0] == "torch" and here != "models":
            wrong.append(f"{path}: torch outside models")
        if name[0] != "cemvis" or len(name) < 2 or parts[0] in FREE:
            continue
        if name[1] == "_core":
            if here != "kernels":
                wrong.append(f"{path}: cemvis._core outside kernels")
        elif floor_of(name[1:]) in FLOORS and FLOORS.index(floor_of(name[1:])) > FLOORS.index(here):
            wrong.append(f"{path}: {here} imports {'.'.join(name)}, a floor above")
    return wrong


def test_no_floor_asks_one_above_it() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert paths
    assert [line for path in paths for line in violations(path)] == []


def test_every_module_stands_on_a_known_floor() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert floor_of(path.relative_to(PACKAGE).with_suffix("").parts) in FLOORS


def test_a_wrong_import_is_seen(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "images").mkdir()
    bad = tmp_path / "images" / "bad.py"
    bad.write_text("from cemvis import _core\nfrom cemvis.report import maps\nimport torch\n")
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    assert len(violations(bad)) == 3
