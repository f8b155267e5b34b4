from __future__ import annotations

import pytest

from ledger.errors import InvalidInput, NotFound
from ledger.store.database import Database
from ledger.store.ledgers import Ledger, Ledgers


def test_a_ledger_is_found_by_slug_origin_and_id(database: Database, ledger: Ledger) -> None:
    ledgers = Ledgers(database)
    assert ledgers.get("dffh") == ledger
    assert ledgers.by_origin("example.vic.gov.au/dffh") == ledger
    assert ledgers.by_id(ledger.id) == ledger
    assert ledgers.all() == [ledger]


def test_an_unknown_ledger_is_said_to_be_unknown(database: Database) -> None:
    with pytest.raises(NotFound, match="no ledger has the slug 'nobody'"):
        Ledgers(database).get("nobody")


@pytest.mark.parametrize("slug", ["DFFH", "d ffh", "-dffh", "dffh-", "d--ffh", "", "déf"])
def test_a_slug_of_another_form_is_refused(database: Database, slug: str) -> None:
    with pytest.raises(InvalidInput, match="slug: expected lower-case letters"):
        Ledgers(database).create(slug, "example.vic.gov.au/x", "x")


@pytest.mark.parametrize("origin", ["a b", "a+b", ""])
def test_an_origin_of_another_form_is_refused(database: Database, origin: str) -> None:
    with pytest.raises(InvalidInput, match="origin: expected no space and no plus sign"):
        Ledgers(database).create("x", origin, "x")


def test_a_taken_slug_or_origin_is_refused(database: Database, ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match="slug: expected one that no ledger has"):
        Ledgers(database).create(ledger.slug, "example.vic.gov.au/other", "x")
    with pytest.raises(InvalidInput, match="origin: expected one that no ledger has"):
        Ledgers(database).create("other", ledger.origin, "x")
