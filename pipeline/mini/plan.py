"""What the miniature corpus holds: its stimuli as a table, one row each.

Conventions
-----------
Durations in seconds at scale 1, rates as fractions, sizes in video pixels. `features` name what is awkward
about a stimulus on purpose, in the words of `FEATURES`; real releases have every one of them.
Three corpora of the real names, so that the real adaptors, manifests and geometry apply unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pipeline.records import Geometry

TURN_S = (1.0, 2.0)  # one object sounds for this long before another takes over, unless a plan says otherwise
MIN_DURATION_S = 2.0  # shorter than this no object would sound for a whole turn

FEATURES = {
    "suffixed-observers": "observer parts s1, s01 and s04b side by side, two sessions with the same subject numbers",
    "ntsc-rate": "30000/1001 frames per second",
    "gaze-one-longer": "one gaze row more than the video has frames",
    "ragged-observer": "one observer's file stops early",
    "lost-frames": "event -1 in nearly all observers at once",
    "wild-fixation": "one sample coded 1 in both eyes although the right eye says -3270",
    "zero-fixation": "one sample coded 1 although a coordinate is exactly 0",
    "folder-in-archive": "the archive wraps everything in a folder of the video's name",
    "sound-longer": "the wav outlasts the picture by 0.2 s",
    "stereo": "two sound channels that differ",
    "silent": "a soundtrack of digital silence: nothing to hear, to be refused",
    "shown-without-sound": "observers heard nothing (manifest: audio_presented no), to be refused",
    "third-row": "`data` has a third coordinate row, an observer number",
    "data-longer": "`data` and `nframe` claim 4 frames more than the video has",
    "data-shorter": "`data` ends 2 frames before the video",
    "empty-observer": "one observer's column is NaN throughout",
    "not-in-sheet": "in the list but in no published sheet, as the real coutrot1/clip_42",
    "name-clash": "the same clip name exists in another corpus",
}


_SAME = "as the real corpus"
GEOMETRY = {  # numbers of the real experiments, so that every degree is as many pixels as in them
    "diem": Geometry("diem", "centred", 49.5, 47.1, 52, 1280, 960, 40.64, 30.48, 90, _SAME, "high"),
    "coutrot1": Geometry("coutrot1", "video", 25.1, 23.9, 26, 1024, 768, 40.64, 30.48, 57, _SAME, "high"),
    "coutrot2": Geometry("coutrot2", "video", 25.1, 23.9, 26.3, distance_cm=57, source=_SAME, confidence="high"),
}
N_OBSERVERS = {"diem": 12, "coutrot1": 18, "coutrot2": 20}  # Coutrot's as in the real databases, DIEM's fewer


@dataclass(frozen=True)
class Plan:
    """One stimulus to make.

    Attributes
    ----------
    category, split : str
        As manifests/stimuli.csv will say.
    kinds : tuple of str
        The kinds of the objects in the picture; each kind has one timbre.
    sound_rate_hz : int
        Sampling rate of the soundtrack.
    features : tuple of str
        Keys of `FEATURES`.
    roams : bool
        Objects wander over the whole picture, each for itself, instead of going round its middle together.
    turn_s : (float, float)
        Least and greatest length of a turn.
    attention : float
        Share of the turns that an observer follows.
    """

    corpus: str
    name: str
    category: str
    split: str
    duration_s: float
    rate: Fraction
    width_px: int
    height_px: int
    kinds: tuple[str, ...]
    sound_rate_hz: int
    features: tuple[str, ...] = ()
    roams: bool = False
    turn_s: tuple[float, float] = TURN_S
    attention: float = 0.92

    @property
    def stimulus(self) -> str:
        """`corpus/name`."""
        return f"{self.corpus}/{self.name}"

    @property
    def refused(self) -> str:
        """Why the curated corpus must not hold this stimulus, "" where it must."""
        return next((feature for feature in ("silent", "shown-without-sound") if feature in self.features), "")

    def has(self, feature: str) -> bool:
        """True where the stimulus has this awkwardness."""
        if feature not in FEATURES:
            raise ValueError(f"Unknown feature {feature!r} of the miniature corpus.")
        return feature in self.features


DIEM_RATE = Fraction(30)
NTSC_RATE = Fraction(30000, 1001)
COUTROT_RATE = Fraction(25)
ALL = ("disc", "square", "triangle")


def _diem(name: str, category: str, split: str, duration_s: float, kinds: tuple[str, ...], *features: str) -> Plan:
    """DIEM writes the picture's size into the name, and so do we."""
    width_px, height_px = (int(part) for part in name.rsplit("_", 1)[1].split("x"))
    rate = NTSC_RATE if "ntsc-rate" in features else DIEM_RATE
    return Plan("diem", name, category, split, duration_s, rate, width_px, height_px, kinds, 48000, features)


def _clip(
    corpus: str, number: int, category: str, split: str, duration_s: float, kinds: tuple[str, ...], *features: str
) -> Plan:
    """A Coutrot clip: small pictures, 25 frames per second, the sound inside the video file."""
    width_px, height_px = {"coutrot1": (360, 288), "coutrot2": (320, 132)}[corpus]
    return Plan(
        corpus, f"clip_{number}", category, split, duration_s, COUTROT_RATE, width_px, height_px, kinds, 44100, features
    )


STIMULI: tuple[Plan, ...] = (
    _diem("frog_pond_480x360", "nature", "train", 12.0, ALL, "suffixed-observers", "stereo"),
    _diem("market_square_400x300", "social", "train", 11.0, ("disc", "square"), "ntsc-rate"),
    _diem("toy_railway_352x288", "misc", "train", 10.0, ("square", "triangle"), "folder-in-archive"),
    _diem("street_band_384x288", "social", "val", 8.0, ("disc", "triangle"), "lost-frames", "wild-fixation"),
    _diem("clock_workshop_320x240", "misc", "val", 7.0, ("disc", "square"), "gaze-one-longer", "sound-longer"),
    _diem("forest_edge_480x272", "nature", "test", 8.0, ALL, "ragged-observer", "zero-fixation"),
    _diem("silent_film_320x240", "misc", "train", 6.0, ("disc", "triangle"), "silent"),
    _diem("muted_news_384x288", "social", "train", 6.0, ("square", "triangle"), "shown-without-sound"),
    _clip("coutrot1", 1, "misc", "train", 11.0, ("disc", "triangle"), "third-row", "name-clash"),
    _clip("coutrot1", 2, "nature", "val", 7.0, ("disc", "square"), "data-longer", "name-clash"),
    _clip("coutrot1", 3, "social", "test", 8.0, ("square", "triangle"), "data-shorter", "name-clash"),
    _clip("coutrot1", 4, "misc", "test", 7.0, ALL, "empty-observer"),
    _clip("coutrot1", 42, "nature", "train", 10.0, ("disc", "square"), "not-in-sheet"),
    _clip("coutrot2", 1, "social", "train", 12.0, ("square", "triangle"), "name-clash"),
    _clip("coutrot2", 2, "social", "val", 7.0, ("disc", "triangle"), "name-clash"),
    _clip("coutrot2", 3, "social", "test", 8.0, ALL, "name-clash"),
)
