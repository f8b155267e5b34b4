"""``keys``: which keys sign the ledgers, and their rotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ledger.cli.proofs import Slug, sealed, the_ledger
from ledger.cli.recovery import drill, join_shares, split_key
from ledger.cli.session import AsJson, Organisation, Person, group, of, print_json, table
from ledger.domain.keys.events import KeyReason
from ledger.errors import InvalidInput
from ledger.store.database import Database, Role
from ledger.store.followed import known_here
from ledger.store.ledgers import COMMON, Ledger, Ledgers
from ledger.store.opened import kek_source, opened_database
from ledger.store.published import Published
from ledger.store.sealing import standing_of
from ledger.tlog.keyhistory import open_statement
from ledger.tlog.policy import read_policy
from ledger.vault.ring import kek_names

keys = group("The keys that sign the ledgers' checkpoints, and the one that wraps the vault's.")
rotate = group("Change a key: its successor is made, and the change is an entry.")
keys.add_typer(rotate, name="rotate")
drop = group("Remove a key that the vault needs no more.")
keys.add_typer(drop, name="drop")
keys.command("split")(split_key)
keys.command("join")(join_shares)
keys.command("drill")(drill)

Reason = Annotated[KeyReason, typer.Option(help="Why; it stands in the entry.")]
Remarks = Annotated[str | None, typer.Option(help="More about why; it is sealed.")]


@keys.command("list")
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """List the public keys (C2SP verifier keys): give them to who is to check the ledgers.

    With the sizes whose checkpoints each signs, and the entry that says so: 'auditledger prove' proves it. And
    the names of key-encryption keys before the newest whose files are left: 'auditledger keys drop kek'.
    """
    session = of(context)
    found: list[dict[str, Any]] = []
    with opened_database(session.settings()) as database:
        published = Published.by(session.settings())
        for ledger in Ledgers(database).all():
            found += _listed(database, published, ledger)
    left = kek_names(kek_source(session.settings()).path)
    if as_json:
        print_json({"keys": found, "kek_left": left})
        return
    if not found:
        session.out.print("No ledger has signed anything yet: see 'auditledger checkpoint --help'")
    else:
        rows = [(each["ledger"], each["key"], _signs(each), each["entries"]) for each in found]
        session.out.print(table("Keys", ["ledger", "verifier key", "signs", "entries"], [
            (*row[:3], ", ".join(map(str, row[3]))) for row in rows
        ]))  # fmt: skip
    for each in left:
        session.out.print(f"Key-encryption key in a file beside the newest: {each}")


def _listed(database: Database, published: Published, ledger: Ledger) -> list[dict[str, Any]]:
    held = [key.verifier for key in published.keys.of(ledger.slug, ledger.origin)]
    with database.connect(Role.READER) as connection:
        standing = standing_of(connection, ledger)
        # Before anything is signed no key signs anything.
        known = known_here(connection, ledger, *((held, standing.note) if standing.signed else ((), None)))
    said = [(change.at, open_statement(change.statement)[0]) for change in known.changes]
    entries = {key: [index for index, each in said if each.key == key] for key in held}
    entries |= {each.key: [index for index, one in said if one.key == each.key] for each in known.ranges}
    found = [
        {
            "ledger": ledger.slug, "key": str(each.key), "from": each.first, "until": each.until,
            "held": each.key in held, "entries": entries[each.key],
        }
        for each in known.ranges
    ]  # fmt: skip
    led_to = {each.key for each in known.ranges}
    return found + [
        {"ledger": ledger.slug, "key": str(key), "from": None, "until": None, "held": True, "entries": []}
        for key in held
        if key not in led_to
    ]


def _signs(key: dict[str, Any]) -> str:
    if key["from"] is None:
        return "nothing: no entry names it; remove its file"
    sizes = f"from size {key['from']}" + ("" if key["until"] is None else f" to {key['until'] - 1}, retired")
    return sizes if key["held"] else f"{sizes}; not held here"


@rotate.command("signing")
def rotate_signing(
    context: typer.Context,
    slug: Slug = None,
    retire: Annotated[
        bool, typer.Option("--retire", help="End the overlap instead: the older key signs no more.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="With --retire: the id of the key, 8 hex digits.")] = None,
    last_good: Annotated[
        int | None, typer.Option(help="With --retire: the last size that its signature is good for.")
    ] = None,
    reason: Reason = KeyReason.SCHEDULED,
    remarks: Remarks = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Make a new key that signs a ledger beside the old one; later end that with --retire.

    Between the two give the new public key to auditors and witnesses. Each change is an entry, stated by the
    key before it: who trusts the first key can follow it to the last ('auditledger verify'). A witness follows
    nothing: while one of the policy does not take the key that stays, --retire is refused, but for --reason
    compromised.
    """
    # The write side, which 'list' does not need.
    from ledger.application.keys import KeyChanges

    if not retire and (key is not None or last_good is not None):
        raise InvalidInput("--retire", "--retire beside --key and --last-good", "none")
    session = of(context)
    with session.installation() as installation:
        ledger = the_ledger(installation.database, slug)
        changes = KeyChanges(installation, session.principal(ledger, person, organisation))
        # Whatever waits is signed first, by the keys before the change; and then the change itself.
        changes.may(ledger)
        sealed(session, installation.database, ledger)
        untold: Mapping[str, str] = {}
        if retire:
            # The service's own witness reads the keys where they lie.
            policy = session.settings().policy
            changed, untold = changes.retire_signing(
                ledger, key_id=key, last_good=last_good, reason=reason, remarks=remarks,
                policy=None if policy is None else read_policy(policy),
            )  # fmt: skip
        else:
            changed = changes.add_signing(ledger, reason=reason, remarks=remarks)
        note = sealed(session, installation.database, ledger)
        path = installation.published.keys.path(ledger.slug, changed)
    size = int(note.text.split("\n")[1])
    what = "retired" if retire else "added"
    if as_json:
        beside = {"untold": dict(untold)} if retire else {}
        print_json({"ledger": ledger.slug, what: str(changed), "size": size, "note": str(note), **beside})
    elif retire:
        for name, why in untold.items():
            session.err.print(f"witness {name} cosigns nothing more until it has the key that stays: {why}")
        session.out.print(
            f"{changed}\nsigns {ledger.slug} no more. Destroy {path} and its copies: nothing needs it."
        )
    else:
        session.out.print(
            f"{changed}\nsigns {ledger.slug} too, from the checkpoint of size {size} on. Back up {path}, give "
            "it to auditors and witnesses,\n"
            f"then end the overlap: auditledger keys rotate signing --ledger {ledger.slug} --retire"
        )


