"""Real headless Chromium for tests of written pages: open, look, click, drag, type, take a picture.

It speaks the DevTools protocol over a pair of pipes, so it needs nothing but the browser itself
(Debian: ``apt-get install chromium``) and opens no port. A page has a list of ``problems``: errors
of its scripts, messages of its console, and everything that it asked for outside its own file. It
knows nothing of the package under test.
Source: https://chromedevtools.github.io/devtools-protocol/, domains Page, Runtime, Input, Network.

    with chromium() as browser:
        page = browser.open(tmp_path / "sheet.html", width=1200, height=800)
        page.click("button.play")
        assert page.evaluate("document.title") == "..."
        page.screenshot(tmp_path / "seen.png")
        assert page.problems == []
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # of root, as in a container; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
ANSWER_SECONDS = 60.0  # of one command; a cold start on a busy machine takes several seconds
END_SECONDS = 10.0
SAFE_DESCRIPTOR = 10  # above those that the browser expects its pipes at, 3 and 4
OWN_SCHEMES = ("file:", "data:", "blob:", "about:", "chrome:")

# Chromium reads commands from descriptor 3 and writes answers to 4.
PLUG_IN = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)


class Connection:
    """Commands and answers: JSON, each ended by a NUL byte."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come first are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, event: str, session: str) -> None:
        """Until this event of a session has come."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not any(e.get("method") == event and e.get("sessionId") == session
                      for e in self.events):  # fmt: skip
            self.events.append(self._next(deadline, event))

    def _next(self, deadline: float, awaited: str) -> dict[str, Any]:
        while b"\0" not in self._received:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._answers], [], [], max(left, 0))
            assert ready, f"Chromium said nothing for {ANSWER_SECONDS} s, asked for {awaited}"
            data = os.read(self._answers, 1 << 20)
            assert data, f"Chromium ended while it was asked for {awaited}"
            self._received += data
        line, self._received = self._received.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message


class Page:
    """One open page."""

    def __init__(self, connection: Connection, session: str) -> None:
        self._connection, self._session = connection, session

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._connection.call(method, self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
            userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, expression: str, seconds: float = 10) -> None:
        """Until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """What a person reads in the first element of a CSS selector."""
        found: str = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """x, y, width and height of an element in the window, after it was scrolled into view."""
        name = json.dumps(selector)
        x, y, width, height = self.evaluate(
            f"(() => {{ const e = document.querySelector({name});"
            "e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            "const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
        )
        return x, y, width, height

    def _mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def move(self, x: float, y: float) -> None:
        """The mouse to this place of the window."""
        self._mouse("mouseMoved", x, y)

    def press(self, x: float, y: float) -> None:
        """The left button down and up, at a place of the window."""
        self.drag((x, y))

    def drag(self, *places: tuple[float, float]) -> None:
        """The left button down at the first place of the window and up at the last."""
        button: dict[str, Any] = {"button": "left", "clickCount": 1}
        self._mouse("mouseMoved", *places[0])
        self._mouse("mousePressed", *places[0], buttons=1, **button)
        for place in places[1:]:
            self._mouse("mouseMoved", *place, buttons=1, button="left")
        self._mouse("mouseReleased", *places[-1], **button)

    def wheel(self, x: float, y: float, down_px: float) -> None:
        """The wheel at a place of the window."""
        self._mouse("mouseWheel", x, y, deltaX=0, deltaY=down_px)

    def click(self, selector: str) -> None:
        """A real click in the middle of an element."""
        x, y, width, height = self.box(selector)
        self.press(x + width / 2, y + height / 2)

    def key(self, key: str) -> None:
        """One key down and up, by its DOM name: ``ArrowLeft``, ``Enter``, ``Tab``, ``+``."""
        text = {"Enter": "\r", "Tab": ""}.get(key, key if len(key) == 1 else "")
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38,
                 "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, " ": 32}  # fmt: skip
        more = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        down = "keyDown" if text else "rawKeyDown"
        self._call("Input.dispatchKeyEvent", type=down, text=text, **more)
        self._call("Input.dispatchKeyEvent", type="keyUp", **more)

    def screenshot(self, path: Path, *, whole: bool = False) -> Path:
        """The window, or the whole page, as a PNG file."""
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    @property
    def problems(self) -> list[str]:
        """Errors of scripts, messages of the console, and requests that left the page's file."""
        self.evaluate("0")  # its answer comes after what happened before it
        found = []
        for event in self._connection.events:
            if event.get("sessionId") != self._session:
                continue
            method, parameters = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif method == "Runtime.consoleAPICalled":
                found.append(f"console.{parameters['type']}: {parameters['args']}")
            elif method == "Log.entryAdded":
                found.append(f"log: {parameters['entry']['text']}")
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith(OWN_SCHEMES):
                    found.append(f"asked for {url}")
        return found


class Browser:
    """A running Chromium with a profile of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, page: Path | str, *, width: int = 1280, height: int = 800) -> Page:
        """Open a file (or a URL) in a new window of this size and wait until it is loaded."""
        url = page if isinstance(page, str) else page.resolve().as_uri()
        target = self._connection.call("Target.createTarget", url="about:blank")["targetId"]
        session = self._connection.call(
            "Target.attachToTarget", targetId=target, flatten=True
        )["sessionId"]  # fmt: skip
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._connection.call(f"{domain}.enable", session)
        self._connection.call(
            "Emulation.setDeviceMetricsOverride", session,
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        answer = self._connection.call("Page.navigate", session, url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self._connection.wait_for("Page.loadEventFired", session)
        return Page(self._connection, session)


def _found() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def _pipe() -> tuple[int, int]:
    """Both ends with numbers that are in nobody's way."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, SAFE_DESCRIPTOR) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; the test is skipped where none is installed."""
    executable = _found()
    commands_out, commands_in = _pipe()
    answers_out, answers_in = _pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [sys.executable, "-c", PLUG_IN, str(commands_out), str(answers_in),
             executable, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(commands_out, answers_in),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands_out)
        os.close(answers_in)
        connection = Connection(commands_in, answers_out)
        try:
            yield Browser(connection)
        finally:
            _end(process, connection)
            os.close(commands_in)
            os.close(answers_out)


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    try:
        connection.call("Browser.close")
        process.wait(END_SECONDS)
    except (AssertionError, OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
