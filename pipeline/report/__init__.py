"""What a person reads: data cards and contact sheets."""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
