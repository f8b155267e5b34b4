"""The whole demonstration destroyed, subject by subject: figures stand, proofs stand, nothing opens."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from ledger.application import Installation, Principal
from ledger.application.reconciling import Reconciling
from ledger.clock import melbourne_date
from ledger.codec.declare import sealed_fields
from ledger.demo import load_demonstration
from ledger.domain.event import decode_event
from ledger.domain.installation.standing import grants_in_force
from ledger.store.database import Database, Role
from ledger.store.ledgers import Ledger
from ledger.store.sealing import Link
from ledger.tlog.prover import Prover
from ledger.vault.opening import Destroyed
from projections.reports.catalogue import REPORTS, make
from projections.reports.period import financial_year
from projections.runner import Runner
from tests.demo.test_demonstration import open_at_beginning
from tests.support import check_ledger


def figures(database: Database) -> dict[str, Any]:
    """Every figure of every report for two years, with the rows behind it."""
    with Runner(database.conninfo(Role.PROJECTOR)) as runner:
        runner.catch_up()
    found = {}
    for name in REPORTS:
        for year in (2024, 2025):
            report = make(database.conninfo(Role.READER), name, financial_year(year))
            found |= {
                f"{name} {year} {figure.id}": (figure.value, figure.rows) for figure in report.figures.values()
            }
    return found


def privacy_officer(installation: Installation, ledger: Ledger) -> Principal:
    """Somebody new, who may destroy in a ledger."""
    today = melbourne_date(installation.clock.now())
    granted = grants_in_force(installation.streams.facts(ledger, "roles"), today)
    administrator = next(each for each in granted if each.role.value == "administrator")
    made = Principal(str(uuid.uuid4()), ledger.organisation, "test")
    give(
        installation, ledger, Principal(administrator.person, ledger.organisation, "test"), "role.RoleGranted",
        person=made.person, role="privacy_officer", organisation=ledger.organisation,
    )  # fmt: skip
    return made


def give(installation: Installation, ledger: Ledger, who: Principal, command: str, **fields: Any) -> None:
    """Records a fact of today."""
    happened = melbourne_date(installation.clock.now()).isoformat()
    body = {"happened": happened, "fields": fields}
    installation.execute(ledger.slug, command, body, principal=who, command_id=str(uuid.uuid4()))


def destroy_everything(installation: Installation, ledger: Ledger, who: Principal) -> int:
    """Destroys each subject of each case of a ledger; how many."""
    with installation.database.connect_admin() as connection:
        subjects = connection.execute(
            "SELECT DISTINCT stream, subject FROM vault.keys "
            "WHERE ledger = %s AND subject NOT IN ('content', 'import') AND stream <> 'destruction'",
            (ledger.id,),
        ).fetchall()
    for stream, subject in subjects:
        destruction = str(uuid.uuid4())
        give(
            installation, ledger, who, "destruction.DestructionProposed",
            destruction=destruction, scope="subject", case=stream, subject=subject,
            ground="no_longer_needed", disposal_authority="PROS 07/01",
        )  # fmt: skip
        give(installation, ledger, who, "destruction.DestructionAuthorised", destruction=destruction)
    return len(subjects)


def test_destroying_every_subject_of_the_demonstration_changes_no_figure_and_no_proof(
    database: Database, tmp_path: Path
) -> None:
    with open_at_beginning(database, tmp_path) as installation:
        load_demonstration(installation)
        before = figures(database)
        assert len(before) > 500
        assert any(value for value, _ in before.values())
        proofs = {}
        for ledger in installation.ledgers.all():
            with installation.published.sealer(Link(database), ledger) as sealer:
                sealer.seal()
            prover = Prover(
                installation.published.of(ledger).read, installation.published.of(ledger).checkpoint() or b""
            )
            proofs[ledger.slug] = (prover.checkpoint, prover.inclusion(0), prover.entry(0))

        destroyed = 0
        for ledger in installation.ledgers.all():
            destroyed += destroy_everything(installation, ledger, privacy_officer(installation, ledger))
        assert destroyed > 500

        assert figures(database) == before
        for ledger in installation.ledgers.all():
            check_ledger(database, ledger)
            with installation.published.sealer(Link(database), ledger) as sealer:
                sealer.seal()
            published = installation.published.of(ledger)
            now = Prover(published.read, published.checkpoint() or b"")
            old, proof, entry = proofs[ledger.slug]
            keys = [key.verifier for key in installation.published.keys.of(ledger.slug, ledger.origin)]
            assert proof.verify(installation.feed.entry(ledger.id, 0).entry, keys).checkpoint == old
            assert now.entry(0) == entry
            assert now.consistency(old.size).verify(old, keys).checkpoint.size > old.size
            gone = installation.streams.destroyed(ledger)
            left = {
                sealed.key
                for batch in installation.feed.scan(ledger.id)
                for row in batch
                if row.stream != "destruction"
                for _, _, sealed in sealed_fields(decode_event(row.decoded))
                if sealed.key not in gone
            }
            assert left == set()
            assert all(isinstance(each, Destroyed) for each in gone.values())
            assert Reconciling(installation).one(ledger, whole=True, every_entry=True).lost == 0
