"""Openings are judged by what is new of their stream, however much was opened before, by whichever process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ledger.application import Installation
from ledger.errors import LawRefused
from ledger.store.feed import Feed
from tests.application.conftest import House
from tests.application.glass import case_with_words, take
from tests.support import check_ledger


def test_an_opening_reads_what_is_new_alone_and_a_correction_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, index = case_with_words(house)
    read: list[int] = []
    real = Feed.prelude

    def counted(self: Feed, ledger: int, command: str, streams: Mapping[str, int]) -> Any:
        recorded, found = real(self, ledger, command, streams)
        read.append(len(found.get("openings", ())))
        return recorded, found

    monkeypatch.setattr(Feed, "prelude", counted)

    def opens(through: Installation, times: int, who: Any = house.officer) -> None:
        for _ in range(times):
            through.open_sealed("dffh", [(index, None)], reason="to find her", principal=who)

    opens(house.installation, 4)
    assert read == [0, 1, 1, 1]
    with Installation(house.installation.database, house.installation.data_dir) as other:
        opens(other, 3)
        assert read[4:] == [4, 1, 1]
        take(house, case)
        # Each knows of the access that the other has recorded.
        opens(other, 1, house.administrator)
        opens(house.installation, 1, house.administrator)
    stream = house.installation.feed.stream(house.ledger.id, "openings")
    assert [row.version for row in stream] == [*range(1, 11)]
    del read[:]
    first, used = stream[0], stream[-1]
    fields = {"opened": [{"entry": index, "paths": ["requester_name"]}], "reason": "to find her"}
    why = {"kind": "typing", "reason": "the wrong words"}
    with pytest.raises(LawRefused, match="is not corrected"):
        house.run(
            "vault.SealedFieldsOpened", fields, corrects={"index": used.index, **why}, happened=house.today
        )
    house.run("vault.SealedFieldsOpened", fields, corrects={"index": first.index, **why}, happened=house.today)
    assert read == [10, 10]
    check_ledger(house.installation.database, house.ledger)
