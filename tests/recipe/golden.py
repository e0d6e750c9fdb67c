"""What each stage makes of the tiny corpus, kept in golden.json: did a stage change without its version?

    python -m tests.recipe.golden        renews golden.json; refuses what changed under an unchanged version

A stage is read, not hashed: texts, names, types and whole numbers must be equal; of arrays a few random projections are
kept and compared with a tolerance, because processors and libraries differ in the last digits; pictures are decoded
and compared at a few pixels; of what is learned only the form is kept. A stage whose inputs changed may change too:
then only the earliest one is asked for a new version. Whoever changes the reading itself deletes golden.json first.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import wavfile

from pipeline.features.frames import FrameFile
from pipeline.recipe.build import Build
from pipeline.recipe.stages import STAGES, upstream
from pipeline.settings import GOALS, QUICK_TRAINING, Settings
from tasks.ave import run
from tests.recipe import tiny

GOLDEN = Path(__file__).with_name("golden.json")
COMMAND = "python -m tests.recipe.golden"
LEARNED = {"pretrain", "train", "predict", "score", "audit"}
PLACED = ("frames/", "density/", "logmel/", "steps/", "timeline/", "fixations/")  # links to what was read before
OF_JPEGS = {"bytes", "sha256", "head_bytes", "offset", "contentSize"}  # keys whose values depend on libraries
SHA256 = re.compile(r"\b[0-9a-f]{64}\b")  # of a file whose bytes depend on the library that wrote it
PROJECTIONS = 4
RELATIVE = 1e-3  # of an array's root mean square

Readings = dict[str, dict[str, Any]]


class UnchangedVersionError(Exception):
    """A stage's outputs changed and its version did not."""


# -- reading -------------------------------------------------------------------------------------------------------


def build(folder: Path) -> Build:
    """Build the tiny corpus with every stage below a folder."""
    tiny.write(folder)
    settings = Settings(
        raw=str(folder / "raw"),
        manifests=str(folder / "manifests"),
        goals=GOALS,
        formats=("wds",),
        speech_commands=str(write_words(folder / "words")),
        pretrain_epochs=1,
        pretrained_audio=True,
        waveform_rate_hz=8000,
        **{**QUICK_TRAINING, "model_width": 2, "train_steps": 1, "batch": 2},
    )
    session = run(folder / "store", settings, "serial")
    assert session.failures() == []
    return Build(settings, folder / "store")


def write_words(folder: Path) -> Path:
    """Two words by three speakers, one for each split."""
    for pitch_hz, word in ((200, "low"), (2000, "high")):
        (folder / word).mkdir(parents=True)
        samples = (9000 * np.sin(2 * np.pi * pitch_hz * np.arange(16000) / 16000)).astype(np.int16)
        for speaker in ("00000000", "00000001", "00000002"):
            wavfile.write(folder / word / f"{speaker}_nohash_0.wav", 16000, samples)
    return folder


def read(built: Build) -> Readings:
    """A reading of every output of every stage."""
    readings: Readings = {name: {"version": stage.version, "outputs": {}} for name, stage in STAGES.items()}
    for stage, corpus in built.targets():
        for name, record in built.state(stage.name, corpus).fresh.items():
            for output in record.outputs:
                if stage.name == "publish" and output.startswith(PLACED):
                    continue
                path = record.path(built.folder(stage.name, corpus).item_folder(name), output)
                readings[stage.name]["outputs"][f"{corpus}/{name}/{output}"] = leaf(path, stage.name in LEARNED)
    return readings


def leaf(path: Path, form_only: bool = False) -> Any:
    """What one file says, as small JSON."""
    if path.suffix == ".json":
        return of_json(json.loads(path.read_text(encoding="utf-8")), form_only)
    if path.suffix == ".npy":
        return of_array(np.load(path))
    if path.suffix == ".parquet":
        return of_parquet(path, form_only)
    if path.suffix == ".arrow":
        return of_frames(FrameFile(path))
    if path.suffix == ".tar":
        return of_tar(path)
    if path.suffix in (".md", ".txt") and not form_only:
        return digest(SHA256.sub("~", path.read_text(encoding="utf-8")))
    return "there"  # weights, logs and what lies in RAW: named, not read


def of_json(data: Any, form_only: bool) -> Any:
    """Names and words by digest, floating-point numbers apart."""
    numbers: list[float] = []

    def outline(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: outline(value[key]) for key in sorted(value.keys() - OF_JPEGS)}
        if isinstance(value, list):
            return [outline(row) for row in (value[:1] if form_only else value)]
        if isinstance(value, float):
            numbers.append(value)
            return "~"
        return type(value).__name__ if form_only else value

    words = digest(json.dumps(outline(data), ensure_ascii=False))
    return words if form_only or not numbers else {"words": words, **of_array(np.array(numbers))}


def of_array(values: np.ndarray) -> dict[str, Any]:
    """Type, shape, root mean square, peak, and sums under random signs, which no shift or swap leaves as they were."""
    if values.dtype.names:
        return {name: of_array(values[name]) for name in values.dtype.names}
    flat = values.ravel().astype(np.float64)
    if not flat.size:
        return {"type": str(values.dtype), "shape": list(values.shape)}
    signs = 2 * np.random.RandomState(0).randint(0, 2, (PROJECTIONS, flat.size)) - 1
    numbers = [np.sqrt((flat**2).mean()), np.abs(flat).max(), *(signs @ flat / np.sqrt(flat.size))]
    *said, within = (float(f"{number:.6g}") for number in (*numbers, RELATIVE * numbers[0]))
    return {"type": str(values.dtype), "shape": list(values.shape), "numbers": said, "within": within}


