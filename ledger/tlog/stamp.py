"""Time stamps of checkpoints (RFC 3161): an authority's word that the checkpoint's text existed at a time.

What is stamped is the text of the note, its three lines, without signatures: what witnesses cosign too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from ledger.errors import CodecError, SettingsError, Untrusted

Roots = Sequence[x509.Certificate]
_CERTIFICATES = 0xA0
"""The tag of the certificates in a SignedData."""


class Wanted(NamedTuple):
    """What is asked of an authority: the text, and the request for it, which no earlier answer fits."""

    text: str
    request: TimeStampRequest

    def __bytes__(self) -> bytes:
        return self.request.as_bytes()

    def verify(self, response: bytes, roots: Roots) -> datetime:
        """As ``stamped_at``, and that it answers this request. Raises CodecError, Untrusted."""
        return _verified(VerifierBuilder.from_request(self.request), response, self.text, roots)


def wanted(text: str) -> Wanted:
    """What is asked of an authority: SHA-256 of a checkpoint's text, a random nonce, its certificate."""
    builder = TimestampRequestBuilder().data(text.encode()).hash_algorithm(HashAlgorithm.SHA256)
    return Wanted(text, builder.nonce(nonce=True).cert_request(cert_request=True).build())


def stamped_at(response: bytes, text: str, roots: Roots) -> datetime:
    """By when an authority under one of ``roots`` saw the text of a checkpoint: its time, and its accuracy.

    Steps: (1) the response parses and grants; (2) its signer, for time stamping alone, leads to a root that is
    trusted, valid at that time; (3) the signature holds; (4) what it is of is this text. Raises CodecError (1),
    Untrusted. Left to the caller: that the checkpoint is signed.
    """
    return _verified(VerifierBuilder(), response, text, roots)


def stamped_by(response: bytes, text: str, roots: Roots) -> int:
    """The second (since 1970) by which that was: as ``stamped_at``, rounded up."""
    return ceil(stamped_at(response, text, roots).timestamp())


def _verified(builder: VerifierBuilder, response: bytes, text: str, roots: Roots) -> datetime:
    found = _parsed(response)
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(found, text.encode())
    except VerificationError as error:
        raise Untrusted(
            f"time stamp: expected one of this checkpoint by a trusted authority: {error}"
        ) from error
    info = found.tst_info
    # What an authority says of its clock makes the time by which it saw the text later.
    off = info.accuracy
    late = (
        timedelta()
        if off is None
        else timedelta(seconds=off.seconds or 0, milliseconds=off.millis or 0, microseconds=off.micros or 0)
    )
    return info.gen_time.astimezone(UTC) + late


def _parsed(response: bytes) -> TimeStampResponse:
    try:
        try:
            found = decode_timestamp_response(response)
        except ValueError:
            found = decode_timestamp_response(_sorted(response))
        # What is not granted has no token, and says so here.
        assert found.tst_info is not None
    except (ValueError, AssertionError) as error:
        raise CodecError(f"time stamp: expected a response of RFC 3161 that grants one: {error}") from error
    return found


def _sorted(response: bytes) -> bytes:
    """The response with its set of certificates in the order of DER, which OpenSSL leaves as it was given.

    CMS lets that set be BER, and no signature is over it (RFC 5652 sections 5.1, 5.4): an order says nothing.
    Raises ValueError where there is no such set.
    """
    _, token = _elements(response, *_content(response, 0))
    _, content = _elements(response, *_content(response, token))
    (signed_data,) = _elements(response, *_content(response, content))
    for at in _elements(response, *_content(response, signed_data)):
        if response[at] == _CERTIFICATES:
            start, end = _content(response, at)
            places = [*_elements(response, start, end), end]
            certificates = sorted(response[a:b] for a, b in pairwise(places))
            return response[:start] + b"".join(certificates) + response[end:]
    raise ValueError("no certificates")


def _elements(data: bytes, start: int, end: int) -> list[int]:
    """Where the elements of DER begin that lie in ``data[start:end]``. Raises ValueError."""
    found = []
    while start < end:
        found.append(start)
        start = _content(data, start)[1]
    if start != end:
        raise ValueError("an element that ends behind what it is in")
    return found


def _content(data: bytes, at: int) -> tuple[int, int]:
    """From where to where the content of an element of DER goes. Raises ValueError."""
    head = data[at + 1 : at + 2]
    if not head:
        raise ValueError("an element that is cut off")
    more = head[0] & 0x7F if head[0] & 0x80 else 0
    start = at + 2 + more
    length = int.from_bytes(data[at + 2 : start], "big") if more else head[0]
    if start + length > len(data):
        raise ValueError("an element that is cut off")
    return start, start + length


def read_roots(path: Path) -> list[x509.Certificate]:
    """The trusted root certificates of a PEM file. Raises SettingsError."""
    try:
        with warnings.catch_warnings():
            # Among the roots of a whole system are old ones with such a serial number: whoever gives that file
            # can do nothing about it, and a stamp under another root has nothing to do with it.
            warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
            found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: expected root certificates (PEM), got {error.strerror}") from error
    except ValueError as error:
        # What the library says of it names its own pages.
        raise SettingsError(f"{path}: expected root certificates (PEM), got none that can be read") from error
    return found
