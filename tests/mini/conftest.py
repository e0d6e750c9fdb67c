"""One small miniature corpus for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import mini
from pipeline.mini import Mini


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Mini:
    """The whole plan at a third of its durations (2 to 4 s each)."""
    return mini.make(Path(tmp_path_factory.mktemp("mini")), scale=1 / 3)
