"""What someone who means ill, or a race, could make of commands: content told by errors, guesses, fakes."""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from ledger.application import Installation, Outcome, Principal
from ledger.application.outcome import parse_command
from ledger.clock import SimulatedClock
from ledger.codec.declare import fields_of
from ledger.domain.case import command_table
from ledger.errors import AuditLedgerError, CommandReused, Forbidden, InvalidInput
from ledger.store.database import Database
from tests.application.conftest import House
from tests.support import check_ledger

PLANTED = "Zebulon Quackenbush"
FIELDS = {
    "scheme": "other",
    "made_under_law": "FOI Act 1982",
    "information_sought": "all",
    "requester_name": PLANTED,
}


# --- nothing sealed in an error ---------------------------------------------------------------------------


def misplaced(cls: type, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """(path, wrong value) for each place where something that holds a sealed value can be put wrongly."""
    for field in fields_of(cls):
        here = (*path, field.name)
        if field.personal:
            for wrong in ({"text": PLANTED}, [PLANTED], {"commitment": "00" * 32, "key": PLANTED}):
                yield here, wrong
            continue
        kind = field.python
        inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
        yield here, {"text": PLANTED}
        yield here, [{"text": PLANTED}]
        if hasattr(inner, "__dataclass_fields__"):
            yield here, PLANTED
            yield here, [PLANTED]


WRONG_BODIES: list[Any] = [
    PLANTED,
    [PLANTED],
    {"fields": PLANTED},
    {"fields": [PLANTED]},
    {"corrects": PLANTED},
    {"corrects": {"index": 1, "kind": "typing", "reason": [PLANTED]}},
    {"corrects": {"index": 1, "kind": "typing", "reason": PLANTED, "more": 1}},
    {"corrects": {"index": 1, "reason": PLANTED}},
]


@pytest.mark.parametrize("command", sorted(command_table()))
def test_no_error_repeats_what_a_sealed_field_was_to_hold(command: str) -> None:
    event = command_table()[command][0].event
    bodies = [*WRONG_BODIES]
    for (name,), wrong in misplaced(event):
        bodies.append({"fields": {name: wrong}})
    for body in bodies:
        with pytest.raises(AuditLedgerError) as refused:
            # Only the field in question is looked at: those before it are given as they should be, or missing.
            _parse_alone(command, body)
        assert PLANTED not in str(refused.value), body


def _parse_alone(command: str, body: Any) -> None:
    from ledger.codec import jsonform

    given = body.get("fields") if isinstance(body, dict) else None
    if isinstance(given, dict):
        (field,) = [f for f in fields_of(command_table()[command][0].event) if f.name in given]
        jsonform._parse(field, given[field.name], f"fields.{field.name}")
        raise AssertionError(f"{command}: {body} was taken")
    parse_command(command, body)


def test_a_sealed_field_is_never_taken_in_sealed_form(house: House) -> None:
    made_up = {"commitment": "ab" * 32, "key": PLANTED}
    with pytest.raises(InvalidInput, match=r"fields.requester_name: expected text, got an object"):
        house.run("request.RequestReceived", {**FIELDS, "requester_name": made_up})


def test_what_was_parsed_and_opened_has_no_repr() -> None:
    command = parse_command("request.RequestReceived", {"fields": FIELDS})
    assert PLANTED not in repr(command)


# --- repeats ----------------------------------------------------------------------------------------------


def test_a_guess_at_sealed_content_is_answered_the_same_whether_right_or_wrong(house: House) -> None:
    command_id = str(uuid.uuid4())
    first = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    stranger = Principal(str(uuid.uuid4()), house.organisation, "test")
    for reader in (house.administrator, stranger):
        for guess in (PLANTED, "Someone Else"):
            with pytest.raises(Forbidden, match="takes one of"):
                house.run(
                    "request.RequestReceived",
                    {**FIELDS, "requester_name": guess},
                    command_id=command_id,
                    principal=reader,
                )
    colleague = house.run(
        "request.RequestReceived", FIELDS, command_id=command_id, principal=house.privacy_officer
    )
    assert colleague.receipts == first.receipts, "who may give the command gets the first receipt"


def test_who_recorded_it_gets_the_first_receipt_after_the_role_ended(house: House) -> None:
    command_id = str(uuid.uuid4())
    first = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    house.run(
        "role.RoleEnded",
        {"person": house.officer.person, "role": "officer", "organisation": house.organisation},
        happened="2025-02-01",
        principal=house.administrator,
    )
    again = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    assert (again.repeated, again.receipts) == (True, first.receipts)
    with pytest.raises(Forbidden):
        house.run("request.RequestReceived", FIELDS)


def test_who_may_not_write_learns_nothing_of_which_cases_there_are(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    stranger = Principal(str(uuid.uuid4()), str(uuid.uuid4()), "test")
    said = set()
    for each in (case, str(uuid.uuid4())):
        with pytest.raises(Forbidden) as refused:
            house.run("request.RequestAcknowledged", {}, case=each, principal=stranger)
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_repeat_after_its_key_was_destroyed_is_no_other_content(house: House) -> None:
    """4-wire 'command, part': once that key is destroyed a repeat gets the first receipt unchecked."""
    command_id = str(uuid.uuid4())
    first = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    with house.installation.database.connect_admin() as connection:
        gone = connection.execute("DELETE FROM vault.keys WHERE stream = %s", (first.stream,))
        assert gone.rowcount >= 1
        connection.commit()
    # The case goes on, under new keys.
    second_id = str(uuid.uuid4())
    house.run("request.RequestAcknowledged", {}, case=first.stream, command_id=second_id)
    again = house.run("request.RequestReceived", FIELDS, command_id=command_id)
    assert (again.repeated, again.receipts) == (True, first.receipts)
    assert house.run("request.RequestAcknowledged", {}, case=first.stream, command_id=second_id).repeated
    with pytest.raises(CommandReused):
        house.run(
            "request.RequestAcknowledged", {}, case=first.stream, command_id=second_id, happened="2025-06-12"
        )


# --- attachments ------------------------------------------------------------------------------------------


def attach(house: House, case: str, **other: Any) -> Outcome:
    given = {"content": b"a letter", "title": "letter", "media_type": "text/plain", **other}
    content = given.pop("content")
    given.setdefault("command_id", str(uuid.uuid4()))
    given.setdefault("principal", house.officer)
    return house.installation.attach("dffh", case, io.BytesIO(content), None, **given)


@pytest.mark.parametrize(
    "other", [{"content": b"another letter"}, {"title": "another"}, {"media_type": "text/html"}]
)
def test_a_repeated_attachment_of_other_content_is_refused(house: House, other: dict[str, Any]) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    command_id = str(uuid.uuid4())
    first = attach(house, case, command_id=command_id)
    assert attach(house, case, command_id=command_id).receipts == first.receipts
    files = sorted((house.installation.data_dir / "attachments").rglob("*"))
    with pytest.raises(CommandReused):
        attach(house, case, command_id=command_id, **other)
    assert sorted((house.installation.data_dir / "attachments").rglob("*")) == files
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_an_entry_names_only_a_file_kept_for_that_field_of_that_case(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    other_case = house.run("request.RequestReceived", FIELDS).stream

    def keep(stream: str, path: str) -> dict[str, Any]:
        kept = house.installation.keep_file("dffh", stream, io.BytesIO(b"x" * 9), 9, field_path=path)
        return {**kept, "media_type": "text/plain", "title": "t"}

    good = keep(case, "file")
    bad = [
        keep(other_case, "file"),
        keep(case, "files.0"),
        {**good, "commitment": "00" * 32},
        {**good, "length": 10},
        {**good, "key": PLANTED},
        {**good, "media_type": PLANTED},
    ]
    for file in bad:
        with pytest.raises(InvalidInput) as refused:
            house.run("attachment.AttachmentAdded", {"file": file}, case=case)
        assert PLANTED not in str(refused.value)
    assert house.run("attachment.AttachmentAdded", {"file": good}, case=case).version == 2
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_what_a_crash_left_of_uploads_is_swept_and_nothing_else(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    index = attach(house, case).receipts[0].index
    folder = house.installation.data_dir / "attachments"
    (kept,) = [path for path in folder.rglob("*") if path.is_file()]
    left = [folder / "unfinished" / ("0" * 32), kept.with_name("ab" * 32)]
    still_written = folder / "unfinished" / ("1" * 32)
    for path in (*left, still_written):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    for path in (*left, kept):
        os.utime(path, (0, 0))
    assert house.installation.sweep_attachments() == 2
    assert {path for path in folder.rglob("*") if path.is_file()} == {kept, still_written}
    _, chunks = house.installation.read_attachment(
        "dffh", index, "file", reason="reading it", principal=house.officer
    )
    assert b"".join(chunks) == b"a letter"


def test_no_name_fits_in_what_a_grant_and_an_opening_say_in_clear(house: House) -> None:
    opened = [{"entry": 1, "paths": [PLANTED]}]
    with pytest.raises(InvalidInput, match="a code"):
        house.run("vault.SealedFieldsOpened", {"opened": opened, "reason": "r"})
    grant = {"person": str(uuid.uuid4()), "role": "officer", "organisation": house.organisation}
    for field, value in (("proposed_by", PLANTED), ("ledgers", [PLANTED])):
        with pytest.raises(InvalidInput, match=field):
            house.run("role.RoleGranted", {**grant, field: value}, principal=house.administrator)
    with pytest.raises(InvalidInput, match="media type"):
        attach(house, house.run("request.RequestReceived", FIELDS).stream, media_type=PLANTED)
    assert not (house.installation.data_dir / "attachments").exists(), "refused before it was kept"


# --- clocks and founding ----------------------------------------------------------------------------------


def test_a_simulated_clock_is_for_demonstrations_only(house: House, database: Database) -> None:
    clock = SimulatedClock(datetime(2025, 6, 20, tzinfo=UTC))
    with Installation(database, house.installation.data_dir, clock=clock) as simulated:
        size = simulated.feed.head(simulated.ledgers.get("dffh").id).size
        with pytest.raises(InvalidInput, match="no demonstration"):
            simulated.execute(
                "dffh",
                "request.RequestReceived",
                {"happened": "2025-06-11", "fields": FIELDS},
                principal=house.officer,
                command_id=str(uuid.uuid4()),
            )
        assert simulated.feed.head(simulated.ledgers.get("dffh").id).size == size


def test_two_processes_that_found_ledgers_at_once_found_them_once(database: Database, tmp_path: Path) -> None:
    organisation = str(uuid.uuid4())
    administrator = Principal(str(uuid.uuid4()), organisation, "test")

    def found(_: int) -> None:
        with Installation(database, tmp_path) as installation:
            installation.create_ledger(
                "dffh",
                origin="example.vic.gov.au/dffh",
                organisation=organisation,
                legal_name="Department of Families, Fairness and Housing",
                administrator=administrator,
                administrator_name="Ada",
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(found, range(4)))
    with Installation(database, tmp_path) as installation:
        events = {
            ledger.slug: sorted(row.event for batch in installation.feed.scan(ledger.id) for row in batch)
            for ledger in installation.ledgers.all()
        }
        for ledger in installation.ledgers.all():
            check_ledger(database, ledger)
    begun = [
        "ledger.calendar.v1.CalendarSeeded",
        "ledger.ledger.v1.LedgerCreated",
        "ledger.role.v1.RoleGranted",
    ]
    assert events == {
        "common": sorted([*begun, "ledger.organisation.v1.OrganisationRegistered"]),
        "dffh": begun,
    }


@pytest.mark.parametrize("crash", ["ensure", "LedgerCreated", "CalendarSeeded", "RoleGranted", "Registered"])
@pytest.mark.parametrize("persisted", [False, True])
def test_founding_that_failed_at_a_step_is_finished_by_the_same_call(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str, persisted: bool
) -> None:
    class Died(Exception):
        """The process ends here."""

    def found(installation: Installation) -> None:
        installation.create_ledger(
            "dffh",
            origin="example.vic.gov.au/dffh",
            legal_name="Department of Families, Fairness and Housing",
            administrator=Principal("a-1", "dffh", "test"),
        )

    with Installation(database, tmp_path) as installation, monkeypatch.context() as patch:
        record, ensure = installation.record_as_system, installation.vault_keys.ensure

        def dying(ledger: Any, command: str, *args: Any, **kwargs: Any) -> Any:
            if crash in command and not persisted:
                raise Died
            outcome = record(ledger, command, *args, **kwargs)
            if crash in command:
                raise Died
            return outcome

        def ensuring(*args: Any) -> Any:
            if crash == "ensure" and not persisted:
                raise Died
            key = ensure(*args)
            if crash == "ensure":
                raise Died
            return key

        patch.setattr(installation, "record_as_system", dying)
        patch.setattr(installation.vault_keys, "ensure", ensuring)
        with pytest.raises(Died):
            found(installation)
    with Installation(database, tmp_path) as installation:
        found(installation)
        ledgers = installation.ledgers.all()
        assert {ledger.slug for ledger in ledgers} == {"common", "dffh"}
        (organisation,) = {ledger.organisation for ledger in ledgers}
        assert len(installation.streams.facts(installation.ledgers.get("common"), organisation)) == 1
        for ledger in ledgers:
            for stream in ("ledger", "calendar", "roles"):
                assert len(installation.streams.facts(ledger, stream)) == 1, (ledger.slug, stream)
            check_ledger(database, ledger)
