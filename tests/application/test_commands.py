"""The way of a command: repeats, conflicts, corrections, sealing, who may (issue 3 sections 2 and 3)."""

from __future__ import annotations

import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from ledger.application import Outcome, Principal
from ledger.application.commands import Commands
from ledger.errors import CommandReused, Conflict, Forbidden, InvalidInput, LawRefused, NotFound
from ledger.vault.opening import Opened
from ledger.vault.store import KekRetired
from tests.application.conftest import House
from tests.conftest import IN_BOTH
from tests.support import check_ledger
from tests.waiting import DEADLINE

PLANTED = "Zebulon Quackenbush"
FIELDS = {
    "scheme": "other",
    "made_under_law": "FOI Act 1982",
    "information_sought": f"all about {PLANTED}",
    "requester_name": PLANTED,
}


def test_a_command_gives_a_receipt_and_its_repeat_the_first_one(house: House) -> None:
    command_id = str(uuid.uuid4())
    first = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    again = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    assert (first.repeated, again.repeated) == (False, True)
    assert again.receipts == first.receipts
    assert (again.stream, again.version) == (first.stream, first.version) == (first.stream, 1)
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_the_same_id_with_other_content_is_refused(house: House) -> None:
    command_id = str(uuid.uuid4())
    house.run("request.RequestReceived", FIELDS, command_id=command_id)
    with pytest.raises(CommandReused):
        house.run("request.RequestReceived", {**FIELDS, "requester_name": "Other"}, command_id=command_id)
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_a_repeat_is_answered_whatever_law_would_say_by_now(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    command_id = str(uuid.uuid4())
    first = house.run(
        "request.RequestAcknowledged", {}, case=case, happened="2025-06-12", command_id=command_id
    )
    house.run("request.RequestWithdrawn", {}, case=case, happened="2025-06-13")
    again = house.run(
        "request.RequestAcknowledged", {}, case=case, happened="2025-06-12", command_id=command_id
    )
    assert again.repeated
    assert again.receipts == first.receipts
    with pytest.raises(LawRefused):
        house.run("request.RequestAcknowledged", {}, case=case, happened="2025-06-14")
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_one_command_sent_many_times_at_once_is_recorded_once(house: House) -> None:
    command_id = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda _: house.run("request.RequestReceived", FIELDS, command_id=command_id), range(16))
        )
    assert len({outcome.receipts for outcome in outcomes}) == 1
    assert sum(not outcome.repeated for outcome in outcomes) == 1
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on commands are judged in pairs: neither of two finds what the other records."""
    both_judged = Barrier(2, timeout=DEADLINE)
    prelude = Commands._prelude

    def at_once(self: Commands, *given: Any) -> Any:
        found = prelude(self, *given)
        both_judged.wait()
        return found

    monkeypatch.setattr(Commands, "_prelude", at_once)


@pytest.mark.parametrize("opens", [False, True])
def test_of_two_that_give_one_command_at_the_same_moment_one_repeats(
    house: House, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    case = str(uuid.uuid4()) if opens else house.run("request.RequestReceived", FIELDS).stream
    command, fields = ("RequestReceived", FIELDS) if opens else ("FurtherInformationSought", {})
    judged_at_once(monkeypatch)
    command_id = str(uuid.uuid4())

    def give(_: int) -> Outcome:
        return house.run(f"request.{command}", fields, case=case, happened="2025-06-12", command_id=command_id)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(give, range(2))
    assert sorted((one.repeated, other.repeated)) == [False, True]
    assert (one.stream, one.version, one.receipts) == (other.stream, other.version, other.receipts)
    assert (one.stream, one.version) == (case, 1 if opens else 2)
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_of_two_contents_under_one_id_at_the_same_moment_one_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    judged_at_once(monkeypatch)
    command_id = str(uuid.uuid4())

    def give(day: str) -> Outcome | CommandReused:
        try:
            return house.run(
                "request.FurtherInformationSought", {}, case=case, happened=day, command_id=command_id
            )
        except CommandReused as refused:
            return refused

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(give, ("2025-06-12", "2025-06-13")))
    assert {type(answer) for answer in answers} == {Outcome, CommandReused}
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_writers_on_one_case_are_judged_anew_and_none_is_lost(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream

    def ask(_: int) -> int:
        return house.run("request.FurtherInformationSought", {}, case=case, happened="2025-06-12").version

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(8))) == list(range(2, 10))
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_an_expected_version_that_is_not_the_cases_is_a_conflict(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    house.run("request.RequestAcknowledged", {}, case=case, expected_version=1)
    with pytest.raises(Conflict, match="expected version 1, it is at 2"):
        house.run("request.FurtherInformationSought", {}, case=case, expected_version=1)


def test_sealed_fields_open_for_who_may_and_the_opening_is_an_entry(house: House) -> None:
    outcome = house.run("request.RequestReceived", FIELDS)
    index = outcome.receipts[0].index
    opened = house.installation.open_sealed(
        "dffh", [(index, None)], reason="answering the request", principal=house.officer
    )
    assert {path: o.value for path, o in opened[0].items() if isinstance(o, Opened)} == {
        "made_under_law": "FOI Act 1982",
        "information_sought": f"all about {PLANTED}",
        "requester_name": PLANTED,
    }
    ledger = house.installation.ledgers.get("dffh")
    last = house.installation.feed.entry(ledger.id, house.installation.feed.head(ledger.id).size - 1)
    assert last.event == "ledger.vault.v1.SealedFieldsOpened"
    with pytest.raises(Forbidden):
        house.installation.open_sealed("dffh", [(index, None)], reason="curious", principal=house.administrator)
    with pytest.raises(InvalidInput, match="path"):
        house.installation.open_sealed(
            "dffh", [(index, ["purpose"])], reason="answering", principal=house.officer
        )


def test_no_planted_name_stands_in_the_database_or_the_data_directory(house: House, tmp_path: Path) -> None:
    outcome = house.run("request.RequestReceived", FIELDS)
    house.installation.attach(
        "dffh",
        outcome.stream,
        io.BytesIO(PLANTED.encode() * 1000),
        None,
        media_type="text/plain",
        title=f"letter of {PLANTED}",
        principal=house.officer,
        command_id=str(uuid.uuid4()),
    )
    with house.installation.database.connect_admin() as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert ("ledger.entries",) in tables
        for (table,) in tables:
            found = connection.execute(
                f"SELECT count(*) FROM {table} t WHERE position(%s::bytea IN convert_to(t::text, 'UTF8')) > 0"
                f" OR position(%s IN t::text) > 0",
                (PLANTED.encode(), PLANTED.encode().hex()),
            ).fetchone()
            assert found == (0,), table
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert not [path for path in files if PLANTED.encode() in path.read_bytes()]


def test_a_correction_stands_in_the_place_of_what_it_corrects(house: House) -> None:
    first = house.run("request.RequestReceived", FIELDS, happened="2025-06-11")
    house.run(
        "request.RequestReceived",
        FIELDS,
        happened="2025-06-10",
        case=first.stream,
        corrects={"index": first.receipts[0].index, "kind": "typing", "reason": "the stamp says the 10th"},
    )
    case = house.installation.application(house.installation.ledgers.get("dffh")).load(first.stream)
    assert case is not None
    assert [str(fact.happened_date) for fact in case.history] == ["2025-06-10"]
    assert len(case.facts) == 2
    with pytest.raises(InvalidInput, match="corrects"):
        house.run(
            "request.RequestReceived",
            FIELDS,
            case=first.stream,
            corrects={"index": first.receipts[0].index, "kind": "typing", "reason": "again"},
        )
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_an_attachment_is_kept_once_and_read_back(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    command_id = str(uuid.uuid4())
    content = bytes(range(256)) * 9000

    def attach() -> tuple[int, bool]:
        outcome = house.installation.attach(
            "dffh", case, io.BytesIO(content), len(content), media_type="application/octet-stream",
            title="data", principal=house.officer, command_id=command_id,
        )  # fmt: skip
        return outcome.receipts[0].index, outcome.repeated

    index, repeated = attach()
    assert not repeated
    assert attach() == (index, True)
    named, chunks = house.installation.read_attachment(
        "dffh", index, "file", reason="reading it", principal=house.officer
    )
    assert b"".join(chunks) == content
    assert named.length == len(content)


@pytest.mark.parametrize(
    ("command", "body", "error"),
    [
        ("request.Nonsense", {}, NotFound),
        ("request.RequestReceived", {"fields": {"scheme": "gipa"}}, InvalidInput),
        ("request.RequestReceived", {"happened": "11/06/2025", "fields": {"scheme": "other"}}, InvalidInput),
        ("request.RequestReceived", {"happened": "2999-01-01", "fields": {"scheme": "other"}}, LawRefused),
        ("request.RequestAcknowledged", {"happened": "2025-06-11"}, InvalidInput),
        ("request.RequestAcknowledged", {"happened": "2025-06-11", "case": str(uuid.uuid4())}, NotFound),
        ("request.RequestReceived", {"case": str(uuid.uuid1()), "fields": {"scheme": "other"}}, InvalidInput),
        ("request.RequestReceived", {"fields": {"scheme": "other", "purpose": "\ud800"}}, InvalidInput),
        ("request.RequestReceived", {"unknown": 1}, InvalidInput),
        ("request.RequestReceived", {"happened": "0001-01-01", "fields": {"scheme": "other"}}, InvalidInput),
        ("request.RequestReceived", {"fields": {"scheme": "other", "made_on": "1799-12-31"}}, InvalidInput),
        ("request.RequestReceived", {"fields": {"scheme": "other", "requester_name": "  "}}, InvalidInput),
        ("request.RequestReceived", {"fields": {"scheme": "other", "purpose": "a\0b"}}, InvalidInput),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    house: House, command: str, body: dict[str, object], error: type[Exception]
) -> None:
    ledger = house.installation.ledgers.get("dffh")
    size = house.installation.feed.head(ledger.id).size
    with pytest.raises(error):
        house.installation.execute("dffh", command, body, principal=house.officer, command_id=str(uuid.uuid4()))
    assert house.installation.feed.head(ledger.id).size == size


def test_who_may_not_is_refused(house: House) -> None:
    stranger = Principal(str(uuid.uuid4()), house.organisation, "test")
    other_agency = Principal(house.officer.person, str(uuid.uuid4()), "test")
    for principal in (stranger, other_agency, house.administrator):
        with pytest.raises(Forbidden):
            house.run("request.RequestReceived", FIELDS, principal=principal)


def test_a_role_that_ended_no_longer_counts(house: House) -> None:
    house.run("request.RequestReceived", FIELDS)
    house.run(
        "role.RoleEnded",
        {"person": house.officer.person, "role": "officer", "organisation": house.organisation},
        happened="2025-02-01",
        principal=house.administrator,
    )
    with pytest.raises(Forbidden):
        house.run("request.RequestReceived", FIELDS)


def test_founding_again_adds_nothing(house: House) -> None:
    heads = house.installation.feed.heads()
    house.installation.create_ledger(
        "dffh", origin="example.vic.gov.au/dffh", organisation=house.organisation,
        administrator=house.administrator,
    )  # fmt: skip
    assert house.installation.feed.heads() == heads
    assert {ledger.slug for ledger in house.installation.ledgers.all()} == {"common", "dffh"}


ORGANISATION = {"legal_name": "Invented Body", "kind": "department"}


def test_1_law_an_organisation_is_registered_in_common_alone(house: House) -> None:
    with pytest.raises(LawRefused, match="such a case is recorded in common"):
        house.run("organisation.OrganisationRegistered", ORGANISATION, principal=house.administrator)


def test_1_law_a_case_lives_with_whose_act_it_is_never_in_common(house: House) -> None:
    granted = {"person": house.officer.person, "role": "officer", "organisation": house.organisation}
    on = {"happened": "2025-01-01", "ledger": "common"}
    house.run("role.RoleGranted", granted, principal=house.administrator, **on)
    with pytest.raises(LawRefused, match="never in common"):
        house.run("request.RequestReceived", FIELDS, ledger="common")


@pytest.mark.parametrize("act", ["case.EnteredInError", "attachment.AttachmentAdded"])
def test_1_law_an_administrator_adds_no_case_content(house: House, act: str) -> None:
    """Who ends a case or adds a file to it is who may write it: a request is no administrator's."""
    case = house.run("request.RequestReceived", FIELDS).stream
    with pytest.raises(Forbidden, match="takes one of custodian, officer, privacy_officer, regulator"):
        house.run(act, _body(act), case=case, principal=house.administrator)


