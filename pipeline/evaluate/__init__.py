"""How well a predicted map matches where people looked."""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
