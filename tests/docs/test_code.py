"""House rules that the source itself shows: docstrings, citations, tests named after rules, short files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.generate import ROOT
from tests.docs.lawbook import modules

PACKAGES = ("ledger", "projections", "consumers", "schemas", "infra")
LONGEST = 500
"""Lines of a file: some 400 are wanted, this is where it ends."""


def sources(*folders: str) -> list[Path]:
    """Python files under these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def undocumented(path: Path) -> Iterator[str]:
    """Public modules, classes, functions and methods of a file that have no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    name = path.relative_to(ROOT).as_posix()
    if not ast.get_docstring(tree):
        yield name

    def inside(node: ast.Module | ast.ClassDef, owner: str) -> Iterator[str]:
        for each in node.body:
            if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if each.name.startswith("_"):
                continue
            if not ast.get_docstring(each):
                yield f"{owner}.{each.name}"
            if isinstance(each, ast.ClassDef):
                yield from inside(each, f"{owner}.{each.name}")

    yield from inside(tree, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_has_a_docstring(package: str) -> None:
    assert [name for path in sources(package) for name in undocumented(path)] == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_every_law_that_refuses_cites_its_section(module) -> None:
    # A function that is handed the section by its caller cites whatever that one does.
    silent = [f.name for f in module.functions if f.refuses and not f.cites and not f.given_citation]
    assert silent == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_every_law_function_is_used_by_name_in_the_law_tests(module) -> None:
    used = set()
    for path in sources("tests/law"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
    assert [f.name for f in module.functions if f.name not in used] == []


def test_every_file_is_short_enough() -> None:
    folders = ("ledger", "projections", "consumers", "tests", "bench", "infra/postgres/migrations")
    files = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".sql")]
    long = {
        p.relative_to(ROOT).as_posix(): n
        for p in files
        if (n := len(p.read_text("utf-8").splitlines())) > LONGEST
    }
    assert not long


def test_the_readme_is_short_enough() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
