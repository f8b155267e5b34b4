"""The page for strangers runs as it stands, and what it shows is what the tests build and run."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bundle.made import FOLDER, Log
from tests.docs.generate import ROOT
from tests.docs.markdown import blocks
from tests.docs.test_examples import ELSEWHERE, run_examples
from tests.judges.made import tiles
from tests.judges.tools import BUILD, STRANGERS, Stranger

PAGE = ROOT / "docs" / "strangers.md"


def test_the_page_runs_as_it_stands(stranger: Stranger, tmp_path: Path) -> None:
    # Asks for the session's stranger only so that what Go builds is kept already.
    assert (stranger.folder / "judge").exists()
    reader = Stranger.in_folder(tmp_path)
    for file in FOLDER.iterdir():
        shutil.copy(file, tmp_path)
    tiles(tmp_path / "tiles", Log.of(600), [256, 600])
    run_examples(PAGE, reader.environment, tmp_path)


def test_the_page_is_run_here_and_builds_what_the_judges_build() -> None:
    assert PAGE.name in ELSEWHERE
    shown = [command for block in blocks(PAGE) if block.language == "console" for command, _ in block.commands]
    assert [command for command in shown if command in BUILD] == list(BUILD)


def test_the_programs_know_nothing_of_ours() -> None:
    for name in ("judge.go", "Bundle.java"):
        text = (STRANGERS / name).read_text("utf-8")
        imported = text.split("import (")[1].split(")")[0] if name.endswith(".go") else "\n".join(
            line for line in text.splitlines() if line.startswith("import ")
        )  # fmt: skip
        assert imported.strip()
        assert "ledger" not in imported


def test_go_vet_and_gofmt_have_nothing_to_say(stranger: Stranger) -> None:
    vetted = stranger.run("go", "vet", ".")
    assert (vetted.returncode, vetted.stderr) == (0, "")
    verified = stranger.run("go", "mod", "verify")
    assert verified.stdout == "all modules verified\n", verified.stderr
