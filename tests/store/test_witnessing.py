"""Checkpoints are cosigned by a witness that really runs, and go on without one that does not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ledger.clock import Clock
from ledger.errors import SettingsError, Unavailable, Untrusted
from ledger.store.database import Database, Role
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from ledger.store.published import Published
from ledger.store.sealers import Sealing
from ledger.store.witnessing import OtherHistory, WitnessClient, Witnessed, Witnessing
from ledger.store.writer import Writer
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import COSIGNATURE, Note, SigningKey, VerifierKey
from ledger.tlog.policy import Party, Policy, read_policy
from ledger.tlog.prover import Prover
from tests.support import sample
from tests.tlog.test_policy import opened
from tests.waiting import until


class House:
    """A ledger that is sealed, and a witness of its own process."""

    def __init__(self, database: Database, ledger: Ledger, folder: Path, clock: Clock | None = None) -> None:
        self.database, self.ledger, self.folder = database, ledger, folder
        self.published = Published(folder)
        self.sealing = Sealing(database, self.published, interval=0.1)
        self.feed = Feed(database)
        self.writer = Writer(database, clock=clock)
        self.count = 0
        self.trusted = Policy()

    def close(self) -> None:
        self.sealing.close()
        self.writer.close()
        self.feed.close()

    def seal(self) -> None:
        self.sealing.seal(self.feed)

    def grow(self, entries: int = 3) -> None:
        for _ in range(entries):
            self.count += 1
            self.writer.submit(self.ledger.id, [sample(f"s{self.count}")]).result(30)
        self.seal()

    @property
    def log(self) -> VerifierKey:
        (key,) = self.published.keys.of(self.ledger.slug, self.ledger.origin)
        return key.verifier

    @property
    def note(self) -> bytes:
        return self.published.of(self.ledger).checkpoint() or b""

    @property
    def prover(self) -> Prover:
        return Prover(self.published.of(self.ledger).read, self.note)

    @contextmanager
    def witness(
        self, name: str = "witness.example/w1", log: VerifierKey | None = None, state: str = "witness"
    ) -> Iterator[Party]:
        command = [
            sys.executable, "-m", "ledger.main", "witness", str(self.folder / state), "--name", name,
            "--log", str(log or self.log), "--port", "0", "--json",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                said = json.loads(process.stdout.readline())
                yield Party(VerifierKey.parse(said["key"]), said["url"])
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    def policy(self, *witnesses: Party) -> Policy:
        path = self.folder / "policy"
        lines = [f"log {self.log}"]
        lines += [f"witness w{n} {each.key} {each.url}" for n, each in enumerate(witnesses)]
        lines.append("quorum " + (f"w{len(witnesses) - 1}" if witnesses else "none"))
        path.write_text("".join(line + "\n" for line in lines))
        return read_policy(path)

    def rows(self) -> list[tuple[int, str]]:
        with self.database.connect(Role.READER) as connection:
            query = "SELECT size, witness FROM ledger.cosignatures ORDER BY size, witness"
            return connection.execute(query).fetchall()


def asked(policy: Policy) -> Callable[[], Policy]:
    return lambda: policy


@pytest.fixture
def house(database: Database, ledger: Ledger, tmp_path: Path) -> Iterator[House]:
    made = House(database, ledger, tmp_path)
    made.grow()
    yield made
    made.close()


def test_what_is_sealed_is_cosigned_kept_and_published(house: House) -> None:
    with house.witness() as witness:
        policy = house.policy(witness)
        asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
        with pytest.raises(Untrusted, match="quorum 'w0'"):
            opened(policy, house.note)
        assert asking.ask()
        assert house.rows() == [(3, str(witness.key))]
        house.seal()
        found = opened(policy, house.note)
        assert (found.checkpoint.size, [each.key.name for each in found.signed]) == (
            3, [house.ledger.origin, witness.key.name],
        )  # fmt: skip
        assert asking.standing()[house.ledger.slug] == Witnessed(3, {})
        # Nothing new: nobody is asked.
        assert asking.ask()
        house.grow(300)
        assert asking.ask()
        house.seal()
        assert opened(policy, house.note).checkpoint.size == 303
        assert [size for size, _ in house.rows()] == [3, 303]


def test_a_cosignature_that_was_kept_and_not_published_is_published_by_the_next_seal(house: House) -> None:
    with house.witness() as witness:
        policy = house.policy(witness)
        Witnessing(house.database, house.published, asked(policy), house.sealing).ask()
    # The process ends here; another one seals.
    house.sealing.close()
    again = Sealing(house.database, house.published, interval=0.1)
    again.seal(house.feed)
    again.close()
    assert opened(policy, house.note).checkpoint.size == 3


def test_a_witness_that_is_away_holds_nothing_up_and_is_caught_up_with(house: House) -> None:
    with house.witness() as witness:
        policy = house.policy(witness)
        assert Witnessing(house.database, house.published, asked(policy), house.sealing).ask()
    asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
    house.grow(5)
    assert not asking.ask()
    (why,) = asking.standing()[house.ledger.slug].away.values()
    assert "does not answer" in why
    house.grow(5)
    assert house.prover.checkpoint.size == 13
    with house.witness() as back:
        policy = house.policy(back)
        asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
        assert asking.ask()
        house.seal()
        assert opened(policy, house.note).checkpoint.size == 13


def test_a_ledger_that_the_policy_does_not_name_is_not_asked_for(house: House) -> None:
    with house.witness() as witness:
        path = house.folder / "policy"
        path.write_text(f"witness w {witness.key} {witness.url}\nquorum w\n")
        assert Witnessing(house.database, house.published, asked(read_policy(path)), house.sealing).ask()
    assert house.rows() == []


def test_a_log_that_the_witness_does_not_know_is_said(house: House) -> None:
    other = SigningKey.generate("example.com/other").verifier
    with house.witness(log=other) as witness:
        asking = Witnessing(house.database, house.published, asked(house.policy(witness)), house.sealing)
        assert not asking.ask()
        (why,) = asking.standing()[house.ledger.slug].away.values()
        assert "404" in why


def test_an_older_history_is_not_cosigned_once_the_witness_saw_more(house: House) -> None:
    early = house.prover
    with house.witness() as witness:
        house.grow(5)
        client = WitnessClient(witness)
        client.cosign(house.prover)
        with pytest.raises(Untrusted, match=r"it saw 8 entries .*, 3 are published"):
            WitnessClient(witness).cosign(early)
        # Asked by another process that does not know where the witness stands.
        house.grow(5)
        assert WitnessClient(witness).cosign(house.prover).name == witness.key.name


@contextmanager
def answering(answer: Callable[[bytes], tuple[int, bytes]]) -> Iterator[str]:
    """A witness that means no good."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


