"""Destroying sealed values through the command path: what is gone, what stays, who must agree, what is held."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest

from ledger.application.destroying import plan
from ledger.application.shown import shown_timeline
from ledger.domain.destruction.aggregate import DestructionRecord
from ledger.errors import ContentDestroyed, Forbidden, InvalidInput, LawRefused, VaultError
from ledger.vault.opening import Destroyed, Opened, Word
from tests.application.conftest import House
from tests.conftest import IN_BOTH
from tests.support import check_ledger

REQUEST = {
    "scheme": "vps", "form": "informal", "requester_name": "Petra Planted",
    "information_sought": "housing of Petra Planted", "purpose": "a home",
}  # fmt: skip
GROUND = {"ground": "no_longer_needed", "authority": "instrument of 2025"}


def received(house: House, **fields: Any) -> str:
    """A request that was received, with words about a person in it."""
    return house.run("request.RequestReceived", REQUEST | fields).stream


def propose(house: House, case: str, **fields: Any) -> str:
    """Proposes to destroy a case, or a subject of it; gives the id."""
    destruction = str(uuid.uuid4())
    said = {"destruction": destruction, "scope": "case", "case": case, **GROUND, **fields}
    house.run("destruction.DestructionProposed", said, principal=house.privacy_officer, happened=house.today)
    return destruction


def act(house: House, word: str, principal: Any, **fields: Any) -> Any:
    """Records a fact of the stream ``destruction``, today."""
    return house.run(f"destruction.{word}", fields, principal=principal, happened=house.today)


def destroy(house: House, case: str, **fields: Any) -> str:
    """Proposes and authorises."""
    destruction = propose(house, case, **fields)
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    return destruction


def opened(house: House, index: int) -> dict[str, Any]:
    """All sealed fields of an entry, opened."""
    return house.installation.open_sealed(
        "dffh", [(index, None)], reason="test", principal=house.privacy_officer
    )[0]


def rows(house: House, case: str) -> list[Any]:
    """The entries of a case."""
    return house.installation.feed.stream(house.ledger.id, case)


@IN_BOTH
def test_a_destroyed_case_is_gone_and_its_entries_stay(house: House) -> None:
    case, other = received(house), received(house)
    (entry,), (untouched,) = rows(house, case), rows(house, other)
    assert all(isinstance(each, Opened) for each in opened(house, entry.index).values())
    keys = [key.id for key in house.installation.vault_keys.keys_of(house.ledger.id, case)]
    destruction = destroy(house, case)
    gone = opened(house, entry.index)
    assert gone
    for each in gone.values():
        assert isinstance(each, Destroyed)
        assert each.under == "no longer needed (PDPA IPP 4.2)"
    assert {each.word for each in opened(house, untouched.index).values()} == {Word.OPENED}
    assert rows(house, case) == [entry]
    standing = house.installation.streams.destruction(house.ledger)
    receipt = standing.destructions[destruction].completed
    assert receipt is not None
    assert (receipt.keys, receipt.fields, receipt.files) == (2, len(gone), 0)
    with house.installation.vault.connect_admin() as connection:
        left = connection.execute("SELECT count(*) FROM vault.keys WHERE stream = %s", (case,)).fetchone()
        sealed = connection.execute(
            "SELECT count(*) FROM vault.sealed WHERE key = ANY (%s)", (keys,)
        ).fetchone()
    assert (left, sealed) == ((0,), (0,))
    check_ledger(house.installation.database, house.ledger)


def test_the_timeline_of_a_moment_before_shows_the_entry_with_its_fields_destroyed(house: House) -> None:
    case = received(house)
    before = rows(house, case)
    destroy(house, case, ground="retention_period_over", disposal_authority="PROS 07/01", authority=None)
    (entry,) = shown_timeline(before, house.installation.streams.destroyed(house.ledger))
    name = entry["fields"]["requester_name"]
    assert name["sealed"] == "destroyed"
    assert name["under"] == "retention period over (Public Records Act), PROS 07/01"
    assert set(name) == {"sealed", "on", "under", "path", "commitment", "key"}
    assert "Petra" not in json.dumps(entry)
    check_ledger(house.installation.database, house.ledger)


def test_files_of_a_destroyed_case_are_gone_and_say_so(house: House) -> None:
    case = received(house)
    house.installation.attach(
        "dffh", case, io.BytesIO(b"x" * 3_000_000), None, media_type="text/plain", title="Petra's file",
        principal=house.officer, command_id=str(uuid.uuid4()),
    )  # fmt: skip
    index = rows(house, case)[-1].index
    folder = house.installation.data_dir / "attachments" / str(house.ledger.id)
    assert len(list(folder.rglob("*"))) == 2
    destruction = destroy(house, case)
    assert list(folder.rglob("*")) == []
    with pytest.raises(ContentDestroyed, match=r"destroyed on \d{4}-\d\d-\d\d under no longer needed"):
        house.installation.read_attachment(
            "dffh", index, "file", reason="test", principal=house.privacy_officer
        )
    receipt = house.installation.streams.destruction(house.ledger).destructions[destruction].completed
    assert receipt is not None
    assert receipt.files == 1
    (shown,) = shown_timeline(rows(house, case), house.installation.streams.destroyed(house.ledger))[1:]
    assert shown["fields"]["file"]["content"]["sealed"] == "destroyed"
    check_ledger(house.installation.database, house.ledger)


def test_a_subject_is_destroyed_and_who_else_is_in_the_stream_stays(house: House) -> None:
    people = [str(uuid.uuid4()) for _ in range(2)]
    for person in people:
        house.run(
            "role.RoleGranted",
            {"person": person, "role": "officer", "organisation": house.organisation,
             "name_of_person": "Nora Named"},
            principal=house.administrator,
        )  # fmt: skip
    one, other = [row.index for row in rows(house, "roles")[-2:]]
    stated = {"scope": "subject", "case": "roles", "subject": people[0]}
    planned = plan(house.installation, house.ledger, stated)
    done = destroy(house, "roles", scope="subject", subject=people[0])
    authorised = house.installation.streams.destruction(house.ledger).destructions[done].authorised
    assert authorised is not None
    # The key of what was submitted goes with any subject, and is said before.
    assert (planned.keys, planned.fields, len(planned.keys)) == (authorised.keys, 1, 2)
    assert plan(house.installation, house.ledger, stated).keys == ()
    assert isinstance(opened(house, one)["name_of_person"], Destroyed)
    assert opened(house, other)["name_of_person"] == opened(house, other)["name_of_person"]
    assert opened(house, other)["name_of_person"].word is Word.OPENED
    check_ledger(house.installation.database, house.ledger)


def test_a_guess_at_a_destroyed_value_has_no_oracle(house: House) -> None:
    """The key of the contents goes with any subject: a repeat with a guess is answered like any other."""
    command_id, person = str(uuid.uuid4()), str(uuid.uuid4())

    def grant(name: str) -> Any:
        fields = {
            "person": person, "role": "officer", "organisation": house.organisation, "name_of_person": name,
        }  # fmt: skip
        return house.run(
            "role.RoleGranted", fields, principal=house.administrator, command_id=command_id
        ).receipts

    first = grant("Nora Named")
    destroy(house, "roles", scope="subject", subject=person)
    assert grant("Nora Named") == grant("Another Guess") == first
    check_ledger(house.installation.database, house.ledger)


def test_a_repeat_of_a_command_whose_content_key_is_destroyed_gets_the_first_receipt_unchecked(
    house: House,
) -> None:
    command_id = str(uuid.uuid4())
    first = house.run("request.RequestReceived", REQUEST, command_id=command_id)
    destroy(house, first.stream)
    again = house.run("request.RequestReceived", REQUEST | {"purpose": "another"}, command_id=command_id)
    assert (again.receipts, again.repeated) == (first.receipts, True)
    check_ledger(house.installation.database, house.ledger)


def test_what_is_recorded_after_a_destruction_is_sealed_under_keys_of_its_own(house: House) -> None:
    case = received(house)
    before = {key.id for key in house.installation.vault_keys.keys_of(house.ledger.id, case)}
    destroy(house, case)
    house.run("case.EnteredInError", {"reason": "a word to come"}, case=case, happened=house.today)
    entry = rows(house, case)[-1]
    assert opened(house, entry.index)["reason"].value == "a word to come"
    assert before.isdisjoint(key.id for key in house.installation.vault_keys.keys_of(house.ledger.id, case))
    check_ledger(house.installation.database, house.ledger)


# --- who must agree ---


def test_two_people_where_the_organisation_says_so(house: House) -> None:
    case = received(house)
    act(house, "SecondPersonDemanded", house.administrator, demanded=True)
    destruction = propose(house, case)
    with pytest.raises(LawRefused, match="demands a second person"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    with pytest.raises(Forbidden, match="takes one of administrator"):
        act(house, "DestructionApproved", house.privacy_officer, destruction=destruction)
    act(house, "DestructionApproved", house.administrator, destruction=destruction)
    with pytest.raises(LawRefused, match="approved already"):
        act(house, "DestructionApproved", house.administrator, destruction=destruction)
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    authorised = house.installation.streams.destruction(house.ledger).destructions[destruction].authorised
    assert authorised is not None
    assert (authorised.proposed_by, authorised.approved_by) == (
        house.privacy_officer.person, house.administrator.person,
    )  # fmt: skip
    assert authorised.keys
    check_ledger(house.installation.database, house.ledger)


def test_nobody_approves_what_they_proposed(house: House) -> None:
    both = house.administrator
    second = house.officer
    house.run(
        "role.RoleGranted",
        {"person": second.person, "role": "administrator", "organisation": house.organisation},
        principal=house.administrator,
    )
    house.run(
        "role.RoleGranted",
        {"person": both.person, "role": "privacy_officer", "organisation": house.organisation},
        principal=second,
    )
    case = received(house)
    destruction = str(uuid.uuid4())
    fields = {"destruction": destruction, "scope": "case", "case": case, **GROUND}
    act(house, "DestructionProposed", both, **fields)
    with pytest.raises(Forbidden, match="may not approve it"):
        act(house, "DestructionApproved", both, destruction=destruction)
    act(house, "DestructionApproved", second, destruction=destruction)
    check_ledger(house.installation.database, house.ledger)


def test_what_is_refused_is_not_destroyed(house: House) -> None:
    case = received(house)
    destruction = propose(house, case)
    act(house, "DestructionRefused", house.administrator, destruction=destruction, reason="needed still")
    with pytest.raises(LawRefused, match="is refused already"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    assert opened(house, rows(house, case)[0].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


@pytest.mark.parametrize("word", ["DestructionProposed", "DestructionAuthorised", "HoldPlaced", "HoldReleased"])
def test_an_officer_destroys_and_holds_nothing(house: House, word: str) -> None:
    case = received(house)
    stated = {
        "DestructionProposed": {"destruction": "d-1", "scope": "case", "case": case, **GROUND},
        "DestructionAuthorised": {"destruction": "d-1"},
        "HoldPlaced": {"hold": "h-1", "reason": "inquiry"},
        "HoldReleased": {"hold": "h-1"},
    }[word]
    for principal in (house.officer, house.administrator):
        with pytest.raises(Forbidden):
            act(house, word, principal, **stated)


def test_receipts_are_the_systems(house: House) -> None:
    with pytest.raises(Forbidden):
        act(
            house, "DestructionCompleted", house.privacy_officer,
            destruction="d-1", keys=1, fields=1, files=0,
        )  # fmt: skip


def test_keys_of_another_case_are_refused(house: House) -> None:
    case, other = received(house), received(house)
    foreign = house.installation.vault_keys.keys_of(house.ledger.id, other)[0].id
    with pytest.raises(InvalidInput, match=r"fields\.keys: expected keys that serve case"):
        propose(house, case, scope="subject", keys=[foreign])


@pytest.mark.parametrize("subject", ["import", "content", "case"])
def test_the_ledgers_own_keys_are_no_subject(house: House, subject: str) -> None:
    house.installation.vault_keys.ensure(house.ledger.id, "ledger", "import")
    with pytest.raises(LawRefused, match="nothing to destroy"):
        propose(house, "ledger", scope="subject", subject=subject)
    with pytest.raises(LawRefused, match="no case: name a subject"):
        propose(house, "ledger")
    with pytest.raises(LawRefused, match="no case: name a subject"):
        propose(house, "roles")


def test_no_correction_undoes_a_destruction(house: House) -> None:
    case = received(house)
    destroy(house, case)
    index = rows(house, "destruction")[1].index
    for kind in ("entered_in_error", "typing"):
        with pytest.raises(LawRefused, match="is not corrected"):
            house.run(
                "destruction.DestructionAuthorised", {"destruction": "d-9"}, principal=house.privacy_officer,
                happened=house.today, corrects={"index": index, "kind": kind, "reason": "undo"},
            )  # fmt: skip
    assert isinstance(opened(house, rows(house, case)[0].index)["purpose"], Destroyed)
    check_ledger(house.installation.database, house.ledger)


def test_what_was_sealed_since_the_proposal_is_proposed_anew(house: House) -> None:
    """A case whose keys are not all named would be called destroyed with something left in it."""
    case = received(house)
    destruction = propose(house, case)
    house.installation.vault_keys.ensure(house.ledger.id, case, "another-subject")
    with pytest.raises(LawRefused, match="sealed since it was proposed"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=propose(house, case))
    assert house.installation.vault_keys.keys_of(house.ledger.id, case) == []


@pytest.mark.parametrize("stated", ["case", "subject", "keys"])
@pytest.mark.parametrize("added", ["file", "entry"])
def test_what_was_approved_is_all_that_is_destroyed(house: House, stated: str, added: str) -> None:
    """What comes later is sealed under the keys that were approved: the entries say that it came."""
    case = received(house)
    (key,) = [k.id for k in house.installation.vault_keys.keys_of(house.ledger.id, case) if k.subject == "case"]
    how: dict[str, Any] = {"case": {}, "subject": {"subject": "case"}, "keys": {"keys": [key]}}[stated]
    how["scope"] = "case" if stated == "case" else "subject"
    act(house, "SecondPersonDemanded", house.administrator, demanded=True)
    destruction = propose(house, case, **how)
    act(house, "DestructionApproved", house.administrator, destruction=destruction)
    if added == "file":
        house.installation.attach(
            "dffh", case, io.BytesIO(b"x"), None, media_type="text/plain", title="a file",
            principal=house.officer, command_id=str(uuid.uuid4()),
        )  # fmt: skip
    else:
        house.run("request.RequestReceived", REQUEST, case=case, corrects=typing_of(house, case))
    later = rows(house, case)[-1].index
    with pytest.raises(LawRefused, match=rf"in entry {later}; propose it anew.*ledger rule: destruction"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    assert {each.word for each in opened(house, later).values()} == {Word.OPENED}
    anew = propose(house, case, **how)
    act(house, "DestructionApproved", house.administrator, destruction=anew)
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=anew)
    assert {each.word for each in opened(house, later).values()} == {Word.DESTROYED}
    check_ledger(house.installation.database, house.ledger)


def test_two_proposals_of_the_same_destroy_once(house: House) -> None:
    case = received(house)
    first, second = propose(house, case), propose(house, case)
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=first)
    with pytest.raises(LawRefused, match="destroyed already"):
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=second)
    check_ledger(house.installation.database, house.ledger)


def test_two_subjects_of_one_case_that_are_proposed_are_both_destroyed(house: House) -> None:
    """The key of what was submitted is theirs together: it goes with one, one made since with another."""
    case = received(house)
    for subject in ("p-1", "p-2", "p-3"):
        house.installation.vault_keys.ensure(house.ledger.id, case, subject)
    subjects = [propose(house, case, scope="subject", subject=subject) for subject in ("p-1", "p-2", "p-3")]
    for destruction in subjects[:2]:
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    house.run("request.RequestReceived", REQUEST, case=case, corrects=typing_of(house, case))
    act(house, "DestructionAuthorised", house.privacy_officer, destruction=subjects[2])
    standing = house.installation.streams.destruction(house.ledger)
    authorised = [standing.destructions[each].authorised for each in subjects]
    assert [len(each.contents) for each in authorised if each is not None] == [1, 0, 1]
    left = house.installation.vault_keys.keys_of(house.ledger.id, case)
    assert [key.subject for key in left] == ["case"]
    assert opened(house, rows(house, case)[-1].index)["purpose"].value == "a home"
    check_ledger(house.installation.database, house.ledger)


def test_two_people_who_were_granted_roles_are_both_destroyed(house: House) -> None:
    """Every stream about no case shares one key of what was submitted."""
    people = [str(uuid.uuid4()), str(uuid.uuid4())]
    for person in people:
        fields = {
            "person": person,
            "role": "officer",
            "organisation": house.organisation,
            "name_of_person": "N",
        }
        house.run("role.RoleGranted", fields, principal=house.administrator)
    proposed = [propose(house, "roles", scope="subject", subject=person) for person in people]
    for destruction in proposed:
        act(house, "DestructionAuthorised", house.privacy_officer, destruction=destruction)
    found = [opened(house, row.index)["name_of_person"] for row in rows(house, "roles")[-2:]]
    assert [type(each) for each in found] == [Destroyed, Destroyed]
    check_ledger(house.installation.database, house.ledger)


def typing_of(house: House, case: str) -> dict[str, Any]:
    """A correction of the last entry of a case."""
    return {"index": rows(house, case)[-1].index, "kind": "typing", "reason": "a word"}


def test_a_file_whose_key_no_entry_destroyed_is_lost_and_not_called_destroyed(house: House) -> None:
    case = received(house)
    house.installation.attach(
        "dffh", case, io.BytesIO(b"x"), None, media_type="text/plain", title="a file",
        principal=house.officer, command_id=str(uuid.uuid4()),
    )  # fmt: skip
    index = rows(house, case)[-1].index
    with house.installation.database.connect_admin() as connection:
        connection.execute("DELETE FROM vault.keys WHERE stream = %s", (case,))
    with pytest.raises(VaultError, match=f"entry {index}: lost"):
        house.installation.read_attachment(
            "dffh", index, "file", reason="test", principal=house.privacy_officer
        )


def test_what_is_kept_folded_is_not_changed_by_who_was_given_a_copy(house: House) -> None:
    """A command that is judged and then not recorded leaves nothing of itself behind."""
    destruction = propose(house, received(house))
    act(house, "HoldPlaced", house.privacy_officer, hold="h-1", reason="inquiry", area="complaint")
    streams = house.installation.streams
    streams.destruction(house.ledger)
    before = streams.destruction_record(house.ledger)
    assert isinstance(before, DestructionRecord)
    act(house, "DestructionRefused", house.administrator, destruction=destruction, reason="no")
    act(house, "HoldReleased", house.privacy_officer, hold="h-1")
    streams.destruction(house.ledger)
    after = streams.destruction_record(house.ledger)
    assert isinstance(after, DestructionRecord)
    assert (before.version, after.version) == (2, 4)
    assert (before.standing.destructions[destruction].standing, [*before.standing.holds]) == (
        "proposed",
        ["h-1"],
    )
    assert (after.standing.destructions[destruction].standing, [*after.standing.holds]) == ("refused", [])
    again = streams.destruction_record(house.ledger)
    assert again is not after
    for fact in streams.as_read(house.ledger, "destruction")[2:]:
        before.take(fact)
    assert before.standing == after.standing
