"""Sound as samples: the stretch of a soundtrack that belongs to a clip, in the form a network hears it.

Conventions
-----------
Waveforms are mono float32, full scale ±1, sample k heard at k / rate_hz seconds on the stimulus's clock (the first
picture is 0 s). Times are exact until the last step: a sample is found by rounding a time, never by adding up hops.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Waveform:
    """The form of a sound that is heard as samples.

    The samples from half a frame before the clip's first frame to half a frame after its last, under a Hann window
    of their own length, in the middle of `samples` values; zeros around them, and beyond the soundtrack. Of a stretch
    that is longer than `samples` only its end is heard.

    Attributes
    ----------
    rate_hz : int
        Mono samples per second.
    samples : int
        Length of the waveform.
    peak : float
        Value of full scale.
    """

    rate_hz: int
    samples: int
    peak: float


def sample_range(first_s: float, last_s: float, rate: Fraction, rate_hz: int) -> tuple[int, int]:
    """Samples that belong to the frames from one to another: from half a frame before to half a frame after.

    Parameters
    ----------
    first_s, last_s : float
        Presentation times of the first and of the last frame.
    rate : Fraction
        Frames per second.
    rate_hz : int
        Samples per second.

    Returns
    -------
    start, stop : int
        Half open; may reach beyond the soundtrack at both ends.

    Examples
    --------
    >>> sample_range(0.0, 0.96, Fraction(25), 22050)
    (-441, 21609)
    """
    half_s = float(1 / (2 * rate))
    return round((first_s - half_s) * rate_hz), round((last_s + half_s) * rate_hz)


def heard(samples: NDArray[np.float32], first_sample: int, stretch: tuple[int, int], form: Waveform) -> NDArray:
    """A stretch of a soundtrack in the form that a network hears.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        A piece of the soundtrack; silence is heard beyond it.
    first_sample : int
        Which sample of the soundtrack the piece begins with.
    stretch : (int, int)
        First sample and the one after the last, as `sample_range` gives them.
    form : Waveform

    Returns
    -------
    waveform : ndarray, shape (form.samples,), float32

    Source
    ------
    Tsiami et al. 2020 (STAViS), whose loader windows the sound of a clip this way; Jain et al. 2021 took it over. Clips
    inside a video agree with theirs to a sample. They cut at the first sample before they window, we do not, which
    moves clips that begin with frame 0 by half of a half frame; ViNet plays early clips backwards, here they are short.

    Examples
    --------
    >>> heard(np.ones(9, np.float32), 0, (2, 7), Waveform(22050, 9, 256.0)).tolist()
    [0.0, 0.0, 0.0, 128.0, 256.0, 128.0, 0.0, 0.0, 0.0]
    """
    start, stop = max(stretch[0], stretch[1] - form.samples), stretch[1]
    whole = np.zeros(stop - start, np.float32)
    begin, end = (min(max(edge, first_sample), first_sample + len(samples)) for edge in (start, stop))
    whole[begin - start : end - start] = samples[begin - first_sample : end - first_sample]
    waveform = np.zeros(form.samples, np.float32)
    before = (form.samples - len(whole)) // 2
    waveform[before : before + len(whole)] = whole * (np.hanning(len(whole)) * form.peak)
    return waveform
