"""The privacy officer told by mail: accepted before it is recorded, sent again until it is, never in clear."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ledger.application import telling
from ledger.application.mail import Letterbox
from ledger.application.telling import Telling
from ledger.errors import AuditLedgerError, OutcomeUnknown, SettingsError, Unavailable
from ledger.settings import Settings
from tests.application.conftest import House
from tests.application.glass import act, case_with_words, looked, review, take
from tests.application.postbox import OFFICE, PASSWORD, SENDER, USER, Received, certificate, free_port, postbox
from tests.support import check_ledger
from tests.waiting import until

TOLD = "ledger.vault.v1.PrivacyOfficerTold"


@pytest.fixture
def pem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's certificate, which this machine trusts for the test."""
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    return made


def letterbox(port: int, *, host: str = "localhost", password: str = PASSWORD) -> Letterbox:
    """Where mail goes."""
    return Letterbox("smtp", host, port, USER, password, SENDER, OFFICE)


def entries(house: House) -> list[Any]:
    """That the privacy officer was told, as recorded."""
    rows = house.installation.feed.stream(house.ledger.id, "openings")
    return [row.decoded for row in rows if row.event == TOLD]


def cut(house: House, *, off: bool) -> None:
    """Ends every connection to the database and lets no new one in, or lets them in again."""
    database = house.installation.database
    with database.connect_admin() as connection:
        limit = 0 if off else -1
        connection.execute(f'ALTER DATABASE "{database.name}" CONNECTION LIMIT {limit}')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND pid <> pg_backend_pid()",
            (database.name,),
        )


class Alarms(list[tuple[str, dict[str, Any]]]):
    """What was told to the log."""

    def __call__(self, what: str, **of: Any) -> None:
        self.append((what, of))


@pytest.mark.parametrize("at_once", [False, True])
def test_a_mail_names_ledger_entry_person_and_end_and_nothing_personal(
    house: House, pem: Path, at_once: bool
) -> None:
    case, _ = case_with_words(house)
    access = take(house, case)
    received, alarms = Received(), Alarms()
    with postbox(received, pem, at_once=at_once) as port:
        open_one = Letterbox("smtps", "localhost", port, None, None, SENDER, OFFICE)
        told = Telling(house.installation, open_one if at_once else letterbox(port), alarms)
        told.look()
        told.look()
    (mail,) = received.mails
    text = str(mail)
    assert (mail["To"], mail["From"]) == (OFFICE, SENDER)
    ends = looked(house, house.administrator)[0]["until"]
    for said in (
        "example.vic.gov.au/dffh",
        f"Entry:     {access}",
        house.administrator.person,
        "1 of its cases",
    ):
        assert said in text
    assert "Petra" not in text
    assert "missing" not in text
    assert case not in text
    assert ends.startswith("20")
    (entry,) = entries(house)
    assert (entry.actor.role, entry.actor.id) == ("system", "system")
    (seen,) = looked(house, house.privacy_officer)
    assert (seen["told"]["how"], seen["told"]["person"]) == ("mail", None)
    assert told.state()["dffh"] == telling.Untold(1, 0, 1, 0)
    assert [what for what, _ in alarms] == ["emergency access was taken"]
    with house.installation.database.connect_admin() as connection:
        rows = connection.execute("SELECT entry FROM ledger.entries").fetchall()
    assert not [row for row in rows if OFFICE.encode() in bytes(row[0])]
    check_ledger(house.installation.database, house.ledger)


def test_it_is_sent_again_until_a_server_accepts_it(
    house: House, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "RETRY", 0.0)
    take(house, case_with_words(house)[0])
    received, alarms, port = Received(), Alarms(), free_port()
    told = Telling(house.installation, letterbox(port), alarms)
    told.look()
    assert told.state()["dffh"].untold == 1
    with postbox(received, pem, port=port):
        received.refuses = f"451 {OFFICE} is full"
        told.look()
        assert entries(house) == []
        received.refuses = None
        told.look()
    assert len(received.mails) == 1
    assert len(entries(house)) == 1
    assert told.state()["dffh"].untold == 0
    said = [of["reason"] for what, of in alarms if "could not be told" in what]
    assert len(said) == 2
    assert "Connection refused" in said[0]
    assert said[1].endswith("it answered 451")
    check_ledger(house.installation.database, house.ledger)