def of_parquet(path: Path, form_only: bool) -> dict[str, Any]:
    """Columns, row groups and compression; floats sampled, everything else by digest."""
    file = pq.ParquetFile(path)
    table = file.read()
    packed = {file.metadata.row_group(0).column(k).compression for k in range(file.metadata.num_columns)}
    form = {"schema": digest(str(table.schema)), "rows": table.num_rows, "packed": sorted(packed)}
    if form_only:
        return form
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        flat = column.combine_chunks()
        flat = flat.flatten() if pa.types.is_fixed_size_list(flat.type) else flat
        plain = digest(json.dumps(flat.to_pylist())) if not pa.types.is_floating(flat.type) else None
        columns[name] = plain or of_array(flat.to_numpy(zero_copy_only=False))
    return {**form, "groups": file.num_row_groups, "columns": columns}


def of_frames(frames: FrameFile) -> dict[str, Any]:
    """Times, and the level in the middle of each block of three pictures."""
    middles = frames.read(0, len(frames))[:: len(frames) // 2, 64::128, 80::160].astype(float)
    return {"times_s": of_array(frames.times_s), "levels": middles.mean(3).ravel().round().tolist(), "within": 4}


def of_tar(path: Path) -> dict[str, Any]:
    """Names of the members, and what the first of each kind says; pictures were read with their stage."""
    with tarfile.open(path) as archive, tempfile.TemporaryDirectory() as folder:
        names = archive.getnames()
        first = {name.partition(".")[2]: name for name in reversed(names) if not name.endswith(".jpg")}
        archive.extractall(folder, [archive.getmember(name) for name in first.values()])
        said = {kind: leaf(Path(folder, name)) for kind, name in sorted(first.items())}
        return {"members": digest("\n".join(names)), **said}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# -- comparing -----------------------------------------------------------------------------------------------------


def difference(old: Any, new: Any, where: str = "", within: float = 0.0) -> str:
    """The first place where two readings differ, in words; empty where they agree."""
    if isinstance(old, dict) and isinstance(new, dict):
        if old.keys() != new.keys():
            return f"{where}: {', '.join(sorted(old.keys() ^ new.keys())[:3])} came or went"
        keys = sorted(old.keys() - {"within"})
        found = (difference(old[key], new[key], f"{where}/{key}", new.get("within", 0.0)) for key in keys)
        return next((words for words in found if words), "")
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        found = (difference(a, b, f"{where}[{k}]", within) for k, (a, b) in enumerate(zip(old, new, strict=True)))
        return next((words for words in found if words), "")
    if isinstance(old, float) and isinstance(new, float):
        same = math.isclose(old, new, rel_tol=1e-9, abs_tol=within)
    else:
        same = old == new
    return "" if same else f"{where}: {old!r} became {new!r}"


def unannounced(golden: Readings, now: Readings) -> dict[str, str]:
    """Stages whose outputs changed though neither their version nor anything before them did, and where."""
    moved = {
        name: difference(golden[name]["outputs"], now[name]["outputs"])
        for name in now
        if name in golden and golden[name]["version"] == now[name]["version"]
    }
    restless = {name for name in now if moved.get(name) or name not in moved}
    return {
        name: words
        for name, words in moved.items()
        if words and not restless & {stage.name for stage in upstream(name) if stage.name != name}
    }


def complaints(golden: Readings, now: Readings) -> list[str]:
    """What a test must say; empty when versions and outputs agree with golden.json."""
    said = [
        f"bytes of stage {name} changed but its version did not ({words}): bump {name}.version in "
        f"pipeline/recipe/stages.py, then run `{COMMAND}` to renew tests/recipe/golden.json"
        for name, words in unannounced(golden, now).items()
    ]
    known = {name: golden.get(name, {}).get("version") for name in now}
    said += [
        f"stage {name} has version {now[name]['version']}, golden.json knows {version}: run `{COMMAND}` to renew it"
        for name, version in known.items()
        if version != now[name]["version"]
    ]
    return said


def renewed(golden: Readings, now: Readings) -> Readings:
    """The new golden.json. Raises UnchangedVersionError for a stage that changed under its old version."""
    if words := unannounced(golden, now):
        names = ", ".join(f"{name} ({where})" for name, where in words.items())
        raise UnchangedVersionError(f"Changed, but its version did not: {names}. Bump it in pipeline/recipe/stages.py.")
    same = {name for name in now if name in golden and not difference(golden[name], now[name])}
    return {name: golden[name] if name in same else now[name] for name in now}


def as_text(golden: Readings) -> str:
    """One line a file, so that a diff shows which one changed."""
    lines = json.dumps(golden, indent=1, ensure_ascii=False)
    return re.sub(r"\n {4,}| *\n {3}(?=[}\]])", " ", lines) + "\n"


def main() -> int:
    """Renew golden.json."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            new = renewed(golden, read(build(Path(folder))))
        except UnchangedVersionError as error:
            print(error, file=sys.stderr)
            return 1
    GOLDEN.write_text(as_text(new), encoding="utf-8")
    print(f"{GOLDEN.name}: {len(new)} stages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
