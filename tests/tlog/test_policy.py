"""Trust policies (C2SP tlog-policy): whose checkpoints count, and when witnesses suffice."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import CodecError, Untrusted
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, sign
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import COSIGNATURE, Signed, SigningKey
from ledger.tlog.policy import Policy

LOG = SigningKey("example.com/log", 1, bytes(range(32)))
WITNESSES = [SigningKey(f"witness.example/w{n}", COSIGNATURE, bytes([n] * 32)) for n in range(1, 7)]
KEYS = {f"W{n}": str(key.verifier) for n, key in enumerate(WITNESSES, start=1)}

TWO_LEVELS = "\n".join(
    [
        "# whose checkpoints count",
        f"log {LOG.verifier} https://log.example/",
        "",
        *(f"witness {name} {key} https://{name}.example/" for name, key in KEYS.items()),
        "group X 2 W1 W2 W3",
        "\t group  Y any W4 W5\t W6  ",
        "group both all X Y",
        "quorum both",
        "",
    ]
)


def policy(*lines: str) -> Policy:
    return Policy.parse("".join(line + "\n" for line in lines).encode())


def signed(*numbers: int) -> list[Signed]:
    return [Signed(WITNESSES[n - 1].verifier, 1) for n in numbers]


def opened(policy: Policy, data: bytes) -> SignedCheckpoint:
    """The checkpoint of a note that the policy's logs and witnesses signed, and enough of them."""
    found = open_checkpoint(data, policy.keys)
    policy.require(found)
    return found


@pytest.mark.parametrize(
    ("by", "met"),
    [
        ((1, 2, 4), True), ((1, 3, 6), True), ((1, 2, 3, 4, 5, 6), True),
        ((1, 4), False), ((1, 2), False), ((4, 5, 6), False), ((1, 1, 4), False), ((), False),
    ],
)  # fmt: skip
def test_two_groups_must_both_have_seen_it(by: tuple[int, ...], met: bool) -> None:
    assert Policy.parse(TWO_LEVELS.encode()).met(signed(*by)) is met


def test_addresses_are_kept() -> None:
    found = Policy.parse(TWO_LEVELS.encode())
    assert [log.url for log in found.logs] == ["https://log.example/"]
    assert found.witnesses[b"W1"].url == "https://W1.example/"


def test_a_quorum_of_none_is_always_met_and_a_log_key_is_no_witness() -> None:
    assert policy("quorum none").met([])
    one = policy(f"witness W1 {KEYS['W1']}", "quorum W1")
    assert not one.met([Signed(LOG.verifier, None)])
    assert one.met(signed(1))


def test_a_checkpoint_counts_once_log_and_quorum_signed_it() -> None:
    checkpoint = Checkpoint("example.com/log", 0, EMPTY_ROOT)
    alone = sign(checkpoint, [LOG])
    both = str(alone) + WITNESSES[0].sign(alone.text, 7)
    wanted = policy(f"log {LOG.verifier}", f"witness W1 {KEYS['W1']}", "quorum W1")
    found = opened(wanted, both.encode())
    assert found.checkpoint == checkpoint
    assert [each.time for each in found.signed] == [None, 7]
    with pytest.raises(Untrusted, match="do not meet the quorum 'W1'"):
        opened(wanted, str(alone).encode())
    other = policy(f"witness W1 {KEYS['W1']}", "quorum W1")
    with pytest.raises(Untrusted, match=r"expected a trusted key of 'example\.com/log' to sign it"):
        opened(other, both.encode())


