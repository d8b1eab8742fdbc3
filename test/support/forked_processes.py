"""Runs scripts in copies of this process, which has imported what takes long; to be run as a program.

Each line on its input is a job ``[processes, script, arguments]`` in JSON. Its processes find each other as those of
torchrun do; when one fails, the others are killed, as they would wait for it. Each answer on its output is a line
``[return code, stderr]``.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import traceback
from typing import BinaryIO, NoReturn

import peft  # noqa: F401

import training.work.train  # noqa: F401


def run(processes: int, script: str, arguments: list[str]) -> tuple[int, str]:
    """Return code of the process that failed first, negative for a signal, or 0; and what all wrote to stderr."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    with tempfile.TemporaryFile() as errors:
        children = set()
        for rank in range(processes):
            if (child := os.fork()) == 0:
                if processes > 1:
                    os.environ.update(
                        group, LOCAL_WORLD_SIZE=str(processes), RANK=str(rank), LOCAL_RANK=str(rank)
                    )
                become(script, arguments, errors)
            children.add(child)
        first_failure = 0
        while children:
            child, status = os.wait()
            children.remove(child)
            code = os.waitstatus_to_exitcode(status)
            if code != 0 and first_failure == 0:
                first_failure = code
                for other in children:
                    os.kill(other, signal.SIGKILL)
        errors.seek(0)
        return first_failure, errors.read().decode()


def become(script: str, arguments: list[str], errors: BinaryIO) -> NoReturn:
    """Run a script in this process, which ends with it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, target in ((nothing, 0), (nothing, 1), (errors.fileno(), 2)):
        os.dup2(descriptor, target)
    sys.argv = [script, *arguments]
    code: object = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    # To take all that was imported apart would need more than a second.
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    # A collection in a copy would look through all that was imported, and so make a copy of that memory, too.
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)
