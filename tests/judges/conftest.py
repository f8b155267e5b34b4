"""One stranger for the whole run, with the programs built as the page on it says."""

from __future__ import annotations

import pytest

from tests.judges.tools import Stranger


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Both programs are built; the first time ever, what they need is fetched."""
    made = Stranger.in_folder(tmp_path_factory.mktemp("stranger"))
    made.build()
    return made
