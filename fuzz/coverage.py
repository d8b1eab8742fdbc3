"""Which lines of the project ran: what leads the mutations, and a figure of the report."""

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
OURS = tuple(str(REPOSITORY / folder) + "/" for folder in ("rgbt_seg_ros", "training"))
"""Beginnings of the names of the project's files."""


class LineCoverage:
    """Traces the lines of the project in this thread, within a context.

    Attributes:
        lines: those that ran, as file and number.
    """

    def __init__(self) -> None:
        self.lines: set[tuple[str, int]] = set()
        self._is_ours: dict[CodeType, bool] = {}

    def __enter__(self) -> "LineCoverage":
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        is_ours = self._is_ours.get(code)
        if is_ours is None:
            is_ours = self._is_ours[code] = code.co_filename.startswith(OURS)
        return self._on_line if is_ours else None

    def _on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._on_line


def lines_of(modules: Iterable[str]) -> set[tuple[str, int]]:
    """The lines within functions of modules; those that run at import are left out."""
    found = set()
    for name in modules:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = compile(Path(spec.origin).read_bytes(), spec.origin, "exec")
        for code in _functions(source):
            # The first line is that of `def`.
            found |= {
                (spec.origin, line)
                for *_, line in code.co_lines()
                if line is not None and line > code.co_firstlineno
            }
    return found


def _functions(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            # Bodies of classes run at import.
            if constant.co_flags & 0x2:
                yield constant
            yield from _functions(constant)
