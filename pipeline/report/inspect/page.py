"""Put a stimulus on one page: data from a published corpus, markup from `templates`, everything inside one file.

Conventions
-----------
Frames count from 0, times are seconds since the first picture, points are video pixels. Sizes of what is embedded
are counted as they will stand in the file: base64 takes four bytes for three.
"""

from __future__ import annotations

import base64
import colorsys
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report.figures import band_of
from pipeline.report.inspect.gaze import PARTS_PER_PX, pack_fixations
from pipeline.report.inspect.maps import SIZE as MAP_SIZE
from pipeline.report.inspect.maps import PackedMaps
from pipeline.report.inspect.pictures import Pictures, choose_pictures
from pipeline.report.inspect.soundtrack import Sound, embed_sound
from pipeline.report.inspect.spectrogram import Spectrogram, draw_spectrogram, palette
from pipeline.signals.audio import ANCHORS, EXAMPLE_STEPS, HOP_S, LOG_OFFSET

if TYPE_CHECKING:
    from pipeline.corpus import Stimulus

LIMIT_BYTES = 5_000_000
SOUND_SHARE = 0.45  # of what is left when everything but pictures and sound has its place
DENSITY_SIZE = (64, 80)  # that of the contact sheets; the browser sums the Gaussians at just this size
TICKS_HZ = (250, 1000, 4000)
SCRIPTS = ("clock.js", "gaze.js", "density.js", "drawing.js", "page.js")


@dataclass(frozen=True)
class Page:
    """The page of one stimulus, and in `left_out` a sentence for everything that is not on it as it was."""

    html: str
    left_out: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return len(self.html.encode())


def inspect_page(
    stimulus: Stimulus,
    *,
    sound: tuple[np.ndarray, int] | None = None,
    no_sound: str = "",
    rejected: Sequence[Mapping[str, Any]] = (),
    maps: PackedMaps | None = None,
    sigma_dva: float = 1.0,
    limit_bytes: int = LIMIT_BYTES,
) -> Page:
    """Make the page of one stimulus.

    Parameters
    ----------
    stimulus : Stimulus
        As `pipeline.Corpus` gives it.
    sound : (ndarray shape (n,) float32, int), optional
        Its soundtrack from the first picture on, full scale ±1, and the rate in Hz.
    no_sound : str
        Why there is none, a sentence for the page.
    rejected : sequence of mapping
        Rows of `rejected.parquet` about it (level, subject, reason, count, detail).
    maps : PackedMaps, optional
        A model's maps, to lay over the picture.
    sigma_dva : float
        Standard deviation of a fixation's Gaussian in degrees of visual angle, > 0.
    limit_bytes : int
        Size that is not exceeded: sound gives up its high end for it, pictures their size, then their number.

    Returns
    -------
    page : Page
        HTML that loads nothing from anywhere. The same stimulus gives the same bytes with the same libraries.

    Raises
    ------
    WaveformError
        If the sound is none.
    """
    duration_s = float(stimulus.times_s[-1] + 1 / stimulus.rate)
    spectrogram = draw_spectrogram(stimulus.steps, duration_s)
    render = partial(
        _render,
        stimulus,
        spectrogram=spectrogram,
        rejected=rejected,
        maps=maps,
        sigma_dva=sigma_dva,
        duration_s=duration_s,
    )
    bare = render(Pictures("", [0], [b""], ""), Sound(b"", no_sound))
    # words about what is left out, and beside each picture its number, quotes, and base64's padding
    left = (limit_bytes - bare.n_bytes - 4_000 - 16 * stimulus.n_frames) * 3 // 4
    heard = embed_sound(*sound, duration_s, int(left * SOUND_SHARE)) if sound else Sound(b"", no_sound)
    left -= len(heard.wav)
    return render(choose_pictures(stimulus, left), heard)


