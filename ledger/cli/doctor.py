"""``doctor``: every setting with where it was set, what is reachable, and what is well."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import typer

from ledger.cli.service import running_service
from ledger.cli.session import AsJson, Session, of, print_json, table
from ledger.cli.stamping import stamping
from ledger.errors import AuditLedgerError, SettingsError, Unavailable
from ledger.settings import Settings
from ledger.store.database import Database, Role
from ledger.store.feed import Feed
from ledger.store.followed import rotated
from ledger.store.ledgers import COMMON, Ledger, Ledgers
from ledger.store.migrate import migrate
from ledger.store.opened import RESTORING, agreed_vault, kek_source, reach_database
from ledger.store.published import Published
from ledger.store.sealing import Link
from ledger.store.witness_gate import lag_of
from ledger.store.witnessed import policy_of
from ledger.vault.identity import standing
from ledger.vault.kek import WrongKek
from ledger.vault.ring import KekRing
from ledger.vault.shredding import reconciled
from ledger.vault.store import WrappedBy, wrapped_by

WITNESS_LATE = 900.0
"""Seconds after which an entry that no witness has seen is a fault: as the documented alert has it."""


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """List every setting with its source, and say what is reachable and healthy; exit code 6: not all is."""
    session = of(context)
    settings = session.settings()
    checks = _checks(session, settings)
    if as_json:
        print_json(
            {
                "settings": [
                    {"name": s.name, "value": s.value, "source": s.source, "description": s.description}
                    for s in settings.shown()
                ],
                "checks": checks,
                "healthy": all(check["ok"] for check in checks),
            }
        )
    else:
        rows = [(s.name, s.value, s.source, s.description) for s in settings.shown()]
        session.out.print(table("Settings", ["name", "value", "set in", "what it is"], rows))
        session.out.print()
        found = [(c["check"], _WORDS[c["ok"]], c["detail"]) for c in checks]
        session.out.print(table("Checks", ["check", "", "detail"], found))
    wrong = [check for check in checks if check["ok"] is False]
    if wrong:
        raise Unavailable("; ".join(f"{check['check']}: {check['detail']}" for check in wrong))


KEK = "key-encryption key"
ALONE = "vault database"
"""Looked at where the vault is in a database of its own, or should be."""
_CHECKED = (
    "data directory",
    "service",
    "database",
    "migrations",
    "ledgers",
    KEK,
    "vault",
    "sealing",
    "witnesses",
    "time stamps",
    "emergency access",
    "registers",
)
_AWAY = re.compile(r"\d+ witnesses away")
_WORDS = {True: "ok", False: "WRONG", None: "not seen"}


def _checks(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """What was looked at, in order; after something wrong, what could not be looked at is listed too."""
    checks = [_data_dir(settings)]
    if checks[0]["ok"]:
        checks += [_service(settings), *_database(session, settings)]
    wrong = [check["check"] for check in checks if not check["ok"]]
    if wrong:
        seen = {check["check"] for check in checks}
        first = f"looked at once this is mended: {wrong[-1]}"
        checks += [_check(name, None, first) for name in _CHECKED if name not in seen]
    return checks


def _check(name: str, ok: bool | None, detail: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "detail": detail}


def _data_dir(settings: Settings) -> dict[str, Any]:
    path = settings.data_dir
    if not path.exists():
        return _check("data directory", True, f"{path} does not exist yet; 'auditledger up' makes it")
    if not path.is_dir():
        return _check("data directory", False, f"{path} is no folder; mend data_dir")
    if (path / RESTORING).exists():
        return _check("data directory", False, f"{path}: a restore did not finish; run it again")
    usable = os.access(path, os.R_OK | os.W_OK | os.X_OK)
    return _check(
        "data directory",
        usable,
        str(path) if usable else f"{path} cannot be written; mend its mode, or data_dir",
    )


def _service(settings: Settings) -> dict[str, Any]:
    running = running_service(settings.data_dir)
    if running is None:
        return _check("service", True, "not running; 'auditledger up' starts it")
    url = f"{running['url']}/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own service's address)
            health = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return _check("service", False, f"{url} does not answer: {error}")
    said = f"{running['url']}, version {health['version']}"
    said_of = {name: health.get(name, "ok") for name in ("sealing", "vault", "witnessing")}
    # Witnesses that are merely away are told by what they have not seen.
    wrong = {name: w for name, w in said_of.items() if w != "ok" and not _AWAY.fullmatch(w)}
    said += "".join(f"; {name} {words}: the log says why" for name, words in wrong.items())
    return _check("service", health["status"] == "ok" and not wrong, said)


def _database(session: Session, settings: Settings) -> list[dict[str, Any]]:
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        unmade = _check("database", True, "embedded; not made yet, 'auditledger up' makes it")
        return [unmade, _kek(settings, (), frozenset())]
    checks: list[dict[str, Any]] = []
    step = "database"
    try:
        with ExitStack() as stack:
            database, _ = reach_database(settings, stack)
            checks.append(_check(step, True, _version(database)))
            step = "migrations"
            migrate(database)
            checks.append(_check(step, True, "all were run"))
            step = ALONE
            alone = agreed_vault(settings, database)
            if alone is not None:
                checks.append(_check(step, True, _vault_alone(database, alone)))
            vault = alone or database
            step = "ledgers"
            ledgers = Ledgers(database).all()
            lag = session.doors.lag(database)
            checks.append(_check(step, True, ", ".join(each.slug for each in ledgers) or "none yet"))
            step = KEK
            wrapping = wrapped_by(lambda: vault.connect(Role.VAULT))
            checks.append(_kek(settings, wrapping, _rotated(database, ledgers)))
            checks.append(_vault(vault, ledgers))
            checks.append(_sealing(settings, database, ledgers))
            step = "witnesses"
            checks.append(_witnesses(settings, database, ledgers))
            step = "time stamps"
            checks.append(_check(step, *stamping(settings, database, ledgers)))
            step = "emergency access"
            checks.append(_emergency(settings, database, ledgers))
    except AuditLedgerError as error:
        return [*checks, _check(step, False, _what_to_do(settings, step, error))]
    parked = lag.get("parked", 0)
    behind = f"{lag.get('behind', 0)} entries behind, {parked} parked cases"
    if stale := lag.get("to_rebuild"):
        behind += f"; made by another version, run 'auditledger rebuild': {', '.join(stale)}"
    checks.append(_check("registers", not (parked or stale or lag.get("paused")), behind))
    return checks


def _rotated(database: Database, ledgers: Sequence[Ledger]) -> frozenset[str]:
    with database.connect(Role.READER) as connection:
        return frozenset().union(*(rotated(connection, each) for each in ledgers if each.slug == COMMON))


def _kek(settings: Settings, wrapping: Sequence[WrappedBy], ended: frozenset[str]) -> dict[str, Any]:
    """Whether the key-encryption keys open one key of each that wrapped the vault's; none is ever made here."""
    source = kek_source(settings)
    where = f"kek, set in {settings.sources['kek']}" if source.text else str(source.path)
    mend = f"mend {where}, or restore it from its backup"
    if source.provider is not None:
        where = f"kept by {source.provider}"
        mend = f"mend kek_provider and kek_argument, set in {settings.sources['kek_provider']}"
    elif not (source.text or wrapping or os.path.lexists(source.path)):
        return _check(KEK, True, f"{source.path} does not exist yet; it is made with the first ledger")
    try:
        with KekRing(source, keys_exist=True) as ring:
            return _opens(ring, where, mend, wrapping, ended)
    except SettingsError as error:
        return _check(KEK, False, f"{error}; {mend}")
    except AuditLedgerError as error:
        return _check(KEK, False, str(error).removeprefix(f"{KEK}: "))


