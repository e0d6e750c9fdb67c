"""`ave doctor`, `ave new-corpus`: what comes before a build."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path


def doctor(arguments: Namespace) -> int:
    """Say what is here, what is missing, and the command that gets it."""
    from pipeline.doctor import examine

    findings = examine(arguments.store)
    if arguments.executor:
        from pipeline.checkup import examine_executor

        findings += examine_executor(arguments.executor, arguments.store)
    if arguments.json:
        print(json.dumps([vars(finding) for finding in findings], ensure_ascii=False, indent=1))
    else:
        for finding in findings:
            print(finding.line())
    return 0 if all(finding.ok for finding in findings if finding.needed) else 1


def new_corpus(arguments: Namespace) -> int:
    """Begin a corpus: skeleton, manifest rows and the test that leads on; then say what comes next."""
    from pipeline import skeleton
    from pipeline.settings import default_manifests

    name, manifests = arguments.name, arguments.manifests or default_manifests()
    for path in skeleton.begin(name, manifests, arguments.stimuli):
        print(f"{'added rows to' if path.suffix == '.csv' else 'wrote'} {_as_typed(path)}")
    elsewhere = f" --manifests {arguments.manifests}" if arguments.manifests else ""
    print(f"""
Next, in the checkout:
  python -m pytest tests/corpora/test_{name}.py -x -q{elsewhere}
    again and again: it says what to fill in, step by step
  python -m pytest tests/corpora -k {name} -q{elsewhere}
    when it passes: the contract that every corpus keeps
  ave build --raw RAW --corpus {name}{elsewhere}
    with the release in RAW/{name}/; `ave plan` with the same words says what would run
README.md walks through it: "Add your own corpus in 20 minutes".""")
    return 0


def _as_typed(path: Path) -> Path:
    """Relative to where the person stands, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
