"""What a model sees, hears and is scored against."""

from tasks.base import StageTask


class Frames(StageTask):
    """Pictures decoded once, resized and packed."""

    stage = "frames"


class LogMel(StageTask):
    """One log-mel example a frame."""

    stage = "logmel"


class Waveform(StageTask):
    """The soundtrack as samples, for models that hear a waveform."""

    stage = "waveform"


class Density(StageTask):
    """One fixation density map a frame."""

    stage = "density"
