"""All definitions of figures that this version has, as the page that documents them."""

from __future__ import annotations

from projections.reports import areas, build, compliance, emergency, findings, sharing
from projections.reports.figures import Definition


def definitions() -> list[Definition]:
    """Every definition, by id."""
    modules = (areas, build, compliance, emergency, findings, sharing)
    found = {
        each.id: each for module in modules for each in vars(module).values() if isinstance(each, Definition)
    }
    return [found[key] for key in sorted(found)]


def definitions_page() -> str:
    """The definitions as a table in Markdown, each with its version."""
    lines = ["| definition | version | how it is counted |", "|---|---|---|"]
    lines += [f"| `{each.id}` | {each.version} | {each.words} |" for each in definitions()]
    return "\n".join(lines) + "\n"
