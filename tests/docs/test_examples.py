"""Every ``console`` block of the pages runs, with the exit code and the output that it shows.

In what a block shows, ``...`` stands for anything and spaces may differ. A block is marked ``exit=N`` where the
command is meant to fail. Blocks of Python whose first comment names a file are that file.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.conftest import Demonstration
from tests.docs.generate import ROOT, pages
from tests.docs.markdown import blocks

ELSEWHERE = {"strangers.md"}
"""Its examples need Go and Java, and run in ``tests/judges``."""
WITH_EXAMPLES = [
    page
    for page in pages()
    if page.name not in ELSEWHERE and any(block.language == "console" for block in blocks(page))
]
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FILE = re.compile(r"# ([\w.-]+\.py):")


def run(command: str, environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Exit code and output of a command line; what it exports stays in ``environment``."""
    kept = folder / ".environment"
    script = f'{command}\ncode=$?\nenv -0 > "{kept}"\nexit $code'
    done = subprocess.run(
        ["/bin/bash", "-c", script], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
    )  # fmt: skip
    environment.clear()
    environment.update(line.split("=", 1) for line in kept.read_text().split("\0") if line)
    return done.returncode, done.stdout


def run_examples(page: Path, environment: dict[str, str], folder: Path) -> None:
    """Runs what a page shows, in a folder; each command gives what is shown under it."""
    os.symlink(ROOT / "schemas", folder / "schemas")
    for block in blocks(page):
        named = FILE.match(block.body)
        if block.language == "python" and named:
            (folder / named[1]).write_text(block.body, "utf-8")
        if block.language != "console":
            continue
        assert block.commands, f"{block.where}: a console block without a line that begins with $"
        for command, shown in block.commands:
            code, out = run(command, environment, folder)
            assert code == int(block.marks.get("exit", 0)), f"{block.where}: {command}\n{out}"
            told = f"{block.where}: {command}\nshown:\n{shown}\nprinted:\n{out}"
            assert doctest.OutputChecker().check_output(shown, out, LENIENT), told


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_run_as_shown(page: Path, demonstration: Demonstration, tmp_path: Path) -> None:
    run_examples(page, dict(demonstration.environment), tmp_path)


def test_the_lines_that_the_demonstration_prints_run_and_show_something(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    environment = dict(demonstration.environment)
    code, told = run("auditledger demo", environment, tmp_path)
    assert code == 0, told
    lines = [line.strip() for line in told.splitlines() if line.startswith("  ")]
    lines.append(told.partition("Over HTTP: ")[2])
    assert len(lines) == 7
    for line in lines:
        code, out = run(line, environment, tmp_path)
        assert code == 0, f"{line}\n{out}"
        assert bool(out) is not line.startswith("export "), line
        assert ": 0 rows" not in out, line


def test_some_pages_have_examples() -> None:
    assert {"README.md", "verify-by-hand.md"} <= {page.name for page in WITH_EXAMPLES}
