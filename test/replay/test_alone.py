"""Which images go alone, from the times at which they were received, and that few are held back."""

from collections.abc import Iterator

import pytest

from rgbt_seg_ros.bags.reader import RecordedImage
from rgbt_seg_ros.replay.alone import mark_alone

SECOND = 1_000_000_000
NONE: frozenset[str] = frozenset()


def stream(kind: str, times_s: list[float]) -> list[RecordedImage]:
    return [
        RecordedImage(kind, kind, round(time * SECOND), 0, 0, None, "")  # type: ignore[arg-type]
        for time in times_s
    ]


def merged(*streams: list[RecordedImage]) -> list[RecordedImage]:
    return sorted((image for each in streams for image in each), key=lambda image: image.received_ns)


def regular(start_s: float, end_s: float, hz: float) -> list[float]:
    return [start_s + index / hz for index in range(round((end_s - start_s) * hz))]


def alone(images: list[RecordedImage], **after_s: float) -> list[tuple[str, float]]:
    after_ns = {kind: round(seconds * SECOND) for kind, seconds in after_s.items()}
    marked = list(mark_alone(iter(images), after_ns))  # type: ignore[arg-type]
    assert [image for image, _ in marked] == images, "in order, and all of them"
    return [(image.kind, image.received_ns / SECOND) for image, is_alone in marked if is_alone]


def test_nothing_is_alone_beside_a_camera_that_works() -> None:
    images = merged(stream("rgb", regular(0, 10, 30)), stream("thermal", regular(0.01, 10, 9)))
    assert alone(images, rgb=1.0, thermal=1.0) == []


def test_without_rules_nothing_is_alone_nor_held_back() -> None:
    images = stream("rgb", regular(0, 2, 10))
    assert alone(images) == []
    source = iter(images)
    next(mark_alone(source, {}))
    assert next(source) is images[1]


def test_the_other_camera_may_start_late_end_early_or_pause() -> None:
    rgb = stream("rgb", regular(0, 20, 10))
    thermal = stream("thermal", [*regular(5, 8, 10), *regular(12, 15, 10)])
    times = [time for _, time in alone(merged(rgb, thermal), rgb=1.0)]
    expected = [
        image.received_ns / SECOND
        for image in rgb
        if not any(abs(image.received_ns - other.received_ns) <= SECOND for other in thermal)
    ]
    assert times == expected
    assert times[0] == 0
    assert {round(time) for time in times} >= {0, 3, 10, 17, 19}
    assert not any(5 <= time < 8 or 12 <= time < 15 for time in times)
    assert alone(merged(rgb, thermal), thermal=1.0) == []


def test_each_camera_may_be_the_missing_one() -> None:
    images = merged(stream("rgb", regular(0, 10, 10)), stream("thermal", regular(20, 30, 10)))
    assert len(alone(images, rgb=1.0, thermal=1.0)) == 200
    assert {kind for kind, _ in alone(images, thermal=1.0)} == {"thermal"}


@pytest.mark.parametrize("kinds", [("rgb",), ("rgb", "thermal")])
def test_what_is_held_back_does_not_grow(kinds: tuple[str, ...]) -> None:
    """Two hours of one camera alone, and then of both: at most the images of the silence are held."""
    taken = 0

    def source() -> Iterator[RecordedImage]:
        nonlocal taken
        for index in range(2 * 3600 * 10):
            for kind in ("rgb", "thermal") if index > 3600 * 10 else kinds[:1]:
                taken += 1
                yield stream(kind, [index / 10])[0]

    given, most = 0, 0
    for _ in mark_alone(source(), dict.fromkeys(kinds, SECOND)):  # type: ignore[arg-type]
        given += 1
        most = max(most, taken - given)
    assert given == taken
    assert most <= 12
