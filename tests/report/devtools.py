"""A browser that is told what to do while it runs: opened, sized, worked by keys, listened to, photographed.

Conventions
-----------
The browser's debugging protocol (Chrome DevTools Protocol), over a pair of pipes: JSON messages, each ended by a zero
byte; commands carry an id that their answer repeats, everything else is an event. Unlike `browser.opened` the page
lives in real time, so its sound plays.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.report.browser import program

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe", "--force-color-profile=srgb"),
)
# The protocol lives on file descriptors 3 and 4; above 9 neither of ours is written over by the other's.
BEGIN = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
PATIENCE_S = 60  # for an answer: only a browser that hangs reaches it
KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "End": 35, "Home": 36, "Tab": 9, " ": 32}


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser; a test is skipped where there is none."""
    found = program()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        words = [sys.executable, "-c", BEGIN, str(theirs_in), str(theirs_out), found, *QUIET]
        running = subprocess.Popen(
            [*words, f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_in, ours_out)
        finally:
            running.kill()
            running.wait()
            os.close(ours_in)
            os.close(ours_out)


class Browser:
    """One browser: sends commands and keeps the events that come between the answers."""

    def __init__(self, answers: int, commands: int):
        self._answers, self._commands = answers, commands
        self._rest, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The result of a command; an error of the browser's is raised."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._commands, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """The first event of this kind that has not been waited for."""
        while not (found := [e for e in self.events if (e["method"], e.get("sessionId")) == (method, session)]):
            self.events.append(self._next())
        self.events.remove(found[0])
        return found[0]["params"]

    def _next(self) -> dict[str, Any]:
        give_up = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, give_up - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    @contextmanager
    def page(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Tab]:
        """A loaded page in a window of this size in CSS pixels."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        tab.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        at_once = {"name": "prefers-reduced-motion", "value": "reduce"}
        tab.ask("Emulation.setEmulatedMedia", features=[scheme, at_once])
        tab.ask("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired", session)
        try:
            yield tab
        finally:
            self.ask("Target.closeTarget", targetId=target)
            self.events.clear()


class Tab:
    """One page."""

    def __init__(self, owner: Browser, session: str):
        self._owner, self._session = owner, session

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command to this page."""
        return self._owner.ask(method, self._session, **parameters)

    def run(self, script: str) -> Any:
        """What a JavaScript expression gives; a promise is awaited."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        """Press a key as a person does: it goes to what has the focus."""
        what = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        for _ in range(times):
            self.ask("Input.dispatchKeyEvent", type="keyDown", **what, **({"text": " "} if key == " " else {}))
            self.ask("Input.dispatchKeyEvent", type="keyUp", **what)

    def photograph(self, file: Path, *, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """What was said on the console, and exceptions nobody caught."""
        said = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"])[:500] for event in self._own(*said)]

    def requests(self) -> list[str]:
        """Every URL that was asked for."""
        return [event["params"]["request"]["url"] for event in self._own("Network.requestWillBeSent")]

    def _own(self, *methods: str) -> Iterator[dict[str, Any]]:
        self.ask("Runtime.evaluate", expression="0")  # whatever was said before has arrived when this is answered
        return (e for e in self._owner.events if e["method"] in methods and e.get("sessionId") == self._session)
