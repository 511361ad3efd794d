"""The package as a whole: light to import, documented, and of one mind with its compiled core."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cemvis
from cemvis import _core

PACKAGE = Path(cemvis.__file__).resolve().parent
HEAVY = {"matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "tifffile", "torch", "zarr"}


def module_name(path: Path) -> str:
    parts = ("cemvis", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if path.stem != "__main__"}
WITH_EXAMPLES = [name for name, path in SOURCES.items() if ">>>" in path.read_text(encoding="utf-8")]
STUB = ast.parse((PACKAGE / "_core.pyi").read_text(encoding="utf-8"))


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "code",
    [
        "import cemvis",
        "from cemvis.cli import main; main(['--help'], standalone_mode=False)",
        "from cemvis.cli import main; main(['--version'], standalone_mode=False)",
    ],
)
def test_import_help_and_version_load_nothing_heavy(code: str) -> None:
    output = run_python(f"{code}\nimport sys\nprint('loaded:', *sys.modules)")
    loaded = set(output.rpartition("loaded:")[2].split())
    assert "cemvis" in loaded
    assert loaded & HEAVY == set()


def test_the_command_answers() -> None:
    call = [sys.executable, "-m", "cemvis"]
    helped = subprocess.run([*call, "--help"], capture_output=True, text=True, check=True)
    assert "Usage:" in helped.stdout
    version = subprocess.run([*call, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split()[-1] == cemvis.__version__


def test_version_is_the_installed_one() -> None:
    try:
        installed = importlib.metadata.version("cemvis")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the source tree: nothing is installed")
    assert cemvis.__version__ == installed


def test_types_are_installed() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_core.pyi").is_file()


@pytest.mark.parametrize("name", SOURCES)
def test_everything_public_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    public = [thing for label, thing in vars(module).items() if not label.startswith("_")]
    own = [thing for thing in public if inspect.isroutine(thing) or inspect.isclass(thing)]
    own = [thing for thing in own if thing.__module__ == name]
    assert module.__doc__
    assert [thing.__qualname__ for thing in own if not inspect.getdoc(thing)] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0


def parameters(function: ast.FunctionDef) -> list[str]:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument.arg for argument in every if argument.arg != "self"]


def bound_parameters(function: object) -> list[str]:
    """Read a bound function's parameters from the signature that the binding writes into its docstring."""
    signature = re.match(r"\w+\((.*?)\) -> ", inspect.getdoc(function) or "")
    assert signature, f"{function} has no signature"
    return re.findall(r"(?:^|, )(\w+)(?=:)", re.sub(r"\[[^\[\]]*\]", "", signature[1]))


def test_the_stub_names_what_the_core_has() -> None:
    typed = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(typed) == {name for name in vars(_core) if not name.startswith("_")}
    for name, node in typed.items():
        if isinstance(node, ast.ClassDef):
            members = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            public = {member for member in vars(getattr(_core, name)) if not member.startswith("_")}
            assert {member for member in members if not member.startswith("_")} == public
        else:
            assert parameters(node) == bound_parameters(getattr(_core, name)), name
