"""Tokens of identifiers: what counts as the same, that nothing is guessed by them, and where they are kept."""

from __future__ import annotations

import hashlib
import hmac
import threading
import unicodedata

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store.database import Database, Role
from ledger.vault.sealing import CASE, LEDGER_STREAM
from ledger.vault.searching import SUBJECT, Position, Row, SearchIndex, normalised, token
from ledger.vault.shredding import Shredder
from ledger.vault.store import VaultKeys
from tests.vault.other_process import KEK

LEDGER = 1
KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jo Bloggs", "JO  BLOGGS"),
        ("Jo Bloggs", " jo\u00a0bloggs\n"),
        ("Groß", "GROSS"),
        ("Zoë", "ZOE\u0308"),
        ("ﬁle 7", "File 7"),
        ("ＤＨ／２０２５", "dh/2025"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    ],
)
def test_the_same_identifier_written_otherwise_is_the_same(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert token(KEY, one) == token(KEY, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë", "Zoe"),
        ("J. Doe", "J Doe"),
        ("O'Brien", "O\u2019Brien"),
        ("Anne Marie", "Anne-Marie"),
        ("7", "07"),
    ],
)
def test_nothing_cleverer_is_done(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text())
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert normalised(f"\t {text}\u2003") == once


def test_normalising_again_changes_no_character_of_unicode() -> None:
    for number in range(0x110000):
        if not 0xD800 <= number < 0xE000:
            once = normalised(f"a{chr(number)}b{chr(number)}")
            assert normalised(once) == once, hex(number)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_capitals_and_composition_do_not_count(text: str) -> None:
    assert normalised(unicodedata.normalize("NFD", text)) == normalised(text)
    assert normalised(text.casefold()) == normalised(text)


def test_a_token_is_what_its_definition_says() -> None:
    """By hand: HMAC-SHA256 under the key, of the label, a zero byte, and the normalised value in UTF-8."""
    said = hmac.digest(KEY, b"ledger.v1.Search\x00" + "zo\u00eb o'brien".encode(), "sha256")
    assert token(KEY, "ZOE\u0308  O'Brien") == said
    assert token(bytes(32), "ZOE\u0308  O'Brien") != said


def test_nothing_is_guessed_from_a_token_by_what_everybody_knows() -> None:
    """A name is guessed at once if its token is a plain digest, or a MAC under anything public."""
    text = "jo bloggs"
    public = [b"", b"search", b"ledger", b"dffh", b"ledger.v1.Search", b"ledger.v1.Search\0", bytes(32), b"\0"]
    bodies = [text.encode(), b"ledger.v1.Search\0" + text.encode(), b"ledger.v1.Search" + text.encode()]
    known = {hashlib.sha256(body).digest() for body in bodies}
    known |= {hmac.digest(key, body, "sha256") for key in public for body in bodies}
    assert token(KEY, text) not in known


# --- in the vault's tables ---


@pytest.fixture
def index(database: Database) -> tuple[SearchIndex, VaultKeys, Shredder]:
    """An index, and what makes and destroys the keys."""

    def vault() -> psycopg.Connection:
        return database.connect(Role.VAULT)

    keys = VaultKeys(lambda: database.connect(Role.WRITER), KEK)
    return SearchIndex(vault, keys), keys, Shredder(vault)


def tokens_in(database: Database) -> list[tuple[int, int, str, str]]:
    """What the table holds, but for the tokens."""
    with database.connect_admin() as connection:
        return connection.execute(
            "SELECT ledger, index, path, key FROM vault.search ORDER BY 1, 2, 3"
        ).fetchall()


def test_each_ledger_has_a_search_key_of_its_own_and_other_tokens(
    index: tuple[SearchIndex, VaultKeys, Shredder], database: Database
) -> None:
    search, keys, _ = index
    (one, first), (two, second) = search.key(1), search.key(2)
    assert (one != two, first != second) == (True, True)
    assert token(first, "Jo Bloggs") != token(second, "Jo Bloggs")
    assert search.key(1) == (one, first)
    assert [key.subject for key in keys.keys_of(1, LEDGER_STREAM)] == [SUBJECT]


