"""What ``ledger/law`` holds, read from its source: each function, what it says, and the sections it cites."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from ledger import law

CITATION = re.compile(r"^(PDPA|VPS|CISS|Data\.NSW|ledger rule|ILA)")
"""How a text in the code begins that names a section or a rule of this ledger's own."""
CITED = re.compile(
    r"PDPA|VPS|NSW|CISS|IPP|DataVic|ledger rule|1-law|4-wire|3-registers|§|\bch\. \d|\bR[1-5]\b|\bs \d|No\. \d"
    r"|Act \d{4}|Sch \d|\b\d{1,3}[A-Z]{0,2}\(\w|: \d+[A-Z]*\b"
)
"""What counts as a citation in a docstring."""
REFUSALS = frozenset({"LawRefused", "Forbidden", "must_state", "must_hold"})


@dataclass(frozen=True, slots=True)
class LawFunction:
    """One public function of ``ledger/law``."""

    module: str
    name: str
    doc: str
    citations: tuple[str, ...]
    """The sections that it refuses under, as they are shown to whoever is refused."""
    refuses: bool
    """Whether it can refuse an act."""
    given_citation: bool
    """Whether it is handed the section: by its caller (``must_state``), or by a row of the clock table."""

    @property
    def says(self) -> str:
        """Its docstring without the words for programmers."""
        sentences = re.sub(r"\s*Raises [^.;]*?(\([^)]*\))?[^.;]*[.;]", "", self.doc).strip()
        return sentences or self.doc

    @property
    def cites(self) -> bool:
        """Whether it names a section or a rule of this ledger's own."""
        return bool(self.citations) or bool(CITED.search(self.doc))


@dataclass(frozen=True, slots=True)
class LawModule:
    """One file of ``ledger/law``."""

    name: str
    doc: str
    functions: tuple[LawFunction, ...]


@cache
def modules() -> tuple[LawModule, ...]:
    """Every file of ``ledger/law`` that has public functions, in order of name."""
    found = []
    for path in sorted(Path(str(law.__file__)).parent.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        functions = tuple(_functions(path.stem, tree))
        if functions:
            found.append(LawModule(path.stem, " ".join((ast.get_docstring(tree) or "").split()), functions))
    return tuple(found)


def _functions(module: str, tree: ast.Module) -> Iterator[LawFunction]:
    values = vars(importlib.import_module(f"ledger.law.{module}"))
    private = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("_")}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        parts: list[ast.AST] = [node]
        parts += [private[n] for n in sorted(_names(node) & private.keys())]
        texts = {text for part in parts for text in _texts(part, values)}
        called = {name for part in parts for name in _names(part)}
        yield LawFunction(
            module,
            node.name,
            _with_days(" ".join((ast.get_docstring(node) or "").split()), values),
            tuple(sorted(text for text in texts if CITATION.match(text))),
            bool(called & REFUSALS),
            any(a.arg in ("citation", "section") for a in (*node.args.args, *node.args.kwonlyargs))
            or any(isinstance(each, ast.Attribute) and each.attr == "section" for each in ast.walk(node)),
        )


def _with_days(doc: str, values: dict[str, object]) -> str:
    """A docstring with the days themselves where it names constants that hold one."""

    def day(named: re.Match[str]) -> str:
        value = values.get(named[1])
        return value.isoformat() if isinstance(value, date) else named[0]

    return re.sub(r"``(\w+)``", day, doc)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _texts(node: ast.AST, values: dict[str, object]) -> Iterator[str]:
    """The texts in a function: literals but its docstring, and constants that it names."""
    doc = ast.get_docstring(node, clean=False) if isinstance(node, ast.FunctionDef) else None
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value != doc:
            yield each.value
        elif isinstance(each, ast.Name) and isinstance(values.get(each.id), str):
            yield str(values[each.id])