def test_it_waits_before_it_tries_again(house: House, pem: Path) -> None:
    """A server that is down is not asked each two seconds; a second access waits with the first."""
    take(house, case_with_words(house)[0])
    take(house, case_with_words(house)[0])
    alarms = Alarms()
    told = Telling(house.installation, letterbox(free_port()), alarms)
    told.look()
    told.look()
    assert len([what for what, _ in alarms if "could not be told" in what]) == 1
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize("step", ["accepted", "recorded"])
def test_killed_after_the_server_accepted_it_is_told_twice_and_recorded_once(
    house: House, pem: Path, step: str
) -> None:
    take(house, case_with_words(house)[0])
    received = Received()
    database = house.installation.database
    with postbox(received, pem) as port:
        orders = {
            "admin": database.admin, "passwords": dict(database.passwords), "step": step,
            "folder": str(house.installation.data_dir), "letterbox": astuple(letterbox(port)),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.application.teller"],
            cwd=Path(__file__).parents[2], input=json.dumps(orders), text=True, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL
        assert (len(received.mails), len(entries(house))) == (1, int(step == "recorded"))
        Telling(house.installation, letterbox(port), Alarms()).look()
    sent = 2 if step == "accepted" else 1
    assert len(received.mails) == sent
    assert len({mail["Message-ID"] for mail in received.mails}) == 1
    assert len(entries(house)) == 1
    check_ledger(database, house.ledger)


def test_two_services_at_once_record_one_entry(house: House, pem: Path) -> None:
    take(house, case_with_words(house)[0])
    received, gate, failed = Received(), threading.Barrier(2), []

    def step(name: str) -> None:
        if name == "accepted":
            gate.wait(30)

    def look(port: int) -> None:
        try:
            Telling(house.installation, letterbox(port), Alarms(), step).look()
        except AuditLedgerError as error:
            failed.append(error)

    with postbox(received, pem) as port:
        threads = [threading.Thread(target=look, args=(port,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert (len(received.mails), len(entries(house))) == (2, 1)
    check_ledger(house.installation.database, house.ledger)


def test_who_was_told_otherwise_gets_no_mail(house: House, pem: Path) -> None:
    """The list has told the privacy officer, or a review has: then they know."""
    listed, reviewed = (take(house, case_with_words(house)[0]) for _ in range(2))
    act(house, "EmergencyAccessEnded", reviewed, house.administrator)
    review(house, reviewed)
    assert [each["told"] is not None for each in looked(house, house.privacy_officer)] == [False, True]
    received = Received()
    with postbox(received, pem) as port:
        Telling(house.installation, letterbox(port), Alarms()).look()
    assert received.mails == []
    assert listed < reviewed
    check_ledger(house.installation.database, house.ledger)


def test_a_database_lost_after_the_server_accepted_it_does_not_send_it_again(house: House, pem: Path) -> None:
    """Accepted and not recorded: the same process records it later, and sends nothing more."""
    take(house, case_with_words(house)[0])
    received = Received()
    with postbox(received, pem) as port:
        told = Telling(
            house.installation, letterbox(port), Alarms(),
            lambda step: cut(house, off=True) if step == "accepted" else None,
        )  # fmt: skip
        with pytest.raises((Unavailable, OutcomeUnknown)):
            told.look()
        cut(house, off=False)
        for _ in range(20):
            # Connections of the pools that were cut are found out one by one.
            with suppress(Unavailable, OutcomeUnknown):
                told.look()
    assert (len(received.mails), len(entries(house))) == (1, 1)
    check_ledger(house.installation.database, house.ledger)


def test_nothing_goes_in_clear_to_another_machine(pem: Path) -> None:
    """A server that offers no STARTTLS gets neither password nor mail, unless it is on this machine."""
    received = Received()
    with (
        postbox(received, None, host="127.0.0.2") as port,
        pytest.raises(Unavailable, match="offers no STARTTLS"),
    ):
        letterbox(port, host="127.0.0.2").send("s", "t", {})
    assert received.mails == []
    with postbox(received, None, host="127.0.0.1") as port:
        Letterbox("smtp", "127.0.0.1", port, None, None, SENDER, OFFICE).send("s", "t", {})
        with pytest.raises(Unavailable, match="AUTH"):
            letterbox(port, host="127.0.0.1").send("s", "t", {})
    assert len(received.mails) == 1


def test_a_server_that_nobody_vouches_for_or_that_does_not_know_us_gets_nothing(
    pem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = Received()
    with postbox(received, pem) as port:
        with pytest.raises(Unavailable, match="it answered 535"):
            letterbox(port, password="wrong").send("s", "t", {})
        with pytest.raises(Unavailable, match="certificate verify failed"):
            letterbox(port, host="127.0.0.1").send("s", "t", {})
        other = tmp_path / "other"
        other.mkdir()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate(other)))
        with pytest.raises(Unavailable, match="certificate verify failed"):
            letterbox(port).send("s", "t", {})
    assert received.mails == []


def test_the_loop_tells_until_it_is_stopped_and_says_when_it_cannot_look(
    house: House, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LOOK", 0.05)
    received, stop, alarms = Received(), threading.Event(), Alarms()
    with postbox(received, pem) as port:
        told = Telling(house.installation, letterbox(port), alarms)
        thread = threading.Thread(target=told.run, args=(stop,))
        thread.start()
        try:
            take(house, case_with_words(house)[0])
            while not entries(house):
                time.sleep(0.05)
            cut(house, off=True)
            while told.failed is None:
                time.sleep(0.05)
            with pytest.raises(Unavailable, match="emergency access"):
                told.state()
            cut(house, off=False)
            while told.failed is not None:
                time.sleep(0.05)
        finally:
            stop.set()
            thread.join()
    assert len(received.mails) == 1
    check_ledger(house.installation.database, house.ledger)


def test_what_the_library_raises_is_a_server_that_does_not_accept(pem: Path) -> None:
    """And is told without the password, which such an error holds."""
    with postbox(Received(), pem) as port:
        for box in (letterbox(port, password="pässwörd"), letterbox(port, host="a..b")):
            with pytest.raises(Unavailable, match=r"cannot be sent \(Unicode\w*Error\)") as refused:
                box.send("s", "t", {})
            assert refused.value.__cause__ is None
        with pytest.raises(Unavailable, match=r"cannot be sent \(ValueError\)"):
            letterbox(port).send("two\nlines", "t", {})


def test_the_loop_outlives_whatever_it_fails_with_and_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LOOK", 0.05)
    stop, alarms = threading.Event(), Alarms()
    told = Telling(house.installation, None, alarms)
    looked_at, looking = told.look, threading.Event()

    def look() -> None:
        if not looking.is_set():
            raise RuntimeError("of Petra Planted")
        looked_at()

    monkeypatch.setattr(told, "look", look)
    thread = threading.Thread(target=told.run, args=(stop,))
    thread.start()
    try:
        until(lambda: len(alarms) > 1)
        with pytest.raises(Unavailable, match=r"a fault of the program, RuntimeError$"):
            told.state()
        assert "Petra" not in str(alarms)
        looking.set()
        until(lambda: told.failed is None)
        assert told.state()["dffh"].untold == 0
    finally:
        stop.set()
        thread.join()
    check_ledger(house.installation.database, house.ledger)


MAIL = {"mail_sender": SENDER, "privacy_officer_email": OFFICE}


def test_settings_of_mail_are_whole_and_plain() -> None:
    assert Letterbox.of(Settings.load({})) is None
    url = f"smtp://{USER}:correct%20horse%3Abattery%40staple@mail.example"
    found = Letterbox.of(Settings.load({}, smtp_url=SecretStr(url), **MAIL))
    assert found == Letterbox("smtp", "mail.example", 587, USER, PASSWORD, SENDER, OFFICE)
    assert PASSWORD not in repr(found)
    found = Letterbox.of(Settings.load({}, smtp_url=SecretStr("smtps://mail.example"), **MAIL))
    assert found == Letterbox("smtps", "mail.example", 465, None, None, SENDER, OFFICE)
    with pytest.raises(SettingsError, match=r"smtp_url .*: expected mail_sender too, got none"):
        Settings.load({}, smtp_url=SecretStr("smtp://h"), privacy_officer_email=OFFICE)
    with pytest.raises(SettingsError, match=r"mail_sender \(set in command line\): expected smtp_url too"):
        Settings.load({}, **MAIL)
    with pytest.raises(SettingsError, match="privacy_officer_email"):
        Settings.load({}, smtp_url=SecretStr("smtp://h"), mail_sender=SENDER, privacy_officer_email="a\nb@c")
    for wrong in ("http://h", "smtp://", "smtp://h:x", "smtp://h/path", "smtp://user@h:25", "mail.example:25"):
        with pytest.raises(SettingsError, match=r"^smtp_url \(set in command line\): expected"):
            Letterbox.of(Settings.load({}, smtp_url=SecretStr(wrong), **MAIL))
    for wrong in ("smtp://a..b", f"smtp://{'a' * 64}.example", "smtp://u:p%C3%A4ss@h", "smtp://%FF:pass@h"):
        with pytest.raises(SettingsError, match=r"^smtp_url \(set in command line\): expected") as refused:
            Letterbox.of(Settings.load({}, smtp_url=SecretStr(wrong), **MAIL))
        assert "ss@" not in str(refused.value)
        assert "päss" not in str(refused.value)
