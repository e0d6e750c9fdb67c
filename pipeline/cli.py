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
from pipeline.options import AUDIT, OPTIONS, PREDICTION, PRETRAINING, TRAINING, Option
from pipeline.settings import FORMATS
from pipeline.store.disk import store_at
from pipeline.store.executors import WORDS

_STOPPED = 130  # as shells say it: ended by SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn errors into one clear message and an exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if "store" in arguments:
            arguments.store = store_at(arguments.store)
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
    **dict.fromkeys(("verify", "gc"), "keeping"),
    **dict.fromkeys(("doctor", "new-corpus"), "setting_up"),
    **dict.fromkeys(("models",), "models"),
    "baselines": "baselines",
    "score": "scoring",
    "annotate": "annotating",
    "compare": "comparing",
    "inspect": "inspecting",
    "report": "reporting",
    **dict.fromkeys(("train", "pretrain", "predict", "audit"), "training"),
}


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        module = importlib.import_module(f"pipeline.commands.{_WHERE[name]}")
        return getattr(module, name.replace("-", "_"))(arguments)

    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ave",
        description="Rebuild the AVE audio-visual eye-tracking corpus from its raw releases, ready for training.",
        epilog="Example: ave build --store store --raw raw --accept coutrot1 --partial",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    doctor = _add(commands, "doctor", "what is here, what is missing, and how to get it", "ave doctor", json=True)
    doctor.add_argument("--executor", help="look at its workers, too: dask:N, dask://host:port, slurm")
    demo = _add(commands, "demo", "the miniature corpus, end to end, nothing to download", "ave demo --store demo")
    demo.add_argument("--executor", default="auto", help=f"{WORDS} (default auto)")
    learn = "instead: train by ear, by eye and by both where only the sound tells where gaze goes, and check the order"
    demo.add_argument("--learn", action="store_true", help=f"{learn} (minutes; in DIR/learn)")
    demo.add_argument("--seeds", type=int, default=1, metavar="N", help="with --learn: train from N seeds (default 1)")
    demo.set_defaults(store="demo")

    plan = _add(commands, "plan", "what would run and why; runs nothing", "ave plan --sigma-dva 1.5", json=True)
    _add_build_options(plan)
    build = _add(commands, "build", "make what is not there yet", "ave build --raw raw --corpus diem --partial")
    _add_build_options(build)
    build.add_argument("--shard", metavar="I/N", help="only part I of N (from 0), as a job of a queue's array")
    status = _add(commands, "status", "per stage and corpus: fresh, stale, missing or failed", "ave status", json=True)
    status.add_argument("--watch", action="store_true", help="follow the build that is at work there until it ends")
    status.add_argument("--interval", type=float, metavar="S", help="with --watch: look every S seconds (default 1)")
    example = "ave why density diem/one_show_1280x712"
    why = _add(commands, "why", "what made this item run, or would", example, json=True)
    why.add_argument("stage", metavar="STAGE")
    why.add_argument("item", metavar="CORPUS/NAME")
    _add_build_options(why)

    export = _add(commands, "export", "write training-ready shards", "ave export --format wds --out shards")
    export.add_argument("--format", action="append", choices=FORMATS, help="shard format (default wds); repeatable")
    export.add_argument("--out", metavar="DIR", help="where to put them (default STORE/export/FORMAT)")
    _add_build_options(export)
    for making in (build, export):
        making.add_argument("--profile", action="store_true", help="say at the end where the time went, stage by stage")
    _add(commands, "verify", "hash every published file again and compare", "ave verify", json=True)
    gc = _add(commands, "gc", "what nothing asks for any more, and with --yes its removal", "ave gc --yes", json=True)
    gc.add_argument("--yes", action="store_true", help="remove it; without this, only say what would go")
    gc.add_argument(
        "--also",
        nargs="+",
        default=[],
        choices=("weights", "untraceable"),
        help="give up, too, what could not be made again: trained models, or what was made from things since replaced",
    )
    _add_new_corpus(commands)
    _add_learning(commands)
    _add_scoring(commands)
    _add_annotate(commands)
    _add_inspect(commands)
    _add_report(commands)
    summary = "the models: what each costs, wants and gives, its source and published weights"
    _add(commands, "models", summary, "ave models --json", json=True, store=False)
    return parser


def _add(
    commands: argparse._SubParsersAction,
    name: str,
    summary: str,
    example: str,
    *,
    json: bool = False,
    store: bool = True,
) -> argparse.ArgumentParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=sentence, epilog=f"Example: {example}")
    if store:
        where = "or s3://BUCKET/PREFIX (default: %(default)s)"
        parser.add_argument("--store", metavar="DIR", default="store", help=where)
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_command(name))
    return parser


def _add_new_corpus(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "new-corpus",
        help="begin a corpus of your own: skeleton, manifest rows, and a test that leads on",
        description="Write the skeleton of a corpus, rows of the manifests with empty cells, and a test that says what "
        "to fill in next. Changes nothing where the name is taken.",
        epilog="Example: ave new-corpus orbits --stimuli bees choir. README.md walks through it.",
    )
    parser.add_argument("name", metavar="NAME", help="of the corpus: a Python name in lower case")
    parser.add_argument("--stimuli", nargs="+", default=[], metavar="NAME", help="names of its videos, a row each")
    parser.add_argument("--manifests", metavar="DIR", type=Path, help="tables to append to (default: this checkout's)")
    parser.set_defaults(command=_command("new-corpus"))


