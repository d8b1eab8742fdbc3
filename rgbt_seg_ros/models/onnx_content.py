"""What is in an ONNX file, found without running or copying any of it: protobuf's fields, walked.

Numbers of fields are those of `onnx.proto`, which never change.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_FIELDS = 1_000_000
"""Fields that are looked at. The largest network has some 50 000."""

_FORBIDDEN = frozenset({"Loop", "Scan", "If", "SequenceMap", "Optional"})
"""Operations that run graphs of their own; no network of ours has one."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class UnusableOnnx(ValueError):
    """Why a file is not handed to a runtime: a clause for the sentence of whoever reads it."""


@dataclass
class OnnxContent:
    """What was found.

    Attributes:
        metadata: text by name.
        operations: kinds of operations in use.
    """

    metadata: dict[str, str] = field(default_factory=dict)
    operations: set[str] = field(default_factory=set)


def look_through(content: bytes) -> OnnxContent:
    """Look through a `ModelProto`.

    Raises:
        UnusableOnnx: it is none, keeps weights in other files, has operations of its own or of foreign domains, or
            graphs within its graph.
    """
    return _Walk(memoryview(content)).model()


class _Walk:
    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._looked_at = 0
        self._found = OnnxContent()

    def model(self) -> OnnxContent:
        graphs = 0
        for number, value in self._fields(self._content):
            if number == 7:  # graph
                graphs += 1
                self._graph(_message(value))
            elif number == 14:  # metadata_props
                key, text = self._entry(_message(value))
                self._found.metadata[key] = text
            elif number in (20, 25):  # training_info, functions
                raise UnusableOnnx("it defines operations of its own")
        if graphs != 1:
            raise UnusableOnnx("it is damaged or no ONNX file")
        return self._found

    def _graph(self, graph: memoryview) -> None:
        for number, value in self._fields(graph):
            if number == 1:  # node
                self._node(_message(value))
            elif number == 5:  # initializer
                self._tensor(_message(value))
            elif number == 15:  # sparse_initializer
                raise UnusableOnnx("it has sparse weights")

    def _node(self, node: memoryview) -> None:
        for number, value in self._fields(node):
            if number == 4:  # op_type
                operation = _text(value)
                if operation in _FORBIDDEN:
                    raise UnusableOnnx(f"it has the operation {operation}, which no exported network has")
                self._found.operations.add(operation)
            elif number == 5:  # attribute
                self._attribute(_message(value))
            elif number == 7 and _text(value) not in ("", "ai.onnx"):  # domain
                raise UnusableOnnx(f"it has operations of the domain {_text(value)[:40]!r}")

    def _attribute(self, attribute: memoryview) -> None:
        for number, value in self._fields(attribute):
            if number in (5, 10):  # t, tensors
                self._tensor(_message(value))
            elif number in (6, 11):  # g, graphs
                raise UnusableOnnx("it has graphs within its graph, which no exported network has")
            elif number in (22, 23):  # sparse_tensor, sparse_tensors
                raise UnusableOnnx("it has sparse weights")

    def _tensor(self, tensor: memoryview) -> None:
        for number, value in self._fields(tensor):
            if number == 13 or (number == 14 and value != 0):  # external_data, data_location
                raise UnusableOnnx("it keeps weights in other files, which are never read")

    def _entry(self, entry: memoryview) -> tuple[str, str]:
        found = {number: _text(value) for number, value in self._fields(entry) if number in (1, 2)}
        return found.get(1, ""), found.get(2, "")

    def _fields(self, message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
        """Number and value of each field: bytes as a view of them, a number as itself."""
        place, end = 0, len(message)
        while place < end:
            self._looked_at += 1
            if self._looked_at > MAX_FIELDS:
                raise UnusableOnnx("it has more fields than any exported network")
            key, place = _varint(message, place)
            number, kind = key >> 3, key & 7
            if kind == _VARINT:
                value, place = _varint(message, place)
                yield number, value
                continue
            if kind == _BYTES:
                length, place = _varint(message, place)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                raise UnusableOnnx("it is damaged or no ONNX file")
            if number == 0 or length > end - place:
                raise UnusableOnnx("it is damaged, cut short or no ONNX file")
            yield number, message[place : place + length]
            place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of protobuf and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise UnusableOnnx("it is damaged, cut short or no ONNX file")


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise UnusableOnnx("it is damaged or no ONNX file")
    return value


def _text(value: memoryview | int) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError:
        raise UnusableOnnx("it is damaged or no ONNX file") from None
