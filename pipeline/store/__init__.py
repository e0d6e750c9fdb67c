"""Items on disk: what each was made from, whether it is whole, and who may write."""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
