"""docs/protocols.md: every scoring protocol in words, and one by one how it differs from ours.

python -m pipeline.report.protocol_page > docs/protocols.md
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.evaluate import protocols
from pipeline.evaluate.protocol import Protocol

OURS = "ours"
HEAD = """\
Two scores may be compared only within one protocol. This page is made from the code by
`python -m pipeline.report.protocol_page`; `ave score --protocol stavis,ours` prints the differences of any two. What
sizes of effects were measured on stands at the head of `pipeline/evaluate/protocols.py`.

Negatives of the shuffled AUC are always of the split that is scored: a score depends on nothing else. Of the papers'
printed tables no copy with its category rows could be read, so their overall rows (the human infinite of DAVE, the row
of AViNet) are not checked here; `evaluate.analysis.adding_up` checks ours, and any table of its form."""


def page() -> str:
    """The page in Markdown; it follows from the code alone, so that a test can tell when it is behind."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    ours = protocols.get(OURS)
    yield "# Scoring protocols"
    yield ""
    yield HEAD
    for name in protocols.names():
        protocol = protocols.get(name)
        yield from ("", f"## {name}", "", f"Source: {protocol.source}.", "")
        yield from _table(protocol, ours)
        if protocol.says:
            yield from ("", *(f"* {sentence}" for sentence in protocol.says))


def _table(protocol: Protocol, ours: Protocol) -> Iterator[str]:
    """What each field is; in a protocol of others, what is as in ours is left out."""
    words, reference = protocol.words(), ours.words()
    alone = protocol is ours
    yield f"| | {protocol.name} |" if alone else f"| differs in | {protocol.name} | {ours.name} |"
    yield "|:--|:--|" if alone else "|:--|:--|:--|"
    for title, said in words.items():
        if alone:
            yield f"| {title} | {said} |"
        elif said != reference.get(title):
            yield f"| {title} | {said} | {reference.get(title, 'not computed')} |"
    for title in reference if not alone else ():
        if title not in words:
            yield f"| {title} | not computed | {reference[title]} |"


if __name__ == "__main__":
    print(page(), end="")
