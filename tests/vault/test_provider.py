"""A key that a program keeps, in a process of its own: away, denied, wrong and altered are told apart."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from ledger.errors import SettingsError, Unavailable, VaultError
from ledger.vault.kek import KekDenied, LocalKek, WrongKek
from ledger.vault.provider import ProgramKek, provided

KEEPER = str(Path(__file__).with_name("keeper.py"))
KEPT: dict[str, Any] = {"keys": {"kms-1": "A" * 43 + "="}, "current": "kms-1"}


class Kept:
    """A keeper and what its file says."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.says()
        self.kek = ProgramKek([sys.executable, KEEPER, str(path)], **options)

    def says(self, **more: Any) -> None:
        self.path.write_text(json.dumps({**KEPT, **more}))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "kept.json")
    yield made
    made.kek.close()


def test_what_it_wraps_it_unwraps_for_that_key_alone(kept: Kept) -> None:
    assert kept.kek.kek_id == "kms-1"
    wrapped = kept.kek.wrap("k1", bytes(range(32)))
    assert wrapped.kek_id == "kms-1"
    assert kept.kek.unwrap("k1", wrapped.key, "kms-1") == bytes(range(32))
    with pytest.raises(VaultError, match="is not what was wrapped") as altered:
        kept.kek.unwrap("k2", wrapped.key, "kms-1")
    assert type(altered.value) is VaultError
    with pytest.raises(WrongKek, match="there is no key local-1 here"):
        kept.kek.unwrap("k1", wrapped.key, "local-1")
    # Whoever keeps it may have ended meanwhile: it is started again.
    process = kept.kek._process
    assert process is not None
    process.kill()
    process.wait()
    assert kept.kek.unwrap("k1", wrapped.key, "kms-1") == bytes(range(32))


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ({"deny": True}, KekDenied, "no rights to this key"),
        ({"away": True}, Unavailable, "it is down for the moment"),
        ({"end": True}, Unavailable, "it has ended"),
        ({"silent": True}, Unavailable, "no answer in 0.5 seconds"),
        ({"say": "SECRET\n"}, Unavailable, "expected a JSON object a line"),
        ({"say": "[]\n"}, Unavailable, "expected a JSON object a line"),
        ({"say": '{"error": "denied"}\n'}, Unavailable, "expected the id of the question"),
        ({"say": '{"id": "ID", "error": "denied"}\n'}, Unavailable, "expected the id of the question"),
        ({"say": '{"id": true, "error": "denied"}\n'}, Unavailable, "expected the id of the question"),
        ({"say": '{"id": ID, "error": "tired"}\n'}, Unavailable, "expected an error of"),
        ({"say": '{"id": ID, "error": ["denied"]}\n'}, Unavailable, "expected an error of"),
        ({"say": '{"id": ID, "kek_id": 7}\n'}, Unavailable, "expected text in"),
        ({"say": '{"id": ID, "kek_id": "x", "wrapped": "SECRET!"}\n'}, Unavailable, "base64 in wrapped"),
        ({"say": "S" * (1 << 17)}, Unavailable, "more than"),
    ],
)
def test_what_goes_wrong_is_told_apart_and_nothing_of_an_answer_is_repeated(
    tmp_path: Path, said: dict[str, Any], error: type[Exception], words: str
) -> None:
    kept = Kept(tmp_path / "kept.json", timeout=0.5 if "silent" in said else 10.0)
    kept.says(**said)
    with pytest.raises(error, match=words) as found:
        kept.kek.wrap("k1", bytes(32))
    assert "SECRET" not in str(found.value)
    # Once it is well again, so is this.
    kept.says()
    wrapped = kept.kek.wrap("k1", bytes(32))
    kept.says(say='{"id": ID, "key": "AAAA"}\n')
    with pytest.raises(Unavailable, match="expected a key of 32 bytes"):
        kept.kek.unwrap("k1", wrapped.key, "kms-1")
    kept.kek.close()


def test_an_answer_that_comes_again_is_none_to_the_next_question(kept: Kept) -> None:
    kept.says(twice=True)
    kept.kek.wrap("a", bytes(32))
    kept.says()
    with pytest.raises(Unavailable, match=r"expected the id of the question in its answer|got other output"):
        kept.kek.wrap("b", bytes(range(32)))
    wrapped = kept.kek.wrap("b", bytes(range(32)))
    assert kept.kek.unwrap("b", wrapped.key, wrapped.kek_id) == bytes(range(32))


def test_a_question_that_is_interrupted_leaves_no_answer_behind(kept: Kept) -> None:
    kept.kek.wrap("a", bytes(32))
    kept.says(slow=1)
    Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        kept.kek.wrap("a", bytes(32))
    kept.says()
    wrapped = kept.kek.wrap("b", bytes(range(32)))
    assert kept.kek.unwrap("b", wrapped.key, wrapped.kek_id) == bytes(range(32))


def test_a_program_that_cannot_be_started_is_away() -> None:
    with pytest.raises(Unavailable, match="No such file"):
        ProgramKek(["/nowhere/keeper"]).wrap("k1", bytes(32))


def made(argument: str | None) -> LocalKek:
    """A provider of the tests' own."""
    return LocalKek((argument or "").encode().ljust(32))


def test_a_provider_is_an_entry_point_or_a_function_of_a_module() -> None:
    assert provided("tests.vault.test_provider:made", "x").kek_id == made("x").kek_id
    assert isinstance(provided("program", "keeper 'a b'"), ProgramKek)
    for name in ("nobody", "no.such.module:made", "tests.vault.test_provider:nothing", ":"):
        with pytest.raises(SettingsError, match="kek_provider: expected module:function or one of program"):
            provided(name, None)
    for argument in (None, "", " ", "'open"):
        with pytest.raises(SettingsError, match="kek_argument: expected"):
            provided("program", argument)
