"""The log of a build: whole lines for whoever reads, whatever happens to whoever writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store.buildlog import LogReader, LogWriter, builder_pid, log_path, log_paths

ROOT = Path(__file__).resolve().parents[2]
FULL_DISK = Path("/dev/full")
CUT_SHORT = """
import resource, sys
from pathlib import Path
from pipeline.store.buildlog import LogWriter

log = LogWriter(Path(sys.argv[1]))
log.write("note", text="before")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (Path(sys.argv[1]).stat().st_size + 20, hard))
log.write("note", text="cut short")
log.write("note", text="lost")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.write("note", text="after")
"""


def test_each_event_is_there_for_a_reader_as_soon_as_it_is_written(tmp_path):
    writer = LogWriter(tmp_path / "logs" / "build-x-1.jsonl")
    reader = LogReader(tmp_path / "logs" / "build-x-1.jsonl")
    writer.write("item", stage="density", item="diem/Ä", seconds=1.5, bytes=3, error="")
    (event,) = reader.read()
    assert (event["event"], event["item"], event["seconds"]) == ("item", "diem/Ä", 1.5)
    assert list(event) == ["event", "time", "stage", "item", "seconds", "bytes", "error"]
    assert reader.read() == []
    writer.write("note", text="more")
    assert [event["event"] for event in reader.read()] == ["note"]
    writer.close()
    writer.write("note", text="too late")
    assert reader.read() == []


def test_a_line_that_is_still_being_written_waits_for_its_end(tmp_path):
    path, line = tmp_path / "build-x-1.jsonl", json.dumps({"event": "note", "text": "whole"}) + "\n"
    reader = LogReader(path)
    assert reader.read() == []
    path.write_text(line + line[:9])
    assert len(reader.read()) == 1
    assert reader.read() == []
    path.write_text(line + line)
    assert len(reader.read()) == 1


@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
def test_a_full_disk_stops_nobody():
    writer = LogWriter(FULL_DISK)
    writer.write("note", text="lost")
    writer.close()


def test_a_line_that_a_full_disk_cut_short_spoils_no_other(tmp_path):
    path = tmp_path / "build-x-1.jsonl"
    subprocess.run([sys.executable, "-c", CUT_SHORT, str(path)], cwd=ROOT, check=True)
    assert path.read_bytes().count(b"cut sh") == 0
    assert len(path.read_bytes().splitlines()) > 2  # the torn line is in there
    assert [event["text"] for event in LogReader(path).read()] == ["before", "after"]


def test_logs_are_listed_the_last_written_first_and_tell_their_builder(tmp_path):
    assert log_paths(tmp_path) == []
    assert builder_pid(log_path(tmp_path)) == str(os.getpid())
    paths = [tmp_path / "logs" / f"build-20261122-02450{number}-{pid}.jsonl" for number, pid in ((1, 7), (0, 8))]
    for age_s, path in enumerate(paths):
        LogWriter(path).close()
        os.utime(path, (1e9 - age_s, 1e9 - age_s))
    (tmp_path / "logs" / "frames-diem-a.log").touch()
    assert log_paths(tmp_path) == paths
    assert [builder_pid(path) for path in paths] == ["7", "8"]
