"""A local S3 server for the tests of stores that are not on a disk."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store.disk import store_at

REQUEST = re.compile(r'"(?:\x1b\[\d+m)*([A-Z]+) (\S+)')


class Requests(logging.Handler):
    """What the server was asked, in order, as "PUT /bucket/key"."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := REQUEST.search(record.getMessage()):
            self.asked.append(f"{found[1]} {found[2]}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Requests]:
    """A server on loopback and the variables that lead to it, for this process and those it starts."""
    install = 'pip install -c constraints.txt -e ".[s3test]"'
    install = 'pip install -c constraints.txt -e ".[s3test]"'
    pytest.importorskip("s3fs", reason=f"a store on S3 needs s3fs: {install}")
    server_of = pytest.importorskip("moto.server", reason=f"there is no local S3 server: {install}")
    requests, werkzeug = Requests(), logging.getLogger("werkzeug")
    werkzeug.setLevel(logging.INFO)
    werkzeug.addHandler(requests)
    werkzeug.propagate = False
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("AVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield requests
    server.stop()


@pytest.fixture
def s3(s3_server: Requests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty prefix of a bucket of this test's own, and an empty cache."""
    monkeypatch.setenv("AVE_CACHE", str(tmp_path / "cache"))
    store = new_bucket(tmp_path.name.replace("_", "-")[-40:].strip("-")) / "store"
    s3_server.asked.clear()
    return store


def new_bucket(name: str) -> Path:
    """An empty bucket on the local server."""
    import s3fs

    s3fs.S3FileSystem().mkdir(f"bucket-{name}")
    return store_at(f"s3://bucket-{name}")
