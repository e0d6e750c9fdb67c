"""Shards out, clips in: the corpus as files that a training run can read anywhere.

`shards.build_item` writes one (corpus, split), `release.materialise` puts all of them into one folder,
`release.verify_export` hashes that folder, and `clips.ClipDataset` and `clips.ClipStream` read it back.
Three formats hold the same samples: `wds` (tar), `parquet` and `tensors` (safetensors).
"""

from pipeline import lazy_submodules

__getattr__ = lazy_submodules(__name__)
