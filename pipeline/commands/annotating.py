"""`ave annotate`: draw boxes around the sound sources of randomly sampled frames, in a page on this machine."""

from __future__ import annotations

import getpass
import re
from argparse import Namespace

from pipeline.errors import UsageError
from pipeline.store.places import is_remote


def annotate(arguments: Namespace) -> int:
    """Serve the page until Ctrl-C; then say how far the annotator got."""
    from pipeline.annotate.sampling import chosen_stimuli, sample_frames
    from pipeline.annotate.server import AnnotationServer
    from pipeline.annotate.session import Session
    from pipeline.corpus import Corpus

    if is_remote(arguments.store):
        raise UsageError(
            f"{arguments.store}: boxes are kept in a folder of this machine.",
            remedy="Copy the store's folder `corpus` to one, and annotate there.",
        )
    annotator = _name(arguments.annotator)
    corpus = Corpus(arguments.store)
    stimuli = chosen_stimuli(corpus, arguments.split, arguments.corpus)
    sampled = sample_frames(stimuli, per_video=arguments.frames_per_video, apart_s=arguments.apart, seed=arguments.seed)
    path = arguments.store / "annotations" / f"{annotator}.csv"
    session = Session(annotator, path, list(corpus), sampled)
    with AnnotationServer(session, arguments.port) as server:
        try:
            print(f"{len(sampled)} frames of {len(stimuli)} videos, {session.n_done()} frames done. Open in a browser:")
            print(f"  {server.url}")
            print(f"Boxes go into {path}, at every change. Ctrl-C ends.", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    print(f"{session.n_done()} of {len(sampled)} frames done, in {path}; the same command goes on from there.")
    return 0


def _name(given: str | None) -> str:
    """The annotator's name, which is the file's too."""
    name = given or getpass.getuser()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", name):
        raise UsageError(
            f"The annotator {name!r} cannot name a file.",
            remedy="Take letters, digits, dot, dash and underscore: --annotator ann",
        )
    return name