KEY = SigningKey("witness.example/w1", COSIGNATURE, bytes([1] * 32))
OTHER = SigningKey("witness.example/w1", COSIGNATURE, bytes([2] * 32))


def line(body: bytes, key: SigningKey, size: int | None = None) -> bytes:
    checkpoint = Checkpoint.parse(Note.parse(body.partition(b"\n\n")[2]).text)
    checkpoint = checkpoint if size is None else checkpoint._replace(size=size)
    return key.sign(checkpoint.text, 7).encode()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (lambda body: (200, line(body, OTHER)), Untrusted, "not signed by its key"),
        (lambda body: (200, line(body, KEY, size=9)), Untrusted, "is not of this text"),
        (lambda body: (200, b""), Untrusted, "not signed by its key"),
        (lambda body: (200, b"no line\n"), Untrusted, "expected signature lines"),
        (lambda body: (200, b"\xff\xfe"), Untrusted, "expected signature lines"),
        (lambda body: (409, b"many\n"), Untrusted, "expected a size, got 'many'"),
        (lambda body: (409, b"9" * 5000), Untrusted, "expected a size"),
        (lambda body: (409, b"99\n"), OtherHistory, "it saw 99 entries"),
        (lambda body: (409, b"3\n"), OtherHistory, "it saw other 3 entries"),
        (lambda body: (409, b"1\n"), Unavailable, "another one asks it"),
        (lambda body: (422, b"no\n"), OtherHistory, "422 no"),
        (lambda body: (503, b"later\n"), Unavailable, "503 later"),
    ],
)
def test_a_witness_that_answers_otherwise_is_not_believed(
    house: House, answer: Callable[[bytes], tuple[int, bytes]], error: type[Exception], says: str
) -> None:
    with answering(answer) as url, pytest.raises(error, match=says):
        WitnessClient(Party(KEY.verifier, url)).cosign(house.prover)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The levels at which it was logged that something was not cosigned."""
    found: list[str] = []
    for level in ("warning", "error"):
        monkeypatch.setattr(
            f"ledger.store.witnessing.log.{level}", lambda event, level=level, **_: found.append(level)
        )
    return found


def test_a_witness_that_was_shown_another_history_is_an_alarm_until_it_cosigns(
    house: House, logged: list[str]
) -> None:
    """One that is away besides is not: nobody knows of it."""
    answers: list[Callable[[bytes], tuple[int, bytes]]] = []
    with answering(lambda body: answers[0](body)) as url, house.witness("witness.example/w2") as other:
        gone = Party(SigningKey.generate("witness.example/w3", COSIGNATURE).verifier, "http://127.0.0.1:9")
        policy = house.policy(other, gone, Party(KEY.verifier, url))
        asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
        for answer in (lambda _: (422, b"no\n"), lambda _: (409, b"99\n"), lambda _: (409, b"3\n")):
            answers[:] = [answer]
            assert not asking.ask()
            found = asking.standing()[house.ledger.slug]
            assert (found.refuse, set(found.away)) == ({KEY.verifier.name}, {KEY.verifier.name, gone.key.name})
            assert sorted(logged) == ["error", "warning"]
            logged.clear()
        # It does not go out because the witness cannot be asked for a while.
        answers[:] = [lambda _: (503, b"later\n")]
        assert not asking.ask()
        assert asking.standing()[house.ledger.slug].refuse == {KEY.verifier.name}
        assert logged == ["warning", "warning"]
        answers[:] = [lambda body: (200, line(body, KEY))]
        assert not asking.ask()
        found = asking.standing()[house.ledger.slug]
        assert (found.refuse, set(found.away)) == (frozenset(), {gone.key.name})


def test_a_witness_that_another_process_of_ours_asked_first_is_no_alarm(
    house: House, logged: list[str]
) -> None:
    """It sealed and asked between our look at what is published and our question."""
    sizes: list[int] = []

    def answer(body: bytes) -> tuple[int, bytes]:
        if not sizes:
            house.grow(5)
            sizes.append(8)
        return (200, line(body, KEY)) if body.startswith(b"old 8\n") else (409, b"8\n")

    with answering(answer) as url:
        policy = house.policy(Party(KEY.verifier, url))
        asking = Witnessing(house.database, house.published, asked(policy), house.sealing)
        assert not asking.ask()
        found = asking.standing()[house.ledger.slug]
        assert (found.refuse, set(found.away), logged) == (frozenset(), {KEY.verifier.name}, ["warning"])
        assert asking.ask()
        assert asking.standing()[house.ledger.slug] == Witnessed(8, {})


def test_damaged_files_of_ours_are_no_other_history_that_the_witness_saw(
    house: House, logged: list[str]
) -> None:
    bodies: list[bytes] = []
    with answering(lambda body: bodies.append(body) or (409, b"3\n")) as url:
        house.grow(300)
        tile = house.folder / "tiles" / house.ledger.slug / "tile" / "0" / "000"
        data = bytearray(tile.read_bytes())
        data[40] ^= 1
        tile.write_bytes(data)
        asking = Witnessing(
            house.database, house.published, asked(house.policy(Party(KEY.verifier, url))), house.sealing
        )
        assert not asking.ask()
        found = asking.standing()[house.ledger.slug]
        assert "the published files do not lead to the checkpoint of 303" in found.away[KEY.verifier.name]
        assert (found.refuse, logged) == (frozenset(), ["error"])
        assert [body.partition(b"\n")[0] for body in bodies] == [b"old 0"]


def test_a_lost_tile_of_one_ledger_keeps_no_other_from_its_witnesses(house: House, logged: list[str]) -> None:
    """Nor is the witness left alone for it: it answers for the others."""
    other = Ledgers(house.database).create("epa", "example.vic.gov.au/epa", "epa")

    def answer(body: bytes) -> tuple[int, bytes]:
        here = house.ledger.origin.encode() in body
        return (409, b"3\n") if here and body.startswith(b"old 0\n") else (200, line(body, KEY))

    with answering(answer) as url:
        house.grow(300)
        tile = house.folder / "tiles" / house.ledger.slug / "tile" / "0" / "000"
        data = tile.read_bytes()
        tile.unlink()
        # The sealing knows of a new ledger after a second at most.
        until(lambda: house.seal() or house.published.of(other).checkpoint())
        (key,) = house.published.keys.of(other.slug, other.origin)
        path = house.folder / "policy"
        path.write_text(f"log {house.log}\nlog {key.verifier}\nwitness w {KEY.verifier} {url}\nquorum w\n")
        policy = asked(read_policy(path))
        asking = Witnessing(house.database, house.published, policy, house.sealing)
        assert not asking.ask(60.0)
        found = asking.standing()
        assert "published files of this ledger are missing" in found[house.ledger.slug].away[KEY.verifier.name]
        assert (found[house.ledger.slug].refuse, logged) == (frozenset(), ["error"])
        assert found[other.slug] == Witnessed(0, {})
        tile.write_bytes(data)
        assert Witnessing(house.database, house.published, policy, house.sealing).ask()


@pytest.mark.parametrize("url", [None, "ftp://example.com", "example.com", "http://"])
def test_a_witness_without_an_address_is_refused(url: str | None) -> None:
    with pytest.raises(
        SettingsError,
        match=r"expected an http\(s\) address",
    ):
        WitnessClient(Party(KEY.verifier, url))


def test_a_policy_that_cannot_be_read_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    with pytest.raises(SettingsError, match="No such file"):
        read_policy(path)
    path.write_text("quorum w\n")
    with pytest.raises(SettingsError, match="policy, line 1: expected a witness or group defined above"):
        read_policy(path)