def _opens(
    ring: KekRing, where: str, mend: str, wrapping: Sequence[WrappedBy], ended: frozenset[str]
) -> dict[str, Any]:
    newest = ring.kek_id
    foreign: list[str] = []
    for each in wrapping:
        try:
            ring.unwrap(each.key_id, each.wrapped, each.kek_id)
        except WrongKek:
            foreign.append(each.kek_id)
    if foreign:
        said = f"expected {', '.join(foreign)}, which wrapped keys of the vault, got {newest}"
        return _check(KEK, False, f"{said}; {mend}")
    said = f"{newest}, {where}"
    behind = [each for each in wrapping if each.kek_id != newest]
    if behind or set(ring.older()) - ended:
        count, total = sum(each.keys for each in behind), sum(each.keys for each in wrapping)
        said += f"; {count} of {total} keys are wrapped by one before it: run 'auditledger keys rotate kek'"
    elif left := ring.left():
        said += f"; left for the backups that they open: {', '.join(left)}; then 'auditledger keys drop kek'"
    return _check(KEK, True, said)


def _vault_alone(database: Database, vault: Database) -> str:
    """Where a vault in a database of its own is, and what that means for its backups."""
    of_ledgers, of_vault = (standing(partial(each.connect, Role.WRITER)) for each in (database, vault))
    if of_ledgers.server == of_vault.server:
        return f"{_version(vault)}, on the ledgers' server: what archives the WAL of one keeps both"
    return f"{_version(vault)}, on a server of its own"


