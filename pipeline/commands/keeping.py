"""`ave verify`, `ave gc`: keep a store as it should be."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.asked import remembered_settings
from pipeline.errors import StoreError
from pipeline.recipe.build import Build

if TYPE_CHECKING:
    from pipeline.recipe.collect import Garbage, Group

_NAMED = 3  # things named in a row before "and more"
_REMEDIES = {
    "source": "neither in RAW as recorded nor free to be fetched; put the release back, or accept its terms (--accept)",
    "untraceable": "replaced or removed since, or never known here; `ave gc --also untraceable` removes this too",
    "weights": "a run costs hours and need not repeat exactly; `ave gc --also weights` removes this too",
}


def verify(arguments: Namespace) -> int:
    """Hash every published file again; an item's record is told of what differs, so the next build makes it anew."""
    from pipeline.store.lock import store_lock
    from pipeline.store.verify import note_down, verify_store

    looked = Build(remembered_settings(arguments.store), arguments.store)
    folders = [(f"{stage.name} {corpus}", looked.folder(stage.name, corpus)) for stage, corpus in looked.targets()]
    lines, damaged, n_files = verify_store(folders)
    if arguments.json:
        print(json.dumps({"files": n_files, "damaged": lines}, ensure_ascii=False))
    else:
        for line in lines:
            print(line)
        print(f"{n_files} files hashed, {len(lines)} damaged" + ("; `ave build` mends them" if lines else ""))
    if damaged:
        try:
            with store_lock(arguments.store):
                note_down(damaged)
        except StoreError as error:
            remedy = "Run `ave verify` again when it has ended: what was found is not noted down yet."
            raise StoreError(error.message, remedy=remedy, code=error.code) from error
    return 1 if lines else 0


def gc(arguments: Namespace) -> int:
    """Say what neither the remembered settings nor an export asks for, and with --yes remove it; never in RAW."""
    from pipeline.recipe.collect import look, take_out
    from pipeline.store.lock import store_lock

    store: Path = arguments.store
    remembered_settings(store)  # what is no store is said before a lock is laid into it
    with store_lock(store) if arguments.yes else nullcontext():
        garbage = look(Build(remembered_settings(store), store), arguments.also)
        if arguments.yes:
            take_out(store, garbage)
    if arguments.json:
        print(json.dumps(_as_json(garbage, arguments.yes), ensure_ascii=False, indent=1))
    else:
        for line in _in_words(garbage, arguments.yes):
            print(line)
    return 0


def _as_json(garbage: Garbage, removed: bool) -> dict[str, Any]:
    def row(group: Group) -> dict[str, Any]:
        place = {"stage": group.shelf.stage, "variant": group.shelf.variant, "corpus": group.shelf.corpus}
        return {**place, "items": len(group.names), "bytes": group.size.freed, "why": group.why, "names": group.names}

    exports = [vars(export) | {"folder": str(export.folder)} for export in garbage.exports]
    return {
        "removed": removed,
        "items": garbage.n_items,
        "bytes": garbage.size.freed,
        "shared_bytes": garbage.size.shared,
        "groups": [row(group) for group in garbage.groups],
        "leftovers": [str(path) for path in garbage.leftovers],
        "half_trained": {
            "folders": [str(path) for path in garbage.half_trained],
            "bytes": garbage.half_trained_size.freed,
            "goes": garbage.gives_up_weights,
        },
        "kept": [{**row(group), "code": group.code, "about": group.about} for group in garbage.kept],
        "exports": exports,
        "written": [
            {"folder": str(one.folder), "command": one.command, "bytes": one.size.freed} for one in garbage.written
        ],
    }


def _in_words(garbage: Garbage, removed: bool) -> Iterator[str]:
    if garbage.groups:
        yield from _table(garbage.groups)
    if garbage.leftovers:
        n_left, left = len(garbage.leftovers), garbage.leftovers_size.freed / 1e6
        yield f"half-made or half-removed by processes that have ended: {n_left}, {left:.1f} MB"
    if garbage.kept:
        yield "kept, although nothing asks for it, because a build could not make it again:"
        yield from _table(garbage.kept)
        yield from (f"  {code}: {_REMEDIES[code]}" for code in dict.fromkeys(group.code for group in garbage.kept))
    if garbage.half_trained:
        size = f"{len(garbage.half_trained)}, {garbage.half_trained_size.freed / 1e6:.1f} MB"
        kept = (
            "" if garbage.gives_up_weights else "; kept until they have ended: `ave gc --also weights` removes this too"
        )
        yield f"what trainings that were stopped go on from (STORE/resume): {size}{kept}"
    for export in garbage.exports:
        marks = f"{export.problem}: it marks nothing" if export.problem else f"marks {export.n_items} items"
        yield f"export {export.folder}: {marks}"
    for one in garbage.written:
        size = f"{one.size.freed / 1e6:.1f} MB"
        again = f"`{one.command}` makes again; never removed here"
        yield f"{one.folder}: {size} of pages, which {again}, delete it yourself"
    if not (garbage.groups or garbage.leftovers or (garbage.half_trained and garbage.gives_up_weights)):
        yield "nothing to remove"
        return
    if garbage.size.shared:
        shared = f"{garbage.size.shared / 1e6:.1f} MB more are in these items"
        yield f"{shared}, but stay on the disk: they have other names, in STORE/corpus or an export"
    size = f"{garbage.size.freed / 1e6:.1f} MB ({garbage.n_items} item{'s' if garbage.n_items != 1 else ''})"
    yield f"freed {size}" if removed else f"would free {size}; run again with --yes to remove them"


def _table(groups: list[Group]) -> Iterator[str]:
    width = max(len(group.shelf.variant) for group in groups) + 2
    yield f"{'stage':<11}{'variant':<{width}}{'corpus':<10}{'items':>6}{'MB':>9}  why"
    for group in groups:
        head = f"{group.shelf.stage:<11}{group.shelf.variant:<{width}}{group.shelf.corpus:<10}{len(group.names):>6}"
        more = f" and {len(group.about) - _NAMED} more" if len(group.about) > _NAMED else ""
        about = f": {', '.join(group.about[:_NAMED])}{more}" if group.about else ""
        yield f"{head}{group.size.freed / 1e6:>9.1f}  {group.why}{about}"
