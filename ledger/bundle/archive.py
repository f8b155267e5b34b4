"""The zip of a bundle, in the one form that it has: the same members give the same bytes.

Members lie one behind the other from byte 0, as they are (method 0), with the time 1980-01-01 and nothing
optional: no flag, no extra field, no comment, no ZIP64. Then the directory, then its end, then nothing. Any
program opens that; the reader here takes nothing else, so that no two readers see different members in it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, NamedTuple

from ledger.errors import Altered, CodecError, Incomplete, InvalidInput, Unavailable

MOST_BYTES = (1 << 32) - 1
"""Bytes of an archive without ZIP64."""
MOST_MEMBERS = (1 << 16) - 1
CHUNK = 1 << 20
"""Bytes that are read at a time."""
_VERSION = 10
_DAY = 0x0021
"""1980-01-01, the first day that a zip can state."""
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_MOST_NAME = 255


class Source(NamedTuple):
    """Where a bundle's bytes are: a file, or all of them in memory. A process can be sent it."""

    held: Path | bytes

    def check(self) -> None:
        """Raises Unavailable where it is no regular file: it is read at any place, and more than once."""
        if isinstance(self.held, bytes):
            return
        try:
            regular = S_ISREG(self.held.stat().st_mode)
        except OSError as error:
            raise Unavailable(f"{self.held}: cannot be read: {error.strerror}") from error
        if not regular:
            raise Unavailable(f"{self.held}: cannot be read: expected a regular file, got another kind of one")

    def read(self, at: int, count: int) -> bytes:
        """The bytes from ``at`` on, fewer where it ends. Raises Unavailable."""
        if isinstance(self.held, bytes):
            return self.held[at : at + count]
        try:
            with self.held.open("rb") as file:
                file.seek(at)
                return file.read(count)
        except OSError as error:
            raise Unavailable(f"{self.held}: cannot be read: {error.strerror}") from error

    def chunks(self, at: int, count: int) -> Iterator[bytes]:
        """The same in pieces. Raises Unavailable."""
        for start in range(at, at + count, CHUNK):
            yield self.read(start, min(CHUNK, at + count - start))


class Member(NamedTuple):
    """A file in the archive: where its bytes begin, how many they are, their CRC-32 as stated there."""

    name: str
    at: int
    size: int
    crc: int


class Digest(NamedTuple):
    """What the manifest states of a member."""

    name: str
    size: int
    sha256: str


def _local(name: bytes, crc: int, size: int) -> bytes:
    return _LOCAL.pack(_LOCAL_MARK, _VERSION, 0, 0, 0, _DAY, crc, size, size, len(name), 0) + name


def _directory(members: Iterable[Member]) -> bytes:
    parts: list[bytes] = []
    end = count = 0
    for name, at, size, crc in members:
        raw = name.encode("ascii")
        begin = at - _LOCAL.size - len(raw)
        parts.append(
            _CENTRAL.pack(
                _CENTRAL_MARK,
                _VERSION,
                _VERSION,
                0,
                0,
                0,
                _DAY,
                crc,
                size,
                size,
                len(raw),
                0,
                0,
                0,
                0,
                0,
                begin,
            )
            + raw
        )
        end, count = at + size, count + 1
    found = b"".join(parts)
    return found + _END.pack(_END_MARK, 0, 0, count, count, len(found), end, 0)


# --- writing ------------------------------------------------------------------------------------------


