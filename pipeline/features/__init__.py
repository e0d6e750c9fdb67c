"""What a model is fed with, one item a stimulus: frames, log-mel examples, density maps."""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
