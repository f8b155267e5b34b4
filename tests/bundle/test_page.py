"""``verify.html`` in a real browser: the verdict of the Python verifier, number, word, sentence."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page

from ledger.bundle.cover import cover
from ledger.bundle.disclosures import Disclosure
from ledger.bundle.manifest import Subject
from ledger.bundle.verify import verify
from ledger.tlog.note import VerifierKey
from tests.browser import CHOICE, MISSING, chromium
from tests.bundle import page as own
from tests.bundle.forge import Mutation, flipped, members, sealed, zipped
from tests.bundle.made import FOLDER, MIDDLE, OTHER_KEY, POLICY, SIZE, Log, golden, log, trusted
from tests.bundle.mutations import mutations
from tests.bundle.verdicts import CLEAN, MANY, Verdict, alike, policy_of, python, same

ALL = [*mutations()]
GOLDEN = golden()
KEYS = (FOLDER / "keys").read_text()
HOSTILE = "<img/src=x/onerror=document.title='run'>"


def shown(page: Page) -> Verdict:
    """What stands on the page, once it is there."""
    page.wait_for_selector("#verdict")
    title = page.text_content("#verdict") or ""
    word, code = title.rsplit(": exit code ", 1)
    sentence = CLEAN[2] if code == "0" else page.text_content("#result > p:nth-of-type(2) code") or ""
    return int(code), word, sentence


def ask(page: Page, folder: Path, each: Mutation) -> Verdict:
    """The verdict by the page's own form, given files as a user gives them."""
    files = {"bundle": each.data, "policy": each.policy, "checkpoint": each.kept}
    page.evaluate("document.getElementById('result').replaceChildren()")
    page.fill("#keys", "")
    for name in ("policy", "checkpoint", "bundle"):
        data, path = files[name], folder / name
        if data is not None:
            path.write_bytes(data)
        page.set_input_files(f"#{name}", [] if data is None else path)
    told = [folder / f"{number}.entry" for number in range(len(each.history))]
    for path, entry in zip(told, each.history, strict=True):
        path.write_bytes(entry)
    page.set_input_files("#history", told)
    page.fill("#keys", "\n".join(each.keys))
    page.evaluate("document.getElementById('result').replaceChildren()")
    page.click("#verify")
    return shown(page)


def test_the_page_is_what_the_code_says() -> None:
    text = own.FILE.read_text("utf-8")
    assert own.written(text) == text, "run python -m tests.bundle.page"


def test_a_browser_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "/nowhere/chromium")
    assert chromium() is None
    assert "'chromium'" in MISSING


def test_every_mutation_gets_the_verdict_of_the_command_line(page: Page) -> None:
    alike(page, ALL)


def test_what_joins_blocks_is_checked_wherever_one_part_ends_and_the_next_begins(
    context: BrowserContext, tmp_path: Path
) -> None:
    """Sixteen blocks are one part: here a part is one block, so that small bundles have several."""
    text = own.FILE.read_text("utf-8")
    assert text.count("const BLOCKS = 16;") == 1
    copy = tmp_path / "verify.html"
    copy.write_text(own.written(text.replace("const BLOCKS = 16;", "const BLOCKS = 1;")))
    page = context.new_page()
    page.goto(copy.as_uri())
    several = [each for each in ALL if "block" in each.name]
    assert len(several) > 10
    alike(page, several)
    page.close()


@pytest.mark.parametrize("each", ALL[::12], ids=lambda each: each.name)
def test_by_the_form_too(fresh: Page, tmp_path: Path, each: Mutation) -> None:
    assert same(python(each), ask(fresh, tmp_path, each))


@settings(parent=MANY, max_examples=2)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(GOLDEN)), st.integers(0, 1 << 20), st.integers(1, 255)),
        min_size=60, max_size=60,
    )
)  # fmt: skip
def test_turned_bytes_get_the_verdict_of_the_command_line(
    page: Page, turns: list[tuple[str, int, int]]
) -> None:
    bundles = []
    for name, where, bits in turns:
        data = GOLDEN[name]
        at = where % len(data)
        turned = data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]
        bundles.append(Mutation(f"{name} {at} {bits}", turned, 0))
    alike(page, bundles)


@settings(parent=MANY, max_examples=3)
@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 10), st.integers(0, 1 << 20), st.integers(0, 3)), min_size=70, max_size=70
    )
)
def test_bytes_turned_inside_with_digests_to_fit_do_too(page: Page, turns: list[tuple[int, int, int]]) -> None:
    """Behind the digests lie the parsers: there the two must agree in everything that they take and refuse."""
    bundles = []
    files = members(GOLDEN["range"])
    names = [name for name in files if name != "manifest.json"]
    for which, where, how in turns:
        name = names[which % len(names)]
        data = files[name]
        at = where % len(data)
        other = [flipped(data, at), data[:at], data[:at] + data[at + 1 :], data[:at] + b"\xff" + data[at:]][how]
        bundles.append(Mutation(f"{name} {at} {how}", sealed({**files, name: other}), 0))
    alike(page, bundles)


