"""The live view's web server alone, asked over real sockets."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from waiting import TIMEOUT_S, wait_for
from watch_client import PART

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.live_view.latest import Latest
from rgbt_seg_ros.live_view.server import NAME_LENGTH, PAGES, PATIENCE_S, WatchServer

JPEG = b"\xff\xd8\xff%d\xff\xd9"
"""Not decoded here."""
LARGE = bytes(200_000)


@pytest.fixture
def server() -> Iterator[WatchServer]:
    with running(PATIENCE_S) as server:
        yield server


@pytest.fixture
def impatient_server() -> Iterator[WatchServer]:
    with running(1.0) as server:
        yield server


@contextmanager
def running(patience_s: float, host: str = "127.0.0.1") -> Iterator[WatchServer]:
    pictures = {"overlay": Latest(), "mask": Latest()}
    server = WatchServer(host, 0, pictures, Latest(), ["Robot.Example.org"], patience_s)
    server.run()
    yield server
    server.close()


@contextmanager
def asked(server: WatchServer, path: str, method: str = "GET", host: str = "") -> Iterator[HTTPResponse]:
    """An answer whose body has not been read."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=TIMEOUT_S)
    connection.request(method, path, headers={"Host": host} if host else {})
    with closing(connection), closing(connection.getresponse()) as answer:
        yield answer


def status(server: WatchServer, path: str, method: str = "GET", host: str = "") -> int:
    with asked(server, path, method, host) as answer:
        answer.read()
        return answer.status


def picture_of(answer: HTTPResponse) -> bytes:
    """The next picture of a stream, without what is around it; waits for what follows it."""
    data = b""
    while not data.endswith(PART):
        data += answer.read(1)
    return data.removesuffix(PART).removesuffix(b"\r\n")


@contextmanager
def watching(server: WatchServer, path: str = "/overlay.mjpg") -> Iterator[HTTPResponse]:
    """A stream whose start has been read, and which the server counts."""
    latest = server.streams.get(path, server.numbers)
    before = latest.viewers
    with asked(server, path) as answer:
        if path in server.streams:
            assert picture_of(answer) == b""
        wait_for(lambda: latest.viewers == before + 1, "a viewer")
        yield answer


# --- what there is, and what is refused ---


def test_the_page_comes_with_headers_that_let_nothing_else_in(server: WatchServer, repository: Path) -> None:
    for path, (file, kind) in PAGES.items():
        with asked(server, path) as answer:
            assert (answer.status, answer.getheader("Content-Type")) == (200, kind)
            assert answer.read() == (repository / "resource" / file).read_bytes()
            policy = answer.getheader("Content-Security-Policy")
            assert policy.startswith("default-src 'none'; script-src 'self';")
            assert "unsafe" not in policy
            assert answer.getheader("Access-Control-Allow-Origin") is None
            assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
            assert answer.getheader("X-Content-Type-Options") == "nosniff"


def test_the_page_asks_for_nothing_from_elsewhere(repository: Path) -> None:
    for file, _ in PAGES.values():
        text = (repository / "resource" / file).read_text()
        assert "://" not in text
        assert "url(" not in text