def test_1_law_an_organisation_is_ended_by_the_keepers_of_common(house: House) -> None:
    on = {"happened": "2025-01-01", "ledger": "common"}
    granted = {"person": house.officer.person, "role": "officer", "organisation": house.organisation}
    house.run("role.RoleGranted", granted, principal=house.administrator, **on)
    made = house.run("organisation.OrganisationRegistered", ORGANISATION, principal=house.administrator, **on)
    with pytest.raises(Forbidden, match="takes one of administrator, system"):
        house.run("case.EnteredInError", {"reason": "r"}, case=made.stream, ledger="common")


def _body(act: str) -> dict[str, object]:
    if act == "case.EnteredInError":
        return {"reason": "r"}
    file = {"commitment": "00" * 32, "key": "k", "media_type": "text/plain", "length": 1, "title": "t"}
    return {"file": file}


def test_no_demonstration_is_founded_beside_real_ledgers(house: House) -> None:
    """Nor a real ledger in a demonstration's database: ``common`` is one for all (4-wire 'Ledgers')."""
    heads = house.installation.feed.heads()
    with pytest.raises(LawRefused, match="this database holds real ledgers"):
        house.installation.create_ledger(
            "shown", origin="example.vic.gov.au/shown", legal_name="Invented", demonstration=True,
            administrator=house.administrator,
        )  # fmt: skip
    assert house.installation.feed.heads() == heads


