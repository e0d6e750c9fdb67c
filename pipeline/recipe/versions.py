"""With which versions of libraries and programs the items of a store were made, where that is worth a word.

Versions are no part of a fingerprint: another one makes nothing run. What was made with other versions than those
that are installed, or with several, is told, and can be made anew on purpose: `ave build --renew STAGE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError, did_you_mean
from pipeline.recipe.stages import STAGES, Stage
from pipeline.store.items import ItemSummary
from pipeline.store.provenance import made_with, version_of, versions

if TYPE_CHECKING:
    from pipeline.recipe.view import View

Mixture = Mapping[str, Mapping[str, Any]]


def mixture(made_with: Iterable[str]) -> Mixture:
    """Libraries in whose versions some items differ from each other, or from what is installed.

    Parameters
    ----------
    made_with : iterable of str
        What each item's record says.

    Returns
    -------
    mapping
        By library: `installed`, its version here and now (empty where there is none), and `made`, how many items
        were made with each version. Items that were made before versions were recorded are not counted.
    """
    made: dict[str, Counter[str]] = {}
    for line, n_items in Counter(made_with).items():
        for library, version in versions(line).items():
            made.setdefault(library, Counter())[version] += n_items
    found = {}
    for library, counts in sorted(made.items()):
        installed = version_of(library)
        if len(counts) > 1 or installed not in ("", *counts):
            found[library] = {"installed": installed, "made": dict(sorted(counts.items()))}
    return found


def in_words(looked: View) -> str:
    """A few lines about everything that is asked for, corpora taken together; empty where there is nothing to say."""
    lines: dict[str, list[str]] = {}
    for stage, corpus in looked.targets():
        lines.setdefault(stage.name, []).extend(looked.state(stage.name, corpus).made_with())
    counts: dict[str, Counter[str]] = {}
    stages: dict[str, list[str]] = {}
    for name, of_stage in lines.items():
        for library, row in mixture(of_stage).items():
            counts.setdefault(library, Counter()).update(row["made"])
            stages.setdefault(library, []).append(name)
    if not counts:
        return ""
    told = ["provenance differs; nothing runs because of it:"]
    for library, made in counts.items():
        parts = [f"{version} ({n_items} item{'s' if n_items > 1 else ''})" for version, n_items in sorted(made.items())]
        said = " and ".join(parts)
        told.append(f"  {library} {said}, {version_of(library) or 'none'} is installed: {', '.join(stages[library])}")
    touched = [name for name in STAGES if any(name in names for names in stages.values())]
    return "\n".join([*told, f"  to make them anew with what is installed: ave build --renew {' '.join(touched)}"])


def renewable(names: Iterable[str]) -> frozenset[str]:
    """The stages of these names.

    Raises
    ------
    UsageError
        If one is unknown, or no library has a say in its bytes.
    """
    known = [stage.name for stage in STAGES.values() if stage.libraries]
    for name in names:
        if name not in known:
            raise UsageError(f"No library has a say in what {name!r} writes.", remedy=did_you_mean(name, known))
    return frozenset(names)


def renewal(stage: Stage, record: ItemSummary) -> str:
    """Why an item is made anew where that is asked for; empty where it was made with what is installed."""
    now = made_with(stage.libraries)
    if record.made_with == now:
        return ""
    if not record.made_with:
        return "--renew: made before versions were recorded"
    old, new = versions(record.made_with), versions(now)
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    changes = (f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}" for name in names)
    return f"--renew: {'; '.join(changes)}"