def _vault(database: Database, ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """How the vault stood to the destruction entries when it was last held to them."""
    slugs = {each.id: each.slug for each in ledgers}
    found = reconciled(lambda: database.connect(Role.VAULT))
    if not found:
        return _check("vault", True, "not held to the entries yet; a service does, or 'auditledger reconcile'")
    oldest = max(each.seconds_ago for each in found)
    said = [f"held to the entries {oldest:.0f} s ago"]
    said += [
        f"{slugs[each.ledger]}: {each.lost} keys are lost ({each.lost_key}); restore the vault's newest "
        "backup, then run 'auditledger reconcile'"
        for each in found
        if each.lost
    ]
    said += [
        f"{slugs[each.ledger]}: destroyed values came back {each.came_back} times and were removed again; "
        "see its stream 'destruction'"
        for each in found
        if each.came_back
    ]
    if found[0].unwritten:
        said.append("pages may still hold what was removed: the service writes them anew, or 'reconcile'")
    return _check("vault", not any(each.lost for each in found), "; ".join(said))


def _sealing(settings: Settings, database: Database, ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """Whether what is signed, published and recorded of each ledger is one history; what is unsigned yet."""
    if not settings.seal:
        return _check("sealing", True, "another service's, by the setting seal")
    try:
        published = Published.by(settings)
    except AuditLedgerError as error:
        return _check("sealing", False, str(error))
    wrong: list[str] = []
    unsigned = 0
    for ledger in ledgers:
        try:
            with published.sealer(Link(database), ledger) as sealer:
                found = sealer.check()
            unsigned += found.size - (0 if found.signed is None else found.signed.size)
        except AuditLedgerError as error:
            wrong.append(str(error))
    if wrong:
        return _check("sealing", False, "; ".join(wrong))
    return _check("sealing", True, f"{unsigned} entries not under a signed checkpoint yet")


def _witnesses(settings: Settings, database: Database, ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """Who sees from outside that the ledgers only grow, and how far. Raises SettingsError, Unavailable."""
    policy = policy_of(settings)
    names = [] if policy is None else [party.key.name for party in policy.witnesses.values()]
    if settings.policy is not None:
        who = ", ".join(names) or f"none in {settings.policy}"
    elif settings.local_witness:
        who = "local witness: not independent; name others in the setting policy"
    else:
        who = "none: nobody sees from outside that the ledgers only grow; see the setting policy"
    if not names:
        return _check("witnesses", settings.witness_required is None or not ledgers, who)
    now, allowed = datetime.now(UTC), settings.witness_required
    asked = set() if policy is None else {log.key.name for log in policy.logs}
    late = False
    with Feed(database) as feed:
        for ledger in ledgers:
            lag = lag_of(feed, policy, ledger)
            waited = lag.seconds(now)
            who += f"; {ledger.slug} {lag.size} entries witnessed"
            if waited:
                who += f", more wait for {waited:.0f} s"
            if allowed is not None and waited > allowed and not ledger.demonstration:
                who, late = f"{who}: commands are refused, by witness_required", True
            elif ledger.origin not in asked:
                who += ", not a log of the policy: no witness is asked"
            elif waited > WITNESS_LATE and not ledger.demonstration:
                who, late = f"{who}, too long", True
    if late:
        who += (
            "; start the service that asks them where none runs: its log says 'not cosigned' with the reason "
            "of each witness that is away or refuses"
        )
    return _check("witnesses", not late, who)


def _emergency(settings: Settings, database: Database, ledgers: Sequence[Ledger]) -> dict[str, Any]:
    """Whether a privacy officer knows of every emergency access, and how they are told of one."""
    from ledger.application.emergency import Emergencies
    from ledger.application.mail import Letterbox

    said = ["told by mail"] if Letterbox.of(settings) else [
        "no mail is set (smtp_url): the privacy officer is told by 'auditledger break-glass list' alone"
    ]  # fmt: skip
    wrong = False
    with Feed(database) as feed:
        for ledger in ledgers:
            accesses = Emergencies(feed).of(ledger)
            untold = [index for index, each in accesses.items() if not each.known]
            waiting = sum(each.reviewed is None for each in accesses.values())
            if waiting:
                said.append(f"{ledger.slug}: {waiting} not reviewed yet")
            if untold:
                wrong = True
                said.append(
                    f"{ledger.slug}: no privacy officer was told of entry {', '.join(map(str, untold))}; one "
                    "runs 'auditledger break-glass list', or see the service's log on its mail"
                )
    return _check("emergency access", not wrong, "; ".join(said))


def _what_to_do(settings: Settings, step: str, error: AuditLedgerError) -> str:
    """The error; where a database does not answer, also which setting names it and where that was set."""
    said = str(error).removeprefix(f"{step}: ")
    name = {"database": "database_url", ALONE: "vault_database_url"}.get(step, "")
    if getattr(settings, name, None) is None or isinstance(error, SettingsError):
        return said
    said = said.removeprefix(f"{name}: ")
    return f"{said}; start that server, or mend {name} (set in {settings.sources[name]})"


def _version(database: Database) -> str:
    with database.connect_admin() as connection:
        version = connection.info.server_version
    return f"PostgreSQL {version // 10_000}.{version % 10_000}, database {database.name}"
