"""``witness``: a program of its own that sees that ledgers only grow, for who does not run them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.session import AsJson, of
from ledger.cli.verify import keys_of
from ledger.errors import InvalidInput, SettingsError
from ledger.tlog.keyfile import read_key, write_key
from ledger.tlog.note import COSIGNATURE, SigningKey, VerifierKey
from ledger.witness.state import State

KEY = "witness.key"


def witness(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of its key and its state; made by the first start.")],
    log: Annotated[
        list[str] | None,
        typer.Option(help="A verifier key of a ledger that it witnesses, or a file of them, read again."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of its key, as witness.example/w1; needed by the first start.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8081,
    until_closed: Annotated[
        bool, typer.Option("--until-closed", help="Stop too once standard input is closed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a witness (C2SP tlog-witness): it cosigns checkpoints that go on from the last one it saw.

    It needs no database and nothing of the ledgers' operator but their public keys ('auditledger keys list').
    Run it on a machine, with an operator and a key, that the ledgers' operator has no hold of.
    """
    from ledger.witness.serve import serve

    session = of(context)

    def logs() -> list[VerifierKey]:
        """Files are read again as they change: a ledger that is added needs no new start."""
        found = keys_of(log or [], "--log")
        if not found:
            raise InvalidInput("--log", "at least one verifier key of a ledger", None)
        return found

    logs()
    key = _key(folder / KEY, name)
    state = State(folder / "logs")
    serve(
        key, logs, state, lambda: int(time.time()), host, port,
        lambda url: session.show(
            as_json, {"url": url, "key": str(key.verifier)},
            lambda: f"witness {key.verifier.name} at {url}\n  key  {key.verifier}",
        ),
        sys.stdin.fileno() if until_closed else None,
    )  # fmt: skip


def _key(path: Path, name: str | None) -> SigningKey:
    if path.exists():
        key = read_key(path)
        if key.verifier.kind != COSIGNATURE:
            raise SettingsError(f"{path}: expected a key of type 04, got type {key.verifier.kind:02x}")
        if name is not None and key.verifier.name != name:
            raise InvalidInput("--name", f"{key.verifier.name}, whose key is in {path}", name)
        return key
    if name is None:
        raise InvalidInput("--name", "the name of the key that the first start makes", None)
    key = SigningKey.generate(name, COSIGNATURE)
    try:
        write_key(path, key)
    except OSError as error:
        raise SettingsError(f"{path}: expected to write a new key file, got {error.strerror}") from error
    return key
