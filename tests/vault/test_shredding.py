"""What a destruction leaves in the real files of a server: looked for byte by byte."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.store.database import Database, Role
from ledger.store.embedded import EmbeddedServer
from ledger.store.migrate import migrate
from ledger.vault.sealing import CASE, SealingSession
from ledger.vault.searching import token
from ledger.vault.shredding import TABLES, Shredder, reconciled
from ledger.vault.store import VaultKeys
from tests.vault.other_process import KEK

LEDGER = 1
SEARCH_KEY = bytes(range(32))


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[EmbeddedServer, Path]]:
    """A server whose files nobody else writes, as it is shipped: durable."""
    with tempfile.TemporaryDirectory(prefix="auditledger-shred-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(Path(folder)) as server:
            migrate(server.database)
            yield server, Path(folder) / "postgres"


def sealed(database: Database, stream: str, count: int) -> dict[str, Any]:
    """A case with sealed rows at the indexes from 0; what stands for it in the vault's tables."""
    keys = VaultKeys(lambda: database.connect(Role.WRITER), KEK)
    key, _ = keys.ensure(LEDGER, stream, CASE)
    with database.connect_admin() as connection:
        for index in range(count):
            session = SealingSession(KEK, lambda of: keys.keys_of(LEDGER, of))
            session.seal(stream, "words", b"\x28secret of " + stream.encode())
            (row,) = session.rows(0)
            connection.execute(
                "INSERT INTO vault.sealed VALUES (%s, %s, %s, %s)", (LEDGER, index, row.key, row.ciphertext)
            )
        (wrapped,) = connection.execute("SELECT wrapped FROM vault.keys WHERE id = %s", (key,)).fetchone() or ()
        rows = connection.execute("SELECT ciphertext FROM vault.sealed WHERE key = %s", (key,)).fetchall()
        tokens = [token(SEARCH_KEY, f"{stream} {index}") for index in range(count)]
        for index, each in enumerate(tokens):
            connection.execute(
                "INSERT INTO vault.search VALUES (%s, %s, %s, 'words', %s)", (LEDGER, each, index, key)
            )
    return {"key": key, "wrapped": bytes(wrapped), "rows": [bytes(row[0]) for row in rows], "tokens": tokens}


def found_in(database: Database, home: Path, needles: list[bytes]) -> set[str]:
    """The folders of the server's files in which any of the byte strings is, after a checkpoint."""
    with database.connect_admin() as connection:
        connection.execute("CHECKPOINT")
    found = set()
    for file in home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            if any(needle in content for needle in needles):
                found.add(file.relative_to(home).parts[1])
    return found


def test_after_a_rewrite_no_table_file_holds_key_or_ciphertext_and_before_it_they_do(
    own: tuple[EmbeddedServer, Path],
) -> None:
    server, home = own
    database = server.database
    gone, kept = sealed(database, "gone", 40), sealed(database, "kept", 40)
    needles = [gone["wrapped"], *gone["rows"]]
    # Which stand in the pages of the table and of its index.
    tokens: list[bytes] = gone["tokens"]
    with database.connect_admin() as connection:
        # What ANALYZE takes from columns would stand in the statistics.
        connection.execute("ANALYZE")
    assert found_in(database, home, needles) >= {"base"}
    assert found_in(database, home, tokens) >= {"base"}
    shredder = Shredder(lambda: database.connect(Role.VAULT))
    assert shredder.keys(LEDGER, [gone["key"]]) == 1
    assert shredder.rows(LEDGER, [gone["key"]], range(40)) == 40
    assert shredder.tokens(LEDGER, [gone["key"]]) == 40
    with database.connect_admin() as connection:
        for table in TABLES:
            connection.execute(f"VACUUM vault.{table}")
    # A plain VACUUM frees the room and leaves the bytes: that is why the tables are written anew.
    assert "base" in found_in(database, home, needles)
    assert "base" in found_in(database, home, tokens)
    assert shredder.unwritten()
    assert shredder.rewrite()
    assert not shredder.unwritten()
    assert "base" not in found_in(database, home, needles)
    assert "base" not in found_in(database, home, tokens)
    assert "base" in found_in(database, home, [kept["wrapped"]])
    assert "base" in found_in(database, home, kept["tokens"])
    with database.connect_admin() as connection:
        seen = connection.execute(
            "SELECT count(*) FROM pg_stats WHERE schemaname = 'vault' "
            "AND attname IN ('wrapped', 'ciphertext', 'sealed', 'lookup', 'token')"
        ).fetchone()
        stored = connection.execute(
            "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'vault.sealed'::regclass "
            "AND attname = 'ciphertext'"
        ).fetchone()
    assert (seen, stored) == ((0,), ("e",))


