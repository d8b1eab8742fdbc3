"""What comes over the network beside images: stamps in any order, and requests to the live view."""

import functools
import socket
import struct
from pathlib import Path
from typing import Any

from fuzz.target import Target
from rgbt_seg_ros.base.diagnostics import Key
from rgbt_seg_ros.live_view.latest import Latest
from rgbt_seg_ros.live_view.server import WatchServer
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer
from rgbt_seg_ros.pairing.stream_clock import StreamClock
from rgbt_seg_ros.pipeline.missing_camera import Camera

_STEP = struct.Struct("<Bq")
_MOST_STEPS = 200


def _pair(data: bytes, folder: Path) -> None:
    """Each image is in a pair, dropped by its cause, or waiting, whatever the stamps."""
    pairer: NearestPairer[int, int] = NearestPairer(50_000_000, capacity=16)
    clock, cameras = StreamClock(), (Camera("rgb", 1.0, 0.5), Camera("thermal", 1.0, 0.5))
    paired: tuple[set[int], set[int]] = set(), set()
    received = [0, 0]
    stamp = now = 0
    for number, (kind, value) in enumerate(
        _STEP.iter_unpack(data[: min(len(data) // _STEP.size, _MOST_STEPS) * _STEP.size])
    ):
        # Most steps go on a little; some anywhere.
        stamp = value if kind & 0x80 else stamp + value % 200_000_000
        now += abs(value) % 50_000_000
        side = kind & 1
        if kind & 6 == 6:
            pairs = pairer.poll(now) if kind & 8 else pairer.flush()
        else:
            received[side] += 1
            cameras[side].saw(stamp, bytes([kind]) * 4, now)
            cameras[1 - side].expect(now)
            cameras[side].goes_alone(cameras[1 - side], now)
            clock.add(stamp, now)
            pairs = (pairer.add_thermal if side else pairer.add_rgb)(stamp, number)
        clock.now(now)
        for pair in pairs:
            paired[0].add(pair.rgb)
            paired[1].add(pair.thermal)
            assert abs(pair.skew_ns) <= 50_000_000
    counts = pairer.counts
    waiting = pairer.rgb_waiting, pairer.thermal_waiting
    dropped = sum(number for cause, number in counts.items() if not isinstance(cause, Key))
    assert [counts[Key.RGB_IN], counts[Key.THERMAL_IN]] == received
    # While time jumps back there are two lines of them; of each one is settled that its neighbour may still take.
    assert max(waiting) <= 2 * (16 + 1)
    assert sum(received) == len(paired[0]) + len(paired[1]) + dropped + sum(waiting)


def _stamps() -> list[bytes]:
    regular = b"".join(_STEP.pack(kind, 16_000_000) for kind in (0, 1) * 40)
    apart = b"".join(
        _STEP.pack(0x80 | kind, kind * 10**9 + step * 33_000_000) for step in range(40) for kind in (0, 1)
    )
    polled = b"".join(_STEP.pack(kind, 30_000_000) for kind in (0, 1, 14) * 30)
    looped = regular + _STEP.pack(0x80, 0) + _STEP.pack(0x81, 5) + regular + _STEP.pack(6, 0)
    return [regular, apart, polled, looped]


@functools.cache
def _server() -> Any:
    numbers = Latest()
    server = WatchServer("127.0.0.1", 0, {"overlay": Latest()}, numbers, patience_s=1.0)
    server.closing.set()  # streams end after their beginning
    return server


def _request(data: bytes, folder: Path) -> None:
    server = _server()
    with socket.create_connection(server.server_address) as client:
        connection, address = server.get_request()
        client.sendall(data[:30_000])
        client.shutdown(socket.SHUT_WR)
        try:
            assert server.verify_request(connection, address)
            server.finish_request(connection, address)
        finally:
            server.shutdown_request(connection)
        client.settimeout(5.0)
        answer = client.recv(1 << 16)
    # No version: a request as HTTP/0.9 had it.
    assert not answer or answer.startswith(
        (b"HTTP/1.1 ", b"<", b"there", b"open", b"/*", b"--", b"retry", b'"use', b"//", b":", b"*")
    )


def _requests() -> list[bytes]:
    lines = b"Host: localhost\r\nConnection: close\r\n\r\n"
    found = [b"%s %s HTTP/1.1\r\n%s" % (method, path, lines) for method in (b"GET", b"HEAD", b"POST", b"OPTIONS")
             for path in (b"/", b"/watch.js", b"/overlay.mjpg?me", b"/numbers", b"/none")]  # fmt: skip
    return [*found, b"GET /\r\n", b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"]


TARGETS = (
    Target(
        "pairing",
        _pair,
        _stamps,
        (
            "rgbt_seg_ros.pairing.nearest_neighbour",
            "rgbt_seg_ros.pairing.nearest_pairer",
            "rgbt_seg_ros.pairing.stream_clock",
            "rgbt_seg_ros.pipeline.missing_camera",
        ),
        tuple(
            _STEP.pack(kind, value) for kind in (0x80, 0x81, 6, 14) for value in (0, -1, 1 << 62, -(1 << 63))
        ),
    ),
    Target(
        "requests",
        _request,
        _requests,
        ("rgbt_seg_ros.live_view.server",),
        (
            b"Host: ",
            b"Content-Length: ",
            b"Transfer-Encoding: chunked",
            b"Expect: 100-continue",
            b"HTTP/2.0",
            b"[",
            b"%00",
        ),
    ),
)