def test_every_second_byte_of_an_entry_turned_with_digests_to_fit_does_too(page: Page) -> None:
    files = members(GOLDEN["range"])
    data = files["entries.avro"]
    start = data.index(b"\xc3\x01")
    turned = [(at, flipped(data, at)) for at in range(start - 4, start + 240, 2)]
    alike(page, [Mutation(str(at), sealed({**files, "entries.avro": each}), 0) for at, each in turned])


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_it_says_what_was_proven_and_what_was_not(fresh: Page, tmp_path: Path, name: str) -> None:
    each = Mutation("", GOLDEN[name], 0, policy=POLICY, kept=log().note(5) if name == "range" else None)
    assert ask(fresh, tmp_path, each) == CLEAN
    said = fresh.inner_text("#result")
    for words in (
        "The witness witness.example saw this checkpoint at 2025-07-02T02:00:00Z, by its own clock",
        "as many as your policy asks for",
        "That what the entries state is true.",
        "That everything that happened was recorded.",
        "by the operator's own clock",
        "30 June 2025, 10:",
    ):
        assert words in said
    own_words = {
        "ledger": "Every entry of the ledger: 12.",
        "range": "Since the ledger had 5 entries it was only added to; the witness witness.example saw it so",
        "case": "PDPA s 120(3)(a), s 112",
        "register": "scheme=vps: that is what the exporter states",
    }
    assert own_words[name] in said
    assert ("It goes on from the checkpoint of 5 entries that you had kept." in said) == (name == "range")


@pytest.mark.parametrize("name", sorted(GOLDEN))
@pytest.mark.parametrize("kept", [None, 5], ids=["alone", "with all"])
def test_it_says_so_in_the_words_of_the_cover_sheet(
    fresh: Page, tmp_path: Path, name: str, kept: int | None
) -> None:
    if kept is not None and name not in ("ledger", "range"):
        kept = SIZE
    each = Mutation(
        "", GOLDEN[name], 0, kept=None if kept is None else log().note(kept),
        keys=[str(trusted()[0])] if kept is None else [str(each) for each in trusted()],
        policy=None if kept is None else POLICY,
    )  # fmt: skip
    assert ask(fresh, tmp_path, each) == CLEAN
    said = fresh.eval_on_selector_all("#result li", "(all) => all.map((each) => each.textContent)")
    found = verify(each.data, map(VerifierKey.parse, each.keys), policy_of(each.policy), each.kept, processes=1)
    sheet = cover(found, "bundle", datetime.now(UTC)).decode()
    items = [
        html.unescape(re.sub("<[^>]*>", "", each)) for each in re.findall("<li>(.*?)</li>", sheet, re.DOTALL)
    ]
    for theirs, ours in (
        ("the policy of whoever verified asks", "your policy asks"),
        ("that whoever verified had kept", "that you had kept"),
    ):
        items = [each.replace(theirs, ours) for each in items]
    assert said == items


def test_opened_fields_stand_there_as_they_were_written(fresh: Page, tmp_path: Path) -> None:
    assert ask(fresh, tmp_path, Mutation("", GOLDEN["range"], 0)) == CLEAN
    cells = [
        row.inner_text() for row in fresh.query_selector_all("#result table:last-of-type tbody td:last-child")
    ]
    assert cells[0] == "what purpose holds: 'Ω & <b>'"
    assert len(cells) == 4


@pytest.mark.parametrize(
    ("keys", "code", "words"),
    [
        ("", 2, "cannot vouch for it"),
        ("all is well", 7, "expected name+id+key"),
        (str(trusted()[0])[:-44] + str(OTHER_KEY.verifier)[-44:], 7, "expected the id"),
        (str(OTHER_KEY.verifier), 9, "expected the signature of a trusted key"),
    ],
)
def test_it_asks_for_keys_that_sign(fresh: Page, tmp_path: Path, keys: str, code: int, words: str) -> None:
    found = ask(fresh, tmp_path, Mutation("", GOLDEN["ledger"], 0, keys=[keys]))
    assert (found[0], words in found[2]) == (code, True)


def test_a_policy_that_is_none_is_said_to_be(fresh: Page, tmp_path: Path) -> None:
    found = ask(fresh, tmp_path, Mutation("", GOLDEN["ledger"], 0, policy=b"trust everyone\n"))
    assert found[:2] == (2, "Wrong setting")


def test_a_file_of_keys_will_do_and_the_bundle_is_checked_at_once(fresh: Page) -> None:
    fresh.set_input_files("#bundle", FOLDER / "case.zip")
    assert "Now give the ledger's verifier key" in fresh.inner_text("#result")
    fresh.set_input_files("#keys-file", FOLDER / "keys")
    assert shown(fresh) == CLEAN
    assert fresh.input_value("#keys") == KEYS


def test_a_bundle_that_is_dropped_is_checked_at_once(fresh: Page) -> None:
    fresh.fill("#keys", KEYS)
    drop = """(text) => {
      const dropped = new DataTransfer();
      const data = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
      dropped.items.add(new File([data], "dropped.zip"));
      const how = { dataTransfer: dropped, bubbles: true, cancelable: true };
      document.body.dispatchEvent(new DragEvent("drop", how));
    }"""
    fresh.evaluate(drop, base64.b64encode(GOLDEN["ledger"]).decode())
    assert shown(fresh) == CLEAN
    assert "dropped.zip" in fresh.inner_text("#result")


