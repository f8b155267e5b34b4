"""The installation: commands, and what is made of them: ledgers founded, files kept, sealed fields opened."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from importlib.metadata import version
from typing import Any, BinaryIO, cast

from ledger.application.openings import Openings
from ledger.application.outcome import (
    MEDIA_TYPE,
    Outcome,
    Principal,
    parse_command_id,
)
from ledger.clock import melbourne_date
from ledger.codec.declare import Attachment
from ledger.codec.entry import Source, SourceKind
from ledger.errors import CommandReused, Conflict, InvalidInput, LawRefused, NotFound, VaultError
from ledger.law.calendar import seeded_calendar
from ledger.law.general import Role
from ledger.law.installation import ledgers_are_all_real_or_all_invented
from ledger.store.ledgers import COMMON, Ledger
from ledger.tlog.checkpoint import Checkpoint
from ledger.vault.attachments import CHUNK, AttachmentRow
from ledger.vault.sealing import CONTENT, LEDGER_STREAM

OVER_HTTP = Source(SourceKind.API)
SWEPT_AFTER = 24 * 3600.0
"""Seconds after which an upload that was not finished is over."""
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ORIGIN = re.compile(r"[^\s+]+")
"""The forms that the store holds ledgers to (4-wire 'Ledgers'), known before anything is written for one."""
ATTACH = "attachment.AttachmentAdded"
ATTACHED = "ledger.attachment.v1.AttachmentAdded"


class Installation(Openings):
    """What a process opens once and every door uses."""

    # --- ledgers ---------------------------------------------------------------------------------------------

    def create_ledger(
        self,
        slug: str,
        *,
        origin: str,
        organisation: str | None = None,
        legal_name: str | None = None,
        kind: str = "department",
        public: bool = False,
        demonstration: bool = False,
        administrator: Principal | None = None,
        administrator_name: str | None = None,
        predecessor: Checkpoint | None = None,
        predecessor_note: str | None = None,
        predecessor_held: int | None = None,
    ) -> Ledger:
        """Opens a ledger with its first entries: LedgerCreated, the calendar, the first administrator.

        ``predecessor``: the last checkpoint of the ledger that it goes on from, with its signed note, and how
        many entries of it the database holds.
        ``organisation``: the id of one registered in ``common``; or ``legal_name`` registers it now. With the
        first ledger ``common`` is made, which belongs to the same (lead) organisation. Each step looks whether
        it was done: after a crash, the same call finishes it. Raises InvalidInput, LawRefused, Unavailable.
        """
        known = {ledger.slug: ledger for ledger in self.ledgers.all()}
        if COMMON in known:
            ledgers_are_all_real_or_all_invented(demonstration, known[COMMON].demonstration)
        _free(known.values(), slug, origin)
        if organisation is None:
            if not legal_name:
                raise InvalidInput("organisation", "a registered id, or a legal name to register", organisation)
            # The id is random; it must be known before the register that it stands in can be made.
            begun = known.get(slug) or (known[COMMON] if set(known) == {COMMON} else None)
            organisation = str(uuid.uuid4()) if begun is None else begun.organisation
        # Alone, ``common`` is what a crash left of the first founding: its steps are gone through again.
        if set(known) <= {COMMON}:
            base = origin.rsplit("/", 1)[0] if "/" in origin else origin
            self._found(
                COMMON,
                f"{base}/{COMMON}",
                organisation,
                public=False,
                demonstration=demonstration,
                administrator=administrator,
                administrator_name=administrator_name,
            )
        if legal_name:
            fields = {"legal_name": legal_name, "kind": kind}
            self._once(
                self.ledgers.get(COMMON),
                organisation,
                "organisation.OrganisationRegistered",
                fields,
                case=organisation,
                happened=None,
            )
        if slug == COMMON:
            return self.ledgers.get(COMMON)
        return self._found(
            slug,
            origin,
            organisation,
            public=public,
            demonstration=demonstration,
            administrator=administrator,
            administrator_name=administrator_name,
            predecessor=_goes_on_from(predecessor, predecessor_note, predecessor_held),
        )

    def _found(
        self,
        slug: str,
        origin: str,
        organisation: str,
        *,
        public: bool,
        demonstration: bool,
        administrator: Principal | None,
        administrator_name: str | None,
        predecessor: Mapping[str, Any] | None = None,
    ) -> Ledger:
        try:
            ledger = self.ledgers.get(slug)
        except NotFound:
            try:
                self.ledgers.create(slug, origin, organisation, public=public, demonstration=demonstration)
            except InvalidInput as taken:
                if taken.field != "slug":
                    raise
                # Another process has opened it meanwhile: both go through the steps.
            ledger = self.ledgers.get(slug)
        asked = (origin, organisation, public, demonstration)
        if asked != (ledger.origin, ledger.organisation, ledger.public, ledger.demonstration):
            raise InvalidInput("slug", "one that no ledger has", slug)
        self.vault_keys.ensure(ledger.id, LEDGER_STREAM, CONTENT)
        fields = {
            "slug": slug,
            "origin": origin,
            "organisation": organisation,
            "public": public,
            "demonstration": demonstration,
            **(predecessor or {}),
        }
        self._once(ledger, "ledger", "ledger.LedgerCreated", fields)
        self._once(ledger, "calendar", "calendar.CalendarSeeded", _seeds(melbourne_date(self.clock.now())))
        if administrator is not None:
            fields = {
                "person": administrator.person,
                "role": "administrator",
                "organisation": organisation,
                "name_of_person": administrator_name,
            }
            self._once(ledger, "roles", "role.RoleGranted", fields)
        return ledger

    def _once(
        self,
        ledger: Ledger,
        stream: str,
        command: str,
        fields: Mapping[str, Any],
        *,
        case: str | None = None,
        happened: str | None = "today",
    ) -> None:
        """Records the first entry of a stream as the system, unless it stands there already."""
        if self.streams.facts(ledger, stream):
            return
        try:
            self.record_as_system(ledger, command, fields, case=case, happened=happened)
        except (LawRefused, InvalidInput, Conflict):
            # Where another process was first, law refuses a second one; theirs is the step that was wanted.
            if not self.streams.facts(ledger, stream):
                raise

    def record_refill(self, ledger: Ledger, size: int, until: int, command_id: str) -> Outcome:
        """Records LedgerRestored under the command that the refill noted; a repeat adds nothing."""
        fields = {"backup_size": size, "refilled_to": until, "refilled_from": "tiles"}
        return self.record_as_system(ledger, "ledger.LedgerRestored", fields, command_id=command_id)

    # --- who may ---------------------------------------------------------------------------------------------

    def roles(self, slug: str, principal: Principal, on: date | None = None) -> frozenset[Role]:
        """The roles this person holds in a ledger on a day (today without one), by the grants in force."""
        ledger = self.ledgers.get(slug)
        self.streams.facts(ledger, "roles")
        return self.streams.roles(ledger, principal, on or melbourne_date(self.clock.now()))

    def reading_roles(self, slug: str, principal: Principal) -> frozenset[Role]:
        """The roles in which this person may read a ledger's registers and entries today."""
        ledger = self.ledgers.get(slug)
        return self.streams.reading_roles(ledger, principal, melbourne_date(self.clock.now()))

    # --- attachments -----------------------------------------------------------------------------------------

    def keep_file(
        self, slug: str, stream: str, source: BinaryIO, length: int | None, *, field_path: str
    ) -> dict[str, Any]:
        """Stores a file under the key of a case, encrypted and durable, before an entry names it.

        Returns commitment, key and length for an ``Attachment`` in a command's fields; ``field_path`` is the
        dotted path of that field. A crash after this leaves a file that no entry names: a day later a sweep
        finds it. Raises InvalidInput where ``length`` is not the file's, Unavailable (disk full).
        """
        ledger = self.ledgers.get(slug)
        row = self.vault_keys.attach(
            self.files, source, length, ledger=ledger.id, stream=stream, field_path=field_path
        )
        return {"commitment": row.commitment.hex(), "key": row.key, "length": row.length}

    def sweep_attachments(self, older_than: float = SWEPT_AFTER) -> int:
        """Removes files that no entry names: what a crash left of uploads, what was kept for a command that was
        refused, and what two first attempts of one command kept twice. Says how many.

        ``older_than``: seconds since one was kept or written to: whoever keeps one has as long to name it.
        """
        old = self.kept.before(older_than)
        for place in self.feed.unnamed([(each.ledger, each.stream, each.commitment) for each in old]):
            self.kept.forget(old[place])
        return len(self.files.sweep(self.vault_keys.attachment_names(), older_than))

    def attach(
        self,
        slug: str,
        case: str,
        source: BinaryIO,
        length: int | None,
        *,
        media_type: str,
        title: str,
        principal: Principal,
        command_id: str,
        through: Source = OVER_HTTP,
    ) -> Outcome:
        """Keeps a file with a case and records ``AttachmentAdded``. A repeat stores nothing again.

        It happened the day it is first recorded, so that a repeat is told by case, file, title and media type
        alone. Raises as ``execute`` does, and what ``keep_file`` raises.
        """
        ledger = self.ledgers.get(slug)
        command_id = parse_command_id(command_id)
        self.streams.facts(ledger, "roles")
        if not MEDIA_TYPE.fullmatch(media_type):
            raise InvalidInput("media_type", "a media type, as application/pdf", "another text")
        if "\0" in case:
            raise InvalidInput("case", "text without NUL characters", "text with one")
        stated = {"media_type": media_type, "title": title}
        reader = _Digested(source)

        def given() -> dict[str, str]:
            """By which a repeat is told, once the file was read: its commitment is new each time."""
            return {"case": case, **stated, "sha256": reader.hexdigest()}

        rows = self.feed.by_command(ledger.id, command_id)
        if rows:
            if rows[0].stream != case or rows[0].event != ATTACHED:
                raise CommandReused(f"command id {command_id} was used for other content; take a new id")
            while reader.read(CHUNK):
                pass
            first = self.recorded(slug, ATTACH, given(), principal=principal, command_id=command_id)
            assert first is not None
            return first
        self._may_write(ledger, principal)
        if self.application(ledger).load(case) is None:
            raise NotFound(f"case {case}: nothing is recorded in it in {slug}")
        kept = self.keep_file(slug, case, cast(BinaryIO, reader), length, field_path="file")
        happened = melbourne_date(self.clock.now()).isoformat()
        body = {"case": case, "happened": happened, "fields": {"file": {**kept, **stated}}}
        return self.execute(
            slug, ATTACH, body, principal=principal, command_id=command_id, source=through, given=given()
        )

    def read_attachment(
        self,
        slug: str,
        index: int,
        path: str,
        *,
        reason: str,
        principal: Principal,
        command_id: str | None = None,
    ) -> tuple[Attachment, Iterator[bytes]]:
        """A file that an entry names at a dotted path, checked chunk by chunk; recorded as an opening first.

        ``command_id`` as of ``open_sealed``. Raises NotFound, Forbidden, ContentDestroyed, VaultError (altered,
        lost).
        """
        found, row, key = self._opened_file(slug, index, path, reason, principal, command_id)
        return found, _named_by(slug, index, self.files.read(row, key))

    def disclose_attachment(
        self, slug: str, index: int, path: str, *, reason: str, principal: Principal
    ) -> tuple[bytes, Iterator[bytes]]:
        """The salt and the content of a file: with both, whoever holds the entry can check it.

        Recorded as an opening first. Raises as ``read_attachment``; VaultError before a chunk is read where it
        is lost.
        """
        _, row, key = self._opened_file(slug, index, path, reason, principal, None)
        return self.files.salt(row, key), _named_by(slug, index, self.files.read(row, key))

    def _opened_file(
        self, slug: str, index: int, path: str, reason: str, principal: Principal, command_id: str | None
    ) -> tuple[Attachment, AttachmentRow, bytes]:
        ledger = self.ledgers.get(slug)
        row_of = self.feed.entry(ledger.id, index)
        into = self.streams.recorded_in(ledger)
        right = self._right_to_open(ledger, into, principal, (row_of.stream,))
        found: Any = self._event(row_of)
        for step in path.split("."):
            found = (
                found[int(step)] if step.isdigit() and isinstance(found, tuple) else getattr(found, step, None)
            )
        if not isinstance(found, Attachment):
            raise NotFound(f"entry {index} of {slug} names no attachment at {path!r}")
        self._record_opening(ledger, into, [(index, [f"{path}.content"])], reason, principal, command_id, right)
        try:
            row, key = self.opener.attachment(ledger.id, found.key, found.commitment)
        except NotFound as error:
            raise VaultError(f"{slug}: entry {index}: lost: {error}") from error
        return found, row, key


