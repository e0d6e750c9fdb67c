"""Which stimulus is meant by a folder's or a file's name.

Conventions
-----------
A stimulus is `corpus/name`. A name is compared in `habits.simple` form: `clip1` is `clip_1`. Folders come nearest
first.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.evaluate.maps.habits import CORPUS_WORDS, PICTURE_SIZE, RENAMED, SHARED, SHARED_IN_AVE_LISTS, simple

SHORTEST_CUT = 8  # letters of a name that was cut short


@dataclass(frozen=True)
class Match:
    """What a name was taken for.

    Attributes
    ----------
    candidates : tuple of str
        The stimuli it may be: one is a match, several are none.
    remark : str
        How it was understood, where that needs saying.
    """

    candidates: tuple[str, ...] = ()
    remark: str = ""

    @property
    def stimulus(self) -> str | None:
        """The stimulus, where there is no doubt."""
        return self.candidates[0] if len(self.candidates) == 1 else None


class Names:
    """The names of some stimuli.

    Parameters
    ----------
    stimuli : iterable of str
        `corpus/name`.
    ave_lists : bool
        Whether the names at hand are the AVE lists' (`clip_e_7` for Coutrot 2), so that `clip_7` alone is Coutrot 1's.
    """

    def __init__(self, stimuli: Iterable[str], ave_lists: bool = False):
        self._ave_lists = ave_lists
        self._names: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._short: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for stimulus in stimuli:
            corpus, name = stimulus.split("/", 1)
            self._names[corpus][simple(name)].append(stimulus)
            self._short[corpus][simple(PICTURE_SIZE.sub("", name))].append(stimulus)
        words = {word: corpus for corpus, words in CORPUS_WORDS.items() for word in words}
        self._corpora = words | {simple(corpus): corpus for corpus in self._names}

    def find(self, name: str, folders: Sequence[str] = (), *, cut: bool = True) -> Match:
        """The stimulus that a name stands for.

        Parameters
        ----------
        name : str
        folders : sequence of str
            Names of the folders above, nearest first: the first that is a corpus says which.
        cut : bool
            Whether the first letters of a name will do: no fewer than `SHORTEST_CUT`, and of one stimulus only.

        Examples
        --------
        >>> names = Names(["coutrot1/clip_1", "coutrot2/clip_1"])
        >>> names.find("clip1", ["Coutrot_db2"]).stimulus
        'coutrot2/clip_1'
        >>> names.find("clip_1").candidates
        ('coutrot1/clip_1', 'coutrot2/clip_1')
        """
        corpus = next(filter(None, map(self.corpus_of, folders)), None)
        match = self._in(corpus, name) or self._with_corpus_in_front(name) or self._short_of(corpus, name)
        return match or (self._cut(corpus, name) if cut else Match())

    def corpus_of(self, word: str) -> str | None:
        """The corpus that a word stands for."""
        return self._corpora.get(simple(word))

    def nearest(self, name: str, folders: Sequence[str] = ()) -> str:
        """The known stimulus whose name is most like this one, of a corpus that a folder names; or nothing."""
        corpus = next(filter(None, map(self.corpus_of, folders)), None)
        known = {key: found[0] for own in self._corpora_of(corpus) for key, found in self._names[own].items()}
        near = difflib.get_close_matches(simple(name), known, n=1, cutoff=0.7)
        return known[near[0]] if near else ""

    def _in(self, corpus: str | None, name: str) -> Match | None:
        key = simple(name)
        for pattern, owner, plain in RENAMED:
            if pattern.fullmatch(key) and corpus in (None, owner) and not self._hits(self._names, corpus, key):
                return self._of(self._hits(self._names, owner, pattern.sub(plain, key)), name)
        if corpus is None and self._ave_lists and SHARED.fullmatch(key):
            return self._of(self._hits(self._names, SHARED_IN_AVE_LISTS, key), name)
        hits = self._hits(self._names, corpus, key)
        if corpus is None and len(hits) == 1 and SHARED.fullmatch(key):
            remark = f"{name} has no corpus in front of it and was taken for {hits[0]}, the only one asked for"
            return Match(tuple(hits), remark)
        return self._of(hits, name)

    def _with_corpus_in_front(self, name: str) -> Match | None:
        for gap in re.finditer(r"[_\-. ]+", name):
            corpus = self.corpus_of(name[: gap.start()])
            if corpus and (match := self._in(corpus, name[gap.end() :])):
                return match
        return None

    def _short_of(self, corpus: str | None, name: str) -> Match | None:
        hits = self._hits(self._short, corpus, simple(name))
        return Match(tuple(hits), f"{name} was taken for {hits[0]}") if hits else None

    def _cut(self, corpus: str | None, name: str) -> Match:
        key = simple(name)
        if len(key) < SHORTEST_CUT:
            return Match()
        hits = [
            stimulus
            for own in self._corpora_of(corpus)
            for known, found in self._names[own].items()
            if known.startswith(key)
            for stimulus in found
        ]
        return Match(tuple(hits), f"{name} was taken for {hits[0]}, cut short" if hits else "")

    def _hits(self, names: dict[str, dict[str, list[str]]], corpus: str | None, key: str) -> list[str]:
        return [stimulus for own in self._corpora_of(corpus) for stimulus in names[own].get(key, ())]

    def _corpora_of(self, corpus: str | None) -> list[str]:
        return [own for own in self._names if corpus in (None, own)]

    def _of(self, hits: list[str], name: str) -> Match | None:
        exact = [stimulus for stimulus in hits if stimulus.split("/", 1)[1] == name]
        one_corpus = len({stimulus.split("/", 1)[0] for stimulus in hits}) == 1
        return Match(tuple(exact if one_corpus and exact else hits)) if hits else None


def uses_ave_lists(names: Iterable[str]) -> bool:
    """Whether one of some names is one that only the AVE lists use."""
    return any(pattern.fullmatch(simple(name)) for name in names for pattern, _, _ in RENAMED)
