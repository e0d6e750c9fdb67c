"""Pictures, sound and gaze as numbers: `media`, `audio`, `gaze`, `density`."""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