def test_the_write_ahead_log_holds_the_bytes_until_its_files_are_recycled(
    own: tuple[EmbeddedServer, Path],
) -> None:
    """What docs/operations.md says remains: whoever edits that page looks here."""
    server, home = own
    gone = sealed(server.database, "logged", 3)
    shredder = Shredder(lambda: server.database.connect(Role.VAULT))
    shredder.keys(LEDGER, [gone["key"]])
    shredder.rows(LEDGER, [gone["key"]], range(3))
    assert shredder.rewrite()
    assert found_in(server.database, home, [gone["wrapped"]]) == {"pg_wal"}


def test_pages_count_as_written_anew_only_once_nobody_reads_as_of_before(
    own: tuple[EmbeddedServer, Path],
) -> None:
    server, home = own
    database = server.database
    gone = sealed(database, "read", 5)
    shredder = Shredder(lambda: database.connect(Role.VAULT))
    with database.connect(Role.VAULT) as reading:
        # As a backup does that runs meanwhile.
        reading.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reading.execute("SELECT count(*) FROM ledger.ledgers")
        shredder.keys(LEDGER, [gone["key"]])
        shredder.rows(LEDGER, [gone["key"]], range(5))
        assert not shredder.rewrite()
        assert shredder.unwritten()
        assert "base" in found_in(database, home, [gone["wrapped"]])
        reading.execute("COMMIT")
    assert shredder.rewrite()
    assert "base" not in found_in(database, home, [gone["wrapped"]])


def test_a_table_that_somebody_holds_is_left_for_later(
    own: tuple[EmbeddedServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = own
    gone = sealed(server.database, "held", 1)
    shredder = Shredder(lambda: server.database.connect(Role.VAULT))
    shredder.keys(LEDGER, [gone["key"]])
    monkeypatch.setattr("ledger.vault.shredding.PATIENCE_MS", 50)
    with server.database.connect_admin() as holding:
        holding.execute("BEGIN")
        holding.execute("LOCK TABLE vault.keys IN ACCESS SHARE MODE")
        assert not shredder.rewrite()
        holding.execute("COMMIT")
    assert shredder.rewrite()


def test_keys_go_only_after_the_commits_that_hold_them(own: tuple[EmbeddedServer, Path]) -> None:
    """A writer has taken the key FOR KEY SHARE; what it seals is there to be removed once the key is gone."""
    server, _ = own
    gone = sealed(server.database, "shared", 1)
    shredder = Shredder(lambda: server.database.connect(Role.VAULT))
    done: list[int] = []
    with server.database.connect(Role.VAULT) as writing:
        writing.execute("BEGIN")
        writing.execute("SELECT FROM vault.keys WHERE id = %s FOR KEY SHARE", (gone["key"],))
        thread = threading.Thread(target=lambda: done.append(shredder.keys(LEDGER, [gone["key"]])))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        writing.execute("INSERT INTO vault.sealed VALUES (%s, 7, %s, 'late')", (LEDGER, gone["key"]))
        writing.execute("COMMIT")
        thread.join(10)
    assert done == [1]
    assert shredder.rows(LEDGER, [gone["key"]], [0, 7]) == 2
    assert shredder.tokens(LEDGER, [gone["key"]]) == 1
    assert shredder.present(LEDGER, [gone["key"]], whole=True).all() == set()


def test_the_writers_role_removes_nothing(own: tuple[EmbeddedServer, Path]) -> None:
    server, _ = own
    with server.database.connect(Role.WRITER) as connection:
        for table in (*TABLES, "removals", "reconciled"):
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(f"DELETE FROM vault.{table}")
    assert reconciled(lambda: server.database.connect(Role.VAULT)) == []
