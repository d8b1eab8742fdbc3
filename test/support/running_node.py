"""The node with a small random model as a process of its own, for tests that need one to talk to."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from random_model import write_model

TIMEOUT = 120.0


@contextmanager
def running_node(folder: Path, repository: Path, **parameters: object) -> Iterator[None]:
    """An active node, ended with the context.

    Args:
        folder: for the model and the log.
        repository: the checkout.
        parameters: of the node, with __ for a dot.
    """
    parameters |= {"model": write_model(folder / "random.safetensors"), "device": "cpu"}
    arguments = [
        word for name, value in parameters.items() for word in ("-p", f"{name.replace('__', '.')}:={value}")
    ]
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "rgbt_seg_ros.node", "--ros-args", *arguments],
            cwd=repository,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + TIMEOUT
        while "active:" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()
