"""The verdict on the order of scores: passes what sound decides, and finds each way in which it may not."""

from __future__ import annotations

import pytest

from pipeline.evaluate import ordering

GOOD = {
    "uniform": 0.0,
    "centre": 0.6,
    "mep": 0.7,
    "audio": 0.8,
    "video": 3.4,
    "av": 6.0,
    "av, sound swapped": 3.6,
    "truth": 6.1,
}


def seed(**changed: float) -> dict[str, dict[str, float]]:
    """Scores of one seed, good but for what is `changed` (swapped stands for its row)."""
    if "swapped" in changed:
        changed["av, sound swapped"] = changed.pop("swapped")
    return {row: {"nss": score, "cc": score / 10} for row, score in {**GOOD, **changed}.items()}


def failed(*seeds: dict[str, dict[str, float]]) -> list[str]:
    return [check.words for check in ordering.checks(seeds) if not check.holds]


def test_the_order_that_sound_brings_about_passes():
    assert failed(seed()) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"audio": 1.6}, "sound alone is no better than the mean eye position"),
        ({"audio": 0.1}, "nor worse"),
        ({"video": 1.0, "swapped": 1.0}, "the picture beats sound alone"),
        ({"av": 3.7, "swapped": 2.0}, "picture and sound beat the picture"),
        ({"swapped": 4.4}, "with another video's sound they do not"),
        ({"video": 5.0, "av": 5.8, "swapped": 5.4}, "it is the right sound that helps"),
        ({"av": float("nan")}, "picture and sound beat the picture"),
    ],
)
def test_every_disorder_is_found(changed: dict[str, float], words: str):
    assert words in failed(seed(**changed))


def test_one_seed_of_three_that_fails_fails():
    assert failed(seed(), seed(av=3.5), seed()) == [
        "picture and sound beat the picture",
        "it is the right sound that helps",
    ]


def test_the_margin_grows_with_what_is_there_to_find():
    assert failed(seed(av=4.0, swapped=3.4)) == []
    assert "picture and sound beat the picture" in failed(seed(av=4.0, swapped=3.4, truth=9.0))


def test_the_verdict_says_every_difference_and_how_it_ends():
    words = ordering.verdict(ordering.checks([seed(), seed(av=3.5)]))
    assert "NOT SO: picture and sound beat the picture (+2.60, +0.10)" in words
    assert words.endswith("Ordering: 2 of 7 do NOT hold.")
    assert ordering.verdict(ordering.checks([seed()])).count("ok: ") == 7


def test_the_table_has_every_seed_and_the_spread_over_them():
    lines = ordering.to_markdown({1: seed(), 2: seed(av=5.0)}).splitlines()
    assert lines[0] == "| model | NSS, seed 1 | NSS, seed 2 | NSS mean ± sd | CC mean ± sd |"
    assert lines[2 + ordering.ROWS.index("av")] == "| av | 6.00 | 5.00 | 5.50 ± 0.71 | 0.55 ± 0.07 |"
    assert len(lines) == 2 + len(ordering.ROWS)


def test_a_single_seed_has_no_spread():
    lines = ordering.to_markdown({1: seed()}).splitlines()
    assert lines[0] == "| model | NSS | CC |"
    assert lines[2 + ordering.ROWS.index("av")] == "| av | 6.00 | 0.60 |"
