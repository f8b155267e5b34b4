"""``verify``: whether the ledgers are what was recorded."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ledger.cli.session import NO_LEDGER, AsJson, of, print_json
from ledger.errors import AuditLedgerError, Tampered
from ledger.store.ledgers import Ledgers
from ledger.store.opened import opened_database
from ledger.store.verify import verify as verify_ledger


def verify(
    context: typer.Context,
    slug: Annotated[
        str | None, typer.Option("--ledger", "-l", help="Slug of the ledger; else all of them.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that hash; else one a processor.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every entry's bytes, recompute hashes, links, order and columns; name the first bad index.

    Exit code 0: clean; 8: tampered; 6: it could not run.
    """
    session = of(context)
    results: list[dict[str, Any]] = []
    worst: AuditLedgerError | None = None
    with opened_database(session.settings()) as database:
        ledgers = Ledgers(database)
        chosen = ledgers.all() if slug is None else [ledgers.get(slug)]
        with session.progress() as progress:
            for each in chosen:
                task = progress.add_task(f"Verifying {each.slug}", total=None)

                def moved(done: int, total: int, task: Any = task) -> None:
                    progress.update(task, completed=done, total=total)

                try:
                    found = verify_ledger(database, each, processes=processes, progress=moved)
                except Tampered as error:
                    worst = worst or error
                    results.append(
                        {"ledger": each.slug, "clean": False, "index": error.index, "what": error.what}
                    )
                else:
                    progress.update(task, completed=found.size, total=found.size)
                    results.append(
                        {"ledger": each.slug, "clean": True, "size": found.size, "head": found.hash.hex()}
                    )
    if as_json:
        print_json({"ledgers": results, "clean": worst is None})
    elif not results:
        session.out.print(f"Nothing to verify: {NO_LEDGER}")
    else:
        session.out.print("\n".join(_words(result) for result in results))
    if worst is not None:
        raise worst


def _words(result: dict[str, Any]) -> str:
    if not result["clean"]:
        return f"{result['ledger']}: TAMPERED, entry {result['index']}: {result['what']}"
    return f"{result['ledger']}: clean, {result['size']} entries, last leaf hash {result['head']}"
