"""Scenes written as the raw releases are: DIEM's 7z archives, Coutrot's MATLAB files and zips of avi.

Conventions
-----------
`releases/<corpus>/` is laid out as RAW/<corpus>/ wants it. Every file has the same bytes on every run: names in
order, one fixed date, no tool's time of day.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.mini import observers, tracker
from pipeline.mini.encode import write_video, write_wav
from pipeline.mini.plan import GEOMETRY, N_OBSERVERS
from pipeline.mini.render import render
from pipeline.mini.sounds import soundtrack
from pipeline.mini.world import Scene, stream

STIMULI_ZIP = {"coutrot1": "ERB3_Stimuli", "coutrot2": "ERB4_Stimuli"}
CONDITIONS = {  # the first is the one with the clip's own sound
    "coutrot1": ("OriginalSounds", "LandscapesSounds", "FacesSounds", "SameCatSounds", "MovObjectsSounds"),
    "coutrot2": ("AudioVisual", "Visual"),
}
CODEC = {"diem": "h264", "coutrot1": "mpeg4", "coutrot2": "mjpeg"}
FIXED_TIME_S = 1262304000  # 2010-01-01, the date of every packed file
FIXED_DATE = (2010, 1, 1, 0, 0, 0)
MAT_HEADER = b"MATLAB 5.0 MAT-file, miniature corpus"
WORKERS = 2  # ffmpeg and lzma both let the other thread run


def files(folder: Path, scenes: Sequence[Scene]) -> list[Path]:
    """Every file that `write` makes below `folder`, sorted."""
    archives = [folder / "diem" / f"{scene.plan.name}.7z" for scene in scenes if scene.plan.corpus == "diem"]
    clips = [folder / corpus / f"{title}.zip" for corpus, title in STIMULI_ZIP.items()]
    return sorted([*archives, *clips, *(_mat_path(folder, corpus) for corpus in CONDITIONS)])


def write(folder: Path, scenes: Sequence[Scene], *, seed: int) -> None:
    """Write all raw releases of the given scenes below `folder`.

    Parameters
    ----------
    folder : Path
        Gets one folder per corpus; files of the same name are replaced.
    scenes : sequence of Scene
    seed : int
    """
    for left in folder.glob(".tmp-*"):  # of a run that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp-") as work, ThreadPoolExecutor(WORKERS) as pool:
        longest_first = sorted(scenes, key=lambda scene: -scene.n_frames)
        made = [pool.submit(_write_media, Path(work), scene, seed) for scene in longest_first]
        for corpus in CONDITIONS:
            clips = [scene for scene in scenes if scene.plan.corpus == corpus]
            write_coutrot_mat(_mat_path(folder, corpus), corpus, clips, seed=seed)
        for future in made:
            future.result()
        diem = [scene for scene in scenes if scene.plan.corpus == "diem"]
        list(pool.map(lambda scene: _pack_diem(folder / "diem", Path(work), scene, seed), diem))
        for corpus, title in STIMULI_ZIP.items():
            _write_zip(folder / corpus / f"{title}.zip", title, sorted((Path(work) / corpus).glob("*.avi")))


def _write_media(work: Path, scene: Scene, seed: int) -> None:
    """Picture and sound of one stimulus: an mp4 beside a wav (DIEM), or one avi (Coutrot)."""
    plan = scene.plan
    folder = work / plan.corpus
    folder.mkdir(exist_ok=True)
    wav = folder / f"{plan.name}.wav"
    write_wav(wav, soundtrack(scene, seed=seed), plan.sound_rate_hz)
    inside = plan.corpus != "diem"
    write_video(
        folder / f"{plan.name}.{'avi' if inside else 'mp4'}",
        render(scene, seed=seed),
        plan.rate,
        (plan.height_px, plan.width_px),
        codec=CODEC[plan.corpus],
        sound=wav if inside else None,
    )


def _pack_diem(folder: Path, work: Path, scene: Scene, seed: int) -> None:
    """One DIEM archive: video/, audio/ and event_data/, in a folder of their own where the plan says so."""
    import py7zr

    name = scene.plan.name
    folder.mkdir(parents=True, exist_ok=True)
    events = work / "diem" / f"{name}.event_data"
    events.mkdir()
    for file_name, text in event_files(scene, seed=seed).items():
        (events / file_name).write_bytes(text)
    inside = [(path, f"event_data/{path.name}") for path in sorted(events.iterdir())]
    inside += [(work / "diem" / f"{name}.wav", f"audio/{name}.wav")]
    inside += [(work / "diem" / f"{name}.mp4", f"video/{name}.mp4")]
    top = f"{name}/" if scene.plan.has("folder-in-archive") else ""
    fast = [{"id": py7zr.FILTER_LZMA2, "preset": 1}]
    with py7zr.SevenZipFile(folder / f"{name}.7z", "w", filters=fast) as archive:
        for path, inside_name in inside:
            os.utime(path, (FIXED_TIME_S, FIXED_TIME_S))
            path.chmod(0o644)
            archive.write(path, top + inside_name)


def event_files(scene: Scene, *, seed: int) -> dict[str, bytes]:
    """DIEM's event files of one stimulus, by name: one per observer, CRLF, nine columns, no header."""
    plan = scene.plan
    random = stream(seed, plan.stimulus, "observers")
    gaze = _watch(scene, random, hear=not plan.refused)
    tables = tracker.diem_rows(plan, gaze, random)
    trials = random.permutation(np.arange(1, 28))
    subjects = _subjects(len(tables), suffixed=plan.has("suffixed-observers"))
    return {
        f"diem{subject}.asc_{trial}_{plan.name}.txt": _event_text(table)
        for subject, trial, table in zip(subjects, trials, tables, strict=False)
    }