def _named_by(slug: str, index: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A file in chunks; what is wrong with it is said with the entry that names it. Raises VaultError."""
    try:
        yield from chunks
    except VaultError as error:
        raise VaultError(f"{slug}: entry {index}: {error}") from error


def _free(known: Iterable[Ledger], slug: str, origin: str) -> None:
    """Refuses a slug or an origin before anything is written for it. Raises InvalidInput."""
    if not SLUG.fullmatch(slug):
        raise InvalidInput("slug", "lower-case letters, digits, single hyphens", slug)
    if not ORIGIN.fullmatch(origin):
        raise InvalidInput("origin", "no space and no plus sign", origin)
    for ledger in known:
        if (ledger.slug == slug) != (ledger.origin == origin):
            taken = "slug" if ledger.slug == slug else "origin"
            raise InvalidInput(taken, "one that no ledger has", slug if taken == "slug" else origin)


def _goes_on_from(predecessor: Checkpoint | None, note: str | None, held: int | None) -> dict[str, Any]:
    """The fields of ``LedgerCreated`` that name the ledger before; none where there is none."""
    if predecessor is None:
        return {}
    return {
        "predecessor": predecessor.origin,
        "predecessor_size": predecessor.size,
        "predecessor_checkpoint": note,
        "predecessor_held": held,
    }


def _seeds(today: date) -> dict[str, Any]:
    """The fields of ``CalendarSeeded``: the holidays known today, and where from."""
    calendar = seeded_calendar(today)
    return {
        "days": [{"day": h.day.isoformat(), "name": h.name} for h in calendar.days],
        "provisional_from": calendar.provisional_from.isoformat(),
        "seeded_from": f"holidays {version('holidays')}, Australia, VIC",
    }


class _Digested:
    """A file that is digested as it is read: two attempts differ in their commitments, not in this."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The file's ``read``."""
        found = self._file.read(size)
        self._digest.update(found)
        return found

    def hexdigest(self) -> str:
        """SHA-256 of what was read. It goes into a MAC and nowhere else: alone it could be guessed at."""
        return self._digest.hexdigest()
