"""`ave`: the commands of the pipeline.

Conventions
-----------
Exit status 0 only when everything asked for is there; 1 for a failed item; 2 for wrong usage. `--help`, `plan`,
`status` and `why` import neither torch nor librosa nor pandas. Messages for people go to stderr, results to stdout.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import AveError, ManifestError, UsageError
from pipeline.options import OPTIONS
from pipeline.settings import FORMATS

_STOPPED = 130  # as shells say it: ended by SIGINT
_LATER = {
    "train": "a later version; `ave demo` already trains a small model as a stage",
    "predict": "a later version; `ave demo` already predicts the validation split as a stage",
    "score": "a later version; `ave demo` already scores its model as a stage",
    "baselines": "a later version; the mean eye position is already in the demo's table",
    "report": "a later version; until then see STORE/cards and STORE/report",
    "inspect": "a later version; until then see STORE/report/<corpus>/<name>.png",
    "gc": "a later version; until then old variants stay side by side below STORE/stages",
    "new-corpus": "a later version; until then copy a file of pipeline/corpora and follow its skeleton",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn errors into one clear message and an exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except (UsageError, ManifestError) as error:
        print(f"ave: {error}", file=sys.stderr)
        return 2
    except AveError as error:
        print(f"ave: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("ave: stopped; what was finished stays, the same command goes on from there.", file=sys.stderr)
        return _STOPPED
    except OSError as error:
        if error.filename is None:
            raise
        print(f"ave: {error.filename}: {error.strerror}. Check the path and your access to it.", file=sys.stderr)
        return 1


def entry() -> None:
    """The console script: `main`, and a stop that no exit handler can hold up."""
    status = main()
    if status == _STOPPED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


_WHERE = {  # the module of pipeline.commands that holds each command, imported when it is called
    **dict.fromkeys(("build", "export", "demo"), "making"),
    **dict.fromkeys(("plan", "status", "why"), "looking"),
    **dict.fromkeys(("verify",), "keeping"),
    **dict.fromkeys(("doctor",), "setting_up"),
}


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        module = importlib.import_module(f"pipeline.commands.{_WHERE[name]}")
        return getattr(module, name.replace("-", "_"))(arguments)

    return run


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    def run(_arguments: argparse.Namespace) -> int:
        print(f"ave: `ave {name}` is not there yet; it comes with {_LATER[name]}.", file=sys.stderr)
        return 2

    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ave",
        description="Rebuild the AVE audio-visual eye-tracking corpus from its raw releases, ready for training.",
        epilog="Example: ave build --store store --raw raw --accept coutrot1 --partial",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add(commands, "doctor", "what is here, what is missing, and how to get it", "ave doctor", json=True)
    demo = _add(commands, "demo", "the miniature corpus, end to end, nothing to download", "ave demo --store demo")
    demo.add_argument("--executor", default="auto", help="auto, serial or pool:N (default auto)")
    demo.set_defaults(store="demo")

    plan = _add(commands, "plan", "what would run and why; runs nothing", "ave plan --sigma-dva 1.5", json=True)
    _add_build_options(plan)
    build = _add(commands, "build", "make what is not there yet", "ave build --raw raw --corpus diem --partial")
    _add_build_options(build)
    _add(commands, "status", "per stage and corpus: fresh, stale, missing or failed", "ave status", json=True)
    example = "ave why density diem/one_show_1280x712"
    why = _add(commands, "why", "what made this item run, or would", example, json=True)
    why.add_argument("stage", metavar="STAGE")
    why.add_argument("item", metavar="CORPUS/NAME")

    export = _add(commands, "export", "write training-ready shards", "ave export --format wds --out shards")
    export.add_argument("--format", action="append", choices=FORMATS, help="shard format (default wds); repeatable")
    export.add_argument("--out", metavar="DIR", help="where to put them (default STORE/export/FORMAT)")
    _add_build_options(export)
    _add(commands, "verify", "hash every published file again and compare", "ave verify", json=True)
    for name in _LATER:
        later = commands.add_parser(name, help="not there yet", prefix_chars="\0")
        later.add_argument("rest", nargs="*")
        later.set_defaults(command=_later(name))
    return parser


def _add(
    commands: argparse._SubParsersAction, name: str, summary: str, example: str, *, json: bool = False
) -> argparse.ArgumentParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=sentence, epilog=f"Example: {example}")
    parser.add_argument("--store", metavar="DIR", type=Path, default=Path("store"), help="default: %(default)s")
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_command(name))
    return parser


def _add_build_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to build (an option that is not given is the one the store remembers)")
    for option in OPTIONS:
        flag = f"--{option.name}"
        if option.kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=option.help)
        elif option.kind is tuple:
            group.add_argument(flag, action="extend", nargs="+", metavar="NAME", help=option.help)
        else:
            group.add_argument(flag, type=option.kind, metavar=option.kind.__name__.upper(), help=option.help)
    group.add_argument("--executor", default="auto", help="auto, serial or pool:N (default auto: one worker a core)")


if __name__ == "__main__":
    entry()
