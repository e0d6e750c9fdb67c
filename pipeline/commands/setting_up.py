"""`ave doctor`: what comes before a build."""

from __future__ import annotations

import json
from argparse import Namespace


def doctor(arguments: Namespace) -> int:
    """Say what is here, what is missing, and the command that gets it."""
    from pipeline.doctor import examine

    findings = examine(arguments.store)
    if arguments.json:
        print(json.dumps([vars(finding) for finding in findings], ensure_ascii=False, indent=1))
    else:
        for finding in findings:
            print(finding.line())
    return 0 if all(finding.ok for finding in findings if finding.needed) else 1
