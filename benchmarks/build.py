"""The whole way from raw releases to shards, beside decoding the same videos and nothing else.

Conventions
-----------
The release is ten minutes of 720p in DIEM's form: ten videos of a minute (see `reel`), each with a wav and the gaze of
fifty observers. Ours is `ave export` with an empty store and `pool:2`; the limit is ffmpeg decoding the videos, two at
a time with one thread each. Both are whole processes on all cores, hence the wall's clock. What nobody waits for is
measured, too, on a store of as many small stimuli as AVE has: a build that has nothing to do, beside a stat of every
file that it vouches for, and the commands that only look, beside the start of Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks import synthetic, whole
from benchmarks.harness import LIMIT, Asked, Case, Disagreement, Peer, Row, Target, measure
from benchmarks.reel import write_reel
from pipeline.signals import media

EXECUTOR = "pool:2"
AT_ONCE = 2
VIDEOS = 10
SMALL_ONES = 151
LOOKS = ("--help", "status", "plan")
LOOK_S, NO_OP_S = 0.3, 2.0  # what they may take


def rows(asked: Asked) -> Iterator[Row]:
    """The build, and then what looks at the store that it made."""
    with tempfile.TemporaryDirectory(prefix="ave-build-") as folder:
        home = Path(folder)
        form, what = release(home, 2 if asked.quick else VIDEOS, seconds=15 if asked.quick else 60)
        target = LIMIT if asked.quick else Target(1.6, limit=True)  # of half a minute, starting is most
        yield from measure("build", raw_to_shards(home, form, what, target), min(asked.rounds, 3))
        small = small_store(home / "small", 20 if asked.quick else SMALL_ONES)
        yield from measure("build", nothing_to_do(small), asked.rounds)
        for command in LOOKS:
            yield from measure("build", look(small, command), asked.rounds)


def release(home: Path, n_videos: int, seconds: int) -> tuple[synthetic.Form, str]:
    """Write the raw release and its manifests; returns its form, and what it is in words."""
    pictures = write_reel(home / "reel.mp4", seconds)
    n_frames = seconds * int(synthetic.RATE)
    form = synthetic.Form((1280, 720), (1280, 960), n_frames=n_frames, observers=50, sound_hz=44100)
    synthetic.write_release(home / "raw", n_videos, form, home / "reel.mp4")
    synthetic.write_manifests(home / "manifests", n_videos, form)
    return form, f"{n_videos} x {seconds} s of 720p, {pictures}"


def raw_to_shards(home: Path, form: synthetic.Form, what: str, target: Target) -> Case:
    """Ours from an empty store, and decoding alone."""
    videos = sorted((home / "raw").glob("diem/*/video/*.mp4"))
    return Case(
        what=f"raw to shards, {what}",
        ours=partial(from_nothing, home),
        peers={f"decoding alone, {AT_ONCE} at once": Peer(partial(decode_all, videos), target)},
        agree=partial(same_frames, len(videos) * form.n_frames),
        unit="ms/frame",
        work=len(videos) * form.n_frames,
        clock=time.perf_counter,
    )


def from_nothing(home: Path) -> tuple[int, int]:
    """Export from an empty store; returns the frames that are published and those that are in the shards."""
    store = home / "store"
    shutil.rmtree(store, ignore_errors=True)
    whole.ave_alone("export", *asked_of(home))
    published = sum(pq.read_table(store / "corpus" / "stimuli.parquet", columns=["n_frames"])["n_frames"].to_pylist())
    index = json.loads((store / "export" / "wds" / "index.json").read_text(encoding="utf-8"))
    shards = [shard for item in index["items"] for shard in item["shards"]]
    return published, sum(sample["n_targets"] for shard in shards for sample in shard["samples"])


def asked_of(home: Path) -> list[str]:
    """Options of a build of the release in `home`."""
    folders = ["--store", str(home / "store"), "--raw", str(home / "raw"), "--manifests", str(home / "manifests")]
    return [*folders, "--corpus", "diem", "--accept", "diem", "--executor", EXECUTOR]


def decode_all(videos: list[Path]) -> int:
    """Decode the videos, two at a time, one thread each; returns how many pictures there were."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(decode_alone, videos))


def decode_alone(video: Path) -> int:
    """ffmpeg throws every picture away; returns how many there were."""
    command = ["-v", "error", "-nostats", "-progress", "pipe:1", "-threads", "1", "-i", str(video), "-map", "0:v"]
    told = subprocess.run(
        [media.ffmpeg_path(), *command, "-f", "null", "-"], check=True, capture_output=True, text=True
    )
    return max(int(line.removeprefix("frame=")) for line in told.stdout.splitlines() if line.startswith("frame="))


def same_frames(n_frames: int, made: Mapping[str, Any]) -> str:
    """Every frame that ffmpeg decodes is published and in the shards."""
    published, in_shards = made["ours"]
    counts = {"published": published, "in shards": in_shards, **{k: n for k, n in made.items() if k != "ours"}}
    for name, found in counts.items():
        if found != n_frames:
            raise Disagreement(f"{name}: {found} frames, expected {n_frames}.")
    return f"{n_frames:,} frames in both"


def small_store(home: Path, n_stimuli: int) -> Path:
    """A store of so many stimuli of six frames, built."""
    synthetic.write_release(home / "raw", n_stimuli)
    synthetic.write_manifests(home / "manifests", n_stimuli)
    whole.ave_alone("build", *asked_of(home))
    return home / "store"


def nothing_to_do(store: Path) -> Case:
    """A build that finds everything there, beside a stat of every file in the store."""
    files = [path for top in ("stages", "corpus") for path in (store / top).rglob("*.*")]
    return Case(
        what=f"nothing to do, {len(list((store / 'corpus' / 'frames').rglob('*.arrow')))} stimuli",
        ours=partial(whole.ave_alone, "build", "--store", str(store)),
        peers={"a stat of every file": Peer(lambda: [os.stat(file) for file in files], Target(NO_OP_S, True, "s"))},
        agree=lambda made: f"{len(files):,} files",
        unit="s",
        clock=time.perf_counter,
    )


def look(store: Path, command: str) -> Case:
    """A command that only looks, beside the start of Python."""
    words = [command] if command.startswith("-") else [command, "--store", str(store)]
    return Case(
        what=f"ave {command}",
        ours=partial(whole.ave_alone, *words),
        peers={"python -c pass": Peer(start_python, Target(LOOK_S, True, "s"))},
        agree=lambda made: "",
        unit="s",
        clock=time.perf_counter,
    )


def start_python() -> None:
    """What no program in Python can be faster than."""
    subprocess.run([sys.executable, "-c", "pass"], check=True)
