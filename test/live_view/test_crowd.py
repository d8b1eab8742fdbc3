"""A crowd of clients, of bad will or broken, locks nobody out of the live view and leaves nothing behind."""

import logging
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection

import pytest
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.live_view import connections as module
from rgbt_seg_ros.live_view.connections import (
    MAX_STREAMS,
    MAX_STREAMS_OF_CLIENT,
    MAX_WAITING,
    MAX_WAITING_OF_CLIENT,
    Connections,
)
from rgbt_seg_ros.live_view.latest import Latest
from rgbt_seg_ros.live_view.request import MAX_REQUEST_BYTES
from rgbt_seg_ros.live_view.server import PATIENCE_S, WatchServer

CROWD = 200


@pytest.fixture
def server() -> Iterator[WatchServer]:
    with running() as server:
        yield server


@contextmanager
def running(patience_s: float = PATIENCE_S) -> Iterator[WatchServer]:
    before = threading.active_count()
    server = WatchServer("127.0.0.1", 0, {"overlay": Latest()}, Latest(), patience_s=patience_s)
    server.run()
    try:
        yield server
    finally:
        server.close()
        wait_for(lambda: threading.active_count() == before, "the end of all threads")


def connect(server: WatchServer, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), TIMEOUT_S, (source, 0))


def page_comes(server: WatchServer, source: str = "127.0.0.1") -> bool:
    connection = HTTPConnection("127.0.0.1", server.server_port, TIMEOUT_S, (source, 0))
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status == 200 and len(answer.read()) > 1000
    finally:
        connection.close()


def ask(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


BAD_STARTS: dict[str, bytes] = {
    "idle": b"",
    "half a line": b"GET / HT",
    "half a header": b"GET / HTTP/1.1\r\nHost: loc",
    "no end of headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20,
    "TLS": bytes.fromhex("16030100c8010000c40303"),
}


@pytest.mark.parametrize("start", BAD_STARTS.values(), ids=BAD_STARTS)
def test_a_crowd_that_does_not_ask_locks_nobody_out(server: WatchServer, start: bytes) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(connect(server)).sendall(start)
            if len(server.connections) == MAX_WAITING_OF_CLIENT:
                assert page_comes(server)
        wait_for(lambda: len(server.connections) <= MAX_WAITING_OF_CLIENT, "the end of the oldest")
        assert page_comes(server)


def test_the_oldest_that_waits_is_closed_and_the_newest_served(server: WatchServer) -> None:
    with ExitStack() as crowd:
        waiting = [crowd.enter_context(connect(server)) for _ in range(MAX_WAITING_OF_CLIENT + 1)]
        assert waiting[0].recv(1) == b""
        for connection in waiting[1:]:
            connection.sendall(ask("/"))
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_crowd_that_asks_at_once_is_answered(server: WatchServer) -> None:
    """As a browser with several windows that are opened together."""
    sent: list[socket.socket] = []
    with ExitStack() as crowd:
        for _ in range(3 * MAX_WAITING_OF_CLIENT):
            sent.append(crowd.enter_context(connect(server)))
            sent[-1].sendall(ask("/"))
        assert [connection.recv(12) for connection in sent] == [b"HTTP/1.1 200"] * len(sent)


def test_a_client_costs_its_own_places_before_those_of_others(server: WatchServer) -> None:
    with connect(server, "127.0.0.2") as patient, ExitStack() as crowd:
        wait_for(lambda: len(server.connections) == 1, "the patient one")
        for _ in range(MAX_WAITING_OF_CLIENT * 3):
            crowd.enter_context(connect(server, "127.0.0.3"))
        patient.sendall(ask("/"))
        assert patient.recv(12) == b"HTTP/1.1 200"


def test_many_clients_that_wait_have_a_limit_together(server: WatchServer) -> None:
    with ExitStack() as crowd:
        for number in range(2 * MAX_WAITING):
            crowd.enter_context(connect(server, f"127.0.1.{number + 1}"))
        wait_for(lambda: len(server.connections) <= MAX_WAITING, "the end of the oldest")
        assert page_comes(server, "127.0.0.9")


def status_of(connection: socket.socket) -> bytes:
    return connection.recv(12)[9:]


@pytest.mark.parametrize("path", ["/overlay.mjpg", "/numbers"])
def test_streams_have_a_limit_by_client_and_pages_are_served_beside_them(
    server: WatchServer, path: str
) -> None:
    with ExitStack() as crowd:
        statuses = []
        for _ in range(MAX_STREAMS_OF_CLIENT + 3):
            connection = crowd.enter_context(connect(server))
            connection.sendall(ask(path))
            statuses.append(status_of(connection))
        assert statuses == [b"200"] * MAX_STREAMS_OF_CLIENT + [b"503"] * 3
        assert page_comes(server)
        other = crowd.enter_context(connect(server, "127.0.0.2"))
        other.sendall(ask(path))
        assert status_of(other) == b"200"
    latest = server.streams.get(path, server.numbers)
    wait_for(lambda: latest.viewers == 0, "the end of the streams")
    with connect(server) as again:
        again.sendall(ask(path))
        assert status_of(again) == b"200"


def test_streams_have_a_limit_together(server: WatchServer) -> None:
    with ExitStack() as crowd:
        statuses = []
        for number in range(MAX_STREAMS + 2):
            connection = crowd.enter_context(connect(server, f"127.0.2.{number + 1}"))
            connection.sendall(ask("/numbers"))
            statuses.append(status_of(connection))
        assert statuses == [b"200"] * MAX_STREAMS + [b"503"] * 2
        assert page_comes(server)


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"y" * 10 * MAX_REQUEST_BYTES,
        b"X: y\r\n" * MAX_REQUEST_BYTES,
        b"X\0: \xff\r\n" * MAX_REQUEST_BYTES,
    ],
    ids=["one", "many", "garbage"],
)
def test_huge_headers_are_refused_before_they_are_read(server: WatchServer, headers: bytes) -> None:
    with connect(server) as client:
        # It closes while more is sent.
        try:
            client.sendall(b"GET / HTTP/1.1\r\n" + headers + b"\r\n\r\n")
            answer = client.recv(1 << 16)
        except ConnectionError:
            answer = b""
        assert answer[:12] in (b"", b"HTTP/1.1 431", b"HTTP/1.1 400")
    wait_for(lambda: len(server.connections) == 0, "its end")
    assert page_comes(server)


