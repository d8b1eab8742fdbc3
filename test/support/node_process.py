"""The node as a process of its own: the one way to run it. `faulty_node` is the same node with faults on demand."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from logged_process import LoggedProcess
from places import REPOSITORY

FAULTY_NODE = str(Path(__file__).with_name("faulty_node.py"))
"""The node with an inference that fails on demand."""

CAMERAS = MappingProxyType({"rgb/image": "/cam", "thermal/image": "/boson"})
"""Topics of two cameras, which are not the node's own names for them."""


class NodeProcess(LoggedProcess):
    """A program of ours that is talked to while it runs, with its log in a file; ended at the latest with the context.

    The fixture `start` is for programs that come to an end by themselves, whose output is read then.
    """

    def __init__(
        self,
        log: Path,
        *program: str,
        topics: Mapping[str, str] = CAMERAS,
        environment: Mapping[str, str] = MappingProxyType({}),
        prefix: Sequence[str] = (),
        **parameters: object,
    ) -> None:
        """Start it.

        Args:
            log: the file.
            program: arguments of Python, by default the node.
            topics: what is renamed to what.
            environment: variables beside those of this process.
            prefix: what stands before Python in the command.
            parameters: of the node, with __ for a dot.
        """
        arguments = [word for old, new in topics.items() for word in ("-r", f"{old}:={new}")]
        # Tests compare with the model's own mask of one pair alone; other commands have no parameters.
        own: dict[str, object] = {} if program[:1] == ("-m",) else {"thermal__time_constant": 0.0}
        for name, value in {**own, **parameters}.items():
            arguments += ["-p", f"{name.replace('__', '.')}:={value}"]
        paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        variables = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(paths)}
        command = [
            *prefix,
            sys.executable,
            *(program or ("-m", "rgbt_seg_ros.node")),
            "--ros-args",
            *arguments,
        ]
        super().__init__(log, command, REPOSITORY, {**os.environ, **variables, **environment})

    def __enter__(self) -> "NodeProcess":
        return self

    @property
    def memory_kb(self) -> int:
        return self._status("VmRSS")

    @property
    def threads(self) -> int:
        return self._status("Threads")

    def _status(self, key: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(f"{key}:")))


@contextmanager
def active_node(log: Path, *program: str, **options: object) -> Iterator[NodeProcess]:
    """A node that takes images on the CPU; arguments are those of `NodeProcess`."""
    with NodeProcess(log, *program, device="cpu", **options) as node:
        node.wait_for_output("active:")
        yield node
