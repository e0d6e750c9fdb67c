"""Large memory pages are asked for as soon as prediction is loaded, and only if nobody has decided."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHOW = "import os, pipeline.learn.predict; print(os.environ['THP_MEM_ALLOC_ENABLE'])"


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({"THP_MEM_ALLOC_ENABLE": "0"}, "0")])
def test_a_prediction_asks_for_large_pages_unless_told_otherwise(given, expected):
    others = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env={**others, **given}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