def test_a_long_address_is_refused(server: WatchServer) -> None:
    with connect(server) as client:
        client.sendall(ask("/" + "a" * (MAX_REQUEST_BYTES - 100)))
        assert status_of(client) == b"404"
    with connect(server) as client:
        client.sendall(b"GET /" + b"a" * (MAX_REQUEST_BYTES - 5))
        assert status_of(client) == b"431"


def half_closed(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("leave", [half_closed, reset, socket.socket.close])
@pytest.mark.parametrize("start", [b"", b"GET / HT", ask("/"), ask("/numbers"), ask("/overlay.mjpg")])
def test_whoever_leaves_in_any_way_is_gone(
    server: WatchServer, leave: Callable[[socket.socket], None], start: bytes
) -> None:
    with ExitStack() as crowd:
        for _ in range(MAX_WAITING_OF_CLIENT):
            client = crowd.enter_context(connect(server))
            client.sendall(start)
            leave(client)
        wait_for(lambda: len(server.connections) == 0, "the end of all")
        assert server.numbers.viewers == server.streams["/overlay.mjpg"].viewers == 0


def test_garbage_is_answered_or_closed_and_nothing_is_printed(
    server: WatchServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(0)
    lines = [
        b"GET", b"GET /", b"GET  /  HTTP/1.1", b"GET / HTTP/9.9", b"GET / HTTP/1.1 x", b"\r\n", b"\0" * 50,
        b"GET / HTTP/-1.1", b"GET / HTTP/1.", b"get / HTTP/1.1", b"PRI * HTTP/2.0", b"CONNECT localhost:80 HTTP/1.1",
        b"GET http:// HTTP/1.1", b"GET //[ HTTP/1.1", b"GET /%00 HTTP/1.1", b"GET /\xff HTTP/1.1",
        b"G\xc3\xa9T / HTTP/1.1", b"GET / HTTP/" + b"1" * 5000,
    ]  # fmt: skip
    lines += [bytes(chance.randrange(256) for _ in range(chance.randrange(1, 300))) for _ in range(100)]
    headers = [
        b"Host: [", b"Host: localhost\r\nHost: evil", b": x", b"Host", b"Upgrade: websocket", b"Expect: 100-continue",
        b"Content-Length: -1", b"Content-Length: 99999999999", b"Transfer-Encoding: chunked", b"Range: bytes=0-", b"",
        b"Connection: keep-alive", b"Host: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x",
    ]  # fmt: skip
    requests = [line + b"\r\n\r\n" for line in lines]
    requests += [b"GET / HTTP/1.1\r\n" + header + b"\r\n\r\n" for header in headers]
    for request in requests:
        with connect(server) as client:
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass
            except ConnectionError:
                continue
    wait_for(lambda: len(server.connections) == 0, "the end of all")
    assert page_comes(server)
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records] == []


def test_one_sentence_a_minute_says_who_is_turned_away(
    server: WatchServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(connect(server, "127.0.0.7"))
        turned_away = server.connections._turned_away
        wait_for(lambda: turned_away.total() == CROWD - MAX_WAITING_OF_CLIENT - 1, "the whole crowd")
        assert [record.getMessage() for record in caplog.records] == [
            "live view: a connection was turned away, most of 127.0.0.7: too many at once"
        ]
        monkeypatch.setattr(module, "SAY_EVERY_S", 0.0)
        crowd.enter_context(connect(server, "127.0.0.7"))
        wait_for(lambda: len(caplog.records) == 2, "the second sentence")
    missed = CROWD - MAX_WAITING_OF_CLIENT
    assert f"{missed} connections were turned away, most of 127.0.0.7" in caplog.records[1].getMessage()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_network_of_ipv6_is_one_client() -> None:
    connections = Connections()
    sockets = [socket.socket() for _ in range(MAX_WAITING_OF_CLIENT + 2)]
    try:
        for number, each in enumerate(sockets):
            assert connections.come(each, f"fe80::{number}%eth0" if number else "::ffff:10.0.0.1")
        assert [each in connections._all for each in sockets] == [True] * len(sockets)
        waiting = [entry.client for entry in connections._all.values() if entry.is_waiting]
        assert waiting == ["10.0.0.1"] + ["fe80::/64"] * MAX_WAITING_OF_CLIENT
    finally:
        for each in sockets:
            each.close()
