"""The options, once: those of a build, read by `ave build`, `plan`, `export` and the Luigi tasks, and of learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

_FOLDERS = ("raw", "manifests", "train_stills", "speech_commands")
EVERYTHING = "all"  # --corpus all, --only all: forget an earlier narrowing


@dataclass(frozen=True)
class Option:
    """One option: its name on the command line, the settings field it replaces, and what `--help` says."""

    name: str
    field: str
    kind: type  # tuple (words), bool, int, float or str
    help: str

    def value(self, given: Any) -> Any:
        """What the settings field becomes; None where the option was not given."""
        if given is None or (given is False and self.kind is tuple):
            return None
        if self.kind is tuple:
            return () if EVERYTHING in given else tuple(dict.fromkeys(given))
        if self.field in _FOLDERS:
            if "://" in str(given):
                message = f"--{self.name} {given}: has to be a folder of this machine; only a store may be on S3."
                raise UsageError(message)
            return str(Path(given).resolve())  # as the person who typed it sees it, not as the store does
        return given


OPTIONS = (
    Option("raw", "raw", str, "folder that holds the releases as their owners ship them (default STORE/raw)"),
    Option("manifests", "manifests", str, "folder of manifests, if not the ones that come with the program"),
    Option("corpus", "corpora", tuple, "build only these corpora; 'all' for every one"),
    Option("only", "only", tuple, "build only these stimuli (CORPUS/NAME); 'all' for every one"),
    Option("accept", "accept", tuple, "accept the terms of these corpora, so that they may be fetched"),
    Option("partial", "partial", bool, "go on with what is in RAW, fetch nothing, list what is missing in the card"),
    Option("official-150", "official_150", bool, "leave out coutrot1/clip_42, which the published sheet lacks"),
    Option("tolerance", "tolerance", float, "fraction of a corpus's stimuli that may fail before shards are refused"),
    Option("sigma-dva", "sigma_dva", float, "standard deviation of the fixation density, degrees (default 1.0)"),
    Option("jpeg-quality", "jpeg_quality", int, "of the stored frames, 1 to 100 (default 92)"),
    Option("frame-height", "frame_height", int, "of the stored frames, pixels (default 256)"),
    Option("frame-width", "frame_width", int, "of the stored frames, pixels (default 320)"),
    Option("density-height", "density_height", int, "of the density maps, cells (default 32)"),
    Option("density-width", "density_width", int, "of the density maps, cells (default 40)"),
    Option("mel-bands", "mel_bands", int, "of the log-mel examples (default 64)"),
    Option("anchor", "anchor", str, "where a frame's time lies in its log-mel example: start, centre or end"),
    Option("waveform-rate-hz", "waveform_rate_hz", int, "of the sound as samples in the shards; 0 (default): none"),
    Option("lead-in-frames", "lead_in_frames", int, "frames before a shard's targets: a clip's length less one (15)"),
    Option("min-inside-share", "min_inside_share", float, "refuse screen gaze of which less lies inside the picture"),
    Option("max-sound-difference-s", "max_sound_difference_s", float, "refuse a longer gap of sound and picture"),
    Option("silence-dbfs", "silence_dbfs", float, "a soundtrack below this level counts as silent (default -60)"),
)

TRAINING = (
    Option("model", "model", str, "which of `ave models`; another one than last time begins with its own options"),
    Option("modality", "modality", str, "dave: av, video or audio"),
    Option("fusion", "fusion", str, "how sound and picture meet, e.g. dave: concat, product, sum"),
    Option("width", "model_width", int, "base channels (default: the paper's)"),
    Option("option", "model_options", tuple, "further options of the model, NAME=VALUE, e.g. mep=true; 'all' for none"),
    Option("epochs", "train_epochs", int, "passes over the training clips (default 10)"),
    Option("steps", "train_steps", int, "steps in all instead of epochs; 0 goes by epochs"),
    Option("batch", "batch", int, "clips at once (default: the paper's, dave 10, vinet 8)"),
    Option("accumulate", "train_accumulate", int, "batches a step (default 1)"),
    Option("learning-rate", "learning_rate", float, "of Adam (default: the paper's, dave 1e-3, vinet 1e-4)"),
    Option("schedule", "train_schedule", str, "constant or cosine"),
    Option("loss", "train_loss", str, "of kl, cc, sim, nss, e.g. 'kl + 0.1*cc' (default kl)"),
    Option("precision", "train_precision", str, "fp32, bf16 or fp16 (default fp32)"),
    Option("channels-last", "train_channels_last", bool, "lay volumes out with the channels last"),
    Option("compile", "train_compile", bool, "let torch.compile make the model faster"),
    Option("deterministic", "train_deterministic", bool, "on a GPU, avoid what depends on chance (default)"),
    Option("seed", "seed", int, "of first weights, order and chance (default 0)"),
    Option("every", "train_every", int, "train on frames 0, N, 2 N … of each stimulus (default 1)"),
    Option("mix", "train_mix", int, "shard samples whose clips are mixed (default 8)"),
    Option("scale", "train_scale", int, "average pictures over N × N pixels first (default 1, the paper's)"),
    Option("evaluations", "train_evaluations", int, "looks at val in all; 0 is one an epoch (default)"),
    Option("val-clips", "val_clips", int, "clips of val that choose the weights, at most (default 500)"),
    Option("parts", "train_parts", int, "parts of an epoch after which a killed training goes on (default 4)"),
    Option("routing", "train_routing", bool, "dave: an epoch of still images after each of clips"),
    Option("stills", "train_stills", str, "folder of still images in SALICON layout (default: frames of the corpus)"),
    Option("weights", "train_weights", tuple, "start from a name of `ave models`, FILE or PART=FILE; 'all' for none"),
    Option("words", "speech_commands", str, "folder of Speech Commands, for the pretraining of the sound stream"),
    Option("pretrained-audio", "pretrained_audio", bool, "dave: start the sound stream from spoken words (--words)"),
    Option("device", "train_device", str, "auto, cpu or cuda"),
    Option("processes", "train_processes", int, "that train together, each on its GPU (default 1)"),
    Option("threads", "train_threads", int, "CPU threads of each (default: all cores)"),
    Option("loader-workers", "loader_workers", int, "processes of each that decode clips (default 0: in the loop)"),
    Option("tensorboard", "tensorboard", bool, "write files for TensorBoard, too, into STORE/resume/tensorboard"),
)
PRETRAINING = (
    Option("words", "speech_commands", str, "folder of Speech Commands: a folder a word"),
    Option("network", "pretrain_network", str, "3d (dave's sound stream) or 2d"),
    Option("epochs", "pretrain_epochs", int, "passes over the recordings (default 10)"),
    Option("width", "model_width", int, "base channels (default: the paper's 64)"),
    Option("seed", "seed", int, "of first weights and order (default 0)"),
)
PREDICTION = (
    Option("split", "predict_split", str, "train, val or test (default val)"),
    Option("every", "predict_every", int, "predict frames 0, N, 2 N … of each stimulus (default 1)"),
    Option(
        "precision", "predict_precision", str, "fp32 or bf16: faster, off by a hundredth of the peak (default fp32)"
    ),
)
AUDIT = (
    Option("split", "audit_split", str, "train, val or test (default val)"),
    Option("every", "audit_every", int, "predict frames 0, N, 2 N … of each stimulus, ten times (default 1)"),
)


def given_settings(options: Mapping[str, Any], table: Sequence[Option] = OPTIONS) -> dict[str, Any]:
    """Settings fields that a set of parsed options replaces; option names may use "-" or "_"."""
    plain = {name.replace("_", "-"): value for name, value in options.items()}
    found = {option.field: option.value(plain.get(option.name)) for option in table}
    return {field: value for field, value in found.items() if value is not None}
