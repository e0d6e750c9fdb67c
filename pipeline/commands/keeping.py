"""`ave verify`: keep a store as it should be."""

from __future__ import annotations

import json
from argparse import Namespace

from pipeline.commands.asked import remembered_settings
from pipeline.recipe.build import Build


def verify(arguments: Namespace) -> int:
    """Hash every published file again; what differs is removed from the records, so the next build makes it anew."""
    from pipeline.store.verify import verify_store

    looked = Build(remembered_settings(arguments.store), arguments.store)
    folders = [(f"{stage.name} {corpus}", looked.folder(stage.name, corpus)) for stage, corpus in looked.targets()]
    damaged, n_files = verify_store(folders)
    if arguments.json:
        print(json.dumps({"files": n_files, "damaged": damaged}, ensure_ascii=False))
    else:
        for line in damaged:
            print(line)
        print(f"{n_files} files hashed, {len(damaged)} damaged" + ("; `ave build` mends them" if damaged else ""))
    return 1 if damaged else 0
