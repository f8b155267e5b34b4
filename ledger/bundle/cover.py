"""The cover sheet of a bundle: one page of HTML to print, which says in plain words what a verifier found.

It is written by whoever verified, of what was verified: a sheet that came with a bundle would say what its
sender wants. Nothing in it runs; whatever a bundle says stands in it as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ledger.bundle.times import noted
from ledger.bundle.verify import Verified
from ledger.clock import MELBOURNE
from ledger.tlog.checkpoint import SignedCheckpoint


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ledger.bundle"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def cover(found: Verified, name: str, verified_at: datetime) -> bytes:
    """The page, of a bundle of that file name, verified at that moment (aware)."""
    text = (
        _environment()
        .get_template("cover.html.j2")
        .render(
            found=found,
            said=found.manifest,
            checkpoint=found.signed.checkpoint,
            subject=found.manifest.subject,
            name=name,
            verified_at=moment(verified_at),
            recorded=[moment(each) for each in found.recorded],
            witnesses=_witnesses(found.signed),
            earlier=[] if found.since is None else _witnesses(found.since),
            times=[
                {"name": name, "after": when(each.bracket.not_before), "by": when(each.bracket.not_after)}
                for each, name in noted(found.times, dense=found.manifest.subject.dense)
            ],
            outside=[
                {"at": each.outside.at, "recorded": moment(each.outside.recorded_at)}
                for each in found.times
                if each.outside is not None
            ],
            signers=[str(each.key) for each in found.signed.signed if each.time is None],
        )
    )
    return text.encode()


def _witnesses(signed: SignedCheckpoint) -> list[dict[str, Any]]:
    return [{"name": each.key.name, "at": when(each.time)} for each in signed.signed if each.time is not None]


def moment(value: datetime) -> str:
    """A moment in Melbourne and in UTC, to the second."""
    here = value.astimezone(MELBOURNE)
    return f"{here:%-d %B %Y, %H:%M:%S} in Melbourne ({value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"


def when(seconds: int | None) -> str:
    """A witness's time in UTC; of one that no calendar has, the number that it states; of none, a dash."""
    if seconds is None:
        return "–"
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
