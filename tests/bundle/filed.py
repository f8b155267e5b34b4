"""Attacks on contents of attachments that are disclosed: files of a bundle beside what commits to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ledger.bundle.disclosures import Disclosure
from ledger.bundle.manifest import content_name
from tests.bundle.forge import (
    CLEAN,
    INCOMPLETE,
    MALFORMED,
    TAMPERED,
    Mutation,
    flipped,
    members,
    sealed,
    zipped,
)
from tests.bundle.made import DISCLOSED, FILE, MIDDLE, WHOLE, Log, disclosure, log, salt, with_file

AT, PATH = 5, "file.content"
NAME = content_name(AT, PATH)
TRUE = Disclosure(AT, PATH, NAME, salt(AT, PATH))


def filed(made: Log, content: bytes = FILE, *said: Disclosure) -> bytes:
    """The range with that file, disclosed so."""
    return made.bundle(MIDDLE, disclosures=said or (TRUE,), attachments=[(NAME, [content])])


def _clean() -> Iterator[Mutation]:
    for name, content in (
        ("a million bytes", FILE),
        ("of no byte", b""),
        ("of one piece", bytes(1 << 20)),
        ("of one byte", b"x"),
    ):
        yield Mutation(f"content: {name}", filed(with_file(content), content), CLEAN)
    made = with_file(b"short")
    both = filed(made, b"short", disclosure(4, "purpose"), TRUE, disclosure(5, "file.title"))
    yield Mutation("content: beside other fields", both, CLEAN)
    plain = made.bundle(WHOLE, disclosures=[disclosure(5, "file.title")])
    yield Mutation("content: its title alone", plain, CLEAN)


def _altered() -> Iterator[Mutation]:
    made = with_file()
    for name, content in (
        ("a bit turned", flipped(FILE, len(FILE) // 2)),
        ("a byte less", FILE[:-1]),
        ("a byte more", FILE + b"."),
        ("another file", FILE[::-1]),
        ("of no byte for a million", b""),
    ):
        yield Mutation(f"content altered: {name}", filed(made, content), TAMPERED)
    data = filed(made)
    yield Mutation(
        "content altered: a bit turned in the archive", flipped(data, data.index(FILE) + 7), TAMPERED
    )
    for name, wrong in (
        ("another salt", replace(TRUE, salt=b"\x01" * 32)),
        ("a guess without its salt", replace(TRUE, salt=bytes(32))),
    ):
        yield Mutation(f"content with {name}", filed(made, FILE, wrong), TAMPERED)
    yield Mutation("content that another entry's commits to", filed(log()), TAMPERED)


def _placed() -> Iterator[Mutation]:
    made = with_file(b"short")
    data = filed(made, b"short")
    files = members(data)
    yield Mutation("content: not there", sealed({n: c for n, c in files.items() if n != NAME}), INCOMPLETE)
    for name, value in (("another name", "attachments/5/other.content"), ("its content", "short")):
        wrong = filed(made, b"short", replace(TRUE, value=value))
        yield Mutation(f"content: {name} in the list", wrong, MALFORMED)
    alone = made.bundle(MIDDLE, disclosures=DISCLOSED, attachments=[(NAME, [b"short"])])
    yield Mutation("content: not disclosed", alone, MALFORMED)
    nobody = made.bundle(MIDDLE, attachments=[(NAME, [b"short"])])
    yield Mutation("content: nothing disclosed", nobody, MALFORMED)
    for path in ("content", "purpose.content", "file.content.content", "file.length.content", "file.nothing"):
        name = content_name(AT, path)
        wrong_path = Disclosure(AT, path, name, salt(AT, path))
        other = made.bundle(MIDDLE, disclosures=[wrong_path], attachments=[(name, [b"short"])])
        yield Mutation(f"content: at the path {path}", other, MALFORMED)
    elsewhere = Disclosure(4, PATH, content_name(4, PATH), salt(4, PATH))
    of_none = made.bundle(MIDDLE, disclosures=[elsewhere], attachments=[(content_name(4, PATH), [b"short"])])
    yield Mutation("content: of an entry that names none", of_none, MALFORMED)
    for name in ("attachments/05/file.content", "attachments/5/../x", "attachments/5"):
        renamed = {(name if n == NAME else n): c for n, c in files.items()}
        yield Mutation(f"content: named {name}", sealed(renamed), MALFORMED)
    rest = [(n, c) for n, c in files.items() if n not in (NAME, "manifest.json")]
    manifest = ("manifest.json", files["manifest.json"])
    first = zipped([(NAME, b"short"), *rest, manifest])
    yield Mutation("content: before the others", first, MALFORMED)


ALL = (_clean, _altered, _placed)
