"""Bundles as those would make them who want to deceive whoever verifies, and the verdict on each, as data.

``python -m tests.bundle.mutations FOLDER`` writes them with ``verdicts.json``, so that any other verifier can
be run over the same list: for each the file, the exit code, and what its verifier is given.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bundle import beside, filed, inside, keyed, operator, timed
from tests.bundle.forge import CLEAN, Mutation
from tests.bundle.made import POLICY, SINCE, golden, log


def mutations() -> Iterator[Mutation]:
    """All of them; the golden bundles first, which are clean."""
    for name, data in golden().items():
        yield Mutation(f"golden {name}", data, CLEAN, policy=POLICY)
    yield Mutation("golden range, kept", golden()["range"], CLEAN, kept=log().note(SINCE))
    yield Mutation("golden ledger, kept", golden()["ledger"], CLEAN, kept=log().note(7))
    for each in (*inside.ALL, *beside.ALL, *operator.ALL, *keyed.ALL, *timed.ALL, *filed.ALL):
        yield from each()


def main(folder: Path) -> None:
    """Writes every bundle as a file, and the verdicts."""
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = []
    for number, each in enumerate(mutations()):
        file = f"{number:03}.zip"
        (folder / file).write_bytes(each.data)
        verdicts.append(
            {
                "file": file, "name": each.name, "exit_code": each.code, "keys": list(each.keys),
                "policy": None if each.policy is None else base64.b64encode(each.policy).decode(),
                "checkpoint": None if each.kept is None else base64.b64encode(each.kept).decode(),
                "history": [base64.b64encode(one).decode() for one in each.history],
            }
        )  # fmt: skip
    (folder / "verdicts.json").write_text(json.dumps(verdicts, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
