"""The miniature corpus's own manifests: the project's tables, with file URLs and true checksums.

Conventions
-----------
Same file names, columns and spelling as the reviewed `manifests/` of the real corpora, so that the very same code
reads them: UTF-8, LF, header row, empty cell = unknown. URLs are absolute, hence the tables are written anew when
the folder has moved.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.mini.plan import GEOMETRY, N_OBSERVERS, Plan
from pipeline.mini.world import Scene
from pipeline.records import CATEGORIES, SPLITS

TITLES = {"diem": "DIEM", "coutrot1": "Coutrot Database 1", "coutrot2": "Coutrot Database 2"}
SHEET_CATEGORY = {"nature": "Nature", "social": "Social", "misc": "Other"}
UNLISTED = (
    "deliberately disagrees: printed without coutrot1/clip_42, "
    "which is in the list but in no sheet, as in the real papers"
)
EVIDENCE = {
    "diem": "observers followed the object that sounds",
    "coutrot1": "condition OriginalSounds: the clip was shown with its own soundtrack",
    "coutrot2": "condition AudioVisual: the clip was shown with its own soundtrack",
}


def write(folder: Path, raw_files: Sequence[Path], scenes: Sequence[Scene]) -> None:
    """Write all manifests of the miniature corpus.

    Parameters
    ----------
    folder : Path
        Gets sources.csv, licences.csv, stimuli.csv, geometry.csv, diem_videos.csv and published.csv.
    raw_files : sequence of Path
        The files of the raw releases, already written: their sizes and checksums go into sources.csv.
    scenes : sequence of Scene
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / "sources.csv", _sources(raw_files))
    _write_table(folder / "licences.csv", _licences())
    _write_table(folder / "stimuli.csv", [_stimulus(scene.plan) for scene in scenes])
    _write_table(folder / "geometry.csv", [asdict(geometry) for geometry in GEOMETRY.values()])
    _write_table(folder / "diem_videos.csv", [_diem_video(scene) for scene in scenes if scene.plan.corpus == "diem"])
    _write_table(folder / "published.csv", _published(scenes))


def _write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one table; None becomes an empty cell."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _sources(raw_files: Sequence[Path]) -> list[dict[str, Any]]:
    """One row per file of the releases."""
    return [
        {
            "corpus": path.parent.name,
            "artifact": path.name,
            "kind": "direct",
            "urls": path.absolute().as_uri(),
            "size_bytes": path.stat().st_size,
            "checksum": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
            "how_to": None,
            "note": "made at run time",
        }
        for path in raw_files
    ]


def _licences() -> list[dict[str, Any]]:
    """Nobody's rights are touched: everything was computed."""
    return [
        {
            "corpus": corpus,
            "title": f"Miniature corpus in the format of {title}",
            "licence": "CC0-1.0",
            "terms": "Made by a program; no observer, film or recording is in it. Use it for anything.",
            "citation": f"The miniature corpus of this project, not {title}.",
            "homepage": None,
        }
        for corpus, title in TITLES.items()
    ]


def _stimulus(plan: Plan) -> dict[str, Any]:
    """One row of stimuli.csv, Coutrot 2's clips renamed `clip_e_<n>` in the AVE names as in the real list."""
    in_sheet = not plan.has("not-in-sheet")
    muted = plan.has("shown-without-sound")
    return {
        "corpus": plan.corpus,
        "name": plan.name,
        "ave_name": plan.name.replace("clip_", "clip_e_") if plan.corpus == "coutrot2" else plan.name,
        "category": plan.category,
        "split": plan.split,
        "category_sheet": SHEET_CATEGORY[plan.category] if in_sheet else None,
        "split_sheet": plan.split if in_sheet else None,
        "audio_presented": "no" if muted else "yes",
        "audio_evidence": "shown with the loudspeakers off" if muted else EVIDENCE[plan.corpus],
        "frame_offset": 0,
        "frames_reported": "",
        "note": "; ".join(plan.features),
    }


def _diem_video(scene: Scene) -> dict[str, Any]:
    """What DIEM's table of names says about one of ours."""
    plan = scene.plan
    return {
        "name": plan.name,
        "width_px": plan.width_px,
        "height_px": plan.height_px,
        "n_frames": scene.n_frames,
        "in_ave": "yes",
        "why_out": None,
    }


def _published(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Figures as papers would print them, true but for one."""
    plans = [scene.plan for scene in scenes]
    admitted = [scene for scene in scenes if not scene.plan.refused]
    observers = [N_OBSERVERS[scene.plan.corpus] - scene.plan.has("empty-observer") for scene in admitted]
    seconds = [frames_with_gaze(scene) / float(scene.plan.rate) for scene in admitted]
    listed = sum(not plan.has("not-in-sheet") for plan in plans)
    rows = [_figure("stimuli", "all", listed, note=UNLISTED if listed < len(plans) else "")]
    rows += [_figure("stimuli", split, sum(plan.split == split for plan in plans)) for split in SPLITS]
    for split, category in itertools.product(SPLITS, CATEGORIES):
        n_stimuli = sum(plan.split == split and plan.category == category for plan in plans)
        rows.append(_figure("stimuli", f"{split}/{category}", n_stimuli))
    rows += [_figure("stimuli", corpus, sum(plan.corpus == corpus for plan in plans)) for corpus in TITLES]
    return [
        *rows,
        _figure("frames", "all", sum(frames_with_gaze(scene) for scene in admitted)),
        _figure("minutes", "all", round(sum(seconds) / 60, 4), tolerance=0.001),
        _figure("observers_mean", "all", round(sum(observers) / len(observers), 4), tolerance=0.001),
        _figure("observers_min", "all", min(observers)),
        _figure("observers_max", "all", max(observers)),
    ]


def frames_with_gaze(scene: Scene) -> int:
    """Frames that have both picture and gaze, as the curated corpus must count them."""
    return scene.n_frames - (2 if scene.plan.has("data-shorter") else 0)


def _figure(quantity: str, scope: str, value: float, *, tolerance: float = 0, note: str = "") -> dict[str, Any]:
    """One row of published.csv."""
    return {
        "quantity": quantity,
        "scope": scope,
        "value": value,
        "tolerance": tolerance,
        "source": "plan of the miniature corpus",
        "note": note,
    }
