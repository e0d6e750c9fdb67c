"""The miniature corpus: raw releases in the real formats, made from nothing, of a world whose truth is known.

Conventions
-----------
`make(folder)` writes three things: `releases/` (laid out as RAW wants it), `manifests/` (the project's tables, with
file URLs) and `truth.json`. In `truth.json`, `stimuli` holds by stimulus id what was rendered: `n_frames` of the
video, `kinds` of the objects, per frame `sounding` (index into `kinds`, −1 where nothing sounds), `sounding_px`
(centre of that object, or null) and `objects_px` (centres of all). Positions are (x, y) in video pixels, the middle
of the first pixel at (0.5, 0.5). The same seed and scale give the same bytes with the same ffmpeg and libraries.

Notes
-----
What a reader of the real releases must survive is here on purpose; `plan.FEATURES` lists it, `plan.STIMULI` says
where. Beyond that every DIEM stimulus has blinks, saccades that only the left eye reports, samples off the screen
and stale or wild numbers in blinks; every Coutrot clip has NaN samples and a sample beyond the picture.
`learning.stimuli()` plans a larger and plainer world, in the same formats, to train a small network in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.mini import manifests, releases
from pipeline.mini.plan import STIMULI, Plan
from pipeline.mini.world import Scene, build_scene
from pipeline.store.fingerprint import digest

VERSION = 1  # bump when the same seed means other bytes: folders made before are then made anew

__all__ = ["Mini", "make"]


@dataclass(frozen=True)
class Mini:
    """A miniature corpus on disk.

    Attributes
    ----------
    folder : Path
    releases : Path
        Can be given as RAW; or its files are fetched through the file URLs in the manifests.
    manifests : Path
    scenes : tuple of Scene
        The world itself, before it was rendered.
    """

    folder: Path
    releases: Path
    manifests: Path
    scenes: tuple[Scene, ...]

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpora whose formats it has, sorted: not every corpus that this program knows."""
        return tuple(sorted({scene.plan.corpus for scene in self.scenes}))

    @property
    def admitted(self) -> tuple[str, ...]:
        """Ids of the stimuli that the curated corpus must hold, sorted."""
        return tuple(sorted(scene.plan.stimulus for scene in self.scenes if not scene.plan.refused))

    @property
    def refused(self) -> dict[str, str]:
        """Ids of the stimuli that it must refuse, with the feature that is the reason."""
        return {scene.plan.stimulus: scene.plan.refused for scene in self.scenes if scene.plan.refused}

    def truth(self) -> dict[str, dict[str, Any]]:
        """What is true of each stimulus, by id, as read from truth.json."""
        truth: dict[str, dict[str, Any]] = json.loads((self.folder / "truth.json").read_text("utf-8"))["stimuli"]
        return truth


def make(folder: Path | str, *, seed: int = 1, scale: float = 1.0, stimuli: Sequence[Plan] = STIMULI) -> Mini:
    """Make the miniature corpus, or take it as it is where the same one was made before.

    Parameters
    ----------
    folder : Path
        Made where absent.
    seed : int
        Another seed is another world of the same plan.
    scale : float
        Multiplies the durations; none falls below 2 s.
    stimuli : sequence of Plan
        Another world than the standard one, such as `learning.stimuli()`; of every corpus at least one.

    Returns
    -------
    mini : Mini

    Raises
    ------
    ToolError
        If there is no ffmpeg.
    MediaError
        If ffmpeg cannot encode.
    """
    folder = Path(folder)
    scenes = tuple(build_scene(plan, seed=seed, scale=scale) for plan in stimuli)
    mini = Mini(folder, folder / "releases", folder / "manifests", scenes)
    made: dict[str, Any] = {"version": VERSION, "seed": seed, "scale": scale}
    if tuple(stimuli) != STIMULI:
        made["stimuli"] = digest([repr(plan) for plan in stimuli])
    if not _is_made(mini, made):
        (folder / "truth.json").unlink(missing_ok=True)
        mini.releases.mkdir(parents=True, exist_ok=True)
        releases.write(mini.releases, scenes, seed=seed)
    manifests.write(mini.manifests, releases.files(mini.releases, scenes), scenes)
    _write_truth(mini, made)  # last: a folder without it is half made
    return mini


def _is_made(mini: Mini, made: dict[str, Any]) -> bool:
    """True where the folder holds this very corpus, every file with the size it was written with."""
    try:
        head = json.loads((mini.folder / "truth.json").read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return head["made"] == made and head["files"] == _file_sizes(mini)


def _file_sizes(mini: Mini) -> dict[str, int | None]:
    """Bytes of every file of the releases, by corpus/name; None where it is missing."""
    return {
        path.relative_to(mini.releases).as_posix(): path.stat().st_size if path.is_file() else None
        for path in releases.files(mini.releases, mini.scenes)
    }


def _write_truth(mini: Mini, made: dict[str, Any]) -> None:
    """Write truth.json: how the folder was made, its files, and what is true of each stimulus."""
    stimuli = {scene.plan.stimulus: _truth(scene) for scene in mini.scenes}
    text = json.dumps({"made": made, "files": _file_sizes(mini), "stimuli": stimuli}, ensure_ascii=False)
    (mini.folder / "truth.json").write_text(text + "\n", "utf-8")


def _truth(scene: Scene) -> dict[str, Any]:
    """What is true of one stimulus, frame by frame; positions to a hundredth of a pixel."""
    plan, times_s = scene.plan, scene.times_s
    objects_px = scene.positions_px(times_s).round(2).tolist()
    audible = not plan.has("silent")
    sounding = [int(index) if audible else -1 for index in scene.sounding(times_s)]
    sounding_px = [places[index] if index >= 0 else None for places, index in zip(objects_px, sounding, strict=True)]
    return {
        "category": plan.category,
        "split": plan.split,
        "refused": plan.refused,
        "features": list(plan.features),
        "rate": [plan.rate.numerator, plan.rate.denominator],
        "n_frames": scene.n_frames,
        "width_px": plan.width_px,
        "height_px": plan.height_px,
        "size_px": scene.size_px,
        "kinds": list(plan.kinds),
        "sounding": sounding,
        "sounding_px": sounding_px,
        "objects_px": objects_px,
    }