LINES = {
    "no quorum": ([], "'quorum NAME', got none"),
    "two quorums": (["quorum none", "quorum none"], "line 2: expected one line 'quorum'"),
    "unknown word": (["quorums none"], "line 1: expected log, witness, group or quorum"),
    "quorum undefined": (["quorum W1"], "defined above, got 'W1'"),
    "defined below": (["quorum W1", f"witness W1 {KEYS['W1']}"], "line 1: expected a witness or group"),
    "name twice": (
        [f"witness W1 {KEYS['W1']}", f"witness W1 {KEYS['W2']}"],
        "a name that is not taken, got 'W1'",
    ),
    "none taken": ([f"witness none {KEYS['W1']}"], "a name that is not taken, got 'none'"),
    "witness key twice": ([f"witness W1 {KEYS['W1']}", f"witness W2 {KEYS['W1']}"], "each witness's key once"),
    "log twice": ([f"log {LOG.verifier}", f"log {LOG.verifier}"], "each log's key once"),
    "witness key as log": ([f"log {KEYS['W1']}"], "expected a key of type 01"),
    "log key as witness": ([f"witness W {LOG.verifier}"], "expected a key of type 04"),
    "no key": (["witness W"], "line 1: expected log, witness"),
    "key cut": ([f"log {str(LOG.verifier)[:-4]}"], "line 1: verifier key"),
    "group of none": ([f"witness W1 {KEYS['W1']}", "group G any"], "line 2: expected log, witness, group"),
    "none as member": (["group G any none"], "got 'none'"),
    "threshold 0": ([f"witness W1 {KEYS['W1']}", "group G 0 W1"], "expected any, all or a number, got '0'"),
    "threshold words": ([f"witness W1 {KEYS['W1']}", "group G most W1"], "got 'most'"),
    "threshold leading 0": ([f"witness W1 {KEYS['W1']}", "group G 01 W1"], "got '01'"),
    "threshold above": ([f"witness W1 {KEYS['W1']}", "group G 2 W1"], "from 1 to 1, got 2"),
    "huge threshold": ([f"witness W1 {KEYS['W1']}", f"group G {'9' * 5000} W1"], "from 1 to 1"),
    "member twice": ([f"witness W1 {KEYS['W1']}", "group G any W1 W1"], "one group only, got 'W1'"),
    "in two groups": ([f"witness W1 {KEYS['W1']}", "group G any W1", "group H any W1"], "one group only"),
    "itself": (["group G any G"], "defined above, got 'G'"),
    "comment after": (["quorum none # all"], "line 1: expected log, witness"),
    "carriage return": (["quorum none\r"], "no control character"),
    "form feed": (["quorum\x0cnone"], "no control character"),
}


@pytest.mark.parametrize(("lines", "says"), LINES.values(), ids=LINES.keys())
def test_a_malformed_policy_is_refused_by_line(lines: list[str], says: str) -> None:
    with pytest.raises(CodecError, match=re.escape(says)):
        policy(*lines)


def test_a_last_line_without_newline_is_refused() -> None:
    with pytest.raises(CodecError, match="end in a newline"):
        Policy.parse(b"quorum none")


def test_names_are_octets() -> None:
    kelvin = "\N{KELVIN SIGN}"
    found = policy(f"witness K {KEYS['W1']}", f"witness {kelvin} {KEYS['W2']}", f"quorum {kelvin}")
    assert not found.met(signed(1))
    assert found.met(signed(2))
    assert Policy.parse(b"witness \xff " + KEYS["W1"].encode() + b"\nquorum \xff\n").met(signed(1))


def test_as_many_as_the_standard_asks_are_taken() -> None:
    keys = [SigningKey(f"w{n}", COSIGNATURE, n.to_bytes(32, "big")).verifier for n in range(40)]
    lines = [f"witness w{n} {key}" for n, key in enumerate(keys)]
    lines += [f"group g{n} any w{n}" for n in range(40)]
    found = policy(*lines, "group all 32 " + " ".join(f"g{n}" for n in range(40)), "quorum all")
    assert found.met([Signed(key, 1) for key in keys[:32]])
    assert not found.met([Signed(key, 1) for key in keys[:31]])


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_leak_another_error(data: bytes) -> None:
    with suppress(CodecError):
        Policy.parse(data)
