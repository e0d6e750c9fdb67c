"""docs/protocols.md: every scoring protocol in words, and one by one how it differs from ours.

python -m pipeline.report.protocol_page > docs/protocols.md
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.evaluate import protocols
from pipeline.evaluate.protocol import Protocol

OURS = "ours"


def page() -> str:
    """The page in Markdown; it follows from the code alone, so that a test can tell when it is behind."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    ours = protocols.get(OURS)
    yield "# Scoring protocols"
    yield ""
    yield "Two scores may be compared only within one protocol. This page is made from the code by"
    yield "`python -m pipeline.report.protocol_page`; `ave score --protocol stavis,ours` prints the differences of any"
    yield "two. What sizes of effects were measured on stands at the head of `pipeline/evaluate/protocols.py`."
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
