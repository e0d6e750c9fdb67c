"""A page on this machine to draw boxes on: served to one person, at an address nobody can guess.

Conventions
-----------
It listens on 127.0.0.1 alone. Every address begins with a random token; a request without it, one that names another
host than this machine (a page elsewhere whose name was pointed here), and a POST from another page are refused with
403. Nothing is looked up in a folder: what is not one of the addresses below is a 404.

    GET  /TOKEN/                    the page; annotate.css and annotate.js beside it
    GET  /TOKEN/state               the sampled frames and their boxes, JSON
    GET  /TOKEN/picture/NUMBER.jpg  a frame; /TOKEN/logmel/NUMBER.png its sound
    POST /TOKEN/answer/NUMBER       an answer (see `session`); a wrong one is a 400 whose "problem" says what is wrong
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from pipeline.annotate.pictures import frame_jpeg, logmel_png
from pipeline.annotate.session import Session
from pipeline.errors import AveError, UsageError

HOST = "127.0.0.1"
PATIENCE_S = 30  # with a client that does not go on
MOST_BYTES = 100_000  # of an answer; 50 boxes are a tenth of it

PAGE = {
    "": ("index.html", "text/html; charset=utf-8"),
    "annotate.css": ("annotate.css", "text/css; charset=utf-8"),
    "annotate.js": ("annotate.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Reply = tuple[HTTPStatus, str, bytes]


class AnnotationServer(ThreadingHTTPServer):
    """Serves one session.

    Parameters
    ----------
    session : Session
    port : int
        0 for any that is free.

    Raises
    ------
    UsageError
        If the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session, self.token = session, secrets.token_urlsafe(16)
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Port {port} cannot be used ({error}).", remedy="Give another one, or none: any free port is taken."
            ) from error

    @property
    def hosts(self) -> tuple[str, str]:
        """What a browser on this machine calls us."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self.hosts[0]}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """One request. Everything is checked before a route is looked for."""

    server: AnnotationServer
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        self._reply(self._got)

    def do_POST(self) -> None:
        # Read before anything is refused: a client whose words nobody reads may never see the answer.
        length = self.headers.get("Content-Length", "")
        fits = length.isdecimal() and int(length) <= MOST_BYTES
        body = self.rfile.read(int(length)) if fits else None
        self._reply(lambda path: self._posted(path, body))

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not told; mistakes of ours are, see `_reply`."""

    def _reply(self, route: Any) -> None:
        try:
            path = self._admitted()
            status, kind, content = _refused(HTTPStatus.FORBIDDEN, path[0]) if isinstance(path, list) else route(path)
        except AveError as error:
            status, kind, content = _refused(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            status, kind, content = _refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"{where}{error.strerror}.")
        except Exception:
            traceback.print_exc(file=sys.stderr)
            words = "This is a mistake in the program; the terminal shows more."
            status, kind, content = _refused(HTTPStatus.INTERNAL_SERVER_ERROR, words)
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _admitted(self) -> str | list[str]:
        """The path below the token, or in a list why the request is not let in."""
        if self.headers.get("Host") not in self.server.hosts:
            return ["This page answers to its own address on this machine only."]
        if self.headers.get("Origin") not in (None, *(f"http://{host}" for host in self.server.hosts)):
            return ["Another page may not send anything here."]
        token, _, path = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return ["Open the whole address that `ave annotate` printed."]
        return path

    def _got(self, path: str) -> Reply:
        if path in PAGE:
            name, kind = PAGE[path]
            return HTTPStatus.OK, kind, (files("pipeline.annotate") / "page" / name).read_bytes()
        if path == "state":
            return _json(HTTPStatus.OK, self.server.session.state())
        for pattern, kind, picture in (
            (r"picture/([0-9]{1,6})\.jpg", "image/jpeg", frame_jpeg),
            (r"logmel/([0-9]{1,6})\.png", "image/png", logmel_png),
        ):
            if (number := self._number(pattern, path)) is not None:
                return HTTPStatus.OK, kind, picture(*self.server.session.place(number))
        return _refused(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    def _posted(self, path: str, body: bytes | None) -> Reply:
        number = self._number(r"answer/([0-9]{1,6})", path)
        if number is None:
            return _refused(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
        if body is None:
            return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Not saved: more than {MOST_BYTES} bytes.")
        if self.headers.get_content_type() != "application/json":
            return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not saved: an answer is JSON.")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return _refused(HTTPStatus.BAD_REQUEST, "Not saved: what came is not JSON.")
        return _json(HTTPStatus.OK, self.server.session.save(number, answer))

    def _number(self, pattern: str, path: str) -> int | None:
        """The number of a sampled frame in a path; None where the path is another, or there is no such frame."""
        found = re.fullmatch(pattern, path)
        return int(found[1]) if found and int(found[1]) < len(self.server.session.sampled) else None


def _json(status: HTTPStatus, content: Any) -> Reply:
    return status, "application/json", json.dumps(content, ensure_ascii=False).encode()


def _refused(status: HTTPStatus, problem: str) -> Reply:
    return _json(status, {"problem": problem})
