"""``destroy`` and ``reconcile``: sealed values destroyed for good, and the vault held to what entries say."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from ledger.application import Installation, Principal
from ledger.application.access import Matter, allow
from ledger.application.destroying import Planned, plan
from ledger.application.reconciling import Progress, Reconciling
from ledger.cli.ledgers import give, shown_outcome, today
from ledger.cli.session import AsJson, MaybeLedger, Organisation, Person, Session, of, table, the_ledger
from ledger.domain.destruction.events import DestructionGround
from ledger.errors import AuditLedgerError, InvalidInput, Unavailable, VaultError
from ledger.store.ledgers import Ledger

AREA = "destruction"


def destroy(
    context: typer.Context,
    case: Annotated[str | None, typer.Argument(help="Id of the case of which something is destroyed.")] = None,
    slug: MaybeLedger = None,
    subject: Annotated[
        str | None, typer.Option(help="Only what is sealed about this subject; else all of the case.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Only what is sealed under these keys, as entries show them.")
    ] = None,
    ground: Annotated[DestructionGround | None, typer.Option(help="Why.")] = None,
    words: Annotated[str | None, typer.Option(help="The ground in words; it is sealed.")] = None,
    disposal_authority: Annotated[
        str | None, typer.Option(help="Number and class, as 'PROS 07/01' or 'GA28 2.9.1'.")
    ] = None,
    authority: Annotated[str | None, typer.Option(help="Any other authority, in words; it is sealed.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go, and which holds stand against it.")
    ] = False,
    approve: Annotated[
        str | None, typer.Option(metavar="ID", help="Approve this proposal, as an administrator.")
    ] = None,
    refuse: Annotated[
        str | None, typer.Option(metavar="ID", help="Refuse this proposal, or withdraw it.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is refused; it is sealed.")] = None,
    authorise: Annotated[
        str | None, typer.Option(metavar="ID", help="Destroy what was proposed, and approved.")
    ] = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Destroy what is sealed about a subject in a case, or in a whole case: keys, values and files.

    Entries, proofs and figures stay; the values do not come back. Where the organisation demands a second
    person this proposes only: an administrator gives --approve ID, then it is destroyed by --authorise ID. Of a
    closed ledger it is recorded in the one that goes on from it, by the roles that are granted there.
    Exit code 3: a hold covers it, or law refuses it otherwise; 6: recorded, and not carried out yet.
    """
    session = of(context)
    ways = [way for way in (case, approve, refuse, authorise) if way is not None]
    if len(ways) != 1:
        raise InvalidInput(
            "CASE", "a case, or one of --approve, --refuse and --authorise", f"{len(ways)} of them"
        )
    if dry_run and case is None:
        raise InvalidInput("--dry-run", "a case beside it: the others record at once", None)
    with session.installation() as installation:
        found = the_ledger(installation, slug)
        into = installation.streams.recorded_in(found)
        principal = session.principal(into, person, organisation)
        desk = _Desk(session, installation, into, principal)
        if approve is not None:
            said: dict[str, Any] = desk.give("DestructionApproved", {"destruction": approve})
        elif refuse is not None:
            said = desk.give("DestructionRefused", {"destruction": refuse, "reason": reason or ""})
        elif authorise is not None:
            said = desk.destroy(authorise)
        else:
            stated = {
                "scope": "case" if subject is None and not key else "subject",
                "case": case, "subject": subject, "keys": list(key or ()),
                "ledger": None if into == found else found.origin,
            }  # fmt: skip
            allow(installation, found.slug, principal, Matter.CASES)
            planned = plan(installation, found, {k: v for k, v in stated.items() if v or k == "case"})
            if dry_run:
                session.show(as_json, planned.shown(), lambda: _plan_text(planned))
                return
            if ground is None:
                raise InvalidInput("--ground", f"one of {', '.join(DestructionGround)}", None)
            grounds = {
                "ground": ground.value, "ground_words": words, "authority": authority,
                "disposal_authority": disposal_authority,
            }  # fmt: skip
            said = desk.propose({k: v for k, v in (stated | grounds).items() if v}, planned)
    session.show(as_json, said, lambda: _text(said, into))


