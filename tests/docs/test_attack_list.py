"""Every attack of docs/attacks.md names a test that is there, and every attack that was asked for is in it."""

from __future__ import annotations

import ast
import re

import pytest

from tests.bundle.mutations import mutations
from tests.cli.test_attacks import ACTS
from tests.docs.generate import ROOT

PAGE = ROOT / "docs" / "attacks.md"
ASKED_FOR = (
    *(f"{each} in the database, in tiles, in both" for each in ACTS),
    "re-signed with another key",
    "two histories presented to two readers",
    "rolled back to a backup",
    "an old checkpoint replayed",
    "proofs spliced",
    "the last entry missing",
    "the manifest changed",
    "a schema swapped",
    "the key that is embedded",
    "the container cut inside a block",
    "a sealed value guessed",
    "a salt, nonce or key used twice",
    "a witness shown a fork",
    "an entry backdated",
    "a destroyed key brought back",
)


def table() -> list[list[str]]:
    """The rows of every table of the page, without their heads."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] != "attack"]


def test_every_row_says_what_finds_it_with_which_verdict_and_which_test() -> None:
    assert [row for row in table() if len(row) != 4 or not all(row)] == []
    assert len({row[0] for row in table()}) == len(table())


@pytest.mark.parametrize("row", table(), ids=[row[0] for row in table()])
def test_the_test_of_an_attack_is_there(row: list[str]) -> None:
    found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)(?:\[([^\]]+)\])?`", row[-1])
    assert found, row[-1]
    path, name, case = found.groups()
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    if case is not None:
        assert case in ({each.name for each in mutations()} if "bundle" in path else ACTS)


@pytest.mark.parametrize("attack", ASKED_FOR)
def test_what_was_asked_for_is_in_the_list(attack: str) -> None:
    assert [row[0] for row in table() if attack in row[0]] != []


def test_there_are_ten_more_than_were_asked_for() -> None:
    assert len(table()) >= len(ASKED_FOR) + 10
