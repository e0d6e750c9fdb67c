"""Published figures beside ours: no disagreement is corrected silently, each becomes a row with a verdict.

Conventions
-----------
A row is a dictionary with the keys `COLUMNS`. `published` and `ours` are numbers, short texts or points [x, y];
None where nobody knows. `verdict` is "agrees" (within the figure's tolerance), "differs", or "not-comparable":
not enough is built, or the row is there for information only.

A scope is "all", a stimulus id, or words joined by "/" that every counted stimulus must match: corpora, splits,
categories ("diem", "train/nature"). "all" means the corpora that the papers speak about, so a corpus added later
moves no verdict. "release/diem" is everything that was released, AVE or not; only its names can be counted here.

Counts of stimuli are audited on the manifest's list, which is complete whatever is built; frames, minutes and
observers on what was built, and only where everything in the scope that was not refused is there.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pipeline.ingest.recordings import OPENING_TOLERANCE_PX
from pipeline.records import CATEGORIES, SPLITS, Published, StimulusEntry

COLUMNS = ("quantity", "scope", "published", "source", "ours", "verdict", "note")
WHOLE_RELEASE = "release/"  # scope of a figure about all that was released, AVE or not
AVE_CORPORA = ("diem", "coutrot1", "coutrot2")  # what "all" means in every published figure
AGREES, DIFFERS, NOT_COMPARABLE = "agrees", "differs", "not-comparable"

Rows = Sequence[Mapping[str, Any]]

MEASURES: dict[str, Callable[[Rows], float]] = {
    "frames": lambda rows: sum(row["n_frames"] for row in rows),
    "frames_min": lambda rows: min(row["n_frames"] for row in rows),
    "frames_max": lambda rows: max(row["n_frames"] for row in rows),
    "minutes": lambda rows: sum(row["duration_s"] for row in rows) / 60,
    "duration_mean_s": lambda rows: statistics.fmean(row["duration_s"] for row in rows),
    "duration_median_s": lambda rows: statistics.median(row["duration_s"] for row in rows),
    "duration_min_s": lambda rows: min(row["duration_s"] for row in rows),
    "duration_max_s": lambda rows: max(row["duration_s"] for row in rows),
    "observers_mean": lambda rows: statistics.fmean(row["n_observers"] for row in rows),
    "observers_median": lambda rows: statistics.median(row["n_observers"] for row in rows),
    "observers_min": lambda rows: min(row["n_observers"] for row in rows),
    "observers_max": lambda rows: max(row["n_observers"] for row in rows),
    "recordings": lambda rows: sum(row["n_observers"] for row in rows),
    "fixations": lambda rows: sum(row["n_fixations"] for row in rows),
    "fixations_per_frame": lambda rows: sum(row["n_fixations"] for row in rows) / sum(row["n_frames"] for row in rows),
}


def audit_row(
    quantity: str, scope: str, published: Any, ours: Any, verdict: str, *, note: str = "", source: str = ""
) -> dict[str, Any]:
    """One row of audit.json, its whole numbers written as such."""
    values = (quantity, scope, _plain(published), source, _plain(ours), verdict, note)
    return dict(zip(COLUMNS, values, strict=True))


def verdict_of(published: float, ours: float, allowed: float = 0.0) -> str:
    """ "agrees" where the two differ by at most `allowed` (same unit), otherwise "differs"."""
    return AGREES if abs(ours - published) <= allowed + 1e-9 else DIFFERS


def audit(
    published: Iterable[Published],
    stimuli_rows: Rows,
    entries: Sequence[StimulusEntry],
    *,
    refused: Collection[str] = (),
    diem_names: int | None = None,
    observers: Mapping[str, Collection[str]] | None = None,
) -> list[dict[str, Any]]:
    """Put every published figure beside ours.

    Parameters
    ----------
    published : iterable of Published
        Figures that papers and lists print. `tolerance` is a share of the value.
    stimuli_rows : sequence of mapping
        Rows of stimuli.parquet: what was built.
    entries : sequence of StimulusEntry
        The whole list of the corpus under its settings, built or not.
    refused : collection of str
        Stimuli that were looked at and refused: they are not expected among the built.
    diem_names : int, optional
        Names in manifests/diem_videos.csv.
    observers : mapping of str to collection of str, optional
        `corpus/observer` ids that occur in each split.

    Returns
    -------
    rows : list of dict
        Published figures in their order, then what was admitted per scope, then the checks on the splits.
    """
    listed = [_entry_row(entry) for entry in entries]
    refused = set(refused)
    rows = []
    for figure in published:
        if figure.quantity == "stimuli":
            rows.append(_audit_count(figure, listed))
        elif figure.quantity == "names":
            rows.append(_audit_names(figure, diem_names))
        elif figure.scope.startswith(WHOLE_RELEASE):
            note = figure.note or "counted over the whole release"
            rows.append(_figure_row(figure, None, NOT_COMPARABLE, note))
        else:
            rows.append(_audit_measure(figure, stimuli_rows, listed, refused))
    rows += [_audit_admitted(scope, stimuli_rows, listed, refused) for scope in _scopes(listed)]
    rows.append(_leakage_row(stimuli_rows))
    if observers is not None:
        rows.append(_shared_observers_row(observers))
    return rows


def opening_rows(stimuli_rows: Rows, stimulus_audits: Rows) -> list[dict[str, Any]]:
    """One row a corpus: where viewing starts, as the median over its stimuli of the opening gaze minus the centre.

    One clip may open anywhere; all of a database's clips do so only if its coordinates mean something else.
    """
    rows = []
    for corpus in dict.fromkeys(str(row["corpus"]) for row in stimuli_rows):
        found = [row for row in stimulus_audits if row["quantity"] == "first_gaze_px"]
        found = [row for row in found if row["scope"].startswith(f"{corpus}/") and row["ours"] and row["published"]]
        if not found:
            continue
        offset = [
            round(statistics.median(row["ours"][axis] - row["published"][axis] for row in found), 1) for axis in (0, 1)
        ]
        verdict = AGREES if max(map(abs, offset)) <= OPENING_TOLERANCE_PX else DIFFERS
        note = f"median over {len(found)} stimuli, (x, y) px right of and below the centre; up to 20 px agrees"
        note += "" if verdict == AGREES else ": look at the placement in manifests/geometry.csv"
        rows.append(audit_row("opening_gaze_offset_px", corpus, [0, 0], offset, verdict, note=note))
    return rows


def in_scope(scope: str, rows: Rows) -> list[Mapping[str, Any]]:
    """The rows (with corpus, split and category) that a scope speaks about; [] for a scope nobody is in."""
    words = [word for word in scope.split("/") if word != "all"]
    spoken_of = [row for row in rows if row["corpus"] in AVE_CORPORA or row["corpus"] in words]
    return [row for row in spoken_of if all(word in (row["corpus"], row["split"], row["category"]) for word in words)]


def _audit_count(figure: Published, listed: Rows) -> dict[str, Any]:
    """A count of listed stimuli, explained by the published sheet where list and sheet disagree."""
    ours = len(in_scope(figure.scope, listed))
    in_sheet = len(in_scope(figure.scope, [row["sheet"] for row in listed if row["sheet"]["split"]]))
    verdict = verdict_of(figure.value, ours, figure.tolerance * figure.value)
    notes = [figure.note]
    if verdict == DIFFERS and in_sheet != ours:
        notes.append(f"the published sheet has {in_sheet}, the list {ours}")
    return _figure_row(figure, ours, verdict, *notes)


def _audit_names(figure: Published, diem_names: int | None) -> dict[str, Any]:
    if diem_names is None:
        return _figure_row(figure, None, NOT_COMPARABLE, figure.note, "no list of names was given")
    return _figure_row(figure, diem_names, verdict_of(figure.value, diem_names), figure.note)


def _audit_measure(figure: Published, built: Rows, listed: Rows, refused: Collection[str]) -> dict[str, Any]:
    """A total, mean or extreme over the built stimuli; only a whole scope is compared."""
    measure = MEASURES.get(figure.quantity)
    if measure is None:
        return _figure_row(figure, None, NOT_COMPARABLE, figure.note, f"nothing here measures {figure.quantity!r}")
    rows = in_scope(figure.scope, built)
    ours = round(measure(rows), 3) if rows else None
    verdict = NOT_COMPARABLE
    if ours is not None and not _is_partial(figure.scope, built, listed, refused):
        verdict = verdict_of(figure.value, ours, figure.tolerance * abs(figure.value))
    notes = [figure.note, _progress(figure.scope, built, listed, refused)]
    if figure.quantity == "observers_mean" and not figure.tolerance:
        notes.append(_exceptions(figure.value, rows))
    return _figure_row(figure, ours, verdict, *notes)


def _exceptions(n_observers: float, rows: Rows) -> str:
    """Stimuli without the number of observers that an exact figure promises for each; "" for none."""
    others = [f"{row['stimulus']} has {row['n_observers']}" for row in rows if row["n_observers"] != n_observers]
    return f"exceptions: {', '.join(others)}" if others else ""


def _audit_admitted(scope: str, built: Rows, listed: Rows, refused: Collection[str]) -> dict[str, Any]:
    """What was built of one scope beside what the manifest lists."""
    expected, ours = len(in_scope(scope, listed)), len(in_scope(scope, built))
    verdict = verdict_of(expected, ours)
    if verdict == DIFFERS and _is_partial(scope, built, listed, refused):
        verdict = NOT_COMPARABLE
    note = _progress(scope, built, listed, refused)
    return audit_row("stimuli_built", scope, expected, ours, verdict, note=note, source="manifests/stimuli.csv")


def _leakage_row(built: Rows) -> dict[str, Any]:
    """Publishing raises where something leaks, so a published audit always says zero."""
    note = f"no stimulus and no identical video file in two splits, {len(built)} stimuli looked at"
    return audit_row("leaks", "all", 0, 0, AGREES, note=note, source="pipeline/ingest/publish.py")


def _shared_observers_row(observers: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """The published splits are over stimuli: the same people watched stimuli of all of them."""
    everyone = set().union(*observers.values())
    shared = sum(sum(one in group for group in observers.values()) > 1 for one in everyone)
    note = f"of {len(everyone)} observer ids; the AVE splits are over stimuli, not over people"
    return audit_row("observers_in_several_splits", "all", None, shared, NOT_COMPARABLE, note=note)


def _is_partial(scope: str, built: Rows, listed: Rows, refused: Collection[str]) -> bool:
    """Whether stimuli of the scope are neither built nor refused: not fetched, failed, or not asked for."""
    known = {row["stimulus"] for row in built} | set(refused)
    return any(row["stimulus"] not in known for row in in_scope(scope, listed))


def _progress(scope: str, built: Rows, listed: Rows, refused: Collection[str]) -> str:
    """How much of a scope is built, in words; "" for all of it."""
    wanted, done = in_scope(scope, listed), in_scope(scope, built)
    n_refused = sum(row["stimulus"] in refused for row in wanted)
    if len(done) == len(wanted):
        return ""
    return f"{len(done)} of {len(wanted)} built" + (f", {n_refused} refused" if n_refused else "")


def _scopes(listed: Rows) -> list[str]:
    """All, each corpus, each split, each category of each split: the scopes of the "what was built" rows."""
    corpora = sorted({row["corpus"] for row in listed})
    splits = [split for split in SPLITS if any(row["split"] == split for row in listed)]
    cells = [f"{split}/{category}" for split in splits for category in CATEGORIES]
    return ["all", *corpora, *splits, *CATEGORIES, *cells]


def _entry_row(entry: StimulusEntry) -> dict[str, Any]:
    """A list entry as a row to count, with what the published sheet says about the same stimulus beside it."""
    category = entry.category_sheet.lower()
    sheet = {
        "corpus": entry.corpus,
        "split": entry.split_sheet,
        "category": "misc" if category == "other" else category,
    }
    return {
        "stimulus": entry.stimulus,
        "corpus": entry.corpus,
        "split": entry.split,
        "category": entry.category,
        "sheet": sheet,
    }


def _figure_row(figure: Published, ours: Any, verdict: str, *notes: str) -> dict[str, Any]:
    note = "; ".join(note for note in notes if note)
    return audit_row(figure.quantity, figure.scope, figure.value, ours, verdict, note=note, source=figure.source)


def _plain(value: Any) -> Any:
    """3.0 as 3: a count reads as a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
