"""What was noticed about somebody's maps: nothing is left out, mended or refused without a line that says so.

Conventions
-----------
Frames count from 0. A finding is about a stimulus, or about the submission; findings about many frames are one, with
the frames as ranges and their number. `KINDS` is the list of everything that can be noticed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KINDS = {  # in the order of a summary: what is counted, and what follows from it
    "unreadable": ("maps that cannot be read", "they are not scored"),
    "missing": ("frames without a map", "a protocol scores them or leaves them out, and says which"),
    "beyond": ("maps beyond the last annotated frame", "there is nothing to score them against"),
    "before": ("maps numbered before the first frame", "there is no such frame"),
    "not-finite": ("maps with NaN or infinite values", "they cannot be scored"),
    "negative": ("maps with negative values", "metrics of distributions cannot score them"),
    "constant": ("constant maps", "they say nothing: NSS and CC 0, AUC 0.5"),
    "transposed": ("maps that look transposed", "height and width seem swapped; they are scored as they are"),
    "aspect": ("maps of other proportions than their video", "they are stretched to it"),
    "mixed-sizes": ("maps of another size than most of their stimulus", "each is resized from its own size"),
    "colour": ("maps in colour", "they were turned to grey by their luma; a colour scale is not undone"),
    "other-stimulus": ("names of no stimulus that was asked for", "their files are not read"),
    "ambiguous": ("names that may be of several stimuli", "put them in a folder named after the corpus"),
    "no-number": ("files without a frame number", "they are not read"),
    "set-aside": ("maps of a second set", "they are not read; keep one set a stimulus"),
    "other-files": ("files that are no maps", "they are not read"),
    "understood": ("names understood with some goodwill", "look whether they are right"),
    "numbering": ("doubts about the first frame's number", "say it yourself: first frame 0 or 1"),
    "no-maps": ("stimuli without maps", "they are in no average"),
}


@dataclass(frozen=True)
class Finding:
    """One thing noticed.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    stimulus : str, optional
        None where it is about no stimulus in particular.
    frame : int, optional
        The first frame concerned.
    words : str
        What was noticed, in words.
    count : int
        Maps, frames, files or names concerned.
    """

    kind: str
    stimulus: str | None
    frame: int | None
    words: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.stimulus}: {self.words}" if self.stimulus else self.words


def of_frames(kind: str, stimulus: str, frames: Sequence[int], what: str) -> list[Finding]:
    """One finding about some frames of a stimulus; none where there are no frames.

    Examples
    --------
    >>> of_frames("missing", "diem/bees", [0, 1, 2, 9], "no map")[0].words
    'frames 0–2, 9: no map'
    """
    if not frames:
        return []
    plural = "frames" if len(frames) > 1 else "frame"
    return [Finding(kind, stimulus, min(frames), f"{plural} {ranges(frames)}: {what}", len(frames))]


def ranges(numbers: Iterable[int], most: int = 12) -> str:
    """Numbers as ranges, in words; after `most` of them, how many more.

    Examples
    --------
    >>> ranges([3, 4, 5, 9])
    '3–5, 9'
    >>> ranges([1, 3, 5, 7], most=2)
    '1, 3 and 2 more'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    words = ", ".join("–".join(map(str, run)) for run in runs[:most])
    left = sum(run[-1] - run[0] + 1 for run in runs[most:])
    return f"{words} and {left} more" if left else words


def summary(findings: Iterable[Finding], examples: int = 2) -> list[str]:
    """Short lines for a terminal: one a kind, with counts, consequences and some examples."""
    of_kind: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        of_kind[finding.kind].append(finding)
    return [_line(kind, of_kind[kind], examples) for kind in KINDS if kind in of_kind]


def _line(kind: str, findings: list[Finding], examples: int) -> str:
    what, so = KINDS[kind]
    stimuli = {finding.stimulus for finding in findings} - {None}
    total = sum(finding.count for finding in findings)
    where = f" in {len(stimuli)} stimuli" if len(stimuli) > 1 and kind != "no-maps" else ""
    shown = "; ".join(map(str, findings[:examples]))
    left = f"; and {len(findings) - examples} more" if len(findings) > examples else ""
    return f"{what}: {total}{where}; {so}. {shown}{left}"