@pytest.mark.parametrize(
    ("slug", "origin", "field"),
    [
        ("Bad Slug", "example.vic.gov.au/bad", "slug"),
        ("fine", "not an origin", "origin"),
        ("dffh", "example.vic.gov.au/other", "slug"),
        ("other", "example.vic.gov.au/dffh", "origin"),
    ],
)
def test_a_founding_that_is_refused_leaves_nothing(house: House, slug: str, origin: str, field: str) -> None:
    heads = house.installation.feed.heads()
    with pytest.raises(InvalidInput, match=f"^{field}: "):
        house.installation.create_ledger(
            slug, origin=origin, legal_name="A body of no ledger", administrator=house.administrator
        )
    assert house.installation.feed.heads() == heads


@pytest.mark.parametrize("end", ["case.EnteredInError", "case.MergedInto"])
def test_an_organisation_that_was_ended_is_registered_no_more(house: House, end: str) -> None:
    made = [
        house.run(
            "organisation.OrganisationRegistered",
            {"legal_name": name, "kind": "department"},
            happened="2025-01-01",
            ledger="common",
            principal=house.administrator,
        ).stream
        for name in ("Department of Doubles", "Department of Singles")
    ]
    received = {**FIELDS, "requester": made[0]}
    house.run("request.RequestReceived", received)
    ledger = house.installation.ledgers.get("common")
    into = {"ledger": ledger.origin, "stream": made[1], "size": house.installation.feed.head(ledger.id).size}
    fields = {"reason": "Entered twice.", **({"into": into} if end == "case.MergedInto" else {})}
    for size in (0, into["size"] + 1) if end == "case.MergedInto" else ():
        # How much of that ledger the rule had seen: no more than there was.
        with pytest.raises(InvalidInput, match=rf"size: expected 1 to {into['size']}, .* got {size}"):
            house.run(
                end, {**fields, "into": {**into, "size": size}}, case=made[0], ledger="common",
                principal=house.administrator,
            )  # fmt: skip
    house.run(end, fields, case=made[0], ledger="common", principal=house.administrator)
    with pytest.raises(InvalidInput, match="requester"):
        house.run("request.RequestReceived", received)


@IN_BOTH
def test_a_retired_key_encryption_key_is_named_and_no_key_is_called_gone(house: House) -> None:
    used = house.installation.kek.kek_id
    with house.installation.vault.connect_admin() as connection:
        connection.execute("INSERT INTO vault.retired_keks (id) VALUES (%s)", (used,))
    with pytest.raises(KekRetired, match=f"last rotation, got {used}, which is retired; nothing was written"):
        house.run("request.RequestReceived", FIELDS)
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))
