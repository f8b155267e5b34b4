"""An import in a process of its own: says when every row was checked, writes when told to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ledger.application import Installation, Principal
from ledger.imports.mapping import load_mapping
from ledger.imports.run import import_file
from ledger.store.database import Database


def main() -> None:
    """Reads its orders as one line of JSON from stdin, and goes on at the next line."""
    orders = json.loads(sys.stdin.readline())
    database = Database(orders["admin"], orders["passwords"])
    with Installation(database, Path(orders["data_dir"])) as installation:
        mapping = load_mapping(Path(orders["mapping"]))

        def pause(what: str, done: int, total: int) -> None:
            if (what, done) == ("checking", total):
                print("ready", flush=True)
                sys.stdin.readline()

        who = Principal(*orders["principal"])
        result = import_file(installation, "dffh", Path(orders["file"]), mapping, principal=who, progress=pause)
    print(json.dumps(result.as_json()), flush=True)


if __name__ == "__main__":
    main()
