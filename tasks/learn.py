"""The first learning stage, from shards to a score table; torch runs in child processes only."""

from tasks.base import StageTask

GPU = {"gpu": 1}  # one such task at a time, whatever else Luigi runs


class Train(StageTask):
    """A small model, trained briefly on the exported shards."""

    stage = "train"
    resources = GPU


class Predict(StageTask):
    """Its saliency maps of the validation split."""

    stage = "predict"
    resources = GPU


class Score(StageTask):
    """NSS and CC of those maps beside the mean eye position."""

    stage = "score"


class Report(StageTask):
    """A contact sheet a stimulus: frame, fixations, density, log-mel."""

    stage = "report"
