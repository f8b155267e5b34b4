"""``manifest.json``: of what a bundle is, as at which checkpoint, and the digest of every other file in it.

Nothing of it is believed: it says what is to be found, and all of that is looked for. JSON here has one
encoding, RFC 8785.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import rfc8785

from ledger.bundle.archive import Digest
from ledger.errors import CodecError, InvalidInput

FORMAT = "ledger.v1.EvidenceBundle"
MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint"
ENTRIES = "entries.avro"
DISCLOSURES = "disclosures.json"
POLICY = "policy"
KEYS = "keys"
SINCE = "since/checkpoint"
CONSISTENCY = "since/consistency"
_PROOF = re.compile(r"proofs/(0|[1-9][0-9]{0,18})\.tlog-proof")
_SCHEMA = re.compile(r"schemas/([A-Za-z_][A-Za-z0-9_.]*)\.([0-9a-f]{16})\.avsc")
_TIME = re.compile(r"times/(0|[1-9][0-9]{0,18})\.(checkpoint|consistency|tsr)")
_HISTORY = re.compile(r"history/(0|[1-9][0-9]{0,18})\.entry")
_CONTENT = re.compile(r"attachments/(0|[1-9][0-9]{0,18})/[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_FIRST = (CHECKPOINT, SINCE, CONSISTENCY, POLICY, KEYS, DISCLOSURES, ENTRIES)
_HASH = re.compile("[0-9a-f]{64}")
MOST = (1 << 53) - 1
"""The largest number that JSON carries unharmed through every reader (RFC 8785)."""
MOST_TEXT = 4096

LEDGER, RANGE, CASE, REGISTER = "ledger", "range", "case", "register"


@dataclass(frozen=True, slots=True)
class Subject:
    """Of what entries a bundle is. ``kind``:

    ``ledger``: all under the checkpoint; ``range``: [start, end); ``case``: those of ``stream``; ``register``:
    those that the rows of a register named, which were asked for by ``query``.
    """

    kind: str
    start: int | None = None
    end: int | None = None
    stream: str | None = None
    register: str | None = None
    query: Mapping[str, str] | None = None

    @property
    def dense(self) -> bool:
        """Whether it holds every entry between its first and its last."""
        return self.kind in (LEDGER, RANGE)


_FIELDS = {LEDGER: (), RANGE: ("start", "end"), CASE: ("stream",), REGISTER: ("register", "query")}


@dataclass(frozen=True, slots=True)
class Basis:
    """On what information on individuals or organisations may leave the regulator's ledger (PDPA s 120(3)).

    ``ground``: ``120(3)(a)`` or ``120(3)(b)``; ``of``: the section of the function, or the index of the entry
    that records the written consent.
    """

    ground: str
    of: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself."""

    origin: str
    size: int
    root: str
    """Of the checkpoint, 64 hexadecimal digits."""
    subject: Subject
    entries: int
    disclosures: int
    basis: Basis | None
    files: Sequence[Digest]
    """Every other file, in the order of the archive."""

    def __bytes__(self) -> bytes:
        subject = {"kind": self.subject.kind}
        subject |= {name: getattr(self.subject, name) for name in _FIELDS[self.subject.kind]}
        return canonical(
            {
                "format": FORMAT,
                "origin": self.origin,
                "size": self.size,
                "root": self.root,
                "subject": subject,
                "entries": self.entries,
                "disclosures": self.disclosures,
                "basis": None if self.basis is None else asdict(self.basis),
                "files": [each._asdict() for each in self.files],
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """The manifest of a file. Raises CodecError naming the field."""
        said = _Fields(parse_canonical(data, MANIFEST), MANIFEST)
        if said.text("format") != FORMAT:
            raise CodecError(f"{MANIFEST}: format: expected {FORMAT}, got {said.text('format')[:80]!r}")
        found = cls(
            origin=said.text("origin"),
            size=said.number("size"),
            root=said.like("root", _HASH),
            subject=_subject(said.record("subject")),
            entries=said.number("entries", least=1),
            disclosures=said.number("disclosures"),
            basis=None if said.is_null("basis") else _basis(said.record("basis")),
            files=[_file(each) for each in said.records("files")],
        )
        said.only("format", "origin", "size", "root", "subject", "entries", "disclosures", "basis", "files")
        return found


def _subject(said: _Fields) -> Subject:
    kind = said.text("kind")
    if kind not in _FIELDS:
        raise CodecError(f"{said.where}: kind: expected {', '.join(_FIELDS)}, got {kind[:80]!r}")
    said.only("kind", *_FIELDS[kind])
    match kind:
        case "range":
            return Subject(kind, start=said.number("start"), end=said.number("end"))
        case "case":
            return Subject(kind, stream=said.text("stream"))
        case "register":
            query = said.record("query")
            return Subject(kind, register=said.text("register"), query={n: query.text(n) for n in query.names})
        case _:
            return Subject(kind)


def _basis(said: _Fields) -> Basis:
    said.only("ground", "of")
    return Basis(said.text("ground"), said.text("of"))


def _file(said: _Fields) -> Digest:
    said.only("name", "size", "sha256")
    return Digest(said.text("name"), said.number("size"), said.like("sha256", _HASH))


# --- the names of files --------------------------------------------------------------------------------


def proof_name(index: int) -> str:
    """The file of an entry's inclusion proof."""
    return f"proofs/{index}.tlog-proof"


def schema_name(name: str, fingerprint: bytes) -> str:
    """The file of a schema: its full name and, in hexadecimal, the fingerprint as it stands in the bytes."""
    return f"schemas/{name}.{fingerprint.hex()}.avsc"


def schema_named(name: str) -> tuple[str, bytes] | None:
    """(full name, fingerprint) of a schema's file; None for any other."""
    found = _SCHEMA.fullmatch(name)
    return None if found is None else (found[1], bytes.fromhex(found[2]))


def proof_named(name: str) -> int | None:
    """The index of a proof's file; None for any other."""
    found = _PROOF.fullmatch(name)
    return None if found is None else int(found[1])


class TimesNames(NamedTuple):
    """The files of a checkpoint that tells times: its note, that the bundle's goes on from it, a time stamp."""

    checkpoint: str
    consistency: str
    stamp: str


def times_names(size: int) -> TimesNames:
    """The files of the one of that size."""
    return TimesNames(f"times/{size}.checkpoint", f"times/{size}.consistency", f"times/{size}.tsr")


def time_named(name: str) -> tuple[int, bool] | None:
    """The size of such a file's checkpoint, and whether it is a time stamp; None for any other."""
    found = _TIME.fullmatch(name)
    return None if found is None else (int(found[1]), found[2] == "tsr")


def history_name(index: int) -> str:
    """The file of an entry that tells of the log's keys, and is not among those that the bundle is of."""
    return f"history/{index}.entry"


def history_named(name: str) -> int | None:
    """The index of such a file's entry; None for any other."""
    found = _HISTORY.fullmatch(name)
    return None if found is None else int(found[1])


def content_name(index: int, path: str) -> str:
    """The file of the content of an attachment, by the path that its commitment is of."""
    return f"attachments/{index}/{path}"


def content_named(name: str) -> int | None:
    """The index of the entry that names such a file; None for any other."""
    found = _CONTENT.fullmatch(name)
    return None if found is None else int(found[1])


def place(name: str) -> tuple[int, int, str]:
    """Where a file stands in the archive: proofs by index, schemas by name, times by size, history by index,
    attachments by index and path.

    Raises CodecError.
    """
    if name in _FIRST:
        return _FIRST.index(name), 0, ""
    index = proof_named(name)
    if index is not None:
        return len(_FIRST), index, ""
    if schema_named(name) is not None:
        return len(_FIRST) + 1, 0, name
    told = time_named(name)
    if told is not None:
        return len(_FIRST) + 2, told[0], name
    index = history_named(name)
    if index is not None:
        return len(_FIRST) + 3, index, ""
    index = content_named(name)
    if index is not None:
        return len(_FIRST) + 4, index, name
    raise CodecError(f"archive: {name[:80]!r} is no file of a bundle")


# --- JSON, strictly ------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """JSON in its one encoding (RFC 8785). Raises InvalidInput for what it cannot carry."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise InvalidInput("bundle", "text and numbers that JSON can carry", str(error)) from error


def parse_canonical(data: bytes, where: str) -> Any:
    """The value of JSON that must be in that encoding. Raises CodecError."""
    try:
        value = json.loads(data)
        again = rfc8785.dumps(value)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise CodecError(f"{where}: expected JSON as RFC 8785 writes it") from error
    if again != data:
        raise CodecError(f"{where}: expected JSON as RFC 8785 writes it, got another encoding")
    return value


class _Fields:
    """The members of a JSON object; what is wrong is said with the name of the field."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise CodecError(f"{where}: expected an object")
        self._value: dict[str, Any] = value
        self.where = where

    @property
    def names(self) -> list[str]:
        return list(self._value)

    def only(self, *names: str) -> None:
        if unknown := set(self._value) - set(names):
            raise CodecError(f"{self.where}: {min(unknown)[:80]!r} is not a field of it")

    def is_null(self, name: str) -> bool:
        return name in self._value and self._value[name] is None

    def text(self, name: str) -> str:
        value = self._value.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= MOST_TEXT:
            raise CodecError(f"{self.where}: {name[:80]}: expected text of up to {MOST_TEXT} characters")
        return value

    def like(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.text(name)
        if pattern.fullmatch(value) is None:
            raise CodecError(f"{self.where}: {name}: expected {pattern.pattern}, got {value[:80]!r}")
        return value

    def number(self, name: str, least: int = 0) -> int:
        value = self._value.get(name)
        if type(value) is not int or not least <= value <= MOST:
            raise CodecError(f"{self.where}: {name}: expected a number from {least} to {MOST}")
        return value

    def record(self, name: str) -> _Fields:
        return _Fields(self._value.get(name), f"{self.where}: {name}")

    def records(self, name: str) -> list[_Fields]:
        value = self._value.get(name)
        if not isinstance(value, list):
            raise CodecError(f"{self.where}: {name}: expected a list")
        return [_Fields(each, f"{self.where}: {name}") for each in value]
