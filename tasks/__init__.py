"""Luigi's side of the pipeline: one thin task per (stage, corpus), and the recipes that ask for them.

    luigi --module tasks BuildAVE --local-scheduler --store STORE --raw RAW

What a stage does, what it needs and when it is stale is said in `pipeline.recipe`; here it only becomes tasks.
"""

from tasks.ave import AddCorpus, BuildAVE, ExportShards

__all__ = ["AddCorpus", "BuildAVE", "ExportShards"]
