"""Scoring protocols by name, and why two of them differ.

Conventions
-----------
`ours` is the definition of this project (see `metrics`); the others do what a paper's public code does, its
peculiarities included. What a field of a protocol means stands in `protocol.Protocol`.

Source
------
Read in the public repositories that each protocol names. Where no other source is given, sizes of effects are of one
DIEM clip (arctic_bears, 1066 × 710) in four quarters: 24 observers scored, maps of 32 × 40 made from the gaze of the
25 others.
"""

from __future__ import annotations

from pipeline.errors import UsageError, did_you_mean
from pipeline.evaluate.protocol import EXPECTED_SUFFIX, SKIPPED, VIDEO, ZERO, Protocol, densities, measures
from pipeline.evaluate.protocol.negatives import NONE, OTHER_VIDEOS, SAME_VIDEO, TEN_FRAMES, TEN_VIDEOS
from pipeline.evaluate.protocol.preparing import Saving, Smoothing
from pipeline.evaluate.score_table import METRICS

# What the metrics of cvzoya/saliency have in common, wherever they are called from.
MATLAB_SAYS = (
    "AUC-J joins its thresholds by lines, which adds more the fewer the observers: 0.006 with 24, 0.015 with 6.",
    "AUC-J is jittered by 1e-7 before ties are counted: 0.005 of noise a frame where half of the map is 0 (32 × 40).",
    "sAUC has eleven thresholds: 0.678 where the area by ranks is 0.652; its splits add 0.002 to 0.006 of noise.",
    "sAUC takes a pixel that many frames fixate for one negative: 0.65 at 710 × 1066 becomes 0.70 at 256 × 320.",
    "SIM takes the minimum off both maps: with a tenth of the maximum added to a map it is 0.65, not 0.58.",
    "A constant map has no NSS, CC or sAUC and is left out of their averages, where it would score at chance.",
    "A frame without fixations scores 0 in SIM and counts, so SIM falls by the share of such frames.",
)
SAME_VIDEO_SAYS = (
    "sAUC's negatives come from the same video, so that what all of it shows counts as chance: lower, by 0.014 where "
    "the other videos are only other quarters of one clip.",
    "sAUC's negatives lack the frame's own pixels: 0.0003 more in a video of 700 frames, more in a short one.",
    "Assumed: a density of 1 dva in 8 bits; the script reads JPEG files whose blur and quality are not published. "
    "Quality 75 would move SIM by 0.0002 and CC by 0.0001.",
)

MATLAB = {
    "nss": measures.nss_matlab,
    "auc_judd": measures.auc_judd_drawn,
    "sauc": measures.sauc_drawn,
    "cc": measures.cc_matlab,
    "sim": measures.sim_matlab,
}

OURS = Protocol(
    name="ours",
    source="this project, pipeline.evaluate.metrics",
    size=(256, 320),
    resize="area",
    density=densities.exact,
    negatives=OTHER_VIDEOS,
    metrics={
        "nss": measures.nss_exact,
        "auc_judd": measures.auc_judd_exact,
        "sauc": measures.sauc_exact,
        "cc": measures.cc_exact,
        "sim": measures.sim_exact,
        "kld": measures.kld_exact,
        "ig": measures.ig_exact,
    },
    binary=False,
    non_negative=True,
    says=(
        "A frame without fixations is counted and in no average.",
        "A pixel hit twice counts twice: at 32 × 40 that adds 2 % to NSS and 0.013 to sAUC, at 256 × 320 nothing.",
        "A constant map scores at chance: AUCs 0.5, NSS and CC 0.",
    ),
)

STAVIS = Protocol(
    name="stavis",
    source="atsiami/STAViS, eval_code/eval_*.m, with the metrics of cvzoya/saliency",
    size=VIDEO,
    saved=Saving(cut=True, jpeg=75),
    stretched=True,
    smoothing=Smoothing(sigma_px=2, reach_px=6, edge="reflect", first=True),
    resize="bicubic",
    density=densities.eight_bit,
    negatives=SAME_VIDEO,
    metrics=MATLAB,
    empty={"sim": 0.0},
    beyond=SKIPPED,
    says=(
        *MATLAB_SAYS,
        *SAME_VIDEO_SAYS,
        "Smoothing by 2 of the map's own pixels takes 5 % off NSS, 3 % off CC and 5 % off SIM at 32 × 40.",
        "An all-zero map has no score in any metric and is left out.",
        "Not reproduced: the first eight frames of a video have no map; here every frame that is given counts.",
        "Not reproduced: the last mean is over three folds; DIEM has one, which three models are scored on.",
    ),
)

VINET = Protocol(
    name="vinet",
    source="samyak0210/ViNet, eval_diem.m with code_for_Metrics (named by its authors for the papers' tables)",
    size=VIDEO,
    saved=Saving(jpeg=100),
    resize="bicubic",
    density=densities.eight_bit,
    negatives=SAME_VIDEO,
    metrics=MATLAB,
    empty={"sim": 0.0},
    beyond=ZERO,
    says=(
        *MATLAB_SAYS,
        *SAME_VIDEO_SAYS,
        "The script smooths nothing, but generate_result.py has smoothed what it writes (sigma 2 at the video's size).",
        "A map beyond the last annotated frame scores 0 in every metric and counts.",
        "The script can pool all frames instead, and then divides every metric by the number of frames that have a CC.",
        "Not reproduced: the list of fixation pictures is not emptied between videos; the end of a longer video stays "
        "among the negatives of the next.",
    ),
)

