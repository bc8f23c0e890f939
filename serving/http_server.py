"""The REST port: HTTP/1.1 with connections that stay open, a thread for each, over the standard library."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

logger = logging.getLogger(__name__)

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}

_POLL_SECONDS = 0.05
"""How soon the thread that accepts connections sees that it shall end."""


@dataclass(frozen=True)
class Routes:
    """What the port answers.

    Attributes:
        api: Answers HTTP method, path and body below `/v1/` with a status and JSON.
        metrics: Returns the metrics page.
        metrics_path: Where that page is; empty for nowhere.
        cors: Whether pages of other origins may ask.
    """

    api: Callable[[str, str, bytes], tuple[int, str]]
    metrics: Callable[[], str]
    metrics_path: str = ""
    cors: bool = False


class RestServer:
    """Listens from its making on, accepts from `start` on.

    Args:
        routes: What it answers.
        host: Address to bind to.
        port: Port to bind to; 0 for a free one.

    Raises:
        OSError: If the port cannot be had.
    """

    def __init__(self, routes: Routes, host: str, port: int) -> None:
        self.routes = routes
        self.closing = False
        self._changed = threading.Condition()
        self._under_way = 0
        self._server = _HttpServer((host, port), self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="rest", daemon=True)

    def start(self) -> None:
        """Begins to accept connections."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Accepts no more, and waits at most so long for the requests that are under way."""
        self.closing = True
        if self._thread.is_alive():
            self._server.shutdown()
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, timeout=seconds)
        self._server.server_close()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request from its first line to the last byte of its answer."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: RestServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("A connection from %s ended early.", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sluice-serving"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of an answer leave together

    server: _HttpServer

    def _handle(self) -> None:
        with self.server.owner.request():
            body = self._read_body()
            if body is not None:
                self._send(*self._route(self.path.partition("?")[0], body))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _handle  # noqa: N815  # http.server's names

    def _route(self, path: str, body: bytes) -> tuple[int, str, str]:
        routes = self.server.owner.routes
        if routes.cors and self.command == "OPTIONS":
            return 200, "", "application/json"
        if routes.metrics_path and path == routes.metrics_path:
            return 200, routes.metrics(), "text/plain"
        if not path.lower().startswith("/v1/"):
            return 404, "", "text/plain"
        try:
            return *routes.api(self.command, path, body), "application/json"
        except Exception:
            logger.exception("%s %s", self.command, path)
            return 500, '{"error": "The server failed; its log says why."}', "application/json"

    def _read_body(self) -> bytes | None:
        """Returns the body, or None if its length cannot be known; that is then answered."""
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                return b"".join(self._read_chunks())
            return self.rfile.read(_length(self.headers.get("Content-Length", "0"), 10))
        except ValueError:
            self.close_connection = True
            self._send(400, '{"error": "The length of the body must be a number."}', "application/json")
            return None

    def _read_chunks(self) -> Iterator[bytes]:
        while size := _length(self.rfile.readline(100).partition(b";")[0].decode("latin-1").strip(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass

    def _send(self, status: int, text: str, content_type: str) -> None:
        body = text.encode("utf-8", "surrogateescape")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server.owner.closing:
            self.send_header("Connection", "close")  # which also ends the connection here
        for name, value in _CORS.items() if self.server.owner.routes.cors else ():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        logger.debug(format, *args)

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _length(text: str, base: int) -> int:
    if not text.isalnum():  # int() would take signs and underscores
        raise ValueError(text)
    return int(text, base)