def _render(
    stimulus: Stimulus,
    pictures: Pictures,
    sound: Sound,
    *,
    spectrogram: Spectrogram,
    rejected: Sequence[Mapping[str, Any]],
    maps: PackedMaps | None,
    sigma_dva: float,
    duration_s: float,
) -> Page:
    fixations = stimulus.fixations()
    observers = sorted(fixations["observer"].unique())
    colours = observer_colours(len(observers))
    exact = f"Positions are to 1/{PARTS_PER_PX} of a pixel."
    left_out = tuple(
        note for note in (pictures.note, sound.note, spectrogram.note, maps.note if maps else "", exact) if note
    )
    data = {
        "times_s": stimulus.times_s.tolist(),
        "duration_s": duration_s,
        "width_px": stimulus.width_px,
        "height_px": stimulus.height_px,
        "density": {
            "sigma_px": stimulus.px_per_dva * sigma_dva,
            "size": DENSITY_SIZE,
            "palette": _text(palette("inferno")),
        },
        "colours": colours,
        "observers": observers,
        "gaze": {
            "n": len(fixations),
            "parts_per_px": PARTS_PER_PX,
            "packed": _text(pack_fixations(fixations, observers)),
        },
        "pictures": {"mime": pictures.mime, "frames": pictures.frames, "others": list(map(_text, pictures.images[1:]))},
        "maps": _maps(maps) if maps else None,
        "sound": _text(sound.wav),
        "logmel": {
            "duration_s": spectrogram.duration_s,
            "hop_s": HOP_S,
            "steps_before": ANCHORS[stimulus.anchor],
            "steps": EXAMPLE_STEPS,
        },
    }
    script = _script()
    html = (
        _templates()
        .get_template("page.html")
        .render(
            stimulus=stimulus,
            data=data,
            facts=_facts(stimulus, duration_s, sigma_dva),
            observers=list(zip(observers, colours, strict=True)),
            rejected=list(rejected),
            left_out=left_out,
            has_sound=bool(sound.wav),
            maps=maps,
            first_picture=f"data:{pictures.mime};base64,{_text(pictures.images[0])}",
            spectrogram=f"data:image/png;base64,{_text(spectrogram.png)}",
            logmel_ticks_s=[spectrogram.duration_s * part / 4 for part in range(5)],
            ticks=[
                (f"{hz / 1000:g}", 100 * band_of(hz, stimulus.steps.shape[1]) / stimulus.steps.shape[1])
                for hz in TICKS_HZ
            ],
            silence=LOG_OFFSET,
            example_s=EXAMPLE_STEPS * HOP_S,
            sigma_dva=sigma_dva,
            style=Markup(_source("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    return Page(html, left_out)


def _maps(maps: PackedMaps) -> dict[str, Any]:
    packed = {"size": MAP_SIZE, "frames": maps.frames, "packed": _text(maps.packed)}
    return packed | {"palette": _text(palette("viridis"))}


def observer_colours(n_observers: int) -> list[str]:
    """One colour an observer, `#rrggbb`: evenly spaced hues, every second one lighter."""
    hues = (number / max(n_observers, 1) for number in range(n_observers))
    channels = (colorsys.hls_to_rgb(hue, 0.5 + 0.2 * (number % 2), 0.9) for number, hue in enumerate(hues))
    return ["#" + "".join(f"{round(255 * channel):02x}" for channel in colour) for colour in channels]


def _facts(stimulus: Stimulus, duration_s: float, sigma_dva: float) -> Iterable[tuple[str, str]]:
    """What a reader wants to know first, each with its name."""
    rate = stimulus.rate
    exact = f"{rate.numerator}" if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"
    gaps_s = np.diff(stimulus.times_s)
    varies = gaps_s.size and gaps_s.max() - gaps_s.min() > 0.25 / float(rate)  # more than rounded time stamps
    return (
        ("Split", stimulus.split),
        ("Category", stimulus.category),
        ("Frames", f"{stimulus.n_frames} in {duration_s:.3f} s"),
        ("Frame rate", f"{exact} per second" + (" on average; the intervals differ" if varies else "")),
        ("Picture", f"{stimulus.width_px} × {stimulus.height_px} px, {stimulus.px_per_dva:g} px per degree"),
        ("Observers", f"{stimulus.n_observers} with {stimulus.n_fixations} fixations"),
        ("Sound heard", stimulus.audio_presented),
        ("Soundtrack", f"{stimulus.audio_rate_hz} Hz, {stimulus.audio_channels} channel(s)"),
        ("Log-mel example", f"{EXAMPLE_STEPS * HOP_S:g} s, anchor {stimulus.anchor}"),
        ("Density", f"a Gaussian of σ = {sigma_dva:g}° for each fixation"),
        ("Licence", stimulus.licence),
    )


@cache
def _templates() -> Environment:
    loader = PackageLoader("pipeline.report.inspect", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _script() -> str:
    """All of the page's JavaScript: one module, so that nothing of it is global."""
    return "\n".join(map(_source, SCRIPTS))


def _source(name: str) -> str:
    return (resources.files("pipeline.report.inspect") / "templates" / name).read_text(encoding="utf-8")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