VINET_PY = Protocol(
    name="vinet-py",
    source="samyak0210/ViNet, diem_val.py with loss.py",
    size=VIDEO,
    resize="bilinear",
    smoothing=Smoothing(sigma_px=2, reach_px=5, edge="mirror", first=False),
    density=densities.eight_bit,
    negatives=NONE,
    metrics={
        "nss": measures.nss_float32,
        "auc_judd": measures.auc_judd_off_by_one_drawn,
        "cc": measures.cc_float32,
        "sim": measures.sim_float32,
    },
    all_or_none=True,
    says=(
        "AUC-J counts one false positive too many at every threshold: 1e-6 less at 720p, 8e-4 less at 32 × 40.",
        "AUC-J joins its thresholds by lines, which adds more the fewer the observers: 0.006 with 24, 0.015 with 6.",
        "The jitter of 1e-7 meets floats of any scale: a map that sums to 1 at 720p (mean 1e-6) loses its finer order.",
        "SIM takes the minimum off both maps: with a tenth of the maximum added to a map it is 0.65, not 0.58.",
        "A frame without a number in one metric, as SIM has none for a constant map, is left out of all.",
        "There is no sAUC: auc_shuff calls numpy's size and stops, and would take rows for columns.",
        "Sums are in single precision: CC 0.847424 instead of 0.847430.",
        "The script prints the mean over all frames beside the one over videos.",
    ),
)

DHF1K = Protocol(
    name="dhf1k",
    source="wenguanwang/DHF1K, code_for_Metrics.zip (Demo.m, evaluationFunc.m) and make_gauss_masks.m",
    size=VIDEO,
    saved=Saving(),
    resize="bicubic",
    density=densities.dhf1k,
    negatives=TEN_FRAMES,
    metrics=MATLAB,
    empty={"sim": 0.0},
    average="frame",
    says=(
        *MATLAB_SAYS,
        "The density has a full width of 30 px on every screen: with 49.5 px to the degree CC is 0.48 instead of 0.84.",
        "The density lies two pixels too far right and down: 0.001 of CC, 0.003 for a map as sharp as the density.",
        "sAUC's ten frames may be of the same video, and are drawn anew for every frame.",
        "sAUC scales x by the ratio of the heights and y by that of the widths: alike where videos have one shape.",
        "Not reproduced: at most 50,000 frames are scored, drawn anew for every metric; here every frame counts.",
        "Not reproduced: record_mapping.m pairs each of an observer's rows with each column; that is in the data.",
    ),
)

MIT = Protocol(
    name="mit",
    source="cvzoya/saliency, code_forMetrics and its README",
    size=VIDEO,
    saved=Saving(),
    resize="bicubic",
    density=densities.eight_cycles,
    negatives=TEN_VIDEOS,
    metrics={
        **MATLAB,
        "kld": measures.kld_matlab,
        "ig": measures.ig_matlab,
        "auc_borji": measures.auc_borji_drawn,
    },
    empty={"sim": 0.0, "kld": 0.0},
    average="frame",
    says=(
        *MATLAB_SAYS,
        "Assumed: a frame stands for a still image, and a frame each of ten other videos for ten other images.",
        "The density's sigma is a share of the picture padded to 2^k pixels: 24 px at 1024 pixels, 48 px at 1025.",
        "A frame without fixations has a KLD of 0, which is the best there is.",
        "IG takes the minimum off both maps: a fixation on the lowest pixel costs up to 52 bits, however flat the map.",
        "AUC-B has no score for a single fixation. EMD is not computed here.",
    ),
)

DAVE = Protocol(
    name="dave",
    source="hrtavakoli/DAVE, predict.py; the repository holds no scoring code",
    size=(480, 640),
    saved=Saving(cut=True, jpeg=75),
    resize="lanczos",
    density=densities.exact,
    negatives=OTHER_VIDEOS,
    metrics=MATLAB,
    empty={"sim": 0.0},
    says=(
        *MATLAB_SAYS,
        "Assumed: there is no scoring code; the MATLAB metrics, sAUC against other videos and 1 dva stand in for it.",
        "Every map becomes a picture of 480 × 640, whatever the video's shape, stretched to 0..255 frame by frame.",
        "The published overall rows follow from their categories as means over videos, not over frames.",
    ),
)

PROTOCOLS = {protocol.name: protocol for protocol in (OURS, DAVE, STAVIS, VINET, VINET_PY, DHF1K, MIT)}


def names() -> list[str]:
    """The protocols there are, ours first."""
    return list(PROTOCOLS)


def get(name: str) -> Protocol:
    """A protocol by its name; "stavis-expected" is "stavis" with the mean over all draws in place of drawn numbers.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    base = name.removesuffix(EXPECTED_SUFFIX)
    if base not in PROTOCOLS:
        raise UsageError(f"Unknown protocol {name!r}.", remedy=did_you_mean(base, names()))
    return PROTOCOLS[base].expected() if base != name else PROTOCOLS[base]


def why_they_differ(a: Protocol, b: Protocol) -> list[str]:
    """Sentences that say what sets two protocols apart: first field by field, then what is peculiar to each.

    Examples
    --------
    >>> why_they_differ(get("stavis"), get("stavis"))
    []
    >>> why_they_differ(get("stavis"), get("ours"))[0]
    "Size: stavis – the video's own; ours – 256 × 320."
    """
    first, second = a.words(), b.words()
    shared = [title for title in first if title in second and first[title] != second[title]]
    sentences = [f"{title}: {a.name} – {first[title]}; {b.name} – {second[title]}." for title in shared]
    for one, other in ((a, b), (b, a)):
        only = [METRICS[name][0] for name in one.metrics if name not in other.metrics]
        sentences += [f"Only {one.name} has {', '.join(only)}."] if only else []
    for one, other in ((a, b), (b, a)):
        sentences += [f"{one.name}: {sentence}" for sentence in one.says if sentence not in other.says]
    return sentences
