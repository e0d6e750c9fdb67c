"""`ave new-corpus`, and the README's walk-through done word for word in a copy of this checkout.

The commands, rows and code are taken out of README.md itself, so what it says is what is tested.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import skeleton
from pipeline.cli import main
from pipeline.errors import StoreError, UsageError
from pipeline.store.folders import SEAL_RECORD

ROOT = Path(__file__).resolve().parent.parent
IN_A_CHECKOUT = ("pipeline", "tasks", "tests/__init__.py", "tests/conftest.py", "tests/corpora", "manifests")
FILES = ("pyproject.toml", "README.md")
MODULE, TEST = "pipeline/corpora/orbits.py", "tests/corpora/test_orbits.py"
SECTION = "## Add your own corpus in 20 minutes"


def copy_checkout(folder: Path) -> Path:
    """The sources that a corpus is added to, as a fresh clone has them."""
    for name in (*IN_A_CHECKOUT, *FILES):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The folders that `ave new-corpus` writes into, and no more."""
    for name in ("pipeline/corpora", "tests/corpora", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def begin(checkout: Path, name: str = "orbits", *stimuli: str) -> list[Path]:
    return skeleton.begin(name, checkout / "manifests", stimuli, checkout=checkout)


def test_it_writes_a_module_a_test_and_rows_and_changes_no_other_byte(checkout):
    before = contents(checkout)
    begin(checkout, "orbits", "bees", "choir")
    after = contents(checkout)
    assert set(after) - set(before) == {"pipeline/corpora/orbits.py", "tests/corpora/test_orbits.py"}
    grown = {name for name in before if after[name] != before[name]}
    assert grown == {f"manifests/{table}" for table in skeleton.TABLES}
    assert all(after[name].startswith(before[name]) for name in grown)
    with open(checkout / "manifests" / "stimuli.csv", encoding="utf-8", newline="") as file:
        added = [row for row in csv.DictReader(file) if row["corpus"] == "orbits"]
    assert [row["name"] for row in added] == ["bees", "choir"]
    assert all(row["split"] == row["audio_evidence"] == "" for row in added)


def test_a_second_time_is_refused_and_changes_nothing(checkout):
    begin(checkout)
    before = contents(checkout)
    with pytest.raises(UsageError, match=r"orbits.py is there already"):
        begin(checkout)
    (checkout / "pipeline" / "corpora" / "orbits.py").unlink()
    (checkout / "tests" / "corpora" / "test_orbits.py").unlink()
    with pytest.raises(UsageError, match=r"licences.csv has rows of 'orbits' already"):
        begin(checkout)
    assert {name: text for name, text in before.items() if "orbits" not in name} == contents(checkout)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My Data", "cannot be the name of a corpus.*For example 'my_data'"),
        ("2001", "cannot be the name.*For example 'my_corpus'"),
        ("class", "cannot be the name.*For example 'class_corpus'"),
        ("x" * 31, "at most 30 letters"),
        ("diem", "There is a corpus 'diem' already"),
        ("coutrot", "coutrot.py is there already"),
        ("contract", "test_contract.py is there already"),
        ("train", "means something else in the tables.*'train_corpus'"),
        ("all", "means something else"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_the_reason(checkout, name, said):
    before = contents(checkout)
    with pytest.raises(UsageError, match=f"(?s){said}"):
        begin(checkout, name)
    assert contents(checkout) == before


@pytest.mark.parametrize(("stimuli", "said"), [(("a/b",), "'a/b'; expected a name"), (("a", "a"), "named twice")])
def test_stimuli_that_cannot_be_file_names_are_refused(checkout, stimuli, said):
    with pytest.raises(UsageError, match=said):
        begin(checkout, "orbits", *stimuli)


def test_a_folder_without_tables_is_named(checkout, capsys):
    with pytest.raises(UsageError, match=r"nowhere/licences.csv cannot be read"):
        skeleton.begin("orbits", checkout / "nowhere", checkout=checkout)


def test_an_installed_package_says_that_it_takes_a_checkout(tmp_path):
    with pytest.raises(UsageError, match="is no checkout of this project") as raised:
        skeleton.begin("orbits", ROOT / "manifests", checkout=tmp_path)
    assert "Clone the repository" in raised.value.remedy


def test_what_cannot_be_written_whole_is_not_begun(checkout, monkeypatch):
    before, write_bytes = contents(checkout), Path.write_bytes

    def full_disk(path, data):
        if path.name == "stimuli.csv" and b"orbits" in data:
            raise OSError(28, "No space left on device", str(path))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(StoreError, match=r"stimuli.csv: No space left on device; nothing was changed"):
        begin(checkout)
    assert contents(checkout) == before


def test_rows_follow_a_table_in_its_own_line_ends_and_order_of_columns(checkout):
    table = checkout / "manifests" / "licences.csv"
    table.write_bytes(b"title,corpus,licence,terms,citation,homepage\r\nD,diem,a,b,c 2001,d")
    begin(checkout)
    assert table.read_bytes().endswith(b"D,diem,a,b,c 2001,d\r\n,orbits,,,,\r\n")


def test_it_says_what_was_written_and_what_comes_next(checkout, capsys, monkeypatch):
    monkeypatch.setattr(skeleton, "CHECKOUT", checkout)
    monkeypatch.chdir(checkout)
    assert main(["new-corpus", "orbits", "--stimuli", "bees", "--manifests", "manifests"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [f"wrote {MODULE}", f"wrote {TEST}", "added rows to manifests/licences.csv"]
    assert "  python -m pytest tests/corpora/test_orbits.py -x -q --manifests manifests" in said


def test_wrong_usage_ends_with_2_in_one_line(capsys):
    assert main(["new-corpus", "diem"]) == 2
    assert capsys.readouterr().err == "ave: There is a corpus 'diem' already. It is pipeline/corpora/diem.py.\n"


# -- the walk-through ------------------------------------------------------------------------------------------------


class WalkThrough:
    """The README's section as (kind, place, text) blocks, and somebody who does in a checkout what they say."""

    def __init__(self, checkout: Path, tools: Path):
        self.checkout = checkout
        section = (checkout / "README.md").read_text(encoding="utf-8").split(SECTION)[1].split("\n## ")[0]
        self.blocks = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)
        tools.mkdir()
        for name, module in (("ave", "-m pipeline.cli"), ("python", "")):
            (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
            (tools / name).chmod(0o755)
        (checkout / ".venv" / "bin").mkdir(parents=True)
        (checkout / ".venv" / "bin" / "activate").touch()  # the tools above stand for the environment's
        self.environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(checkout)}
        self.environment.pop("PYTEST_XDIST_WORKER", None)

    def of(self, kind: str, place: str = "") -> list[str]:
        """The texts of the blocks of one kind, and place where one is named, in order."""
        return [text for block, where, text in self.blocks if block == kind and place in ("", where)]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command], cwd=self.checkout, env=self.environment, capture_output=True, text=True
        )

    def lint(self) -> str:
        """What ruff and mypy say against the new files; "" for nothing."""
        checks = (f"ruff check -q {MODULE} {TEST}", f"ruff format -q --check {MODULE} {TEST}", f"mypy {MODULE}")
        done = self.run(" && ".join(f"python -m {check}" for check in checks))
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def commands(self, number: int) -> list[str]:
        """The lines of one sh block."""
        return self.of("sh")[number].splitlines()

    def fill_in_rows(self, place: str) -> None:
        """Replace the rows of a table that begin as the block's rows do."""
        lines = (self.checkout / place).read_text(encoding="utf-8").splitlines()
        (rows,) = self.of("csv", place)
        kept = [line for line in lines if not line.startswith("orbits,")]
        (self.checkout / place).write_text("\n".join([*kept, *rows.splitlines()]) + "\n", encoding="utf-8")

    def fill_in_constants(self, place: str) -> None:
        """Replace the assignments of a module by the block's assignments of the same names."""
        lines = (self.checkout / place).read_text(encoding="utf-8").splitlines()
        (block,) = self.of("python", place)
        new = {name: ast.get_source_segment(block, node) for name, node in _assignments(block)}
        for name, node in reversed(_assignments("\n".join(lines))):
            if name in new:
                lines[node.lineno - 1 : node.end_lineno] = [new.pop(name)]
        assert not new
        (self.checkout / place).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _assignments(text: str) -> list[tuple[str, ast.stmt]]:
    """Name and statement of each plain or annotated assignment of a module, in order."""
    found = []
    for node in ast.parse(text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name):
            found.append((target.id, node))
    return found


def first_failure(said: str) -> str:
    found = re.search(r"^FAILED \S+::(\w+)", said, flags=re.MULTILINE)
    return found[1] if found else ""


def of_others(store: Path) -> dict[str, tuple[int, int, str]]:
    """Everything the stages hold of the other corpora: inode, time of writing and content of each file.

    But for the note under what all was found fresh: the tables of the manifests that it names are others now.
    """
    found = {}
    for path in sorted(store.glob("stages/*/*/*/**/*")):
        if (
            path.is_file()
            and path.name != SEAL_RECORD
            and path.relative_to(store).parts[3] in ("diem", "coutrot1", "coutrot2")
        ):
            facts = path.stat()
            found[str(path)] = (facts.st_ino, facts.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
    return found


@pytest.mark.slow
def test_the_walk_through_of_the_readme_adds_a_corpus_and_runs_nothing_of_the_others(tmp_path, mini_store, mini_world):
    walk = WalkThrough(copy_checkout(tmp_path / "checkout"), tmp_path / "tools")
    (walk.checkout / "demo").symlink_to(mini_store)  # what `make demo` leaves behind, without its trained model
    shutil.copytree(mini_world / "manifests", mini_store / "mini" / "manifests")

    get_data, (copy_tables, new_corpus, ask), (contract, plan, build) = (walk.commands(number) for number in range(3))
    for command in (*get_data, copy_tables, new_corpus):
        done = walk.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert walk.lint() == ""
    fill_in_as_the_test_leads(walk, ask, plan)
    assert walk.run(contract).returncode == 0
    assert walk.lint() == ""

    before = of_others(mini_store)
    assert before
    planned = walk.run(plan)
    rows = [line.split() for line in planned.stdout.splitlines()]
    of_corpora = {row[1] for row in rows if row[0] in ("fetch", "unpack", "frames", "density", "publish", "shards")}
    assert of_corpora == {"orbits", "all"}, planned.stdout + planned.stderr
    built = walk.run(build)
    assert built.returncode == 0, built.stdout + built.stderr
    assert of_others(mini_store) == before
    assert walk.run(build).stdout.startswith("nothing to run")

    looked = walk.run(walk.of("sh")[3])
    away_dva = dict(re.findall(r"^orbits/(\w+): ([\d.]+) dva", looked.stdout, flags=re.MULTILINE))
    assert set(away_dva) == {"bees", "choir", "clockwork"}
    assert max(map(float, away_dva.values())) < 1


def fill_in_as_the_test_leads(walk: WalkThrough, ask: str, plan: str) -> None:
    """Do what the first failing test says, until none fails."""
    for step, place in (
        ("test_step_1_its_terms_are_written_down", "practice/licences.csv"),
        ("test_step_2_how_it_was_shown_is_written_down", "practice/geometry.csv"),
        ("test_step_3_where_its_files_come_from_is_written_down", "practice/sources.csv"),
        ("test_step_4_its_stimuli_are_written_down", "practice/stimuli.csv"),
    ):
        said = walk.run(ask).stdout
        assert first_failure(said) == step
        assert f"fill in {place}" in said
        walk.fill_in_rows(place)

    module = walk.checkout / MODULE
    said = walk.run(ask).stdout
    assert first_failure(said) == "test_step_5_its_module_says_what_it_is"
    assert f'{MODULE}:\n  line 1: """FILL IN: what orbits is' in said
    module.write_text(module.read_text(encoding="utf-8").replace("FILL IN", "It is"), encoding="utf-8")
    for asked in (ask, plan):
        done = walk.run(asked)
        assert done.returncode != 0
        assert "orbits: artifacts is not written yet; it says which archives or folders" in done.stdout + done.stderr
    (text,) = walk.of("python", MODULE)
    module.write_text(text, encoding="utf-8")

    said = walk.run(ask).stdout
    assert first_failure(said) == "test_step_7_its_gaze_is_read"
    assert f"fill in STIMULUS, GAZE_FILES and FIXATIONS in {TEST}" in said
    walk.fill_in_constants(TEST)
    assert walk.run(ask).returncode == 0
