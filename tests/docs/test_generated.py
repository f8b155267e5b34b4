"""What the docs say of the code is what the code says now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.generate import MARKED, PAGES, PARTS, ROOT, current, pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_generated_parts_are_current(page: Path) -> None:
    text = page.read_text("utf-8")
    assert current(page, text) == text, "run: python -m tests.docs.generate"


def test_every_generated_part_stands_on_one_page() -> None:
    shown = [match["name"] for page in pages() for match in MARKED.finditer(page.read_text("utf-8"))]
    assert sorted(shown) == sorted(PARTS)
    for name in PAGES:
        assert (ROOT / name).exists()


def test_no_generated_part_is_marked_by_a_misspelt_comment() -> None:
    for page in pages():
        text = page.read_text("utf-8")
        assert text.count("<!-- generated: ") == len(MARKED.findall(text)), page
