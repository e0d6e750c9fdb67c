"""The executor `slurm`, on a queue that a few shell lines stand for; dask-jobqueue and the workers are real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.errors import StoreError, ToolError, UsageError
from pipeline.settings import Settings
from pipeline.store import executors, remote, slurm, threads
from tests.dask_processes import wait_until
from tests.store import toy_stages

ROOT = Path(__file__).resolve().parents[2]
SBATCH = """#!/bin/sh
# A job is a session of its own, in the folder it was submitted from; at its walltime it is killed, and that is noted.
jobs={jobs}
number=1; while ! mkdir $jobs/$number 2>/dev/null; do number=$((number + 1)); done
cp "$1" $jobs/$number/script
seconds=$(sed -n 's/^#SBATCH -t 0*://p' "$1")
setsid timeout --signal=KILL $seconds bash $jobs/$number/script > $jobs/$number/said 2>&1 &
echo $! > $jobs/$number/pid
echo "Submitted batch job $number"
"""
SQUEUE = """#!{python}
import pathlib, psutil
from tests.dask_processes import lives
for job in pathlib.Path("{jobs}").iterdir():
    pid = int((job / "pid").read_text())
    if psutil.pid_exists(pid) and lives(psutil.Process(pid)):
        print(job.name)
"""
SCANCEL = """#!/bin/sh
kill -TERM -$(cat {jobs}/$1/pid)
"""
REFUSES = """#!/bin/sh
echo "sbatch: error: Batch job submission failed: Invalid account specified" >&2
exit 1
"""


class Queue:
    """A SLURM of one node: its programs, which are first on the PATH, and the jobs that it was given."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.jobs, self.programs = folder / "jobs", folder / "bin"
        self.executors: list[executors.Executor] = []
        self.jobs.mkdir(parents=True)
        self.programs.mkdir()
        for name, script in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
            self.write(name, script)
        patch.setenv("PATH", f"{self.programs}:{os.environ['PATH']}")
        patch.setenv("PYTHONPATH", str(ROOT))

    def executor(self, store: Path, settings: Settings) -> executors.Executor:
        """An executor on this queue, closed when the test ends."""
        self.executors.append(executors.make("slurm", store, settings))
        return self.executors[-1]

    def write(self, name: str, script: str) -> None:
        """Put a program there, or another one in its place."""
        (self.programs / name).write_text(script.replace("{jobs}", str(self.jobs)).replace("{python}", sys.executable))
        (self.programs / name).chmod(0o755)

    def scripts(self) -> list[str]:
        """What was submitted."""
        return [path.read_text() for path in sorted(self.jobs.glob("*/script"))]

    def running(self) -> str:
        """What squeue says."""
        return subprocess.run([self.programs / "squeue"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr(slurm, "_QUEUE_LOOK_S", 0.5)
    monkeypatch.setattr(remote, "code_digest", lambda: "")  # whoever edits this package while its tests run may
    queue = Queue(tmp_path / "slurm", monkeypatch)
    yield queue
    for executor in queue.executors:
        executor.close()


def asked(**changed: object) -> Settings:
    """Settings that ask for one small job after another."""
    plain = {
        "slurm_jobs": 1,
        "slurm_cores": 1,
        "slurm_memory": "1GiB",
        "slurm_walltime": "0:60",
        "slurm_interface": "lo",
    }
    return Settings().with_given({**plain, **changed})


def test_items_run_in_jobs_of_the_queue_and_none_stays_behind(queue, tmp_path):
    settings = asked(
        slurm_cores=2,
        slurm_queue="short",
        slurm_account="gaze",
        slurm_directives=("--constraint=avx2",),
        slurm_prologue=(f"touch {tmp_path}/prologue",),
    )
    executor = queue.executor(tmp_path / "store", settings)
    found = {key: result for key, result, _ in executor.imap(toy_stages.square, ((str(n), n) for n in range(1, 9)))}
    assert found == {str(n): n * n for n in range(1, 9)}
    assert (tmp_path / "prologue").is_file()

    [script] = queue.scripts()
    directives = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
    logs = tmp_path / "store" / "logs" / "slurm"
    assert directives == [
        "-J ave",
        f"-e {logs}/ave-%J.err",
        f"-o {logs}/ave-%J.out",
        "-p short",
        "-A gaze",
        "-n 1",
        "--cpus-per-task=2",
        "--mem=1G",
        "-t 0:60",
        "--constraint=avx2",
    ]
    assert {f"export {name}=1" for name in threads.ONE_THREAD} <= set(script.splitlines())
    worker = script.splitlines()[-1].split()
    said = dict(pairwise(worker))
    assert (said["--nworkers"], said["--nthreads"]) == ("2", "1")
    assert float(said["--lifetime"].rstrip("s")) + float(said["--lifetime-stagger"].rstrip("s")) < 60

    executor.close()
    wait_until(lambda: queue.running() == "", 10)


@pytest.mark.slow
def test_workers_end_before_their_walltime_and_other_jobs_go_on(queue, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "STAGGER_SHARE", 0.01)
    monkeypatch.setattr(slurm, "LIFETIME_SHARE", 0.05)  # 3 s, of a walltime that leaves a busy machine its time
    executor = queue.executor(tmp_path / "store", asked())
    jobs = ((str(number), 0.5) for number in range(12))
    found = {key: error for key, _, error in executor.imap(toy_stages.sleep_here, jobs)}
    executor.close()
    assert found == {str(number): None for number in range(12)}
    assert len(queue.scripts()) >= 2
    ended = [path.read_text() for path in queue.jobs.glob("*/said")]
    assert sum("Closing worker gracefully" in said for said in ended) >= 1
    assert not any("Killed" in said for said in ended), "a job reached its walltime"


def test_what_sbatch_says_is_passed_on(queue, tmp_path):
    queue.write("sbatch", REFUSES)
    executor = queue.executor(tmp_path / "store", asked())
    with pytest.raises(StoreError, match=r"SLURM does not take the jobs: .* Invalid account specified") as caught:
        list(executor.imap(toy_stages.square, [("1", 1)]))
    assert caught.value.code == "slurm-refused"


def test_jobs_that_end_before_a_worker_connects_stop_the_build_with_their_last_words(queue, tmp_path):
    logs = tmp_path / "store" / "logs" / "slurm"
    ends_at_once = SBATCH.replace("bash $jobs/$number/script", "false")
    queue.write("sbatch", f"{ends_at_once}\necho 'module: command not found' > {logs}/ave-$number.err\n")
    executor = queue.executor(tmp_path / "store", asked())
    with pytest.raises(StoreError, match=r"end before a worker connects \(module: command not found\)") as caught:
        list(executor.imap(toy_stages.square, [("1", 1)]))
    assert str(logs) in caught.value.remedy


def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="needs sbatch, squeue, scancel"):
        list(executors.make("slurm", tmp_path, asked()).imap(toy_stages.square, [("1", 1)]))


def test_missing_settings_are_shown_as_lines_to_write(tmp_path):
    with pytest.raises(UsageError) as caught:
        executors.make("slurm", tmp_path, asked(slurm_walltime="", slurm_memory=""))
    assert f"{tmp_path}/settings.toml says nothing of slurm_memory, slurm_walltime" in caught.value.message
    assert '\n  slurm_memory = "16GiB"' in caught.value.remedy
    assert '\n  slurm_walltime = "04:00:00"' in caught.value.remedy
    assert "slurm_cores" not in caught.value.remedy


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("04:00:00", 14400),
        ("2-12", 216_000),
        ("1-00:30", 88_200),
        ("1-00:00:10", 86_410),
    ],
)
def test_walltimes_are_read_as_slurm_reads_them(walltime, seconds):
    assert slurm.seconds_of(walltime) == seconds


@pytest.mark.parametrize("walltime", ["4h", "", "1:2:3:4", "-1"])
def test_what_is_no_walltime_is_wrong_usage(walltime):
    with pytest.raises(UsageError, match="hours:minutes:seconds"):
        slurm.seconds_of(walltime)


@pytest.mark.parametrize("changed", [{"slurm_jobs": -1}, {"slurm_cores": -4}])
def test_a_negative_number_of_jobs_or_cores_is_wrong_usage(changed):
    with pytest.raises(UsageError, match="expected a number above 0"):
        asked(**changed)


def test_a_size_that_is_none_is_wrong_usage(queue, tmp_path):
    executor = queue.executor(tmp_path / "store", asked(slurm_memory="much"))
    with pytest.raises(UsageError, match="slurm_"):
        list(executor.imap(toy_stages.square, [("1", 1)]))
