"""A hub on 127.0.0.1 for tests: the download protocol of huggingface.co, and its faults.

Serves ``/{repo}/resolve/{revision}/{file}`` to the real client (HEAD and GET with ETag,
X-Linked-Etag, X-Linked-Size, X-Repo-Commit, Range), and ``/plain/{file}`` as the second source. It
answers as an HTTP proxy too: a whole URL in the request line is served by its path. No ``/api``:
downloading one file does not ask for it (``requests`` tells what was asked).
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal
from urllib.parse import unquote, urlsplit

Source = Literal["hub", "plain"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_HUB_PATH = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_STALL_LIMIT_SECONDS = 20.0


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong, at one source, for so many requests that it applies to."""

    source: Source
    status: int | None = None
    """Answer this instead, to HEAD and GET alike."""
    portal: bool = False
    """Answer 200 with a page of HTML, as a hotel's network does."""
    silent: bool = False
    """Accept the request and say nothing."""
    cut_at: int | None = None
    """Close the connection where the body reaches this byte of the file."""
    stall_at: int | None = None
    """Keep the connection open, but send nothing from this byte on."""
    flip_at: int | None = None
    """Send this byte of the file inverted, under the ETag of the intact file."""
    times: int | None = None
    """So often; None: always."""

    def concerns(self, source: Source, method: str) -> bool:
        """Faults of the body do not meet a HEAD, and do not count it."""
        everything = self.status is not None or self.portal or self.silent
        return source == self.source and self.times != 0 and (everything or method == "GET")


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    target: str
    """The request line's; a whole URL where the server is used as a proxy."""
    source: Source | None
    range: str | None


@dataclass
class LoopbackHub:
    """The server; ``with LoopbackHub() as hub`` runs it."""

    files: dict[str, bytes] = field(default_factory=dict)
    """By ``org/repo/file`` for the hub, by ``file`` for the second source."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    """What went wrong in the server itself."""
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set once a body has stalled."""

    def __enter__(self) -> LoopbackHub:
        self.stopping = threading.Event()
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        # serve_forever looks for a shutdown once in so many seconds.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if error is None and self.errors:
            raise self.errors[0]

    def plain_url(self, filename: str) -> str:
        return f"{self.endpoint}/plain/{filename}"

    def bodies(self, source: Source) -> list[Request]:
        """The GET requests at one source."""
        return [seen for seen in self.requests if (seen.method, seen.source) == ("GET", source)]

    def next_fault(self, source: Source, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.concerns(source, method):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:

        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.hub.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Tests read ``requests`` instead."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server.hub
        path = unquote(urlsplit(self.path).path)
        source, key = _route(path)
        asked = Request(self.command, self.path, source, self.headers.get("Range"))
        hub.requests.append(asked)
        fault = hub.next_fault(source, self.command) if source else None
        content = hub.files.get(key)
        if fault is not None and fault.silent:
            self.close_connection = True
            hub.stopping.wait(_STALL_LIMIT_SECONDS)
        elif fault is not None and fault.status is not None:
            self._send_error(fault.status)
        elif fault is not None and fault.portal:
            self._send_page(b"<html>Welcome to the hotel. Please log in.</html>")
        elif content is None:
            self._send_error(404, code="EntryNotFound")
        else:
            self._send_file(content, source or "plain", fault or Fault(source="hub"))

    def _send_error(self, status: int, code: str | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_page(self, page: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(page)

    def _send_file(self, content: bytes, source: Source, fault: Fault) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if source == "hub":
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.send_header("ETag", etag)
            self.send_header("X-Linked-Etag", etag)
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            self._send_body(content, start, fault)

    def _send_body(self, content: bytes, start: int, fault: Fault) -> None:
        if fault.flip_at is not None:
            flipped = bytes([content[fault.flip_at] ^ 0xFF])
            content = content[: fault.flip_at] + flipped + content[fault.flip_at + 1 :]
        ends = [end for end in (fault.cut_at, fault.stall_at) if end is not None]
        self.wfile.write(content[start : ends[0] if ends else None])
        if ends:
            self.close_connection = True
        if fault.stall_at is not None:
            self.server.hub.stalled.set()
            self.server.hub.stopping.wait(_STALL_LIMIT_SECONDS)


def _route(path: str) -> tuple[Source | None, str]:
    if path.startswith("/plain/"):
        return "plain", path.removeprefix("/plain/")
    if found := _HUB_PATH.fullmatch(path):
        return "hub", f"{found['repo']}/{found['file']}"
    return None, ""
