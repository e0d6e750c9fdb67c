"""From raw releases to an admitted corpus."""

from tasks.base import StageTask


class Fetch(StageTask):
    """Every artifact in RAW, verified: placed by hand or downloaded, after the terms are accepted."""

    stage = "fetch"


class Unpack(StageTask):
    """Every archive unpacked into the store, safely; folders and plain files are passed on."""

    stage = "unpack"


class Recordings(StageTask):
    """Raw gaze to fixations in video pixels, one item a stimulus, every rejected sample counted."""

    stage = "recordings"


class Curate(StageTask):
    """Each stimulus admitted or refused, with its reason."""

    stage = "curate"


class Publish(StageTask):
    """The pooled tables under STORE/corpus, with the audit and the list of what was rejected."""

    stage = "publish"


class Card(StageTask):
    """The data cards, from measurements."""

    stage = "card"
