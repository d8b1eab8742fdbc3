"""The web server of the live view: a page, streams of pictures (MJPEG) and of numbers (server-sent events); no ROS.

It only answers GET and HEAD, from a fixed list of paths, and never changes anything.
"""

import contextlib
import errno
import io
import ipaddress
import select
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.live_view.connections import MAX_CONNECTIONS, Connections
from rgbt_seg_ros.live_view.latest import Latest
from rgbt_seg_ros.live_view.request import RequestBytes, RequestTooLong

PATIENCE_S = 10.0
"""How long a client may take to send its whole request, or to accept a picture, before it is given up [s]."""

LOOK_ROUND_S = 0.5
"""How often a stream that has nothing to send looks whether its client has left, or the server closes [s]."""

NAME_LENGTH = 40
"""Characters that are kept of the name that a picture's viewer gives itself: /NAME.mjpg?VIEWER."""

SEND_BUFFER = 1 << 16
"""Bytes that the kernel keeps for a client: more would be a queue of old pictures."""

PAGES = {
    "/": ("watch.html", "text/html; charset=utf-8"),
    "/report.css": ("report/report.css", "text/css; charset=utf-8"),
    "/watch.css": ("watch.css", "text/css; charset=utf-8"),
    **{
        f"/{path.rpartition('/')[2]}": (path, "text/javascript; charset=utf-8")
        for path in ("watch.js", "watch_classes.js", "report/keys.js", "report/tables.js", "report/zoom.js")
    },
}

HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # Other sites may not show the pictures, either; without CORS headers they cannot read them anyway.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


_PICTURE_TYPE = "multipart/x-mixed-replace; boundary=next-picture"
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_PICTURE_START = b"--next-picture\r\nContent-Type: %b\r\n\r\n"
"""Of a part of the stream; the %b is the kind of its pictures."""


def _event(data: bytes) -> bytes:
    """A server-sent event; the data has no line break."""
    return b"data: %b\n\n" % data


