"""The disk under the database full, under load, and free again.

Where this process may mount, it is a small file system that really is full; everywhere, files that the kernel
lets grow no further.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ledger.errors import Unavailable
from ledger.store.embedded import EmbeddedServer
from ledger.store.ledgers import Ledgers
from ledger.store.migrate import migrate
from ledger.store.submission import Draft
from ledger.store.writer import Writer
from tests.faults.service import Service
from tests.faults.site import Load, found
from tests.support import check_ledger, sample
from tests.waiting import until

SIZE = 160 << 20
ANSWERS = {"200", "201", "503 Unavailable", "503 Outcome unknown"}


def may_mount() -> bool:
    """Whether this process may mount a file system of its own."""
    folder = Path(__file__).parent
    asked = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, in memory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leaves no byte free."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as out:
        for piece in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    out.write(bytes(piece))
    return filler


def new_wal_segment(server: EmbeddedServer) -> None:
    """The database needs another file of its log now; on a full disk that ends it."""
    with contextlib.suppress(Unavailable, psycopg.Error), server.database.connect_admin() as connection:
        for _ in range(4):
            connection.execute("SELECT pg_logical_emit_message(true, 'filler', 'x')")
            connection.execute("SELECT pg_switch_wal()")


def full(data_dir: Path, what: str) -> None:
    """Tables that cannot grow refuse what is written; a log that cannot grow takes the database down."""
    with small_disk(data_dir), EmbeddedServer(data_dir) as server:
        migrate(server.database)
        site = found(server.database, data_dir)
        before = site.sizes()
        with Service(data_dir) as service:
            load = Load(site, [service])
            with load.running():
                load.wait_for(40)
                # What the database says of it goes to the same disk: room for that alone.
                subprocess.run(["fallocate", "--keep-size", "--length", "1MiB", server.log], check=True)
                filler = fill(data_dir)
                if what == "log":
                    new_wal_segment(server)
                    service.wait_said('"attempt": 2')
                else:

                    def refused() -> bool:
                        fill(data_dir)
                        return load.seen["503 Unavailable"] > 10

                    until(refused, lambda: load.seen)
                filler.unlink()
                load.wait_for(40)
            service.wait_healthy()
            assert set(load.seen) <= ANSWERS
            said = server.log.read_text()
            assert "No space left on device" in said
            assert ("PANIC" in said) == (what == "log")
            sizes = site.check(load.acknowledged)
            assert sum(sizes.values()) - sum(before.values()) == len(load.acknowledged)
            assert not service.failures()


if may_mount():

    @pytest.mark.parametrize("what", ["tables", "log"])
    def test_a_full_disk_loses_nothing_and_is_over_when_there_is_space(data_dir: Path, what: str) -> None:
        """A real one; where none can be mounted, the test below says the half of it."""
        full(data_dir, what)


def test_tables_that_may_grow_no_further_refuse_and_the_next_try_writes(data_dir: Path) -> None:
    """By the limit of the kernel on the size of a file, which the server begins with and is freed of."""
    data_dir.chmod(0o755)
    limit = 24 << 20
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        server = EmbeddedServer(data_dir)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with server:
        migrate(server.database)
        ledger = Ledgers(server.database).create("dffh", "example.vic.gov.au/dffh", "dffh")
        with Writer(server.database) as writer:
            written, refused = until_refused(writer, ledger.id)
            assert written > 100
            assert check_ledger(server.database, ledger) == written
            # Where there is space again, a start of the server is all that it takes.
            server.stop()
            server.start()
            (receipt,) = writer.submit(ledger.id, refused).result(30)
            assert receipt.index == written
            assert writer.submit(ledger.id, refused).result(30) == [receipt]
        assert check_ledger(server.database, ledger) == written + 1


def until_refused(writer: Writer, ledger: int) -> tuple[int, list[Draft]]:
    """Large entries until one is refused; how many there are, and that one."""
    for written in range(1000):
        drafts = [sample(f"case-{written}", payload=os.urandom(60_000))]
        try:
            writer.submit(ledger, drafts).result(30)
        except Unavailable:
            return written, drafts
    raise AssertionError("nothing was refused")
