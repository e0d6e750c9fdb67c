"""Which settings a command speaks about: what a store remembers, with every option replaced that was given."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from pipeline import settings as settings_file
from pipeline.errors import UsageError
from pipeline.options import given_settings
from pipeline.settings import Settings


def asked_settings(arguments: Namespace) -> Settings:
    """The store's remembered settings with every option replaced that was given."""
    remembered = settings_file.load(arguments.store) or Settings()
    return remembered.with_given(given_settings(vars(arguments)))


def remembered_settings(store: Path) -> Settings:
    """What a store was asked for last; a folder that is no store is a UsageError."""
    settings = settings_file.load(store)
    if settings is None:
        remedy = "Make one with `ave build` or `ave demo`, or name it: --store DIR."
        raise UsageError(f"{store} is not a store yet.", remedy=remedy)
    return settings
