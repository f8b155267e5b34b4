"""``break-glass`` as it is typed; and the service beside it, which tells by mail."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InvalidInput, LawRefused, Unavailable
from ledger.store.database import Database
from ledger.store.ledgers import Ledgers
from tests.application.postbox import OFFICE, PASSWORD, SENDER, USER, Received, certificate, postbox
from tests.cli.conftest import Program, command, start
from tests.cli.test_destruction import PRIVACY, office, received
from tests.support import check_ledger
from tests.waiting import until

__all__ = ["office"]

WHY = ("--reason", "Petra Planted is missing")


def take(program: Program, *arguments: str) -> dict[str, Any]:
    """Emergency access, taken by the administrator."""
    taken: dict[str, Any] = program.ok(
        "break-glass", "take", *arguments, *WHY, "--ledger", "dffh", person="administrator"
    )
    return taken


def listed(program: Program, person: str) -> list[dict[str, Any]]:
    """The list as that person sees it."""
    found: list[dict[str, Any]] = program.ok("break-glass", "list", "--ledger", "dffh", person=person)[
        "emergency_access"
    ]
    return found


def emergency(program: Program) -> tuple[bool, str]:
    """What ``doctor`` says of emergency access."""
    checks = {each["check"]: each for each in program("doctor", "--json").json["checks"]}
    return checks["emergency access"]["ok"], checks["emergency access"]["detail"]


def test_taken_told_ended_reviewed_as_typed(office: Program, database: Database) -> None:
    case, _ = received(office)
    assert emergency(office) == (
        True, "no mail is set (smtp_url): the privacy officer is told by 'auditledger break-glass list' alone"
    )  # fmt: skip
    taken = take(office, case, "--minutes", "5")
    entry = taken["entry"]
    (seen,) = listed(office, "administrator")
    assert (seen["entry"], seen["until"], seen["in_force"]) == (entry, taken["until"], True)
    ok, detail = emergency(office)
    assert not ok
    assert f"no privacy officer was told of entry {entry}" in detail
    assert office("doctor").code == Unavailable.exit_code
    ending = ("break-glass", "end", str(entry), "--ledger", "dffh")
    refused = office(*ending, person="officer")
    assert refused.code == 4
    assert "takes one of" in refused.err
    assert listed(office, "privacy")[0]["told"]["person"] == PRIVACY
    ok, detail = emergency(office)
    assert ok
    assert "1 not reviewed yet" in detail
    reviewing = (
        "break-glass",
        "review",
        str(entry),
        "--not-justified",
        "--words",
        "It could wait",
        "-l",
        "dffh",
    )
    early = office(*reviewing, person="privacy")
    assert (early.code, early.err.count("\n")) == (LawRefused.exit_code, 1)
    assert "end it first" in early.err
    office.ok(*ending, person="administrator")
    closing = office("ledger", "close", "--ledger", "dffh", person="administrator")
    assert (closing.code, closing.err.count("\n")) == (LawRefused.exit_code, 1)
    assert f"the emergency access of entry {entry} is not reviewed" in closing.err
    office.ok(*reviewing, person="privacy")
    (seen,) = listed(office, "officer")
    assert seen["reviewed"]["justified"] is False
    text = office("break-glass", "list", "--ledger", "dffh", person="privacy").out
    assert "not justified" in text
    assert "Petra" not in text
    assert "not reviewed" not in emergency(office)[1]
    office.ok("ledger", "close", "--ledger", "dffh", person="administrator")
    check_ledger(database, Ledgers(database).get("dffh"))


def test_what_was_opened_or_searched_is_not_recorded_by_hand(office: Program) -> None:
    """An entry of it is corrected, as every other; there is one to correct where a search made it."""
    _, index = received(office)
    bodies = {
        "Opened": {"opened": [{"entry": index, "paths": ["purpose"]}], "reason": "r"},
        "Searched": {"found": [], "searched_from": 0, "searched_to": 1, "reason": "r"},
    }
    for name, fields in bodies.items():
        answer = office(
            "record", f"vault.SealedFields{name}", "-", "--ledger", "dffh", person="officer",
            text=json.dumps({"fields": fields}),
        )  # fmt: skip
        assert (answer.code, answer.err.count("\n")) == (4, 1)
        assert "is recorded by what is done, never by hand: " in answer.err
    office.ok("search", "--reason", "r", "--ledger", "dffh", person="officer", text="nobody")
    lines = office("entries", "--ledger", "dffh", "--json", person="officer").out.splitlines()
    (entry,) = [
        each["index"] for each in map(json.loads, lines) if each["event"].endswith("SealedFieldsSearched")
    ]
    corrects = {"index": entry, "kind": "typing", "reason": "the words of the reason"}
    office.ok(
        "record", "vault.SealedFieldsSearched", "-", "--ledger", "dffh", person="officer",
        text=json.dumps({"fields": bodies["Searched"], "corrects": corrects}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--minutes", "61"), LawRefused.exit_code, "1 to 60 minutes, not 61"),
        (("--whole-ledger",), LawRefused.exit_code, "not for both"),
        (("--reason", " "), InvalidInput.exit_code, "fields.reason: expected text of more than white space"),
        (("--person", "nobody"), 4, "nobody of"),
        (("--person", PRIVACY), 4, "takes one of administrator, minister_office, reporter"),
    ],
)
def test_what_is_refused_is_one_line(office: Program, arguments: tuple[str, ...], code: int, said: str) -> None:
    case, _ = received(office)
    answer = office("break-glass", "take", case, *WHY, "--ledger", "dffh", *arguments, person="administrator")
    assert (answer.code, answer.err.count("\n")) == (code, 1)
    assert said in answer.err
    assert listed(office, "officer") == []


def test_a_mail_that_is_set_by_halves_is_said(office: Program) -> None:
    office.environment["AUDITLEDGER_SMTP_URL"] = "smtp://ledger:hunter2@mail.example:587"
    answer = office("break-glass", "list", "--ledger", "dffh", person="officer")
    assert answer.code == 2
    assert (
        "smtp_url (set in environment (AUDITLEDGER_SMTP_URL)): expected mail_sender too, got none" in answer.err
    )
    office.environment["AUDITLEDGER_MAIL_SENDER"] = SENDER
    office.environment["AUDITLEDGER_PRIVACY_OFFICER_EMAIL"] = OFFICE
    assert emergency(office) == (True, "told by mail")
    office.environment["AUDITLEDGER_SMTP_URL"] = "mail.example:hunter2"
    ok, detail = emergency(office)
    assert not ok
    assert "expected smtp://HOST:PORT or smtps://HOST:PORT" in detail
    assert "hunter2" not in detail


def test_the_service_tells_by_mail_of_what_is_taken_beside_it(home: dict[str, str], tmp_path: Path) -> None:
    """With a password, over STARTTLS, to a server whose certificate only this test's root vouches for."""
    pem, received_ = certificate(tmp_path), Received()
    with postbox(received_, pem) as port:
        secret = urllib.request.quote(PASSWORD, safe="")
        home |= {
            "AUDITLEDGER_SMTP_URL": f"smtp://{USER}:{secret}@localhost:{port}", "SSL_CERT_FILE": str(pem),
            "AUDITLEDGER_MAIL_SENDER": SENDER, "AUDITLEDGER_PRIVACY_OFFICER_EMAIL": OFFICE,
        }  # fmt: skip
        service = start(home)
        try:
            made = json.loads(
                service.run("ledger", "create", "x", "--origin", "e/x", "--name", "X", "--json").stdout
            )
            done = service.run(
                "break-glass", "take", "--whole-ledger", *WHY, "--ledger", "x", "--json",
                "--person", made["administrator"],
            )  # fmt: skip
            entry = json.loads(done.stdout)["entry"]
            until(lambda: received_.mails)

            def told() -> Any:
                answer = service.run(
                    "break-glass", "list", "--ledger", "x", "--json", "--person", made["administrator"]
                )
                return json.loads(answer.stdout)["emergency_access"][0]["told"]

            assert until(told)["how"] == "mail"
            with urllib.request.urlopen(f"{service.started['url']}/health", timeout=10) as answer:
                assert json.load(answer)["emergency_access"] == "ok"
            checks = json.loads(service.run("doctor", "--json").stdout)["checks"]
            (check,) = [each for each in checks if each["check"] == "emergency access"]
            assert (check["ok"], check["detail"]) == (True, "told by mail; x: 1 not reviewed yet")
        finally:
            service.process.terminate()
            _, log = service.process.communicate(timeout=60)
    (mail,) = received_.mails
    assert f"entry {entry}" in mail["Subject"]
    assert "the whole ledger" in str(mail)
    assert "Petra" not in str(mail)
    assert '"event": "emergency access was taken"' in log
    assert PASSWORD not in log
    assert OFFICE not in log
    assert command(home, "verify", "--json").returncode == 0
