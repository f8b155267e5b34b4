"""The content of an attachment in a bundle: opened for whom it is, recorded first, checked by who has it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from tests.bundle.forge import members, sealed
from tests.cli.conftest import Answer, Program
from tests.cli.test_destruction import GROUND, office, received
from tests.support import check_ledger

__all__ = ["office"]

CONTENT = bytes(range(256)) * 5000
"""More than a piece that is read at a time."""
OPEN = ("--open", "The auditor asked")


@pytest.fixture
def attached(office: Program, tmp_path: Path) -> tuple[str, int]:
    """A case with a file, and the index of the entry that names it."""
    case, _ = received(office)
    file = tmp_path / "letter.pdf"
    file.write_bytes(CONTENT)
    made = office.ok("attach", str(file), "--case", case, "--title", "Planted title", person="officer")
    return case, made["receipts"][0]["index"]


def export(program: Program, case: str, *options: str, to: str = "case.zip") -> Answer:
    asked = ("bundle", "export", "--ledger", "dffh", "--case", case, *options, "-o", to)
    return program(*asked, person="officer")


def verified(program: Program, *options: str) -> Answer:
    (key,) = [k["key"] for k in program.ok("keys", "list")["keys"] if k["ledger"] == "dffh"]
    return program("bundle", "verify", "case.zip", "--key", key, *options)


def openings(program: Program) -> Sequence[Any]:
    lines = program("entries", "--ledger", "dffh", "--json", person="officer").out.splitlines()
    found = [json.loads(line) for line in lines if "SealedFieldsOpened" in line]
    return [each for entry in found for each in entry["fields"]["opened"]]


def test_a_file_is_disclosed_and_checked_by_who_has_the_bundle(
    office: Program, attached: tuple[str, int], database: Database
) -> None:
    case, index = attached
    name = f"attachments/{index}/file.content"
    said = export(
        office, case, *OPEN, "--field", f"{index}:file.content", "--field", f"{index}:file.title", "--json"
    )
    assert (said.code, said.json["disclosures"]) == (0, 2), said.err
    files = members(Path("case.zip").read_bytes())
    assert files[name] == CONTENT
    listed = {each["path"]: each["value"] for each in json.loads(files["disclosures.json"])}
    assert listed == {"file.content": name, "file.title": "Planted title"}
    assert openings(office) == [
        {"entry": index, "paths": ["file.title"]}, {"entry": index, "paths": ["file.content"]}
    ]  # fmt: skip
    assert verified(office, "--cover", "cover.html").code == 0
    assert name in Path("cover.html").read_text()
    files[name] = CONTENT[:-1] + b"!"
    Path("case.zip").write_bytes(sealed(files))
    refused = verified(office)
    assert (refused.code, "is not what" in refused.err or "are not what" in refused.err) == (8, True)
    # Without naming it, no file leaves the vault.
    assert export(office, case, *OPEN).code == 0
    assert not [each for each in members(Path("case.zip").read_bytes()) if each.startswith("attachments/")]
    check_ledger(database, Ledgers(database).get("dffh"))


def test_what_names_no_file_is_said(office: Program, attached: tuple[str, int]) -> None:
    case, index = attached
    for field, code, what in (
        (f"{index}:title.content", 2, "names no attachment at 'title'"),
        (f"{index - 1}:file.content", 2, "names no attachment at 'file'"),
        ("0:file.content", 2, "expected a field of an entry that is in the bundle"),
    ):
        answer = export(office, case, *OPEN, "--field", field, to="no.zip")
        assert (answer.code, what in answer.err) == (code, True), answer.err
        assert not Path("no.zip").exists()


def test_a_file_that_is_destroyed_or_lost_is_counted_by_the_word(
    office: Program, attached: tuple[str, int], tmp_path: Path
) -> None:
    case, index = attached
    wanted = (*OPEN, "--field", f"{index}:file.content", "--json")
    kept = [path for path in (tmp_path / "data" / "attachments").rglob("*") if path.is_file()]
    away = kept[0].rename(tmp_path / "away")
    assert export(office, case, *wanted).json["closed"] == {"lost": 1}
    away.rename(kept[0])
    # Altered where it lies, it is noticed while it is written: no bundle.
    kept[0].write_bytes(kept[0].read_bytes()[:-1] + b"!")
    broken = export(office, case, *wanted, to="no.zip")
    assert (broken.code != 0, Path("no.zip").exists(), [*Path().glob(".no.zip*")]) == (True, False, [])
    office.ok("destroy", case, "--ledger", "dffh", *GROUND, person="privacy")
    gone = export(office, case, *wanted)
    assert (gone.code, gone.json["closed"], gone.json["disclosures"]) == (0, {"destroyed": 1}, 0)
    assert verified(office).code == 0
