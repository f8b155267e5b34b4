import pytest

from ledger.errors import LawRefused
from ledger.law import secrecy


def test_s_120_information_leaves_the_regulators_ledger_for_a_function_or_by_consent():
    assert secrecy.export_names_its_basis(True, "120(3)(a): s 112", 9) == ("120(3)(a)", "s 112")
    assert secrecy.export_names_its_basis(True, "120(3)(a): s 8C(2)(b)", 9) == ("120(3)(a)", "s 8C(2)(b)")
    assert secrecy.export_names_its_basis(True, "120(3)(b): 8", 9) == ("120(3)(b)", "8")


@pytest.mark.parametrize("basis", [None, "", "we may", "120(3)(c): s 112", "120(3)(a)", "120(3)(a): "])
def test_s_120_without_a_basis_nothing_leaves_it(basis):
    with pytest.raises(LawRefused, match=r"names its basis.*\(PDPA s 120\(3\)\)"):
        secrecy.export_names_its_basis(True, basis, 9)


@pytest.mark.parametrize("of", ["the Minister asked for it", "112", "s", "s 112 and more"])
def test_s_120_3_a_the_function_is_named_by_its_section(of):
    with pytest.raises(LawRefused, match=r"PDPA s 120\(3\)\(a\)"):
        secrecy.export_names_its_basis(True, f"120(3)(a): {of}", 9)


@pytest.mark.parametrize("of", ["9", "-1", "01", "by letter"])
def test_s_120_3_b_the_consent_is_an_entry_of_the_ledger(of):
    with pytest.raises(LawRefused, match=r"PDPA s 120\(3\)\(b\)"):
        secrecy.export_names_its_basis(True, f"120(3)(b): {of}", 9)


def test_s_120_binds_the_regulators_ledger_alone():
    assert secrecy.export_names_its_basis(False, None, 9) is None
    with pytest.raises(LawRefused, match="this one is another"):
        secrecy.export_names_its_basis(False, "120(3)(a): s 112", 9)


def test_s_120_3_b_the_consent_is_kept_in_writing():
    with pytest.raises(LawRefused, match=r"entry 8 keeps no file.*PDPA s 120\(3\)\(b\)"):
        secrecy.consent_is_kept_in_writing("8", False)
    secrecy.consent_is_kept_in_writing("8", True)
