"""The schemas on disk: current and former texts, found by event name and by fingerprint (4-wire 'Entry')."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from ledger.codec.avro import Writer, fingerprint_of
from ledger.codec.reading import Read, reader_of
from ledger.errors import SchemaRefused, UnknownSchema

SUFFIX = ".avsc"


class Registry:
    """All schema texts of one folder. ``current`` is what is written; any former text can be read."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """``texts``: file name → content. Raises SchemaRefused for two texts with one fingerprint."""
        self.texts = dict(texts)
        self.current: dict[str, Writer] = {}
        self.by_fingerprint: dict[bytes, Writer] = {}
        self._readers: dict[bytes, Read] = {}
        for file_name, text in sorted(texts.items()):
            writer = Writer(parse_text(file_name, text))
            if file_name == writer.name + SUFFIX:
                self.current[writer.name] = writer
            elif file_name != f"{writer.name}.{writer.fingerprint.hex()}{SUFFIX}":
                raise SchemaRefused(
                    f"{file_name}: expected {writer.name}{SUFFIX} or "
                    f"{writer.name}.{writer.fingerprint.hex()}{SUFFIX}"
                )
            other = self.by_fingerprint.setdefault(writer.fingerprint, writer)
            if other is not writer and json.dumps(other.schema) != json.dumps(writer.schema):
                raise SchemaRefused(
                    f"{file_name}: fingerprint {writer.fingerprint.hex()} is that of another text "
                    f"of {other.name}: "
                    "the canonical form leaves out what differs; make a v2"
                )

    def writer(self, name: str) -> Writer:
        """The schema that events of this full name are written with. Raises UnknownSchema."""
        try:
            return self.current[name]
        except KeyError:
            raise UnknownSchema(f"no schema named {name}") from None

    def written_with(self, data: bytes) -> Writer:
        """The schema that single-object bytes were written with.

        Raises CodecError; UnknownSchema where the fingerprint is none of this folder's.
        """
        return self.of(fingerprint_of(data))

    def of(self, fingerprint: bytes) -> Writer:
        """The schema of a fingerprint, as it stands in the bytes. Raises UnknownSchema."""
        writer = self.by_fingerprint.get(fingerprint)
        if writer is None:
            raise UnknownSchema(f"fingerprint {fingerprint.hex()} is unknown here: upgrade this reader first")
        return writer

    def decode(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """(full name, bare values) of single-object bytes, by the schema they were written with; strict.

        Raises as ``written_with``.
        """
        writer = self.written_with(data)
        read = self._readers.get(writer.fingerprint)
        if read is None:
            read = self._readers[writer.fingerprint] = reader_of(writer.schema)
        return writer.name, read(data)


def parse_text(file_name: str, text: str) -> dict[str, Any]:
    """The schema of a file's text. Raises SchemaRefused where it is not a named Avro record in JSON."""
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise SchemaRefused(f"{file_name}: not JSON: {error}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record" or "name" not in schema:
        raise SchemaRefused(f"{file_name}: expected one named record")
    return schema


def texts_in(folder: Traversable) -> dict[str, str]:
    """File name → text of every schema in a folder."""
    return {f.name: f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(SUFFIX)}


def schema_folder() -> Traversable:
    """``schemas/`` as it travels in the wheel."""
    return files("schemas")


@cache
def registry() -> Registry:
    """The schemas that this version ships."""
    return Registry(texts_in(schema_folder()))


def render(schema: Mapping[str, Any]) -> str:
    """The text of a schema file: readable, one encoding, ends with a newline."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