def test_nothing_but_the_fixed_paths_is_found(server: WatchServer) -> None:
    outside = ("/../setup.py", "/..%2fsetup.py", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd")
    for path in (*outside, "/watch.html", "/watch.css/", "/rgb.mjpg", "/overlay", "//[", "http://127.0.0.1/"):
        assert status(server, path) == 404, path


def test_other_methods_are_refused(server: WatchServer) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for path in ("/", "/numbers", "/overlay.mjpg", "/nothing"):
            with asked(server, path, method) as answer:
                assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")
                assert b"only be read" in answer.read()


def test_a_head_is_no_viewer(server: WatchServer) -> None:
    for path in ("/", "/watch.js", "/numbers", "/overlay.mjpg"):
        with asked(server, path, "HEAD") as answer:
            assert answer.status == 200
            assert answer.read() == b""
    assert server.numbers.viewers == server.streams["/overlay.mjpg"].viewers == 0


def test_names_of_this_machine_are_answered(server: WatchServer) -> None:
    for host in (
        "localhost",
        "localhost:9000",
        "127.0.0.1:8080",
        "[::1]:8080",
        "127.1.2.3",
        "robot.example.org",
    ):
        assert status(server, "/", host=host) == 200, host


def test_a_name_that_others_point_here_is_refused(server: WatchServer) -> None:
    for host in (
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        socket.gethostname(),
        "10.0.0.1",
        "[",
        " ",
    ):
        for path in ("/", "/overlay.mjpg"):
            assert status(server, path, host=host) == 403, host


def test_on_a_network_only_names_of_this_machine_are_answered() -> None:
    own = socket.gethostname()
    with running(PATIENCE_S, "0.0.0.0") as server:
        assert not server.on_loopback
        assert server.url == f"http://{own}:{server.server_port}/"
        own_names = (
            own,
            f"{own.upper()}:9000",
            f"{own.partition('.')[0]}.local",
            "localhost",
            "ROBOT.example.org:80",
        )
        for host in (*own_names, "10.0.0.1", "[fd00::1]:8080"):
            assert status(server, "/", host=host) == 200, host
        for host in ("evil.example", f"{own}.evil.example", "local", "example.org", "[", " "):
            with asked(server, "/overlay.mjpg", host=host) as answer:
                assert (answer.status, b"--name" in answer.read()) == (403, True), host


def test_a_port_in_use_is_one_sentence(server: WatchServer) -> None:
    with pytest.raises(
        UserError, match=rf"^port {server.server_port} of 127.0.0.1 is in use: give another --port"
    ):
        WatchServer("127.0.0.1", server.server_port, {}, Latest())


def test_an_address_that_is_not_this_machines_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^cannot listen on port 0 of 192\.0\.2\.1: "):
        WatchServer("192.0.2.1", 0, {}, Latest())


def test_loopback_of_ipv6() -> None:
    try:
        server = WatchServer("::1", 0, {}, Latest())
    except UserError as error:
        pytest.skip(f"needs IPv6: {error}")
    with server:
        assert server.on_loopback
        assert server.url == f"http://[::1]:{server.server_port}/"


# --- streams ---


def test_every_viewer_gets_the_same_pictures_as_they_come(server: WatchServer) -> None:
    overlay = server.streams["/overlay.mjpg"]
    with watching(server) as first, watching(server) as second:
        assert overlay.viewers == 2
        for number in range(3):
            overlay.put(JPEG % number)
            assert picture_of(first) == picture_of(second) == JPEG % number
        with watching(server) as late:
            assert picture_of(late) == JPEG % 2
        assert server.streams["/mask.mjpg"].viewers == 0


def test_numbers_come_as_events(server: WatchServer) -> None:
    with watching(server, "/numbers") as answer:
        assert answer.getheader("Content-Type") == "text/event-stream"
        sent = {"sentence": "dös géht\n", "values": {"pairs": "5"}}
        server.numbers.put(json.dumps(sent).encode())
        lines = [answer.readline() for _ in range(4)]
        assert lines[:2] == [b"retry: 1000\n", b"\n"]
        assert json.loads(lines[2].removeprefix(b"data: ")) == sent
        assert lines[3] == b"\n"


def test_a_viewer_is_listed_by_the_name_it_gives_itself(server: WatchServer) -> None:
    overlay = server.streams["/overlay.mjpg"]
    with watching(server), asked(server, f"/overlay.mjpg?{'x' * 100}"):
        wait_for(lambda: overlay.viewers == 2, "both")
        assert overlay.viewer_names == ["x" * NAME_LENGTH]
    wait_for(lambda: not overlay.viewer_names, "leaving")


def test_a_viewer_that_leaves_is_noticed_though_nothing_comes(server: WatchServer) -> None:
    for path in ("/overlay.mjpg", "/numbers"):
        latest = server.streams.get(path, server.numbers)
        with watching(server, path), watching(server, path):
            assert latest.viewers == 2
        wait_for(lambda latest=latest: latest.viewers == 0, "leaving")


def test_the_first_viewer_after_a_break_sees_nothing_old(server: WatchServer) -> None:
    overlay = server.streams["/overlay.mjpg"]
    with watching(server) as answer:
        overlay.put(b"old")
        assert picture_of(answer) == b"old"
    wait_for(lambda: overlay.viewers == 0, "leaving")
    overlay.put(b"nobody saw it")
    with watching(server) as answer:
        overlay.put(b"new")
        assert picture_of(answer) == b"new"


def test_a_slow_viewer_skips_pictures_and_delays_nobody(server: WatchServer) -> None:
    overlay = server.streams["/overlay.mjpg"]
    sent, count = 0, 60
    with watching(server) as quick, watching(server) as slow:
        for sent in range(1, count + 1):
            overlay.put(LARGE + str(sent).encode())
            assert int(picture_of_large(quick)) == sent
        seen = [int(picture_of_large(slow))]
        while seen[-1] < count:
            seen.append(int(picture_of_large(slow)))
    # What waited for the slow one is what its connection holds, not the 60 pictures.
    assert seen == sorted(set(seen))
    assert seen[-1] == count
    assert len(seen) < count / 2


def picture_of_large(answer: HTTPResponse) -> bytes:
    """The number at the end of the next picture of `LARGE` and a number."""
    assert answer.read(len(LARGE)) == LARGE
    number = answer.readline().strip()
    assert [answer.readline() for _ in range(3)][-1] == b"\r\n"
    return number


def test_a_client_that_reads_nothing_is_given_up(impatient_server: WatchServer) -> None:
    overlay = impatient_server.streams["/overlay.mjpg"]
    with watching(impatient_server):
        deadline = time.monotonic() + TIMEOUT_S
        while overlay.viewers:
            assert time.monotonic() < deadline, "the dead client still has its thread"
            overlay.put(LARGE)
            time.sleep(0.01)


def test_a_client_that_asks_for_nothing_is_given_up(impatient_server: WatchServer) -> None:
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", impatient_server.server_port), timeout=TIMEOUT_S) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        wait_for(lambda: threading.active_count() > before, "its thread")
        assert silent.recv(1) == b""
    wait_for(lambda: threading.active_count() == before, "the end of its thread")


def test_a_client_that_asks_byte_by_byte_is_given_up(impatient_server: WatchServer) -> None:
    address = ("127.0.0.1", impatient_server.server_port)
    with socket.create_connection(address, timeout=0.1) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
        for _ in range(100):
            try:
                slow.sendall(b"a")
                if not slow.recv(1):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("it still has its place after 10 s")


def test_closing_ends_the_streams() -> None:
    with running(PATIENCE_S) as server, watching(server) as answer:
        server.closing.set()
        assert answer.read() == b""
    with pytest.raises(ConnectionRefusedError):
        status(server, "/")
