"""How things grow with the number of stimuli: a build fresh, with nothing to do, after one change; export and score.

    python -m benchmarks.growth --stimuli 100 1000 10000 [--store DIR] [--executor pool:2]

For each number, a raw release of so many short stimuli is written (see `synthetic`) and built through `ave build` by
processes of their own: once fresh, then several times with nothing to do, then with one observer's gaze changed, and
exported to shards, fresh and again. Scored are made-up maps of as many videos of 6 frames (see `scoring`). CPU
seconds are the main process's own, and tell more than wall seconds where others share the machine. Memory is the
largest resident set that was sampled, of the main process and of its largest worker.

Limits beside: for a fresh build, ffprobe and ffmpeg alone, as often as a build calls them; for a build that has
nothing to do, a stat of every file that it vouches for. DIR keeps what was made, and a store that is there is not
built again: delete DIR/<number> for a fresh one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import scoring, synthetic
from benchmarks.whole import Run, ave
from pipeline.signals import media

ROUNDS = 3
FOR_LIMIT = 40  # stimuli that ffprobe and ffmpeg are timed on
STREAMS = ("video", "audio", "audio")  # what a build probes and decodes of a stimulus: frames; curation and log-mel


@dataclass(frozen=True)
class Growth:
    """What was measured at one number of stimuli; `fresh` and `export` are absent where the store was there already."""

    stimuli: int
    items: int
    fresh: Run | None
    fresh_limit_s: float
    no_op: Run
    no_op_limit_s: float
    one_changed: Run
    ran: dict[str, int]
    export: Run | None
    export_again: Run
    score: Run


def main() -> None:
    """Measure every size and print them, with what each takes more than the one before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stimuli", type=at_least_one, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--store", type=Path, default=Path(tempfile.gettempdir()) / "ave-growth")
    parser.add_argument("--executor", default="pool:2")
    arguments = parser.parse_args()
    earlier = None
    for n_stimuli in arguments.stimuli:
        found = measure(arguments.store / str(n_stimuli), n_stimuli, arguments.executor)
        show(found, earlier)
        earlier = found
        with open(arguments.store / "growth.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(found)) + "\n")


def at_least_one(word: str) -> int:
    """A number of stimuli as typed."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r}: expected 1 or more stimuli")
    return int(word)


def measure(home: Path, n_stimuli: int, executor: str) -> Growth:
    """Build, build again, change one file, build again."""
    store, raw = home / "store", home / "raw"
    options = ["--raw", str(raw), "--manifests", str(home / "manifests"), "--corpus", "diem", "--executor", executor]
    fresh = None
    if not (store / "corpus" / "stimuli.parquet").is_file():
        shutil.rmtree(home, ignore_errors=True)
        synthetic.write_release(raw, n_stimuli)
        synthetic.write_manifests(home / "manifests", n_stimuli)
        fresh = build(store, *options)
    build(store)  # settles what an interrupted measurement may have left to do
    records = [path for path in store.glob("**/record.json") if not path.parent.name.startswith(".")]
    no_ops = [build(store) for _ in range(ROUNDS)]
    outputs = [str(path) for top in (store / "stages", store / "corpus", raw) for path in top.rglob("*.*")]
    stats = [seconds(lambda: [os.stat(path) for path in outputs]) for _ in range(ROUNDS)]
    synthetic.change_one(raw)
    one_changed = build(store)
    first = export(store, executor)
    return Growth(
        stimuli=n_stimuli,
        items=len(records),
        fresh=fresh,
        fresh_limit_s=decoding_s(raw, min(FOR_LIMIT, n_stimuli)) * n_stimuli,
        no_op=sorted(no_ops, key=lambda run: run.seconds)[ROUNDS // 2],
        no_op_limit_s=statistics.median(stats),
        one_changed=one_changed,
        ran=items_of_last_build(store),
        export=first if fresh else None,
        export_again=export(store, executor),
        score=score(home / "score", n_stimuli, executor),
    )


def score(folder: Path, n_stimuli: int, executor: str) -> Run:
    """Run `ave score` on maps of so many videos, by a store that holds nothing but their tables."""
    shutil.rmtree(folder, ignore_errors=True)
    scoring.write_corpus(folder / "corpus", n_stimuli, synthetic.SMALL.n_frames, synthetic.SMALL.observers)
    scoring.write_maps(folder / "maps.parquet", n_stimuli, synthetic.SMALL.n_frames)
    return ave("score", str(folder / "maps.parquet"), "--store", str(folder), "--executor", executor)


def build(store: Path, *options: str) -> Run:
    """Run `ave build`."""
    return ave("build", "--store", str(store), *options)


def export(store: Path, executor: str) -> Run:
    """Run `ave export`."""
    return ave("export", "--store", str(store), "--format", "wds", "--executor", executor)


def decoding_s(raw: Path, n_stimuli: int) -> float:
    """Seconds a stimulus that ffprobe and ffmpeg alone need, two at a time, for what a build asks of them."""

    def decode(number: int) -> None:
        for stream in STREAMS:
            path = next((raw / "diem" / synthetic.SMALL.name(number) / stream).iterdir())
            probe = [media.ffprobe_path(), "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
            output = ["-f", "rawvideo" if stream == "video" else "f32le", "pipe:1"]
            for command in (probe, [media.ffmpeg_path(), "-v", "error", "-threads", "1", "-i", str(path), *output]):
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(2) as pool:
        return seconds(lambda: list(pool.map(decode, range(n_stimuli)))) / n_stimuli


def items_of_last_build(store: Path) -> dict[str, int]:
    """How many items of each stage the newest log reports as made."""
    log = max((store / "logs").glob("build-*.jsonl"), key=os.path.getmtime)
    events = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return dict(Counter(event["stage"] for event in events if event["event"] == "item"))


def seconds(action: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def show(found: Growth, earlier: Growth | None) -> None:
    """Print one size; in brackets how many times as much it is as at the size before."""

    def was(name: str) -> Any:
        return None if earlier is None else getattr(earlier, name)

    print(f"{found.stimuli} stimuli, {found.items} items{_times(found.stimuli, was('stimuli'))}")
    if found.fresh is not None:
        rates = f"{found.items / found.fresh.seconds:.1f} items/s, {found.stimuli / found.fresh.seconds:.1f} stimuli/s"
        print(f"  fresh        {_told(found.fresh, was('fresh'))}; {rates}")
        print(f"    ffprobe and ffmpeg alone {_beside(found.fresh, found.fresh_limit_s)}")
    print(f"  no-op        {_told(found.no_op, was('no_op'))}")
    print(f"    stat of every file {_beside(found.no_op, found.no_op_limit_s)}")
    print(f"  one changed  {_told(found.one_changed, was('one_changed'))}")
    print(f"    ran {', '.join(f'{count} {stage}' for stage, count in found.ran.items())}")
    if found.export is not None:
        print(f"  export       {_told(found.export, was('export'))}")
    print(f"    again      {_told(found.export_again, was('export_again'))}")
    print(f"  score        {_told(found.score, was('score'))}", flush=True)


def _told(run: Run, earlier: Run | None) -> str:
    def was(name: str) -> float | None:
        return None if earlier is None else getattr(earlier, name)

    workers = f", worker {run.worker_mb:.0f} MB" if run.worker_mb else ""
    memory = f"main {run.main_mb:.0f} MB{_times(run.main_mb, was('main_mb'))}{workers}"
    cpu = f"CPU {run.cpu_s:.2f} s{_times(run.cpu_s, was('cpu_s'))}"
    return f"{run.seconds:.2f} s{_times(run.seconds, was('seconds'))}, {cpu}, {memory}"


def _beside(run: Run, limit_s: float) -> str:
    return f"{limit_s:.3f} s, ratio {run.seconds / limit_s:.1f}"


def _times(value: float, earlier: float | None) -> str:
    return "" if earlier is None else f" (x{value / earlier:.1f})"


if __name__ == "__main__":
    main()
