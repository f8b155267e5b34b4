"""The program that the page on checking by hand shows: with nothing of ours it comes to the same verdicts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.forge import CLEAN, INCOMPLETE, TAMPERED, UNTRUSTED, Mutation
from tests.bundle.made import KEY
from tests.bundle.mutations import mutations
from tests.docs.generate import ROOT
from tests.docs.markdown import blocks

(PROGRAM,) = [
    block.body
    for block in blocks(ROOT / "docs" / "verify-by-hand.md")
    if block.language == "python" and block.body.startswith("# bundled.py:")
]
ELSEWHERE = (
    "disclos", "guess of a value", "earlier checkpoint", "consistency", "other words of the same",
    "CRC", "first key follows", "by nobody trusted", "times: ", "stamps: ", "content", "overlap: ", "brought: ",
    "a range that does not tell of it",
)  # fmt: skip
"""Left to others: opened fields and files, checkpoints from earlier, times, which texts are ours, keys that
follow."""


def attacks() -> list[Mutation]:
    """What is done to entries, their order, proofs, checkpoint and container; not to the form alone."""
    return [
        each
        for each in mutations()
        if each.policy is None
        and each.kept is None
        and not each.history
        and str(KEY.verifier) in each.keys
        and each.code in (CLEAN, TAMPERED, UNTRUSTED, INCOMPLETE)
        and not any(word in each.name for word in ELSEWHERE)
    ]


def run(each: Mutation, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "bundled.py").write_text(PROGRAM, "utf-8")
    (folder / "bundle.zip").write_bytes(each.data)
    return subprocess.run(
        [sys.executable, "bundled.py", "bundle.zip", str(KEY.verifier)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_imports_nothing_of_ours() -> None:
    assert "ledger" not in [
        line.split()[1] for line in PROGRAM.splitlines() if line.startswith(("import", "from"))
    ]
    assert "import ledger" not in PROGRAM


@pytest.mark.parametrize("name", ["ledger", "range", "case", "register"])
def test_golden_bundles_are_what_was_signed(name: str, tmp_path: Path) -> None:
    golden = {each.name: each for each in mutations()}[f"golden {name}"]
    done = run(golden, tmp_path)
    assert (done.returncode, "are what was signed under 12" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("each", attacks(), ids=lambda each: each.name)
def test_it_comes_to_the_same_verdict_on(each: Mutation, tmp_path: Path) -> None:
    done = run(each, tmp_path)
    assert (done.returncode == 0) is (each.code == CLEAN), done.stderr
