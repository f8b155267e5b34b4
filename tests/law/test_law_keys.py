"""Rules for keys: 4-wire 'Key rotation', 'Sealed fields'."""

import pytest

from ledger.errors import LawRefused
from ledger.law import keys


def test_4_wire_key_rotation_the_history_is_never_corrected():
    with pytest.raises(LawRefused, match="never corrected"):
        keys.key_history_is_not_corrected(True)
    keys.key_history_is_not_corrected(False)


def test_4_wire_key_rotation_a_key_is_added_once():
    with pytest.raises(LawRefused, match="added once"):
        keys.key_is_new("a", {"a", "b"})
    keys.key_is_new("c", {"a", "b"})


def test_4_wire_key_rotation_two_keys_sign_during_an_overlap():
    with pytest.raises(LawRefused, match="two keys sign already"):
        keys.overlap_is_of_two(2)
    keys.overlap_is_of_two(1)


def test_4_wire_key_rotation_a_change_is_stated_by_a_key_that_signs():
    with pytest.raises(LawRefused, match="has signed the statement"):
        keys.stated_by_key_in_force(False)
    keys.stated_by_key_in_force(True)


@pytest.mark.parametrize(("signs", "others", "said"), [(False, 1, "does not sign"), (True, 0, "no other key")])
def test_4_wire_key_rotation_another_key_stays(signs, others, said):
    with pytest.raises(LawRefused, match=said):
        keys.retired_key_leaves_another(signs, others)
    keys.retired_key_leaves_another(True, 1)


def test_4_wire_key_rotation_both_keys_have_signed_before_the_old_one_goes():
    with pytest.raises(LawRefused, match="seal the ledger first"):
        keys.successor_has_signed(False)
    keys.successor_has_signed(True)


def test_4_wire_key_rotation_of_a_compromised_key_the_last_good_size_is_stated():
    with pytest.raises(LawRefused, match="state the last one"):
        keys.compromised_key_was_good_until(True, None)
    keys.compromised_key_was_good_until(True, 0)
    keys.compromised_key_was_good_until(False, None)


def test_4_wire_key_rotation_entry_and_statement_say_the_same():
    with pytest.raises(LawRefused, match="of another ledger, key or size"):
        keys.statement_is_of_fact(("a", "k", 1), ("a", "k", 2))
    keys.statement_is_of_fact(("a", "k", 1), ("a", "k", 1))


def test_4_wire_sealed_fields_a_rotation_is_to_another_key():
    with pytest.raises(LawRefused, match="no rotation"):
        keys.kek_is_another("a", "a")
    keys.kek_is_another("b", "a")


def test_4_wire_sealed_fields_a_key_is_dropped_once_its_rotation_has_ended():
    with pytest.raises(LawRefused, match="b may wrap keys"):
        keys.dropped_kek_wraps_nothing("b", {"a"})
    keys.dropped_kek_wraps_nothing("a", {"a"})


def test_4_wire_key_rotation_a_key_is_retired_once_witnesses_take_its_successor():
    with pytest.raises(LawRefused, match="witness w/1 takes no checkpoint by the key that stays"):
        keys.witnesses_take_the_successor({"w/2": "away", "w/1": "403"}, False)
    keys.witnesses_take_the_successor({}, False)
    keys.witnesses_take_the_successor({"w/1": "403"}, True)


@pytest.mark.parametrize(("threshold", "shares"), [(1, 5), (0, 0), (4, 3), (3, 17)])
def test_issue_4_section_3_no_share_alone_restores_a_key(threshold, shares):
    with pytest.raises(LawRefused, match="2 to 16 shares"):
        keys.shares_restore(threshold, shares)
    keys.shares_restore(2, 2)
    keys.shares_restore(16, 16)
