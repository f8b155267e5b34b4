"""Secrecy of the regulator: on what information on an individual or organisation leaves its ledger."""

from __future__ import annotations

import re

from ledger.errors import LawRefused

SECRECY = "PDPA s 120"
FUNCTION, CONSENT = "120(3)(a)", "120(3)(b)"
_BASIS = re.compile(r"(?P<ground>120\(3\)\([ab]\)): *(?P<of>[^\s].{0,99})")
_SECTION = re.compile(r"(s|ss|cl|Part|Div|Sch) ?[0-9]{1,3}[A-Z]{0,3}(\([0-9a-zA-Z]{1,4}\)){0,4}")
_INDEX = re.compile("0|[1-9][0-9]{0,17}")


def export_names_its_basis(from_regulator: bool, basis: str | None, entries: int) -> tuple[str, str] | None:
    """What leaves the regulator's ledger names its basis: the function that it is disclosed for
    (PDPA s 120(3)(a)), by its section, or the written consent (b), by the index of the entry that records it.

    ``basis``: ``120(3)(a): s 112`` or ``120(3)(b): 512``; of other ledgers none. ``entries``: how many the
    ledger has. Gives ground and section or index. Raises LawRefused.
    """
    if not from_regulator:
        if basis is not None:
            raise LawRefused(
                SECRECY, "only what leaves the regulator's ledger names a basis; this one is another"
            )
        return None
    found = None if basis is None else _BASIS.fullmatch(basis)
    if found is None:
        raise LawRefused(
            f"{SECRECY}(3)",
            "what leaves the regulator's ledger names its basis: '120(3)(a): SECTION' of the function, or "
            "'120(3)(b): INDEX' of the entry with the written consent",
        )
    ground, of = found["ground"], found["of"]
    if ground == FUNCTION and _SECTION.fullmatch(of) is None:
        raise LawRefused(f"{SECRECY}(3)(a)", f"the function is named by its section, as 's 112', not {of!r}")
    if ground == CONSENT and (_INDEX.fullmatch(of) is None or int(of) >= entries):
        raise LawRefused(f"{SECRECY}(3)(b)", f"the written consent is an entry of this ledger; {of!r} is none")
    return ground, of


def consent_is_kept_in_writing(index: str, keeps_file: bool) -> None:
    """A consent is in writing: the entry named for it keeps a file (PDPA s 120(3)(b)). Raises LawRefused."""
    if not keeps_file:
        raise LawRefused(
            f"{SECRECY}(3)(b)",
            f"the consent is in writing, and entry {index} keeps no file: name the one that does",
        )