@rotate.command("kek")
def rotate_kek(
    context: typer.Context,
    reason: Reason = KeyReason.SCHEDULED,
    remarks: Remarks = None,
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Wrap the vault's keys by a new key-encryption key, beside running services; entries stay as they are.

    Where it was stopped, it goes on. The entry is in 'common', whose administrator does this. Where the key is
    in the settings, set kek to the new one and kek_previous to the old, start every service anew, then run
    this.
    """
    from ledger.application.keys import KeyChanges

    session = of(context)
    with session.installation() as installation, session.progress() as progress:
        ledger = installation.ledgers.get(COMMON)
        changes = KeyChanges(installation, session.principal(ledger, person, organisation))
        task = progress.add_task("Wrapping keys", total=None)
        done = changes.rotate_kek(
            reason=reason, remarks=remarks,
            progress=lambda count, total: progress.update(task, completed=count, total=total),
        )  # fmt: skip
        left = [each for each in installation.kek.left() if each in done.before]
    session.show(
        as_json,
        {"kek": done.kek, "before": done.before, "rewrapped": done.rewrapped, "left": left},
        lambda: (
            f"{done.rewrapped} keys were wrapped anew; {done.kek} wraps all of them now, and "
            f"{', '.join(done.before)} none.\nBackups from before open with the old key only: keep it until "
            "the last of them is gone." + "".join(f"\nThen: auditledger keys drop kek {each}" for each in left)
        ),
    )


@drop.command("kek")
def drop_kek(
    context: typer.Context,
    kek_id: Annotated[str, typer.Argument(metavar="ID", help="Name of the key, as 'keys list' shows it.")],
    person: Person = None,
    organisation: Organisation = None,
    as_json: AsJson = False,
) -> None:
    """Remove the file of a key-encryption key before the newest: backups that it opens are lost without a copy.

    Refused while a key of the vault is wrapped by it, or its rotation has not ended.
    """
    from ledger.application.keys import KeyChanges

    session = of(context)
    with session.installation() as installation:
        ledger = installation.ledgers.get(COMMON)
        KeyChanges(installation, session.principal(ledger, person, organisation)).drop_kek(kek_id)
        left = installation.kek.left()
    session.show(
        as_json,
        {"dropped": kek_id, "left": left},
        lambda: f"The file of {kek_id} is removed. Destroy its other copies too: nothing here needs it.",
    )
