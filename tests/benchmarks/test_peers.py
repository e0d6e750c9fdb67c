"""Public code out of a checkout: recognised by its files, loaded with its own modules, and nothing left behind."""

from __future__ import annotations

import sys

from benchmarks import peers


def test_checkouts_are_known_by_their_files(tmp_path):
    for name, marks in peers.MARKS.items():
        for mark in marks:
            (tmp_path / name / mark).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / mark).touch()
    assert peers.recognise(tmp_path / name for name in peers.MARKS) == {name: tmp_path / name for name in peers.MARKS}


def test_a_file_gets_its_own_modules_and_stand_ins(tmp_path):
    (tmp_path / "words.py").write_text("LOUD = 'HELLO'\n")
    (tmp_path / "main.py").write_text(
        "import absent_library\nimport kit.words as words\nfrom kit.words import LOUD\nimport kit\n"
        "said = words.LOUD + LOUD\n"
    )
    before = set(sys.modules)
    beside = {"kit.words": tmp_path / "words.py"}
    module = peers.load(tmp_path / "main.py", stand_ins=["absent_library"], beside=beside)
    assert module.said == "HELLOHELLO"
    assert set(sys.modules) == before


def test_one_module_can_be_shared(tmp_path):
    (tmp_path / "settings.py").write_text("hop_s = 0.02\n")
    (tmp_path / "main.py").write_text("import settings\ndef hop_s():\n    return settings.hop_s\n")
    shared = peers.load(tmp_path / "settings.py")
    module = peers.load(tmp_path / "main.py", beside={"settings": shared})
    shared.hop_s = 0.04
    assert module.hop_s() == 0.04
