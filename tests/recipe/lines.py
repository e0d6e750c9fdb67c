"""The table of what runs when something changes, line by line, for the miniature corpus.

Which items a change must make run is computed from the plan of the miniature corpus: the world's word, not the
pipeline's. `python -m tests.recipe.table` prints the lines and what they do, `test_incremental.py` tests them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.mini.plan import STIMULI, Plan
from tests.recipe import changes
from tests.recipe.changes import options
from tests.recipe.trial import Item, Line

ARTIFACTS = {"coutrot1": "ERB3_Stimuli", "coutrot2": "ERB4_Stimuli"}
EVERY_STIMULUS = ("recordings", "frames", "curate")
ADMITTED_ONLY = ("logmel", "density")
WHERE_ASKED = ("waveform",)  # of the admitted ones, too
PUBLISH, CARD = ("publish", "all/corpus"), ("card", "all/cards")
TABLES = frozenset({PUBLISH, CARD})


def these(corpus: str = "", name: str = "") -> list[Plan]:
    """Stimuli of the miniature corpus: all of them, of one corpus, or a single one."""
    return [plan for plan in STIMULI if corpus in ("", plan.corpus) and name in ("", plan.name)]


def of(stage: str, plans: Iterable[Plan] = STIMULI) -> frozenset[Item]:
    """The items of a stage that belong to these stimuli."""
    admitted = [plan for plan in plans if not plan.refused]
    if stage == "shards":
        return frozenset((stage, f"{plan.corpus}/{plan.split}.wds") for plan in admitted)
    if stage in ("fetch", "unpack"):
        return frozenset((stage, artifact) for plan in plans for artifact in artifacts_of(plan))
    return frozenset((stage, plan.stimulus) for plan in (admitted if stage in ADMITTED_ONLY + WHERE_ASKED else plans))


def artifacts_of(plan: Plan) -> tuple[str, ...]:
    """What must lie in RAW for a stimulus: for DIEM its own archive, for a Coutrot clip those of the whole corpus."""
    if plan.corpus == "diem":
        return (plan.stimulus,)
    return f"{plan.corpus}/{ARTIFACTS[plan.corpus]}", f"{plan.corpus}/coutrot_database{plan.corpus[-1]}.mat"


def each(stages: Iterable[str], plans: Iterable[Plan] = STIMULI) -> frozenset[Item]:
    """The items of several stages that belong to these stimuli."""
    plans = list(plans)
    return frozenset().union(*(of(stage, plans) for stage in stages))


def waiting_for_curate(plans: Iterable[Plan] = STIMULI) -> frozenset[Item]:
    """What the plan counts while curation has yet to say whether it admits these stimuli: refused ones as well."""
    return frozenset((stage, plan.stimulus) for plan in plans for stage in ADMITTED_ONLY)


WHOLE_CHAIN = ("fetch", "unpack", *EVERY_STIMULUS, *ADMITTED_ONLY, "shards")
(RAILWAY,) = these("diem", "toy_railway_352x288")
(CLIP,) = these("coutrot1", "clip_3")
LEFT_IN_RAW = frozenset(item for item in of("unpack") if item[1].endswith(".mat"))  # no archive: only vouched for

LINES = (
    Line("nothing", options()),
    Line(
        "a corpus is added",
        options(corpus=("all",)),
        before=changes.without_corpus("coutrot2", "diem", "coutrot1"),
        runs=each(WHOLE_CHAIN, these("coutrot2")) | TABLES,
        why=(("fetch", "coutrot2/ERB4_Stimuli"), "never made"),
    ),
    Line(
        "a stimulus is added to the manifest",
        changes.as_reviewed,
        before=changes.without_stimulus(RAILWAY),
        runs=each(WHOLE_CHAIN, [RAILWAY]) | TABLES,
        why=(("fetch", RAILWAY.stimulus), "never made"),
    ),
    Line(
        "a stimulus is taken out of the manifest",
        changes.left_out(CLIP),
        runs=of("shards", [CLIP]) | TABLES,
        why=(PUBLISH, "input entries (16 → 15 rows: 1 gone, 0 new)"),
    ),
    Line(
        "a category is corrected in the manifest",
        changes.corrected(CLIP, category="misc"),
        runs=each(("curate", "shards"), [CLIP]) | TABLES,
        spared=each(ADMITTED_ONLY, [CLIP]),
        why=(("curate", "coutrot1/clip_3"), "category social → misc"),
    ),
    Line(
        "sigma 1 → 1.5 dva",
        options(sigma_dva=1.5),
        runs=each(("density", "shards")) | TABLES,
        why=(("density", "coutrot1/clip_3"), "parameter sigma_dva 1.0 → 1.5"),
    ),
    Line(
        "sigma back to 1 dva",
        options(sigma_dva=1.0),
        before=changes.built_with(sigma_dva=1.5),
        runs=TABLES,
        why=(PUBLISH, "input density:"),
    ),
    Line(
        "64 → 48 log-mel bands",
        options(mel_bands=48),
        runs=each(("logmel", "shards")) | TABLES,
        why=(("logmel", "coutrot1/clip_3"), "parameter bands 64 → 48"),
    ),
    Line(
        "frames of 128 × 160 pixels",
        options(frame_height=128, frame_width=160),
        runs=each(("frames", "shards")) | TABLES,
        spared=of("curate") | waiting_for_curate(),
        why=(("frames", "coutrot1/clip_3"), "parameter height 256 → 128; parameter width 320 → 160"),
    ),
    Line(
        "JPEG quality 92 → 80",
        options(jpeg_quality=80),
        runs=each(("frames", "shards")) | TABLES,
        spared=of("curate") | waiting_for_curate(),
        why=(("frames", "coutrot1/clip_3"), "parameter jpeg_quality 92 → 80"),
    ),
    Line(
        "the sound is wanted as samples, too",
        options(waveform_rate_hz=22050),
        runs=each(("waveform", "shards")),
        why=(("waveform", "coutrot1/clip_3"), "never made"),
    ),
    Line(
        "a second shard format is asked for",
        changes.asked_for_parquet,
        runs=frozenset((stage, item.replace("wds", "parquet")) for stage, item in of("shards")),
        why=(("shards", "coutrot1/test.parquet"), "never made"),
    ),
    Line(
        "recordings gets version 99 and writes the same",
        changes.bumped("recordings"),
        runs=of("recordings"),
        spared=each(("curate", "shards")) | waiting_for_curate() | TABLES,
        why=(("recordings", "coutrot1/clip_3"), "version 1 → 99"),
    ),
    Line(
        "a release of one film is replaced by its owner",
        changes.replaced(RAILWAY),
        runs=each(WHOLE_CHAIN, [RAILWAY]) | TABLES,
        why=(("fetch", RAILWAY.stimulus), "input sources (1 of 1 rows): checksum sha256:"),
    ),
    Line(
        "one clip in an archive has other bytes, of which no picture is made",
        changes.lengthened(CLIP, "coutrot1/ERB3_Stimuli.zip"),
        runs=frozenset({("fetch", "coutrot1/ERB3_Stimuli"), ("unpack", "coutrot1/ERB3_Stimuli"), PUBLISH})
        | each(("frames", "curate", "logmel"), [CLIP]),
        spared=each((*EVERY_STIMULUS, *ADMITTED_ONLY, "shards"), these("coutrot1"))
        - each(("frames", "curate", "logmel"), [CLIP])
        | TABLES - {PUBLISH},
        why=(("fetch", "coutrot1/ERB3_Stimuli"), "input sources (1 of 1 rows): checksum sha256:"),
    ),
    Line(
        "a raw file has a new time and the same bytes",
        changes.touched(f"{RAILWAY.stimulus}.7z"),
        runs=of("fetch", [RAILWAY]),
        spared=each(WHOLE_CHAIN, [RAILWAY]) - of("fetch", [RAILWAY]) | TABLES,
        why=(("fetch", RAILWAY.stimulus), "the file in RAW changed"),
    ),
    Line(
        "RAW is moved to another folder",
        changes.moved_raw,
        runs=of("fetch") | LEFT_IN_RAW,
        spared=each(("unpack", *EVERY_STIMULUS, "shards")) - LEFT_IN_RAW | waiting_for_curate() | TABLES,
        why=(("fetch", RAILWAY.stimulus), f"output {RAILWAY.name}.7z is gone"),
    ),
    Line(
        "an output is deleted",
        changes.hurt("frames", CLIP, "frames.arrow", changes.deleted),
        runs=of("frames", [CLIP]),
        spared=each(("curate", *ADMITTED_ONLY, "shards"), [CLIP]) | TABLES,
        why=(("frames", CLIP.stimulus), "output frames.arrow is gone"),
    ),
    Line(
        "an output is truncated, which STORE/corpus links to",
        changes.hurt("density", CLIP, "density.npy", changes.truncated),
        runs=of("density", [CLIP]) | {PUBLISH},
        spared=of("shards", [CLIP]) | {CARD},
        why=(("density", CLIP.stimulus), "output density.npy has 10 bytes, not "),
    ),
    Line(
        "a bit of the same file is flipped, and `ave verify` finds it",
        changes.hurt("density", CLIP, "density.npy", changes.flipped),
        runs=of("density", [CLIP]) | {PUBLISH},
        spared=of("shards", [CLIP]) | {CARD},
        why=(("density", CLIP.stimulus), "output density.npy is damaged: sha256 "),
    ),
    Line(
        "a power cut has left an empty record",
        changes.hurt("density", CLIP, "record.json", changes.emptied),
        runs=of("density", [CLIP]),
        spared=of("shards", [CLIP]) | TABLES,
        why=(("density", CLIP.stimulus), "never made"),
    ),
    Line("another version of NumPy is installed (`ave status` warns)", changes.updated("numpy")),
    Line(
        "and what it has a say in is made anew on purpose: `--renew density`",
        changes.updated("numpy", "density"),
        runs=of("density"),
        spared=of("shards") | TABLES,
        why=(("density", CLIP.stimulus), "--renew: numpy "),
    ),
    Line(
        "the stimulus that no published sheet lists is left out",
        options(official_150=True),
        runs=of("shards", these("coutrot1", "clip_42")) | TABLES,
        why=(PUBLISH, "input entries (16 → 15 rows: 1 gone, 0 new)"),
    ),
    Line("the terms of further corpora are accepted", options(accept=("all",)), before=changes.accepted_less),
    Line(
        "one stimulus in ten may fail",
        options(tolerance=0.1),
        runs=frozenset({CARD}),
        why=(CARD, "settings"),
    ),
    Line("only one corpus is asked for", options(corpus=("coutrot1",))),
    Line(
        "every corpus is asked for again",
        options(corpus=("all",)),
        before=changes.built_with(corpus=("coutrot1",)),
    ),
    Line(
        "only one stimulus is asked for",
        options(only=(CLIP.stimulus,)),
        runs=of("shards", [CLIP]),  # which hold what was asked for
        why=(("shards", "coutrot1/test.wds"), "input stimulus: coutrot1/clip_4"),
    ),
)
