"""What a model is held against: maps that look at nothing, and people."""

from pipeline.evaluate.baselines.still import (
    centre_gaussian,
    mean_eye_position,
    mep_of,
    spread_about_centre,
    uniform,
)

__all__ = ["centre_gaussian", "mean_eye_position", "mep_of", "spread_about_centre", "uniform"]
