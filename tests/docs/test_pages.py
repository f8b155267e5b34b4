"""Links lead somewhere, shown commands exist, and nothing of a machine stands in a committed file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.generate import ROOT, cli_commands, pages
from tests.docs.markdown import anchors, command_lines, links

# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of a machine": re.compile(r"(?<![\w.])/(?:wor[k]|roo[t]/\w|hom[e]/\w+|User[s]/\w+)(?:/|\b)(?!ing)"),
    "a host of a registry": re.compile(
        r"pypi\.or[g]|pythonhosted\.or[g]|repo1?\.maven\.(?:org|apache)|index-ur[l]"
    ),
    "a mark of unfinished work": re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b"),
}
DATA = (".xlsx", ".hex", ".csv", ".lock")


def tracked() -> list[Path]:
    """Every file that belongs to the project."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.parts)]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page: Path) -> None:
    for target in links(page):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name}: {target}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_shown_exist_with_their_options(page: Path) -> None:
    commands = cli_commands()
    for where, words in command_lines(page):
        shown = f"{where}: auditledger {' '.join(words)}"
        path: list[str] = []
        for word in words:
            if " ".join([*path, word]) not in commands:
                break
            path.append(word)
        rest = words[len(path) :]
        command = commands[" ".join(path)]
        if getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
            pytest.fail(f"{shown}: there is no command {rest[0]!r}")
        known = {"--help"} | {
            name
            for parameter in command.params
            if parameter.param_type_name == "option"
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in rest:
            if re.match(r"--?[a-z]", word):
                assert word.split("=")[0] in known, f"{shown}: {' '.join(path)} has no option {word}"


def test_every_page_is_reachable_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    left = [ROOT / "README.md"]
    while left:
        page = left.pop()
        for target in links(page):
            found = (page.parent / target.partition("#")[0]).resolve()
            if found.suffix == ".md" and found.exists() and found not in reached:
                reached.add(found)
                left.append(found)
    assert [p.relative_to(ROOT).as_posix() for p in pages() if p not in reached] == []


def test_design_pages_that_comments_name_are_explained() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    named = set()
    for path in tracked():
        if path.suffix in (".py", ".sql", ".avsc"):
            named |= set(
                re.findall(
                    r"(?<![\w-])([1-6]-(?:law|clocks|registers|wire|architecture|style))\b",
                    path.read_text("utf-8"),
                )
            )
    assert {name for name in named if f"| {name} |" not in index} == set()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_holds(what: str) -> None:
    found = []
    for path in tracked():
        if path.suffix in DATA and path.name != "requirements.lock":
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, m.start()) + 1}: {m[0]}"
            for m in FORBIDDEN[what].finditer(text)
        ]
    assert found == []