def test_the_keyboard_is_enough_and_the_verdict_is_announced(fresh: Page) -> None:
    for label in ("Evidence bundle", "Verifier keys that you trust", "or a file of them"):
        assert fresh.get_by_label(label).count() == 1
    fresh.set_input_files("#bundle", FOLDER / "ledger.zip")
    fresh.focus("#keys")
    fresh.keyboard.insert_text(KEYS)
    for _ in range(5):
        fresh.keyboard.press("Tab")
    fresh.keyboard.press("Enter")
    assert shown(fresh) == CLEAN
    assert fresh.get_by_role("status").get_attribute("aria-live") == "polite"
    assert "Clean: exit code 0" in fresh.get_by_role("status").inner_text()


def test_a_file_that_goes_away_is_no_verdict_on_it(fresh: Page, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(GOLDEN["ledger"])
    fresh.set_input_files("#bundle", path)
    path.unlink()
    fresh.fill("#keys", KEYS)
    fresh.click("#verify")
    assert shown(fresh)[:2] == (6, "Unavailable")
    assert "This says nothing of the bundle." in fresh.inner_text("#result")


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })", "no WebCrypto"),
        (
            "SubtleCrypto.prototype.importKey = () => { throw new DOMException('', 'NotSupportedError') }",
            "cannot verify Ed25519",
        ),
        ("SubtleCrypto.prototype.verify = async () => true", "as RFC 8032 says"),
        ("SubtleCrypto.prototype.digest = async () => new ArrayBuffer(32)", "computes SHA-256 in two ways"),
        ("Map.prototype.has = () => { throw new Error('broken'); }", "this page failed: Error: broken"),
    ],
)
def test_a_browser_that_cannot_do_it_never_says_clean(
    context: BrowserContext, lacking: str, words: str
) -> None:
    page = context.new_page()
    page.add_init_script(lacking)
    page.goto(own.FILE.as_uri())
    page.fill("#keys", KEYS)
    page.set_input_files("#bundle", FOLDER / "ledger.zip")
    found = shown(page)
    page.close()
    assert (found[0], words in found[2]) == (6, True), found


def _hostile() -> Iterator[tuple[str, bytes, Sequence[str], bool]]:
    """What of a bundle is shown: the ledger's name, a query, a basis, an opened value; what faults quote."""
    made = Log.of(12, origin=HOSTILE)
    keys = [str(made.key.verifier)]
    asked_for = Subject("register", register=HOSTILE, query={HOSTILE: HOSTILE})
    yield "in a clean bundle", made.bundle(asked_for), keys, True
    yield "in a member's name", zipped([(HOSTILE, b""), (HOSTILE, b"")]), keys, False
    given = replace(disclosed(), path=HOSTILE)
    yield "in a path", log().bundle(MIDDLE, disclosures=[given]), [str(each) for each in trusted()], False


def disclosed() -> Disclosure:
    return Disclosure(4, "purpose", "x", bytes(32))


@pytest.mark.parametrize("what", [*_hostile()], ids=lambda what: what[0])
def test_what_a_bundle_says_is_text_and_never_runs(fresh: Page, what: tuple[str, bytes, Any, bool]) -> None:
    _, data, keys, clean = what
    fresh.fill("#keys", "\n".join(keys))
    payload: FilePayload = {"name": f"{HOSTILE}.zip".replace("/", " "), "mimeType": "", "buffer": data}
    fresh.set_input_files("#bundle", payload)
    assert (shown(fresh)[0] == 0) == clean
    said = fresh.inner_text("#result")
    assert HOSTILE in said
    assert fresh.eval_on_selector_all("#result img, #result script, #result b", "(all) => all.length") == 0
    assert fresh.title() == "Verify an evidence bundle"


def test_nothing_in_the_page_can_send_or_run_anything(browser: Browser) -> None:
    page = browser.new_page()
    page.goto(own.FILE.as_uri())
    refused = page.evaluate(
        """async () => {
          const refused = [];
          document.addEventListener("securitypolicyviolation", (event) => {
            refused.push(`${event.effectiveDirective} ${event.blockedURI}`);
          });
          await fetch("http://127.0.0.1:9/").catch(() => null);
          const image = new Image();
          image.src = "http://127.0.0.1:9/x.png";
          const script = document.createElement("script");
          script.textContent = "document.title = 'run'";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<p onclick='1'></p>");
          setTimeout("document.title = 'run'");
          await new Promise((resume) => setTimeout(resume, 50));
          return refused.sort();
        }"""
    )
    title = page.title()
    page.close()
    assert refused == [
        "connect-src http://127.0.0.1:9/",
        "img-src http://127.0.0.1:9/x.png",
        "script-src eval",
        "script-src-attr inline",
        "script-src-elem inline",
    ]
    assert title == "Verify an evidence bundle"
    assert "innerHTML" not in own.FILE.read_text("utf-8")
