"""The options of a build, once: `ave build`, `ave plan`, `ave export` and the Luigi tasks all read this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERYTHING = "all"  # --corpus all, --only all: forget an earlier narrowing


@dataclass(frozen=True)
class Option:
    """One option: its name on the command line, the settings field it replaces, and what `--help` says."""

    name: str
    field: str
    kind: type  # tuple (words), bool, int, float or str
    help: str

    def value(self, given: Any) -> Any:
        """What the settings field becomes; None where the option was not given."""
        if given is None or (given is False and self.kind is tuple):
            return None
        if self.kind is tuple:
            return () if EVERYTHING in given else tuple(dict.fromkeys(given))
        if self.field in ("raw", "manifests"):
            return str(Path(given).resolve())  # as the person who typed it sees it, not as the store does
        return given


OPTIONS = (
    Option("raw", "raw", str, "folder that holds the releases as their owners ship them (default STORE/raw)"),
    Option("manifests", "manifests", str, "folder of manifests, if not the ones that come with the program"),
    Option("corpus", "corpora", tuple, "build only these corpora; 'all' for every one"),
    Option("only", "only", tuple, "build only these stimuli (CORPUS/NAME); 'all' for every one"),
    Option("accept", "accept", tuple, "accept the terms of these corpora, so that they may be fetched"),
    Option("partial", "partial", bool, "go on with what is in RAW, fetch nothing, list what is missing in the card"),
    Option("official-150", "official_150", bool, "leave out coutrot1/clip_42, which the published sheet lacks"),
    Option("tolerance", "tolerance", float, "fraction of a corpus's stimuli that may fail before shards are refused"),
    Option("sigma-dva", "sigma_dva", float, "standard deviation of the fixation density, degrees (default 1.0)"),
    Option("jpeg-quality", "jpeg_quality", int, "of the stored frames, 1 to 100 (default 92)"),
    Option("frame-height", "frame_height", int, "of the stored frames, pixels (default 256)"),
    Option("frame-width", "frame_width", int, "of the stored frames, pixels (default 320)"),
    Option("density-height", "density_height", int, "of the density maps, cells (default 32)"),
    Option("density-width", "density_width", int, "of the density maps, cells (default 40)"),
    Option("mel-bands", "mel_bands", int, "of the log-mel examples (default 64)"),
    Option("anchor", "anchor", str, "where a frame's time lies in its log-mel example: start, centre or end"),
    Option("min-inside-share", "min_inside_share", float, "refuse screen gaze of which less lies inside the picture"),
    Option("max-sound-difference-s", "max_sound_difference_s", float, "refuse a longer gap of sound and picture"),
    Option("silence-dbfs", "silence_dbfs", float, "a soundtrack below this level counts as silent (default -60)"),
)


def given_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings fields that a set of parsed options replaces; option names may use "-" or "_"."""
    plain = {name.replace("_", "-"): value for name, value in options.items()}
    found = {option.field: option.value(plain.get(option.name)) for option in OPTIONS}
    return {field: value for field, value in found.items() if value is not None}
