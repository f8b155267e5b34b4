"""Vault rows enter with their entries or not at all, on every way to commit."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from ledger.errors import CommandReused, Conflict, InvalidInput, VaultError
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from ledger.store.writer import Writer
from ledger.vault.sealing import VaultRow, WrappedKey
from tests.support import check_ledger, sample, samples


def key(name: str, stream: str) -> WrappedKey:
    return WrappedKey(name, stream, "case", b"wrapped " + name.encode(), "kek")


def vault_rows(database: Database) -> list[tuple[int, str, bytes]]:
    with database.connect(Role.VAULT) as connection:
        return connection.execute(
            "SELECT index, key, ciphertext FROM vault.sealed ORDER BY index, key"
        ).fetchall()


@pytest.mark.parametrize("count", [1, 3, 60, 1500])
@pytest.mark.parametrize("warm", [False, True])
def test_a_row_stands_at_its_entry(database: Database, ledger: Ledger, count: int, *, warm: bool) -> None:
    with Writer(database) as writer:
        if warm:
            writer.submit(ledger.id, [sample("warm")]).result(30)
        rows = [VaultRow(n, "k1", b"sealed %d" % n) for n in range(count)]
        writer.submit(ledger.id, samples("a", count), keys=[key("k1", "a")], rows=rows).result(30)
        # The key is there now: later rows under it bring none.
        writer.submit(ledger.id, [sample("a", count + 1)], rows=[VaultRow(0, "k1", b"more")]).result(30)
    expected = [(warm + n, "k1", b"sealed %d" % n) for n in range(count)]
    assert vault_rows(database) == [*expected, (warm + count, "k1", b"more")]
    assert check_ledger(database, ledger) == warm + count + 1


def test_neighbours_in_a_group_keep_their_own_rows(database: Database, ledger: Ledger) -> None:
    with Writer(database) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        futures = [
            writer.submit(
                ledger.id, samples(f"s{n}", 2), keys=[key(f"k{n}", f"s{n}")], rows=[VaultRow(1, f"k{n}", b"x")]
            )
            for n in range(100)
        ]
        expected = [(future.result(30)[1].index, f"k{n}", b"x") for n, future in enumerate(futures)]
    assert vault_rows(database) == sorted(expected)
    assert check_ledger(database, ledger) == 201


@pytest.mark.parametrize("warm", [False, True])
def test_a_key_that_is_gone_refuses_its_command_and_no_other(
    database: Database, ledger: Ledger, *, warm: bool
) -> None:
    with Writer(database) as writer:
        if warm:
            writer.submit(ledger.id, [sample("warm")]).result(30)
        futures = []
        for n in range(30):
            rows = [VaultRow(0, "gone", b"x")] if n % 3 == 1 else ()
            futures.append(writer.submit(ledger.id, [sample(f"s{n}")], rows=rows))
        for n, future in enumerate(futures):
            if n % 3 == 1:
                with pytest.raises(
                    VaultError,
                    match="vault key gone: gone: expected it until the commit",
                ):
                    future.result(30)
            else:
                future.result(30)
    assert vault_rows(database) == []
    assert check_ledger(database, ledger) == 20 + warm


def test_many_refusals_take_no_statement_from_the_connection(database: Database, ledger: Ledger) -> None:
    steps: list[str] = []
    with Writer(database, step=steps.append) as writer:
        writer.submit(ledger.id, [sample("warm")]).result(30)
        # What psycopg sees often it would prepare, and let go of at a ROLLBACK: together with the writer's own.
        for _ in range(8):
            with pytest.raises(Conflict):
                writer.submit(ledger.id, [sample("warm")]).result(30)
        with pytest.raises(VaultError):
            writer.submit(ledger.id, [sample("s")], rows=[VaultRow(0, "gone", b"x")]).result(30)
        # After a refusal the end of the ledger is read anew.
        writer.submit(ledger.id, [sample("warm", 2)]).result(30)
        steps.clear()
        writer.submit(ledger.id, [sample("a")], keys=[key("k", "a")], rows=[VaultRow(0, "k", b"x")]).result(30)
        assert "slow.begun" not in steps
        rows = [VaultRow(n, "k", b"x") for n in range(1500)]
        writer.submit(ledger.id, samples("b", 1500), rows=rows).result(30)
        assert "slow.begun" in steps
    assert check_ledger(database, ledger) == 1503


def test_a_repeat_adds_no_vault_row(database: Database, ledger: Ledger) -> None:
    drafts = [sample("a")]
    with Writer(database) as writer:
        first = writer.submit(ledger.id, drafts, keys=[key("k1", "a")], rows=[VaultRow(0, "k1", b"x")]).result(
            30
        )
        again = writer.submit(ledger.id, drafts, keys=[key("k2", "a")], rows=[VaultRow(0, "k2", b"y")]).result(
            30
        )
        with pytest.raises(InvalidInput, match=r"rows\.ordinal: expected 0 to 0, got 1"):
            writer.submit(ledger.id, [sample("b")], rows=[VaultRow(1, "k1", b"x")])
    assert first == again
    assert vault_rows(database) == [(0, "k1", b"x")]
    assert check_ledger(database, ledger) == 1


@pytest.mark.parametrize("warm", [False, True])
def test_a_repeat_sealed_under_another_key_is_told_to_seal_anew(
    database: Database, ledger: Ledger, *, warm: bool
) -> None:
    """Two who record one new case at once make a key each: nobody can tell whether they said the same."""
    command = str(uuid4())
    ours, theirs = (uuid4().hex for _ in range(2))

    def recorded(key_id: str, content: bytes, stream: str = "a") -> dict[str, Any]:
        mac = bytes.fromhex(key_id)[:8] + content
        drafts = [sample(stream, command=command, content_mac=mac)]
        return {"drafts": drafts, "keys": [key(key_id, stream)], "rows": [VaultRow(0, key_id, b"sealed")]}

    with Writer(database) as writer:
        if warm:
            writer.submit(ledger.id, [sample("warm")]).result(30)
        first = writer.submit(ledger.id, **recorded(ours, b"one")).result(30)
        assert writer.submit(ledger.id, **recorded(ours, b"one")).result(30) == first
        with pytest.raises(CommandReused, match="other content"):
            writer.submit(ledger.id, **recorded(ours, b"two")).result(30)
        for stream in ("a", "b"):
            with pytest.raises(Conflict, match="seal it anew"):
                writer.submit(ledger.id, **recorded(theirs, b"one", stream)).result(30)
        with database.connect_admin() as connection:
            connection.execute("DELETE FROM vault.keys WHERE id = %s", (ours,))
        # Its key destroyed, nobody ever can: the first receipt, unchecked (4-wire 'Entry', command).
        assert writer.submit(ledger.id, **recorded(theirs, b"one")).result(30) == first
    assert vault_rows(database) == [(int(warm), ours, b"sealed")]
    assert check_ledger(database, ledger) == 1 + warm
