"""Which images of a recording come while the other camera is missing."""

from collections import deque
from collections.abc import Iterator, Mapping

from rgbt_seg_ros.bags.image_topics import Kind
from rgbt_seg_ros.bags.reader import RecordedImage
from rgbt_seg_ros.settings import Settings

_OTHER: dict[Kind, Kind] = {"rgb": "thermal", "thermal": "rgb"}


def mark_alone(
    images: Iterator[RecordedImage], alone_after_ns: Mapping[Kind, int]
) -> Iterator[tuple[RecordedImage, bool]]:
    """All images in order, each with whether to answer it alone.

    An image is held back until an image of the other camera is near enough, or cannot come any more.

    Args:
        images: of a recording, in order of reception.
        alone_after_ns: of the cameras whose images may be answered alone. An image is, if none of the other camera was
            received within this time before or after it.
    """
    held: deque[RecordedImage] = deque()
    heard: dict[Kind, deque[int]] = {"rgb": deque(), "thermal": deque()}

    def settle(now_ns: int | None) -> Iterator[tuple[RecordedImage, bool]]:
        while held:
            kind, received_ns = held[0].kind, held[0].received_ns
            others, after_ns = heard[_OTHER[kind]], alone_after_ns.get(kind)
            if after_ns is None:
                yield held.popleft(), False
                continue
            while others and others[0] < received_ns - after_ns:
                others.popleft()
            if others and others[0] <= received_ns + after_ns:
                yield held.popleft(), False
            elif now_ns is None or now_ns > received_ns + after_ns:
                yield held.popleft(), True
            else:
                return

    for image in images:
        held.append(image)
        if _OTHER[image.kind] in alone_after_ns:
            heard[image.kind].append(image.received_ns)
        yield from settle(image.received_ns)
    yield from settle(None)


def alone_after(settings: Settings, topics: Mapping[Kind, str]) -> dict[Kind, int]:
    """How long, in nanoseconds, the other camera must be silent around an image that is answered alone; by camera."""
    # What is near enough for a pair is not alone.
    silences = {"rgb": settings.thermal.stale_after, "thermal": settings.rgb.stale_after}
    may_be_alone: dict[Kind, bool] = {
        "rgb": settings.thermal.on_missing == "rgb_only",
        "thermal": settings.rgb.on_missing == "thermal_only",
    }
    return {
        kind: round(max(silences[kind], settings.sync.max_dt) * 1e9)
        for kind, allowed in may_be_alone.items()
        # A silence of 0 is never judged, but a camera without a topic is missing.
        if allowed and (silences[kind] > 0 or len(topics) == 1)
    }