def _watch(scene: Scene, random: np.random.Generator, *, hear: bool) -> observers.Gaze:
    """Let as many observers watch as the scene's corpus has, at its distance."""
    corpus = scene.plan.corpus
    return observers.watch(
        scene, random, n_observers=N_OBSERVERS[corpus], px_per_dva=GEOMETRY[corpus].px_per_dva, hear=hear
    )


def _subjects(n_observers: int, *, suffixed: bool) -> list[str]:
    """Session and subject of each observer: two sessions whose subject numbers start again at 1."""
    first = n_observers // 2 + 1
    subjects = [f"1s{n:02d}" for n in range(1, first + 1)] + [f"2s{n:02d}" for n in range(1, n_observers - first + 1)]
    if suffixed:
        subjects[0], subjects[3] = "1s1", "1s04b"
    return subjects


def _event_text(table: np.ndarray) -> bytes:
    """Rows as DIEM prints them: one decimal for measured numbers, plain 0 for none, tabs, CRLF."""
    lines = []
    for frame, *eyes in table.tolist():
        cells = [str(int(frame))]
        for eye in (eyes[:4], eyes[4:]):
            cells += [f"{number:.1f}" if number else "0" for number in eye[:3]] + [str(int(eye[3]))]
        lines.append("\t".join(cells) + "\r\n")
    return "".join(lines).encode("ascii")


def _mat_path(folder: Path, corpus: str) -> Path:
    """Where the MATLAB file of a Coutrot database lies."""
    return folder / corpus / f"coutrot_database{corpus[-1]}.mat"


def write_coutrot_mat(path: Path, corpus: str, scenes: Iterable[Scene], *, seed: int) -> None:
    """Write a Coutrot database: a v5 struct of conditions, each a struct of clips with `data` and `info`.

    Not every clip is in every condition, as in the real files; the condition with the clips' own sound has all.
    """
    from scipy.io import savemat

    conditions: dict[str, Any] = {condition: {} for condition in CONDITIONS[corpus]}
    for scene in scenes:
        for number, condition in enumerate(CONDITIONS[corpus]):
            if number == 0 or corpus == "coutrot2" or (int(scene.plan.name.rsplit("_", 1)[1]) + number) % 3:
                conditions[condition][scene.plan.name] = _clip(scene, condition, seed, hear=number == 0)
    conditions["Header"] = {"Description": "Miniature corpus, made by a program", "Unit": "pixels of the video"}
    file = io.BytesIO()
    savemat(file, {f"Coutrot_Database{corpus[-1]}": conditions}, do_compression=True, oned_as="row")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MAT_HEADER.ljust(116) + file.getvalue()[116:])  # the header's text holds the time of day


def _clip(scene: Scene, condition: str, seed: int, *, hear: bool) -> dict[str, Any]:
    """One clip of one condition: `data` [x/y(/extra), frame, observer] and what `info` claims about the video."""
    plan = scene.plan
    random = stream(seed, plan.stimulus, "observers", condition)
    gaze = _watch(scene, random, hear=hear)
    n_claimed = scene.n_frames + (4 if plan.has("data-longer") else 0)
    n_columns = n_claimed - (2 if plan.has("data-shorter") else 0)
    info = {
        "fps": float(plan.rate),
        "nframe": float(n_claimed),
        "vidwidth": float(plan.width_px),
        "vidheight": float(plan.height_px),
    }
    return {"data": tracker.coutrot_data(plan, gaze, random, n_columns=n_columns), "info": info}


def _write_zip(path: Path, title: str, members: Sequence[Path]) -> None:
    """Pack clips into one folder named `title`, stored: video does not shrink."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            entry = zipfile.ZipInfo(f"{title}/{member.name}", date_time=FIXED_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.read_bytes())
