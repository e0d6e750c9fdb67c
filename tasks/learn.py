"""The learning stages, from shards to a score table."""

from tasks.base import StageTask

GPU = {"gpu": 1}  # one such task at a time, whatever else Luigi runs


class Pretrain(StageTask):
    """A network that names spoken words, for DAVE's sound stream to start from; without recordings there is none."""

    stage = "pretrain"
    resources = GPU


class Train(StageTask):
    """A model, trained on the train shards and chosen on the val shards."""

    stage = "train"
    resources = GPU


class Predict(StageTask):
    """Its saliency maps of one split."""

    stage = "predict"
    resources = GPU


class Score(StageTask):
    """Scores of those maps beside the baselines, by the protocols asked for."""

    stage = "score"


class Audit(StageTask):
    """What other sounds than the clips' own make of a run's maps and scores."""

    stage = "audit"
    resources = GPU


class Report(StageTask):
    """A contact sheet a stimulus: frame, fixations, density, log-mel."""

    stage = "report"
