"""From raw releases to an admitted, audited and published corpus."""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
