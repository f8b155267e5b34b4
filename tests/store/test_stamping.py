"""Checkpoints are stamped by a time-stamping authority that really runs, and nothing else counts as a stamp."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from asn1crypto import cms, pem, tsp, x509

from ledger.errors import CodecError, SettingsError, Unavailable, Untrusted
from ledger.store.database import Role
from ledger.store.stamping import Stamping
from ledger.store.stamps import stamp_after
from ledger.tlog.note import Note
from ledger.tlog.stamp import read_roots, stamped_at, wanted
from tests.authority import Authority, authority
from tests.store.test_witnessing import House, answering, house

__all__ = ["house"]


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("authority")) as found:
        yield found


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with authority(tmp_path_factory.mktemp("stranger")) as found:
        yield found


def stamping(house: House, found: Authority, url: str | None = None) -> Stamping:
    return Stamping(house.database, house.published, url or found.url, found.root)


def rows(house: House) -> list[int]:
    with house.database.connect(Role.READER) as connection:
        return [row[0] for row in connection.execute("SELECT size FROM ledger.timestamps ORDER BY size")]


def test_a_checkpoint_is_stamped_once_and_the_stamp_says_when(house: House, trusted: Authority) -> None:
    stamps = stamping(house, trusted)
    assert stamps.stamp(house.ledger)
    assert not stamps.stamp(house.ledger)
    house.grow(2)
    assert stamps.stamp(house.ledger)
    assert rows(house) == [3, 5]
    first, second = (stamp_after(house.database, house.ledger, index) for index in (2, 3))
    assert (first and first.size, second and second.size) == (3, 5)
    assert stamp_after(house.database, house.ledger, 5) is None
    assert second is not None
    roots = read_roots(trusted.root)
    at = stamped_at(second.response, Note.parse(second.note).text, roots)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=2)


def test_certificates_in_another_order_than_that_of_der_are_read(house: House, trusted: Authority) -> None:
    """As OpenSSL answers with a chain: no signature is over the set, and CMS lets it be in any order."""
    stamping(house, trusted).stamp(house.ledger)
    found = stamp_after(house.database, house.ledger, 0)
    assert found is not None
    text, roots = Note.parse(found.note).text, read_roots(trusted.root)
    response = tsp.TimeStampResp.load(found.response)
    held = response["time_stamp_token"]["content"]["certificates"]
    held.append(
        cms.CertificateChoices("certificate", x509.Certificate.load(pem.unarmor(trusted.root.read_bytes())[2]))
    )
    chain = [each.dump() for each in held]
    ordered = response.dump(force=True)
    first, second = sorted(chain)
    assert ordered.count(first + second) == 1
    other = ordered.replace(first + second, second + first)
    at = stamped_at(found.response, text, roots)
    assert stamped_at(ordered, text, roots) == stamped_at(other, text, roots) == at
    # It is read, not believed: what is signed is checked as before.
    with pytest.raises(Untrusted):
        stamped_at(other, text.replace("\n3\n", "\n4\n"), roots)
    for data in (other[:-1], other[: len(other) // 2], other + b"x"):
        with pytest.raises(CodecError, match="expected a response of RFC 3161"):
            stamped_at(data, text, roots)


def test_roots_of_a_whole_system_are_read_without_a_word(trusted: Authority, tmp_path: Path) -> None:
    """Old ones among them have a serial number that is none: any warning here is a failure."""
    data = trusted.root.read_bytes()
    old = x509.Certificate.load(pem.unarmor(data)[2])
    old["tbs_certificate"]["serial_number"] = 0
    file = tmp_path / "roots.pem"
    file.write_bytes(data + pem.armor("CERTIFICATE", old.dump(force=True)))
    assert len(read_roots(file)) == 2


def test_a_stamp_of_another_checkpoint_or_by_a_stranger_or_altered_is_refused(
    house: House, trusted: Authority, stranger: Authority
) -> None:
    stamping(house, trusted).stamp(house.ledger)
    found = stamp_after(house.database, house.ledger, 0)
    assert found is not None
    text, roots = Note.parse(found.note).text, read_roots(trusted.root)
    with pytest.raises(Untrusted, match="Mismatch between messages"):
        stamped_at(found.response, text.replace("\n3\n", "\n4\n"), roots)
    with pytest.raises(Untrusted, match="by a trusted authority"):
        stamped_at(found.response, text, read_roots(stranger.root))
    for data in (b"", b"no time stamp", found.response[:-10], found.response + b"x"):
        with pytest.raises(CodecError, match="expected a response of RFC 3161"):
            stamped_at(data, text, roots)
    for place in range(200, len(found.response), 97):
        altered = found.response[:place] + bytes([found.response[place] ^ 1]) + found.response[place + 1 :]
        try:
            said = stamped_at(altered, text, roots)
        except (CodecError, Untrusted):
            continue
        # What is not signed (a name in the response) may change; the time may not.
        assert said == stamped_at(found.response, text, roots)


def test_an_old_answer_is_no_answer(house: House, trusted: Authority) -> None:
    """An authority, or who stands between, that plays an earlier stamp of the same text again."""
    stamping(house, trusted).stamp(house.ledger)
    found = stamp_after(house.database, house.ledger, 0)
    assert found is not None
    with pytest.raises(Untrusted, match="Nonce mismatch"):
        wanted(Note.parse(found.note).text).verify(found.response, read_roots(trusted.root))


def test_an_authority_that_is_away_or_means_no_good_stamps_nothing(
    house: House, trusted: Authority, stranger: Authority
) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        stamping(house, trusted, "http://127.0.0.1:1/").stamp(house.ledger)
    with (
        answering(lambda _: (500, b"no")) as url,
        pytest.raises(Unavailable, match="expected status 200, got 500"),
    ):
        stamping(house, trusted, url).stamp(house.ledger)
    with answering(lambda _: (200, b"no")) as url, pytest.raises(CodecError):
        stamping(house, trusted, url).stamp(house.ledger)
    with pytest.raises(Untrusted):
        stamping(house, trusted, stranger.url).stamp(house.ledger)
    assert rows(house) == []


def test_stamps_stay(house: House, trusted: Authority) -> None:
    stamping(house, trusted).stamp(house.ledger)
    for change in ("UPDATE ledger.timestamps SET size = 9", "DELETE FROM ledger.timestamps"):
        with house.database.connect_admin() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(change.encode())


def test_what_is_no_root_or_address_is_said(house: House, trusted: Authority, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_roots(tmp_path / "none")
    (tmp_path / "other").write_text("no certificate")
    with pytest.raises(SettingsError, match=r"expected root certificates \(PEM\), got none that can be read$"):
        read_roots(tmp_path / "other")
    for url in ("ftp://example.com", "example.com", "http://", "http://example.com:many/"):
        with pytest.raises(SettingsError, match="timestamp_url: expected an http"):
            stamping(house, trusted, url)
