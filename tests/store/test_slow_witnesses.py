"""Who accepts and stays silent, or answers a byte a second, holds up nobody but itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from ledger import remote
from ledger.errors import Unavailable
from ledger.remote import Address
from ledger.store.witnessing import Witnessing
from ledger.tlog.note import COSIGNATURE, SigningKey
from ledger.tlog.policy import Party
from tests.store.test_witnessing import House, asked, house
from tests.waiting import until

__all__ = ["house"]

SLOW = SigningKey("witness.example/slow", COSIGNATURE, bytes([3] * 32)).verifier


@contextmanager
def slow(head: bytes = b"", said: bytes = b"") -> Iterator[tuple[str, list[float]]]:
    """Accepts, says the head, then the rest a byte at each tenth of a second; and when it was asked."""
    stop, times = threading.Event(), list[float]()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(head)
            for byte in said:
                connection.sendall(bytes([byte]))
                if stop.wait(0.1):
                    return
            stop.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as threads:

        def accept() -> None:
            while True:
                connection, _ = listening.accept()
                if stop.is_set():
                    connection.close()
                    return
                times.append(time.monotonic())
                thread = threading.Thread(target=drip, args=(connection,))
                thread.start()
                threads.callback(thread.join)

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", times
        finally:
            stop.set()
            socket.create_connection(listening.getsockname()).close()
            accepting.join()


OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", b"HTTP/1.1 200 OK".ljust(100)),
        (OK, b"X: y\r\n" * 20),
        (SIZED, b"x" * 100),
        # Without a length, what there is when the connection ends would be taken for all of it.
        (OK + b"\r\n", b"x" * 100),
    ],
)
def test_an_answer_is_whole_in_time_or_none(monkeypatch: pytest.MonkeyPatch, head: bytes, said: bytes) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 1.0)
    with slow(head, said) as (url, _), pytest.raises(Unavailable, match=r"peer: .* not whole within 1 s"):
        Address(url, "peer").ask("POST", "/x", b"asked")


def test_one_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 1.0)
    with slow() as (url, _), pytest.raises(Unavailable, match="peer: does not answer"):
        Address(url, "peer").ask("POST", "/x", b"asked")


@pytest.mark.parametrize(("head", "said"), [(b"", b""), (SIZED, b"x" * 100)])
def test_what_one_has_cosigned_is_kept_while_another_says_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, head: bytes, said: bytes
) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 5.0)
    with house.witness() as good, slow(head, said) as (url, times):
        policy = house.policy(Party(SLOW, url), good)
        asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
        done = threading.Event()

        def ask() -> None:
            asking.ask()
            done.set()

        thread = threading.Thread(target=ask)
        thread.start()
        until(house.rows)
        # Kept, and told of, while the other one is still waited for.
        until(lambda: house.ledger.slug in asking.standing())
        assert asking.standing()[house.ledger.slug].size == 3
        assert not done.is_set()
        assert len(times) == 1
        thread.join()
        assert set(asking.standing()[house.ledger.slug].away) == {SLOW.name}


def test_one_that_is_away_is_left_alone_and_the_others_are_asked_as_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "TIMEOUT", 2.0)
    with house.witness() as good, slow() as (url, times):
        policy = house.policy(Party(SLOW, url), good)
        asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
        assert not asking.ask(600.0)
        for size in (6, 9, 12):
            house.grow()
            assert not asking.ask(600.0)
            assert house.rows()[-1] == (size, str(good.key))
            found = asking.standing()[house.ledger.slug]
            assert found.size == size
            assert "does not answer" in found.away[SLOW.name]
        assert len(times) == 1
