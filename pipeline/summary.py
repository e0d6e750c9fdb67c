"""What a build says at its end: the failures in a table, and one line of what was made and what was rejected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.recipe.stages import STAGES
from pipeline.store.folders import Failure

_SHOWN_A_REASON = 5


def failure_table(failures: Sequence[Failure]) -> str:
    """Failures grouped by stage, reason and remedy; a remedy that differs only by the item's name is said once."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((failure.stage, failure.code, _common(failure)), []).append(failure)
    lines = [f"{len(failures)} item{'s' if len(failures) != 1 else ''} failed:"]
    for (stage, code, remedy), rows in sorted(groups.items(), key=lambda group: _in_order(group[0])):
        rows.sort(key=lambda row: row.item)
        lines.append(f"  {stage}: {code} ({len(rows)})")
        lines += [f"    {_about(row)}" for row in rows[:_SHOWN_A_REASON]]
        if len(rows) > _SHOWN_A_REASON:
            names = ", ".join(row.item.split("/", 1)[1] for row in rows[_SHOWN_A_REASON:])
            lines.append(f"    … and {len(rows) - _SHOWN_A_REASON} more: {names}")
        if remedy:
            lines.append(f"    → {rows[0].remedy if len(rows) == 1 else remedy}")
        if rows[0].log:
            lines.append(f"    log: {rows[0].log}")
    return "\n".join(lines)


def _common(failure: Failure) -> str:
    """The remedy with the item's own name left open, e.g. `RAW/diem/<name>.7z`."""
    return failure.remedy.replace(failure.item.split("/", 1)[1], "<name>")


def _in_order(group: tuple[str, str, str]) -> tuple[int, str, str]:
    stage, code, remedy = group
    return list(STAGES).index(stage), code, remedy


def _about(failure: Failure) -> str:
    message = failure.message.replace("\n", "\n      ")
    named = any(word.strip(".,:;") == failure.item for word in message.split())  # as a word, not as part of a path
    return message if named else f"{failure.item}: {message}"


def corpus_line(store: Path) -> str:
    """One line about STORE/corpus: how many stimuli, how many minutes, how many rows of rejections."""
    import pyarrow.parquet as parquet

    folder = store / "corpus"
    try:
        with (folder / "stimuli.parquet").open("rb") as table, (folder / "rejected.parquet").open("rb") as others:
            # not read_table, which imports pandas
            stimuli = parquet.ParquetFile(table).read(["duration_s", "n_fixations", "n_frames"])
            rejected = parquet.ParquetFile(others).read(["level"]).column("level").to_pylist()
    except FileNotFoundError:
        return f"{folder}: nothing published"
    minutes = sum(stimuli.column("duration_s").to_pylist()) / 60
    levels = {level: rejected.count(level) for level in ("corpus", "source", "stimulus", "recording", "sample")}
    refused = ", ".join(f"{count} {level}" for level, count in levels.items() if count)
    return (
        f"{folder}: {stimuli.num_rows} stimuli, {sum(stimuli.column('n_frames').to_pylist())} frames, "
        f"{minutes:.1f} min, {sum(stimuli.column('n_fixations').to_pylist())} fixations; "
        f"rows in rejected.parquet: {refused or 'none'}"
    )


def published(store: Path) -> tuple[int, int]:
    """Published stimuli, and their frames; 0 of both where nothing is published."""
    import pyarrow.parquet as parquet

    try:
        with (store / "corpus" / "stimuli.parquet").open("rb") as table:
            frames = parquet.ParquetFile(table).read(["n_frames"]).column("n_frames").to_pylist()
    except FileNotFoundError:
        return 0, 0
    return len(frames), sum(frames)