class WatchServer(ThreadingHTTPServer):
    """Listens from the start; `run` serves in a thread until `close`.

    Args:
        host: address or name to listen on; an empty one, 0.0.0.0 or :: is every network.
        port: 0 takes any free one.
        pictures: JPEGs or PNGs by name; `/NAME.mjpg` streams them.
        numbers: JSON in one line; `/numbers` streams it.
        names: of this machine, by which it is asked for beside those that it knows itself.
        patience_s: see `PATIENCE_S`.

    Attributes:
        url: of the page.
        on_loopback: whether only this machine reaches it.
        names: by which it may be asked for, in lower case, besides by its addresses.

    Raises:
        UserError: the address cannot be listened on, or the page is not part of the installation.
    """

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self,
        host: str,
        port: int,
        pictures: Mapping[str, Latest],
        numbers: Latest,
        names: Sequence[str] = (),
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.pages = {
            path: (share_path(f"resource/{name}").read_bytes(), kind) for path, (name, kind) in PAGES.items()
        }
        self.streams = {f"/{name}.mjpg": latest for name, latest in pictures.items()}
        self.numbers = numbers
        self.patience_s = patience_s
        self.closing = threading.Event()
        self.connections = Connections()
        try:
            self.address_family, *_, where = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            super().__init__(where, _Handler)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(
                    f"port {port} of {host} is in use: give another --port, or 0 for any free one"
                ) from None
            raise UserError(f"cannot listen on port {port} of {host}: {error.strerror or error}") from None
        name, address = self.server_name, ipaddress.ip_address(self.server_name)
        self.on_loopback = address.is_loopback
        self.names = {known.lower() for known in ("localhost", host, *names) if known}
        if not self.on_loopback:
            own = socket.gethostname().lower()
            short = own.partition(".")[0]
            self.names |= {own, short, f"{short}.local"}
        shown = (
            socket.gethostname() if address.is_unspecified else f"[{name}]" if address.version == 6 else name
        )
        self.url = f"http://{shown}:{self.server_port}/"

    def server_bind(self) -> None:
        # HTTPServer's own looks the machine's name up, which takes seconds where there is no network.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def run(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def close(self) -> None:
        """End all streams and stop listening; for a server that runs."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def answers_to(self, host: str) -> bool:
        """Whether a Host header, with or without a port, names this machine as no web site can.

        A site may point any name of its own at this machine, and could then read the pictures in a browser that
        reaches it. The port is not looked at: another one may be forwarded here, as by ssh.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.names or ipaddress.ip_address(name).is_loopback or not self.on_loopback
        except ValueError:
            return False

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self.connections.come(request, client_address[0])

    def shutdown_request(self, request: Any) -> None:
        # Whatever becomes of a connection, it ends here.
        self.connections.leave(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What a client has sent is nothing to fill the log with; the error itself costs this connection alone."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.connections.say(f"a request failed ({type(error).__name__}: {str(error)[:80]})")


class _Handler(BaseHTTPRequestHandler):
    server: WatchServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rgbt_watch", ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        patience_s = self.server.patience_s
        self.rfile.close()
        self.rfile = io.BufferedReader(RequestBytes(self.connection, patience_s))
        options = self.request.setsockopt
        options(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        # A client that vanished without a word, with its network, is noticed as fast as one that does not read.
        options(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1e3 * patience_s))
        options(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        options(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(patience_s / 2)))
        options(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, round(patience_s / 4)))

    def handle(self) -> None:
        # Clients may leave at any time.
        with contextlib.suppress(OSError):
            try:
                super().handle()
            except RequestTooLong:
                self.connection.sendall(_TOO_LONG)

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        self.server.connections.ask(self.request)
        # From here on for what is sent.
        self.connection.settimeout(self.server.patience_s)
        return parsed

    def do_GET(self) -> None:
        path, _, viewer = self.path.partition("?")
        if not self.server.answers_to(self.headers.get("Host", "")):
            known = (
                "127.0.0.1 or localhost" if self.server.on_loopback else "this machine's address or own name"
            )
            self._say(
                HTTPStatus.FORBIDDEN, f"open this page as {known}; other names: start watch with --name"
            )
        elif path in self.server.pages:
            self._send(HTTPStatus.OK, *self.server.pages[path])
        elif path in self.server.streams:
            latest = self.server.streams[path]
            start = _PICTURE_START % latest.kind.encode()
            # Browsers do not show a picture before the start of the next one.
            self._stream(
                latest, _PICTURE_TYPE, start, lambda item: item + b"\r\n" + start, viewer[:NAME_LENGTH]
            )
        elif path == "/numbers":
            self._stream(self.server.numbers, "text/event-stream", b"retry: 1000\n\n", _event)
        else:
            self._say(HTTPStatus.NOT_FOUND, "there is no such page")

    def _refuse(self) -> None:
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, "this view can only be read: GET or HEAD", Allow="GET, HEAD")

    do_HEAD = do_GET
    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _say(self, status: HTTPStatus, sentence: str, **headers: str) -> None:
        self._send(status, f"{sentence}\n".encode(), "text/plain; charset=utf-8", **headers)

    def _send(self, status: HTTPStatus, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(
        self, latest: Latest, kind: str, start: bytes, wrap: Callable[[bytes], bytes], viewer: str = ""
    ) -> None:
        """Send items as they come until the client leaves, or the server closes."""
        if self.command != "HEAD" and not self.server.connections.stream(self.request):
            # The page says that there is no connection free; its streams try again.
            self._say(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many are watching: try again", **{"Retry-After": "5"}
            )
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command == "HEAD":
            return
        with latest.viewer(viewer) as next_item:
            self.wfile.write(start)
            while not self.server.closing.is_set() and not self._client_left():
                if item := next_item(LOOK_ROUND_S):
                    self.wfile.write(wrap(item))

    def _client_left(self) -> bool:
        """Whether the client has closed its side; what else it may send is not looked at."""
        if not select.select([self.connection], [], [], 0.0)[0]:
            return False
        return not self.connection.recv(1 << 12)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
