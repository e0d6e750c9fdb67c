"""Training-ready shards, per (corpus, split)."""

from tasks.base import StageTask


class Shards(StageTask):
    """Segments of consecutive frames with everything a training step needs."""

    stage = "shards"
