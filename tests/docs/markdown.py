"""Reads our Markdown pages: code blocks, links, headings, and the command lines that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(?P<code>[^`\n]+)`(?!`)")
PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of code."""

    page: Path
    line: int
    language: str
    marks: dict[str, str]
    """What stands behind the language: ``exit=3`` and the like."""
    body: str

    @property
    def where(self) -> str:
        """Page and line, for messages."""
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """(command line, what is shown under it) of a block of kind ``console``."""
        found: list[tuple[str, str]] = []
        for line in self.body.splitlines():
            if line.startswith(PROMPT):
                found.append((line.removeprefix(PROMPT), ""))
            elif found and found[-1][0].endswith("\\"):
                command, shown = found[-1]
                found[-1] = (command[:-1] + line.strip(), shown)
            elif found:
                command, shown = found[-1]
                found[-1] = (command, shown + line + "\n")
        return found


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        language, *marks = match["info"].split() or [""]
        pairs = dict(mark.split("=", 1) for mark in marks)
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, pairs, match["body"]))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """Targets of the links of a page."""
    return [match["target"] for match in LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make."""
    return {
        re.sub(r"[^\w\- ]", "", match["text"].lower()).strip().replace(" ", "-")
        for match in HEADING.finditer(prose(page))
    }


def command_lines(page: Path) -> list[tuple[str, list[str]]]:
    """(where, words) of every ``auditledger …`` that a page shows, in blocks and inline."""
    lines: list[tuple[str, str]] = []
    for block in blocks(page):
        if block.language == "console":
            lines += [(block.where, command) for command, _ in block.commands]
        elif block.language in ("", "sh", "bash"):
            lines += [(block.where, line) for line in block.body.replace("\\\n", " ").splitlines()]
    lines += [(page.name, match["code"]) for match in INLINE.finditer(prose(page))]
    found = []
    for where, line in lines:
        for piece in re.split(r"\s*(?:\||&&|;)\s*", line):
            words = shlex.split(piece, comments=True) if piece.startswith("auditledger ") else []
            if words:
                found.append((where, words[1:]))
    return found
