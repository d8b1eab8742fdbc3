"""`forked_processes.py COUNT SCRIPT ARGUMENTS`: a script in processes that find each other as those of torchrun do.

They are copies of one that has imported what takes long, so that several start in the time of one.
"""

import os
import runpy
import signal
import socket
import sys

import peft  # noqa: F401

import training.train  # noqa: F401

count, script = int(sys.argv[1]), sys.argv[2]
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
os.environ.update(
    MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(count), LOCAL_WORLD_SIZE=str(count)
)
children = set()
for rank in range(count):
    if (child := os.fork()) == 0:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
        sys.argv = sys.argv[2:]
        runpy.run_path(script, run_name="__main__")
        sys.exit()
    children.add(child)
failed = False
while children:
    child, status = os.wait()
    children.remove(child)
    if status != 0 and not failed:
        failed = True
        for other in children:  # they would wait for it
            os.kill(other, signal.SIGKILL)
sys.exit(failed)