def _add_learning(commands: argparse._SubParsersAction) -> None:
    rows = (
        ("train", TRAINING, "train a model on the shards, choose on val", "ave train --model dave --modality av"),
        ("pretrain", PRETRAINING, "let a sound stream learn spoken words", "ave pretrain --words speech_commands"),
        ("predict", PREDICTION, "saliency maps of a split by the run last trained", "ave predict --split test"),
        ("audit", AUDIT, "does the run last trained use the sound? its maps with other sounds", "ave audit"),
    )
    for name, options, summary, example in rows:
        parser = _add(commands, name, summary, example)
        _add_options(parser.add_argument_group("settings (one not given is the one the store remembers)"), options)
        if name == "train":
            _add_build_options(parser)
        else:
            parser.add_argument("--executor", default="auto", help=f"{WORDS} (default auto)")


def _add_inspect(commands: argparse._SubParsersAction) -> None:
    summary = "one offline page about a stimulus: picture, gaze, density, sound"
    parser = _add(commands, "inspect", summary, "ave inspect diem/one_show_1280x712")
    parser.add_argument("stimulus", metavar="CORPUS/NAME")
    parser.add_argument("--maps", metavar="MAPS", help="lay a model's maps over it: a folder, a run's folder, Parquet")
    parser.add_argument("--out", metavar="DIR", help="folder for the page (default STORE/inspect)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def _add_report(commands: argparse._SubParsersAction) -> None:
    summary = "one folder of pages that opens offline: scores, tests, curves, audits"
    parser = _add(commands, "report", summary, "ave report --split test")
    parser.add_argument("--split", help="train, val or test (default test; one that has scores where it has none)")
    parser.add_argument("--protocol", metavar="NAME", help="scoring protocol (default ours)")
    parser.add_argument("--out", metavar="DIR", help="where to put it (default STORE/pages)")


def _add_annotate(commands: argparse._SubParsersAction) -> None:
    summary = "a local page to draw boxes around what sounds, on frames drawn at random"
    parser = _add(commands, "annotate", summary, "ave annotate --split test --annotator me")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--corpus", action="append", metavar="NAME", help="only this corpus; may be given again")
    parser.add_argument("--frames-per-video", type=int, default=3, metavar="N", help="frames to draw (default 3)")
    parser.add_argument("--apart", type=float, default=1.0, metavar="S", help="least seconds between them (default 1)")
    parser.add_argument("--annotator", metavar="NAME", help="names the file of boxes (default: the login name)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw (default 0)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of the page (default: any that is free)")


def _add_scoring(commands: argparse._SubParsersAction) -> None:
    example = "ave score maps/ --protocol stavis,ours --split test"
    score = _add(commands, "score", "score maps, anybody's or those last predicted", example, json=True)
    maps = "folder of PNG, JPEG, NPY, MAT or a video a stimulus; a run's folder; Parquet (default: those predicted)"
    score.add_argument("maps", nargs="?", metavar="MAPS", help=maps)
    score.add_argument("--run", metavar="NAME", help="what to call it in the tables (default: the folder's name)")
    score.add_argument("--first-frame", type=int, choices=(0, 1), help="what numbers count from (default: found out)")
    example = "ave baselines --split test --every 10"
    baselines = _add(commands, "baselines", "score what every model has to beat", example, json=True)
    names = "uniform, centre, mep, mep-category, mep-corpus, human (default: all)"
    baselines.add_argument("names", nargs="*", metavar="NAME", help=names)
    baselines.add_argument("--every", type=int, default=1, metavar="N", help="score frames 0, N, 2 N … (default 1)")
    ceiling = "also the curve by group size, and the share of fixations at the centre in the first ten frames"
    baselines.add_argument("--ceiling", action="store_true", help=ceiling)
    example = "ave compare dave-av mep --metric nss"
    compare = _add(commands, "compare", "is one scored run better than another? tests over videos", example, json=True)
    compare.add_argument("runs", nargs="*", metavar="RUN", help="two or more (default: all that were scored)")
    compare.add_argument("--metric", default="nss", help="nss, auc_judd, sauc, cc, sim, kld or ig (default nss)")
    compare.add_argument("--protocol", default="ours", help="default ours")
    compare.add_argument("--split", help="default test, or another that has two runs")
    boxes = "also NSS inside and outside the boxes of this file of `ave annotate`"
    score.add_argument("--annotations", metavar="FILE", type=Path, help=boxes)
    for parser in (score, baselines):
        parser.add_argument("--protocol", nargs="+", metavar="NAME", help="scoring protocols (default ours); also a,b")
        parser.add_argument(
            "--metric", nargs="+", choices=("auc_borji", "emd"), help="further metrics (emd: 0.1 s a frame)"
        )
        parser.add_argument("--split", help="train, val or test (default: that of the maps, else test)")
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what a protocol draws (default 0)")
        parser.add_argument("--executor", default="auto", help=f"{WORDS} (default auto)")


def _add_build_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to build (an option that is not given is the one the store remembers)")
    _add_options(group, OPTIONS)
    help_ = "make anew what other versions of libraries made than are installed; see `ave status`"
    group.add_argument("--renew", nargs="+", default=[], metavar="STAGE", help=help_)
    group.add_argument("--executor", default="auto", help=f"{WORDS} (default auto: one worker a core)")


def _add_options(group: argparse._ArgumentGroup, options: Sequence[Option]) -> None:
    for option in options:
        flag = f"--{option.name}"
        if option.kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=option.help)
        elif option.kind is tuple:
            group.add_argument(flag, action="extend", nargs="+", metavar="NAME", help=option.help)
        else:
            group.add_argument(flag, type=option.kind, metavar=option.kind.__name__.upper(), help=option.help)


if __name__ == "__main__":
    entry()