class Writer:
    """Writes an archive to a file that can be sought in, member by member; no member is held in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: list[Member] = []
        self.digests: list[Digest] = []
        """What was added, in order."""

    def add(self, name: str, content: Iterable[bytes]) -> None:
        """Adds a member. A crash in here, or before ``close``, leaves a file that is no archive.

        Raises InvalidInput where the bundle becomes larger than a zip without ZIP64 can be.
        """
        raw = name.encode("ascii")
        begin = self._file.tell()
        self._file.write(_local(raw, 0, 0))
        crc = size = 0
        digest = sha256()
        for each in content:
            crc = zlib.crc32(each, crc)
            digest.update(each)
            size += len(each)
            _fits(begin + size, len(self._members))
            self._file.write(each)
        self._file.seek(begin)
        self._file.write(_local(raw, crc, size))
        self._file.seek(0, 2)
        self._members.append(Member(name, begin + _LOCAL.size + len(raw), size, crc))
        self.digests.append(Digest(name, size, digest.hexdigest()))

    def close(self) -> None:
        """Ends the archive. Raises InvalidInput as ``add``."""
        directory = _directory(self._members)
        _fits(self._file.tell() + len(directory), len(self._members) - 1)
        self._file.write(directory)


def _fits(size: int, members: int) -> None:
    if size > MOST_BYTES or members >= MOST_MEMBERS:
        raise InvalidInput(
            "bundle",
            f"at most {MOST_BYTES} bytes and {MOST_MEMBERS} files: choose ranges",
            f"{size}, {members}",
        )


# --- reading ------------------------------------------------------------------------------------------


class Archive:
    """The members of an archive that was walked from its first byte to its last."""

    def __init__(self, source: Source) -> None:
        """Raises Incomplete for one that is cut, CodecError for any other form, Unavailable."""
        source.check()
        self.source = source
        self.members: Mapping[str, Member] = _walked(source)

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a member. Raises Incomplete (not there), CodecError (larger), Altered, Unavailable."""
        member = self.members.get(name)
        if member is None:
            raise Incomplete(f"{name} is not in the bundle")
        if member.size > most:
            raise CodecError(f"{name}: expected at most {most} bytes, got {member.size}")
        data = self.source.read(member.at, member.size)
        if zlib.crc32(data) != member.crc:
            raise Altered(f"{name}: its bytes do not have the CRC-32 that the archive states")
        return data

    def digest(self, member: Member) -> Digest:
        """What a member is. Raises Altered where its CRC-32 is another, Unavailable."""
        crc, found = 0, sha256()
        for each in self.source.chunks(member.at, member.size):
            crc = zlib.crc32(each, crc)
            found.update(each)
        if crc != member.crc:
            raise Altered(f"{member.name}: its bytes do not have the CRC-32 that the archive states")
        return Digest(member.name, member.size, found.hexdigest())

    @cached_property
    def names(self) -> list[str]:
        """The members in their order."""
        return list(self.members)


def _walked(source: Source) -> dict[str, Member]:
    found: dict[str, Member] = {}
    at = 0
    while True:
        head = source.read(at, _LOCAL.size + _MOST_NAME)
        if not head.startswith(_LOCAL_MARK) and (len(head) >= len(_LOCAL_MARK) or not _begins(head)):
            break
        if len(head) < _LOCAL.size:
            raise Incomplete(f"the archive is cut in the header at byte {at}")
        *_, crc, size, _, length, _ = _LOCAL.unpack_from(head)
        if len(head) < _LOCAL.size + min(length, _MOST_NAME):
            raise Incomplete(f"the archive is cut in the header at byte {at}")
        raw = head[_LOCAL.size : _LOCAL.size + length]
        if head[: _LOCAL.size + length] != _local(raw, crc, size):
            raise CodecError(f"archive: the header at byte {at} is not in the one form that it has")
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise CodecError(f"archive: the name at byte {at} is not ASCII") from error
        start = at + _LOCAL.size + length
        if name in found:
            raise CodecError(f"archive: two members are named {name!r}")
        if len(found) == MOST_MEMBERS:
            raise CodecError(f"archive: expected at most {MOST_MEMBERS} members, got more")
        at = start + size
        if size and not source.read(at - 1, 1):
            raise Incomplete(f"{name[:80]!r} is cut: the archive ends before its {size} bytes do")
        found[name] = Member(name, start, size, crc)
    directory = _directory(found.values())
    rest = source.read(at, len(directory) + 1)
    if rest != directory:
        if directory.startswith(rest):
            raise Incomplete("the archive is cut in its directory")
        raise CodecError("archive: its directory is not the one of its members, or bytes follow it")
    return found


def _begins(head: bytes) -> bool:
    """Whether so few bytes can be a header's beginning that is cut."""
    return bool(head) and _LOCAL_MARK.startswith(head)
