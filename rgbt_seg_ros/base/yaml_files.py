"""YAML within bounds: plain values alone, no more of them than a file of ours can hold, not too deep in each other."""

from pathlib import Path
from typing import Any

import yaml

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_DEPTH, MAX_YAML_BYTES, MAX_YAML_NODES, read_bounded

# libyaml's is thirty times as fast; wheels have it, and so has Ubuntu's package.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MalformedYaml(ValueError):
    """What is wrong with a piece of YAML: a clause for the sentence of whoever reads it."""


def parse_yaml(text: str) -> Any:
    """The plain values of a YAML document: numbers, text, dates, lists and mappings.

    Raises:
        MalformedYaml: too long, too deep, too many values, or no plain YAML.
    """
    check_yaml(text)
    try:
        return yaml.load(text, _LOADER)
    except yaml.YAMLError as error:
        raise MalformedYaml(_first_line(error)) from None
    except Exception as error:  # PyYAML's constructors raise anything from KeyError on
        raise MalformedYaml(f"a value does not fit its type: {_first_line(error)}") from None


def read_yaml(path: Path, remedy: str) -> Any:
    """The plain values of a YAML file.

    Args:
        path: the file.
        remedy: what to do if it cannot be read; ends the sentence.

    Raises:
        UserError: it cannot be read, or what is wrong in it.
    """
    try:
        return parse_yaml(read_yaml_text(path))
    except MalformedYaml as error:
        raise UserError(f"{path} is not YAML ({error}): {remedy}") from None


def read_yaml_text(path: Path) -> str:
    """The text of a YAML file, not longer than one may be.

    Raises:
        UserError: it cannot be read, is longer, or no text in UTF-8.
    """
    try:
        return read_bounded(path, MAX_YAML_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: give another file, or save it as such") from None


def check_yaml(text: str) -> None:
    """Raise for what would take too long, or too much memory, to make values of.

    Raises:
        MalformedYaml: as in `parse_yaml`.
    """
    if len(text) > MAX_YAML_BYTES:
        raise MalformedYaml(f"it is longer than {MAX_YAML_BYTES:,} bytes")
    nodes = 0
    sizes: dict[str | None, int] = {}
    started: list[tuple[str | None, int]] = []
    try:
        for event in yaml.parse(text, _LOADER):
            if isinstance(event, yaml.AliasEvent):
                if event.anchor not in sizes:
                    raise MalformedYaml(f"*{event.anchor} stands for nothing, or for itself")
                # What is pointed at comes again with every alias, and with every alias of that.
                nodes += sizes[event.anchor]
            elif isinstance(event, yaml.CollectionStartEvent):
                sizes.pop(event.anchor, None)
                started.append((event.anchor, nodes))
                nodes += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = started.pop()
                sizes[anchor] = nodes - before
            elif isinstance(event, yaml.ScalarEvent):
                sizes[event.anchor] = 1
                nodes += 1
            if len(started) > MAX_DEPTH:
                raise MalformedYaml(f"it is nested deeper than {MAX_DEPTH} levels")
            if nodes > MAX_YAML_NODES:
                raise MalformedYaml(f"it holds more than {MAX_YAML_NODES:,} values")
    except (yaml.YAMLError, UnicodeError) as error:
        raise MalformedYaml(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    """What is wrong and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
