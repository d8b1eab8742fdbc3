"""Which time of its images a recording can be believed in: their header stamps, or when the bag received them."""

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from rgbt_seg_ros.bags.image_topics import Kind
from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.types import ros2_types
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import stamp_ns

_LOOKED_AT = 40
_FORWARD_SHARE = 0.75
"""Share of steps between stamps that go forward in a stream that can be paired by them."""

_LEAST_PACE = 1e-3
"""Stamps that run slower than this, in times of the clock of reception, stand still."""


@dataclass(frozen=True)
class Stamps:
    """Which times are used.

    Attributes:
        by_reception: images are paired by the time of reception, of both cameras.
        replaced: cameras whose images have the time of reception for a stamp, as their own tells them not apart.
        note: a sentence that says why; empty if that was asked for.
    """

    by_reception: bool = False
    replaced: frozenset[Kind] = frozenset()
    note: str = ""


def choose_stamps(recording: Recording, topics: Mapping[Kind, str], choice: str = "auto") -> Stamps:
    """Look at the first images of each topic, and choose.

    Args:
        recording: that is read.
        topics: of its images.
        choice: one of `choices.STAMPS`.

    Raises:
        UserError: the recording is damaged, or neither time tells the images of a topic apart.
    """
    if choice == "header":
        return Stamps()
    faults: dict[Kind, str] = {}
    received_faults: dict[Kind, str] = {}
    for kind, topic in topics.items():
        stamps, received = _first_times(recording, topic)
        if fault := stamp_fault(stamps, received):
            faults[kind] = fault
        if fault := stamp_fault(received, received):
            received_faults[kind] = fault
    if choice == "auto" and not faults:
        return Stamps()
    if received_faults:
        kind, fault = next(iter(received_faults.items()))
        raise UserError(
            f"the times at which {recording.path} received {topics[kind]} {fault}, so its images cannot be paired "
            "by them: give a recording with stamps or times of reception that go on"
        )
    told = _describe({topics[kind]: fault for kind, fault in faults.items()})
    note = f"{told}: images are paired by the time at which the bag received them" if choice == "auto" else ""
    return Stamps(True, frozenset(faults), note)


def useless_stamps(recording: Recording, topics: Collection[str]) -> str:
    """Which of these image topics have useless header stamps and why, as the beginning of a sentence; empty if none.

    Raises:
        UserError: the recording is damaged.
    """
    found = {topic: stamp_fault(*_first_times(recording, topic)) for topic in topics}
    return _describe({topic: fault for topic, fault in found.items() if fault})


def restamped(data: bytes, time_ns: int) -> bytes:
    """A message in CDR that begins with a header, with another stamp."""
    order = "<" if data[1] & 1 else ">"
    return data[:4] + struct.pack(order + "iI", *divmod(time_ns, 1_000_000_000)) + data[12:]


def stamp_fault(stamps: Sequence[int], received: Sequence[int]) -> str:
    """Why stamps do not tell successive images apart in time, as the end of a sentence; empty if they do.

    Args:
        stamps: of successive images [ns].
        received: the times at which they were received [ns].
    """
    if stamps and not any(stamps):
        return "are all zero"
    steps = [after - before for before, after in pairwise(stamps)]
    if not steps:
        return ""
    forward, standing = sum(step > 0 for step in steps), sum(step == 0 for step in steps)
    pace_is_known = received[-1] > received[0]
    if forward == len(steps) and pace_is_known:
        return "stand still" if stamps[-1] - stamps[0] < _LEAST_PACE * (received[-1] - received[0]) else ""
    if forward >= _FORWARD_SHARE * len(steps):
        return ""
    return "stand still" if standing >= len(steps) - forward - standing else "go back and forth"


def _describe(faults: Mapping[str, str]) -> str:
    """Faults by topic, in words."""
    topics_of: dict[str, list[str]] = {}
    for topic, fault in faults.items():
        topics_of.setdefault(fault, []).append(topic)
    parts = [f"{' and '.join(topics)} {fault}" for fault, topics in topics_of.items()]
    return f"the header stamps of {', those of '.join(parts)}" if parts else ""


def _first_times(recording: Recording, topic: str) -> tuple[list[int], list[int]]:
    """Header stamps and times of reception of a topic's first images."""
    typestore = ros2_types()
    stamps, received = [], []
    for message in islice(recording.messages([topic]), _LOOKED_AT):
        try:
            image: Any = typestore.deserialize_cdr(message.data, message.topic.type)
        except Exception:
            # Whoever reads this image says that it is damaged.
            break
        stamps.append(stamp_ns(image.header))
        received.append(message.received_ns)
    return stamps, received