class _Desk:
    """Who acts about destruction in a ledger, on the command line."""

    def __init__(self, session: Session, installation: Installation, ledger: Ledger, who: Principal) -> None:
        self._session = session
        self._installation = installation
        self._ledger = ledger
        self._who = who

    def give(self, word: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Records a fact of today, and says what it was."""
        body = {"happened": today(self._installation), "fields": fields}
        outcome = give(self._session, self._installation, self._ledger.slug, f"{AREA}.{word}", body, self._who)
        return {"recorded": word, "destruction": fields["destruction"], **shown_outcome(outcome)}

    def propose(self, fields: dict[str, Any], planned: Planned) -> dict[str, Any]:
        """Proposes, and where nobody else has to agree destroys."""
        said = self.give("DestructionProposed", {**fields, "destruction": str(uuid.uuid4())})
        if planned.demanded:
            return {**said, "waits_for": "approval"}
        return self.destroy(said["destruction"])

    def destroy(self, destruction: str) -> dict[str, Any]:
        """Authorises and carries out; then the pages that held it are written anew."""
        said = self.give("DestructionAuthorised", {"destruction": destruction})
        receipt = self._installation.streams.destruction(self._ledger).destructions[destruction].completed
        assert receipt is not None
        gone = {"keys": receipt.keys, "fields": receipt.fields, "files": receipt.files}
        return {
            **said, "destroyed": gone, "receipt": receipt.index,
            "pages_written_anew": self._installation.shredder.rewrite(),
        }  # fmt: skip


def _plan_text(planned: Planned) -> str:
    held = ", ".join(planned.holds) or "none"
    return "\n".join(
        [
            f"Would destroy {planned.fields} sealed fields of {planned.entries} entries, {planned.files} files",
            f"  keys           {', '.join(planned.keys) or 'none: nothing of it is in the vault'}",
            f"  holds          {held}",
            f"  second person  {'demanded' if planned.demanded else 'not demanded'}",
        ]
    )


def _text(said: dict[str, Any], ledger: Ledger) -> str:
    destruction = said["destruction"]
    if "destroyed" in said:
        gone = said["destroyed"]
        pages = "" if said["pages_written_anew"] else (
            "\n  pages of the vault may still hold the bytes: somebody reads there; run 'auditledger reconcile'"
        )  # fmt: skip
        return (
            f"Destroyed {gone['fields']} sealed fields and {gone['files']} files under {gone['keys']} keys; "
            f"the receipt is entry {said['receipt']}{pages}"
        )
    if said.get("waits_for"):
        return (
            f"Proposed {destruction}: the organisation demands a second person; an administrator runs "
            f"'auditledger destroy --approve {destruction} --ledger {ledger.slug}', then run it with "
            "--authorise"
        )
    return f"Recorded {said['recorded']} of {destruction}"


def reconcile(context: typer.Context, as_json: AsJson = False) -> None:
    """Hold the vault to the destruction entries, whole: after a restore, or whenever in doubt.

    Finishes what was authorised, removes again what a backup brought back, looks for the key of every sealed
    value, removes what was sealed for entries that never came, and writes anew pages that still hold what was
    removed. Exit code 1: something had come back (and is
    gone again), or keys are lost; 6: pages could not be written anew yet.
    """
    session = of(context)
    failed: AuditLedgerError | OSError | None = None
    with session.installation() as installation, session.progress() as progress:
        reconciling = Reconciling(installation)

        def bar(ledger: Ledger) -> Progress:
            task = progress.add_task(ledger.slug, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        try:
            reconciling.all(whole=True, every_entry=True, progress=bar)
        except (AuditLedgerError, OSError) as error:
            failed = error
        rewritten = installation.shredder.rewrite()
    found = reconciling.standing
    shown = {
        slug: {
            "destroyed_keys": each.destroyed, "finished": each.finished, "came_back": each.again,
            "lost_keys": each.lost, "lost_key": each.lost_key,
        }
        for slug, each in found.items()
    }  # fmt: skip
    columns = ["ledger", "keys destroyed", "finished now", "had come back", "lost"]
    rows = [(slug, e.destroyed, e.finished, e.again, e.lost) for slug, e in found.items()]
    session.show(
        as_json,
        {"ledgers": shown, "pages_written_anew": rewritten},
        lambda: table("Vault", columns, rows),
    )
    if failed is not None:
        raise failed
    wrong = [f"{slug}: {e.again} destroyed keys had come back" for slug, e in found.items() if e.again]
    wrong += [f"{slug}: {e.lost} keys are lost ({e.lost_key})" for slug, e in found.items() if e.lost]
    if wrong:
        raise VaultError("; ".join(wrong))
    if not rewritten:
        raise Unavailable("pages of the vault still hold what was removed: somebody reads there; run it again")