def test_rows_and_position_move_together_or_not_at_all(
    index: tuple[SearchIndex, VaultKeys, Shredder], database: Database
) -> None:
    search, keys, _ = index
    key, _ = keys.ensure(LEDGER, "case", CASE)
    begun = search.position(LEDGER, "f")
    assert begun == Position("f", 0, b"", 0)
    rows = [Row(token(KEY, "Jo Bloggs"), 3, "who", key), Row(token(KEY, "Jo Bloggs"), 5, "who", key)]
    there = Position("f", 8, b"h", 2)
    assert search.add(LEDGER, begun, there, rows)
    assert search.position(LEDGER, "other") == there
    # What another has added is passed over, rows and all.
    assert not search.add(LEDGER, begun, Position("f", 9, b"i", 0), [Row(bytes(32), 6, "who", key)])
    assert tokens_in(database) == [(LEDGER, 3, "who", key), (LEDGER, 5, "who", key)]
    at, hits = search.hits(LEDGER, token(KEY, "jo bloggs"), 0, 8, (), 10)
    assert (at, [(hit.index, hit.path) for hit in hits]) == (there, [(3, "who"), (5, "who")])
    assert [hit.index for hit in search.hits(LEDGER, token(KEY, "jo bloggs"), 4, 8, (), 10)[1]] == [5]
    assert [hit.index for hit in search.hits(LEDGER, token(KEY, "jo bloggs"), 0, 5, (), 10)[1]] == [3]
    assert [hit.index for hit in search.hits(LEDGER, token(KEY, "jo bloggs"), 0, 8, (), 1)[1]] == [3]
    assert search.hits(LEDGER, token(KEY, "jo bloggs"), 0, 8, (key,), 10) == (there, [])
    assert search.hits(2, token(KEY, "jo bloggs"), 0, 8, (), 10) == (None, [])
    assert not search.over(LEDGER, begun, "g")
    assert search.over(LEDGER, there, "g")
    assert (tokens_in(database), search.position(LEDGER, "f")) == ([], Position("g", 0, b"", 0))


def test_nothing_is_added_under_a_key_that_is_gone(
    index: tuple[SearchIndex, VaultKeys, Shredder], database: Database
) -> None:
    search, keys, shredder = index
    gone, kept = keys.ensure(LEDGER, "gone", CASE)[0], keys.ensure(LEDGER, "kept", CASE)[0]
    assert shredder.keys(LEDGER, [gone]) == 1
    rows = [Row(bytes(32), 0, "who", gone), Row(bytes(32), 1, "who", kept), Row(bytes(32), 2, "who", "0" * 32)]
    assert search.add(LEDGER, search.position(LEDGER, "f"), Position("f", 3, b"h"), rows)
    assert tokens_in(database) == [(LEDGER, 1, "who", kept)]
    assert search.position(LEDGER, "f").size == 3


def test_a_key_goes_only_after_what_is_being_added_under_it_is_there_to_go_too(
    index: tuple[SearchIndex, VaultKeys, Shredder], database: Database
) -> None:
    search, keys, shredder = index
    key, _ = keys.ensure(LEDGER, "case", CASE)
    at = search.position(LEDGER, "f")
    done: list[int] = []
    with database.connect(Role.VAULT) as adding:
        adding.execute("BEGIN")

        class Held:
            """The connection of a process that has added and not committed yet."""

            def __enter__(self) -> psycopg.Connection:
                return adding

            def __exit__(self, *_: object) -> None:
                """It goes on."""

        slow = SearchIndex(Held, keys)
        assert slow.add(LEDGER, at, Position("f", 1, b"h"), [Row(bytes(32), 0, "who", key)])
        thread = threading.Thread(target=lambda: done.append(shredder.keys(LEDGER, [key])))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        adding.execute("COMMIT")
        thread.join(10)
    assert done == [1]
    assert shredder.present(LEDGER, [key], whole=False).tokens == {key}
    assert shredder.tokens(LEDGER, [key]) == 1
    assert shredder.present(LEDGER, [key], whole=True).all() == set()
    assert tokens_in(database) == []


def test_starting_over_is_a_removal_and_pages_are_written_anew_for_it(
    index: tuple[SearchIndex, VaultKeys, Shredder], database: Database
) -> None:
    search, keys, shredder = index
    key, _ = keys.ensure(LEDGER, "case", CASE)
    at = Position("f", 1, b"h")
    assert search.add(LEDGER, search.position(LEDGER, "f"), at, [Row(bytes(32), 0, "who", key)])
    assert not shredder.unwritten()
    assert search.over(LEDGER, at, "f")
    assert shredder.unwritten()
    assert shredder.rewrite()
    assert search.over(LEDGER, search.position(LEDGER, "f"), "f")
    assert not shredder.unwritten()


def test_the_writers_role_has_no_part_in_the_index(database: Database) -> None:
    for role in (Role.WRITER, Role.READER):
        with database.connect(role) as connection:
            for table in ("search", "search_position"):
                for said in (f"SELECT * FROM vault.{table}", f"DELETE FROM vault.{table}"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(said.encode())
