"""A small data set as a laboratory would hand it over, to practise adding a corpus on: no release has this format.

    python -m pipeline.mini.practice RAW/orbits/data

Conventions
-----------
The folder holds `README.txt` (how it was recorded), `videos.csv`, `videos/<name>.mp4` with the sound inside, and
`gaze/<name>.csv` with the readings of all observers: 60 a second against 25 pictures, in pixels of a screen in whose
middle the video was shown at its own size, from a little before the first picture on. `truth.json` says by video where
the object that sounds is in each frame, (x, y) in video pixels. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.errors import AveError, UsageError
from pipeline.mini import observers
from pipeline.mini.encode import write_video, write_wav
from pipeline.mini.plan import ALL, COUTROT_RATE, Plan
from pipeline.mini.render import render
from pipeline.mini.sounds import soundtrack
from pipeline.mini.world import Scene, build_scene, stream

SCREEN_PX = (1920, 1080)
PX_PER_DVA = 37.8  # of a screen 53.2 cm wide at 60 cm
TRACKER_HZ = Fraction(60)
LEAD_READINGS = 6  # the tracker runs 0.1 s before the first picture: observers look at a cross in the middle
N_OBSERVERS = 8
BLINKS_PER_READING = 1 / 200
BLINK_READINGS = (6, 12)
VIDEOS = (
    Plan("practice", "bees", "nature", "train", 5.0, COUTROT_RATE, 480, 360, ALL, 48000),
    Plan("practice", "choir", "social", "val", 4.0, COUTROT_RATE, 400, 300, ("disc", "square"), 48000),
    Plan("practice", "clockwork", "misc", "test", 4.0, COUTROT_RATE, 352, 288, ("square", "triangle"), 48000),
)
ABOUT = f"""\
Orbits: three short videos of objects that go round, of which one sounds at a time
==================================================================================

{N_OBSERVERS} observers watched each video from 60 cm on a screen of {SCREEN_PX[0]} x {SCREEN_PX[1]} pixels
(53.2 x 29.9 cm), at its own size in the middle of the screen, and heard its sound over headphones.
Before each video they looked at a cross in the middle.

videos/      one mp4 a video, 25 frames a second, sound inside
videos.csv   width, height and number of frames of each
gaze/        one table a video: observer; time in ms since the first frame came on; x, y in pixels of the screen;
             event (fixation, saccade or blink; a blink has no position). 60 readings a second
truth.json   where the sounding object was in each frame; a real data set has nothing like it

Made by a program: no observer, film or recording is in it. CC0-1.0, use it for anything.
"""


def make(folder: Path, *, seed: int = 1) -> None:
    """Write the data set into a new folder.

    Raises
    ------
    UsageError
        If there is something in the folder already.
    ToolError, MediaError
        If there is no ffmpeg, or it cannot encode.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} holds something already.", remedy="Name a new folder, or take that one away.")
    for part in ("videos", "gaze"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    scenes = [build_scene(plan, seed=seed) for plan in VIDEOS]
    for scene in scenes:
        _write_video(folder / "videos" / f"{scene.plan.name}.mp4", scene, seed)
        lines = ("observer,time_ms,x_px,y_px,event", *_readings(scene, seed))
        (folder / "gaze" / f"{scene.plan.name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [f"{one.plan.name},{one.plan.width_px},{one.plan.height_px},{one.n_frames}" for one in scenes]
    (folder / "videos.csv").write_text("\n".join(("video,width_px,height_px,n_frames", *rows)) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text(ABOUT, encoding="utf-8")
    truth = {scene.plan.name: _sounding_px(scene) for scene in scenes}
    (folder / "truth.json").write_text(json.dumps(truth) + "\n", encoding="utf-8")


def _write_video(path: Path, scene: Scene, seed: int) -> None:
    plan = scene.plan
    with tempfile.TemporaryDirectory() as work:
        wav = Path(work) / "sound.wav"
        write_wav(wav, soundtrack(scene, seed=seed), plan.sound_rate_hz)
        size = (plan.height_px, plan.width_px)
        write_video(path, render(scene, seed=seed), plan.rate, size, codec="h264", sound=wav, sound_codec="aac")


def _readings(scene: Scene, seed: int) -> Iterator[str]:
    """The lines of one gaze table, observer by observer."""
    plan = scene.plan
    random = stream(seed, plan.stimulus, "observers")
    often = replace(
        scene, plan=replace(plan, rate=TRACKER_HZ), n_frames=round(Fraction(scene.n_frames) / plan.rate * TRACKER_HZ)
    )  # the same world, looked at more often than it is pictured
    gaze = observers.watch(often, random, n_observers=N_OBSERVERS, px_per_dva=PX_PER_DVA)
    margin_px = (np.array(SCREEN_PX) - (plan.width_px, plan.height_px)) / 2
    times_ms = 1000 * np.arange(-LEAD_READINGS, often.n_frames) / float(TRACKER_HZ)
    for number, (xy_px, moving) in enumerate(zip(gaze.xy_px + margin_px, gaze.moving, strict=True), start=1):
        xy_px = np.concatenate([np.repeat(xy_px[:1], LEAD_READINGS, axis=0), xy_px])
        events = np.concatenate([["fixation"] * LEAD_READINGS, np.where(moving, "saccade", "fixation")])
        for start in np.flatnonzero(random.random(len(events)) < BLINKS_PER_READING):
            if start > 5 * LEAD_READINGS:  # whether viewing starts in the middle is how geometry is checked
                events[start : start + int(random.integers(*BLINK_READINGS))] = "blink"
        for time_ms, (x_px, y_px), event in zip(times_ms, xy_px, events, strict=True):
            place = "," if event == "blink" else f"{x_px:.1f},{y_px:.1f}"
            yield f"o{number},{time_ms:.1f},{place},{event}"


def _sounding_px(scene: Scene) -> list[list[float]]:
    places = scene.positions_px(scene.times_s)[np.arange(scene.n_frames), scene.sounding(scene.times_s)]
    rounded: list[list[float]] = places.round(2).tolist()
    return rounded


def main(argv: Sequence[str] | None = None) -> int:
    """Write the data set where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.mini.practice", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder, e.g. RAW/orbits/data")
    folder = parser.parse_args(argv).folder
    try:
        make(folder)
    except AveError as error:
        print(f"practice: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    print(f"{folder}: {len(VIDEOS)} videos, {N_OBSERVERS} observers each; {folder / 'README.txt'} says how it was made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
