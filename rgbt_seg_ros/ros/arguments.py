"""A process's ROS arguments: malformed ones, and parameters and names in remappings that its node does not have."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgbt_seg_ros.base.cli import missing_package
from rgbt_seg_ros.base.errors import UserError, meant, nearest
from rgbt_seg_ros.base.yaml_files import read_yaml
from rgbt_seg_ros.settings.synonyms import SYNONYMS

if TYPE_CHECKING:
    from rclpy.node import Node

_ROS_ARGS = "--ros-args"
_VALUED = {"-p": "param", "--param": "param", "-r": "remap", "--remap": "remap", "--params-file": "file"}
_QOS = "qos_overrides."
_EVERY_NODES = ("use_sim_time", "start_type_description_service")
"""Parameters that rclpy declares."""

_FORMS = {
    "-r": "FROM:=TO",
    "-p": "NAME:=VALUE",
    "--params-file": "FILE.yaml, a parameter file",
    "--log-level": "debug, info, warn, error or fatal",
    "-e": "ENCLAVE, a name that begins with /",
}
"""What follows each argument that people use."""


@dataclass(frozen=True)
class RosArguments:
    """The arguments behind ``--ros-args`` that this module is about; rcl has refused those that are malformed.

    Attributes:
        parameters: names given by ``-p``, for whatever node.
        params_files: paths given by ``--params-file``.
        remaps: rules as they were written.
    """

    parameters: tuple[str, ...] = ()
    params_files: tuple[str, ...] = ()
    remaps: tuple[str, ...] = ()

    @classmethod
    def read(cls, words: Sequence[str]) -> RosArguments:
        """Of a command line, such as `sys.argv`."""
        found: dict[str, list[str]] = {"param": [], "file": [], "remap": []}
        is_ros, kind = False, ""
        for word in words:
            if kind:
                found[kind].append(word)
                kind = ""
            elif word == _ROS_ARGS:
                is_ros = True
            elif word == "--":
                is_ros = False
            elif is_ros:
                kind = _VALUED.get(word, "")
        names = (rule.partition(":=")[0].rpartition(":")[2] for rule in found["param"])
        return cls(tuple(names), tuple(found["file"]), tuple(found["remap"]))


def arguments_without_ros() -> list[str]:
    """The command line without its ROS arguments, for a command's parser; ROS is needed only where there are some.

    Raises:
        SystemExit: with 2, after one sentence, where ROS arguments are wrong.
    """
    if _ROS_ARGS not in sys.argv:
        return sys.argv[1:]
    try:
        from rclpy.utilities import remove_ros_args
    except ModuleNotFoundError as error:
        print(f"error: {missing_package(error)}", file=sys.stderr)
        raise SystemExit(1) from None
    try:
        return [str(word) for word in remove_ros_args(sys.argv)[1:]]
    except RuntimeError as error:
        problem = plain_reason(error)
    if problem.startswith("["):
        problem = f"unknown ROS arguments {problem[1:-1]}: known are {', '.join(_FORMS)}"
    else:
        flags = (flag for flag in _FORMS if f"{flag} " in problem)
        problem += "".join(f": give {flag} {_FORMS[flag]}" for flag in islice(flags, 1))
    print(f"error: {problem}", file=sys.stderr)
    raise SystemExit(2)


def plain_reason(error: Exception) -> str:
    """What rcl says, without places in its source code."""
    text = re.sub(r", at [^ ,]*:\d+", "", str(error).partition("\n")[0])
    text = re.sub(r"Expected lexeme type .*", "it is not of the right form", text.replace(". Error: ", ": "))
    return re.sub(r"^(Failed to parse ROS arguments|failed to initialize rcl): ", "", text).rstrip(".")


def check_arguments(node: Node, topics: Iterable[str]) -> None:
    """Refuse parameters that a node has not declared, and warn of remappings of what it does not have.

    Args:
        node: has declared all its parameters.
        topics: names of those that it has or may have, before remapping.

    Raises:
        UserError: see `refuse_unknown_parameters`.
    """
    for note in (*refuse_unknown_parameters(node), *unmatched_remaps(node, topics)):
        node.get_logger().warning(note)


def refuse_unknown_parameters(node: Node, arguments: RosArguments | None = None) -> list[str]:
    """Look for parameters that were given to a node at the start and that it has not declared.

    A section of a parameter file whose name has a ``*`` is for several nodes: what is unknown there may be another
    node's, and is refused only where it is spelt almost like one of this node. ``qos_overrides.`` are left out.

    Args:
        node: has declared all its parameters.
        arguments: of the process; None: those of `sys.argv`.

    Returns:
        Sentences on what may be another node's.

    Raises:
        UserError: one sentence with each unknown name and the nearest known one.
    """
    arguments = RosArguments.read(sys.argv) if arguments is None else arguments
    # The only place where rclpy keeps what was given and not declared.
    given = node._parameter_overrides
    unknown = [name for name in given if not node.has_parameter(name) and not name.startswith(_QOS)]
    declared = (name for name in node.get_parameters_by_prefix("") if not name.startswith(_QOS))
    known = [name for name in declared if name not in _EVERY_NODES]
    notes: list[str] = []
    faults: list[str] = []
    shared = _shared_names(arguments)
    for name in unknown:
        like = meant(name, known or _EVERY_NODES, SYNONYMS)
        if name not in shared or _is_misspelt(name, like):
            advice = f"the nearest is {like}" if known else "see --help for its options"
            faults.append(f"parameter {name}: {node.get_name()} has none of this name, {advice}")
        else:
            notes.append(
                f"parameter {name}, which {shared[name]} gives to several nodes, is none of {node.get_name()}"
            )
    if faults:
        raise UserError("; ".join(faults))
    return [*notes, *_files_without_a_section(arguments, given, node)]


def unused_qos_overrides(node: Node) -> list[str]:
    """Sentences on ``qos_overrides.`` parameters that no topic of a node has taken; those not made yet included."""
    return [
        f"parameter {name} is not used: {node.get_name()} has no such topic, or its QoS has no such override"
        for name in node._parameter_overrides
        if name.startswith(_QOS) and not node.has_parameter(name)
    ]


def unmatched_remaps(node: Node, names: Iterable[str], arguments: RosArguments | None = None) -> list[str]:
    """Sentences on remappings of names that a node does not have.

    Args:
        node: to be looked at.
        names: of the topics that it has or may have, before remapping; those of its services are looked up.
        arguments: of the process; None: those of `sys.argv`.
    """
    arguments = RosArguments.read(sys.argv) if arguments is None else arguments
    known = list(names)
    expanded = {node.resolve_topic_name(name, only_expand=True) for name in known}
    place = node.get_name(), node.get_namespace()
    services = node.get_service_names_and_types_by_node(*place)
    taken = {*expanded, *(name for name, _ in services)}
    taken |= {topic for topic, _ in node.get_publisher_names_and_types_by_node(*place)}
    taken |= {topic for topic, _ in node.get_subscriber_names_and_types_by_node(*place)}
    notes = []
    for rule in arguments.remaps:
        old, _, new = rule.partition(":=")
        owner, _, old = old.rpartition(":")
        scheme = owner.endswith(("rostopic", "rosservice")) and old.startswith("//")
        if scheme:
            owner, old = owner.rpartition(":")[0], old.removeprefix("//")
        if old.startswith("__") or (owner and owner != node.get_name()):
            continue
        ends = (node.resolve_topic_name(name, only_expand=True) for name in (old, new))
        if not taken.intersection(ends):
            like = nearest(old, known)
            notes.append(
                f"remapping {rule}: {node.get_name()} has no topic or service {old}, the nearest is {like}"
            )
    return notes


def _is_misspelt(name: str, like: str) -> bool:
    """Whether a name is so near to another one that it was meant."""
    return abs(len(name) - len(like)) <= 2 and SequenceMatcher(None, name, like).ratio() >= 0.8


def _shared_names(arguments: RosArguments) -> dict[str, str]:
    """Names of parameters that come from sections for several nodes alone, with these sections."""
    shared: dict[str, str] = {}
    own = set(arguments.parameters)
    for path in arguments.params_files:
        for section, names in _sections(path).items():
            if "*" in section:
                shared |= dict.fromkeys(names, f"section {section} of {path}")
            else:
                own |= names
    return {name: where for name, where in shared.items() if name not in own}


def _files_without_a_section(
    arguments: RosArguments, given: Mapping[str, object], node: Node
) -> Iterator[str]:
    """Sentences on parameter files of which the node has taken nothing."""
    full_name = node.get_fully_qualified_name()
    for path in arguments.params_files:
        sections = _sections(path)
        if sections and not any(names & set(given) for names in sections.values()):
            yield f"{path} has no section for {full_name}: it is for {', '.join(sections)}"


def _sections(path: str) -> dict[str, set[str]]:
    """Names of the parameters by the section of a parameter file; empty for a file that cannot be read."""
    try:
        content = read_yaml(Path(path), "mend it")
    except UserError:
        return {}
    sections: dict[str, set[str]] = {}

    def walk(tree: Any, place: str) -> None:
        if not isinstance(tree, Mapping):
            return
        for key, below in tree.items():
            if key == "ros__parameters":
                sections.setdefault(place, set()).update(_flat_names(below))
            else:
                walk(below, f"{place}/{str(key).strip('/')}")

    walk(content, "")
    return sections


def _flat_names(tree: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(tree, Mapping):
        return
    for key, below in tree.items():
        if isinstance(below, Mapping):
            yield from _flat_names(below, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
