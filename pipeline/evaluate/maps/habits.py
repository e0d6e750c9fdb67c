"""How people name the files of their saliency maps: one table, to which anybody may add a line.

Conventions
-----------
A habit is a path without its ending, seen from the right; folders may stand in front of it. Its fields: `{name}` a
stimulus, `{frame}` the frame's number, `{word}` anything before the number, `{tail}` anything without digits after it,
`{fps}` a frame rate, `{label}` a word such as "saliency". A habit without `{frame}` is one file for all frames. The
corpus is the nearest folder above that is one of `CORPUS_WORDS`, or stands before the name as in
`coutrot1_clip_1`. Letters' case, blanks, hyphens and underscores make no difference in either.

Source
------
STAViS, test_sal.py (`<dataset>/<video>/pred_sal_<6 digits>.jpg`, the first map is numbered 9, the middle of a window
of 16) and datasets/saliency_db.py. ViNet, generate_result_audio_visual.py (named as STAViS's input frames). DAVE,
predict.py (`<name>/<n>.jpg` from 1; its input folders are `<name>_<fps>`). DHF1K's annotation folders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

FIELDS = {
    "name": r"(?P<name>[^/]+)",
    "frame": r"\d+",
    "word": r"[^/]*?",
    "tail": r"[^/\d]*",
    "fps": r"\d\d(?:\.\d+)?",
    "label": r"(?:saliency|salmaps?|sal|predictions?|pred|smaps?|maps?|heatmaps?|outputs?|out|results?)",
}


@dataclass(frozen=True)
class Habit:
    """One way of naming files.

    Attributes
    ----------
    who : str
        Whose habit it is, for the head of a table.
    path : str
        The path without its ending, see the conventions.
    first_frame : int, optional
        What its authors count from, believed where the files leave it open.
    """

    who: str
    path: str
    first_frame: int | None = None

    def __str__(self) -> str:
        return f"{self.who} ({self.path.format_map(_AsWritten())})"

    @property
    def whole(self) -> bool:
        """Whether one file holds all frames of a stimulus."""
        return "{frame}" not in self.path

    def name_in(self, path: str) -> str | None:
        """The stimulus's name as it stands in a path without ending; None where the path is of another habit.

        Examples
        --------
        >>> Habit("STAViS", "{name}/pred_sal_{frame}").name_in("out/DIEM/arctic_bears/pred_sal_000009")
        'arctic_bears'
        """
        match = self._pattern.fullmatch(path)
        return match["name"] if match else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern = re.escape(self.path).replace(r"\{", "{").replace(r"\}", "}")
        return re.compile("(?:.*/)?" + pattern.format_map(FIELDS), re.IGNORECASE)


class _AsWritten(dict):
    def __missing__(self, field: str) -> str:
        return {"word": "…", "tail": "", "label": "saliency"}.get(field, f"<{field}>")


# The first that names a known stimulus counts.
HABITS = (
    Habit("STAViS", "{name}/pred_sal_{frame}", 1),
    Habit("STAViS ground truth", "{name}/maps/eyeMap_{frame}", 1),
    Habit("STAViS ground truth", "{name}/eyeMap_{frame}", 1),
    Habit("ViNet", "{name}/img_{frame}", 1),
    Habit("a folder a stimulus", "{name}/{frame}"),
    Habit("DAVE", "{name}_{fps}/{frame}", 1),
    Habit("DHF1K", "{name}/maps/{frame}", 1),
    Habit("a folder a stimulus", "{name}/{word}{frame}{tail}"),
    Habit("a folder a stimulus, with its rate", "{name}_{fps}/{word}{frame}{tail}"),
    Habit("a folder in a folder a stimulus", "{name}/{label}/{word}{frame}{tail}"),
    Habit("a file a stimulus", "{name}"),
    Habit("a file a stimulus, with its rate", "{name}_{fps}"),
    Habit("a file a stimulus", "{name}_{label}"),
    Habit("our shards' keys", "{name}--{frame}"),
    Habit("all frames in one folder", "{name}_{frame}{tail}"),
    Habit("all frames in one folder", "{name}_{word}_{frame}{tail}"),
)

CORPUS_WORDS = {  # without blanks, hyphens and underscores, in small letters
    "diem": ("diem",),
    "coutrot1": ("coutrot1", "coutrotdb1", "coutrotdatabase1", "database1", "db1", "erb3stimuli", "erb3"),
    "coutrot2": ("coutrot2", "coutrotdb2", "coutrotdatabase2", "database2", "db2", "erb4stimuli", "erb4"),
    "avad": ("avad",),
    "etmd": ("etmd", "etmdav"),
    "summe": ("summe",),
    "dhf1k": ("dhf1k",),
}

RENAMED = ((re.compile(r"clipe(\d+)"), "coutrot2", r"clip\1"),)  # the AVE lists: clip_e_7 is clip 7 of Coutrot 2
SHARED = re.compile(r"clip\d+")  # names that several known corpora own
SHARED_IN_AVE_LISTS = "coutrot1"  # whose they are where the AVE lists' other names are used
PICTURE_SIZE = re.compile(r"_\d+x\d+$")  # DIEM's names end in it, and people leave it out

EXAMPLE = """maps/
  diem/<name>/0001.png …      a picture (png, jpg), npy or mat a frame
  coutrot1/clip_1/0001.png …
  coutrot2/clip_1.mp4         or one video, npy or mat for all frames of a stimulus"""


def simple(word: str) -> str:
    """A name without what people write differently: small letters, no blanks, hyphens and underscores.

    Numbers stay apart: `clip_1_2` is not `clip_12`.
    """
    apart = re.sub(r"(?<=\d)[\W_]+(?=\d)", "|", word.casefold())
    return re.sub(r"[^\w|]+|_+", "", apart)
