"""Where a store may lie: in a folder of this machine, or below a prefix of an S3 bucket.

Conventions
-----------
A store is a path object: a `pathlib.Path`, or for `s3://bucket/prefix` the path of universal_pathlib, which has the
same `/`, `name`, `parent`, `read_text` … What an object store does differently goes through `disk`. Which server, and
who asks, is said by the variables every S3 client knows: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_PROFILE, AWS_DEFAULT_REGION.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import cast

from pipeline.errors import ToolError, UsageError

S3 = "s3://"
INSTALL = 'pip install -c constraints.txt -e ".[s3]"'


def store_path(text: str | Path) -> Path:
    """The path object for what a person typed: a folder, or `s3://bucket/prefix`.

    Raises
    ------
    UsageError
        If it names another kind of server, or no bucket.
    ToolError
        If it is on S3 and the extra `s3` is not installed.
    """
    if not isinstance(text, str):
        return text
    if text.startswith(S3) and text.removeprefix(S3).strip("/"):
        return _object_path(text.rstrip("/"))
    if text.startswith("s3:") or "://" in text:
        raise UsageError(
            f"{text}: not a place for a store.", remedy="Name a folder, or a prefix of a bucket: s3://bucket/prefix."
        )
    return Path(text)


def is_remote(path: Path) -> bool:
    """Whether a path object is on an object store."""
    return not isinstance(path, PurePath)


def inside(store: Path, text: str) -> Path:
    """A folder that a store's settings name: an absolute one of this machine, or one in the store."""
    return Path(text) if Path(text).is_absolute() else store / text


def cache_folder() -> Path:
    """Where this machine keeps copies of what an object store holds: $AVE_CACHE, or the platform's place for caches."""
    if named := os.environ.get("AVE_CACHE"):
        return Path(named).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("ave-pipeline")


def scratch_folder() -> Path:
    """Where this machine makes what is then put on an object store."""
    return cache_folder() / "scratch"


def _object_path(url: str) -> Path:
    try:
        import s3fs  # noqa: F401 - universal_pathlib would only say so at the first access
        from upath import UPath
    except ImportError as error:
        raise ToolError(
            f"{url}: a store on S3 needs packages that are not installed ({error.name}).", remedy=f"{INSTALL}"
        ) from error
    # Other machines write into the same prefix, so a listing kept from a minute ago is wrong.
    return cast(Path, UPath(url, use_listings_cache=False))
