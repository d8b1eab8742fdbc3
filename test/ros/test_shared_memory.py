"""Fast DDS's shared memory: missing, full, and left behind by killed processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from node_bench import Bench, told
from node_process import NodeProcess
from places import REPOSITORY
from private_shm import with_private_shm

from rgbt_seg_ros.base.shared_memory import fault, remove_abandoned_segments

RESTARTS = 20
RESTARTER = f"""
import os, signal, time
from pathlib import Path
import rclpy
from rgbt_seg_ros.ros.graph import join_graph

def files():
    return sorted(path.name for path in Path("/dev/shm").iterdir() if path.name.startswith("fastrtps_"))

def run(signal_number):
    # Forked before ROS is initialised, which saves the time of the imports.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        stop = join_graph()
        node = rclpy.create_node("restarted")
        os.write(writer, b"x")
        stop.wait()
        node.destroy_node()
        rclpy.try_shutdown()
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    os.kill(child, signal_number)
    os.waitpid(child, 0)

run(signal.SIGTERM)
print("terminated", len(files()), flush=True)
for index in range({RESTARTS}):
    run(signal.SIGKILL if index % 2 else signal.SIGTERM)
print("killed", len([name for name in files() if "port" not in name]) // 2, flush=True)
time.sleep(2.5)
run(signal.SIGTERM)
print("after", len([name for name in files() if "port" not in name]), flush=True)
"""


def test_twenty_restarts_leave_nothing_in_shared_memory() -> None:
    done = subprocess.run(
        [*with_private_shm("size=512m"), sys.executable, "-c", RESTARTER],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    counts = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    assert done.returncode == 0, done.stderr
    assert counts["terminated"] == "0"
    # What the last seconds have left is too young to be judged: a living process may be about to lock it.
    assert 0 < int(counts["killed"]) <= RESTARTS
    assert counts["after"] == "0"
    assert "MB of shared memory that killed processes had left" in done.stdout + done.stderr


def test_segments_of_living_processes_are_kept(tmp_path: Path) -> None:
    (tmp_path / "fastrtps_0123456789abcdef").write_bytes(bytes(8192))
    lock = tmp_path / "fastrtps_0123456789abcdef_el"
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
         "print(flush=True); sys.stdin.read()", str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    assert remove_abandoned_segments(tmp_path, least_age_s=0) == 0
    assert len(list(tmp_path.iterdir())) == 2
    holder.communicate()
    assert remove_abandoned_segments(tmp_path, least_age_s=60) == 0
    assert remove_abandoned_segments(tmp_path, least_age_s=0) == 8192
    assert not list(tmp_path.iterdir())


def test_other_files_are_nobodys_business(tmp_path: Path) -> None:
    for name in ("fastrtps_port7411_el", "sem.fastrtps_port7411_mutex", "fastrtps_xyz_el", "mine"):
        (tmp_path / name).touch()
    assert remove_abandoned_segments(tmp_path, least_age_s=0) == 0
    assert len(list(tmp_path.iterdir())) == 4
    assert remove_abandoned_segments(tmp_path / "none") == 0


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    assert fault() == "" or "free" in fault()
    assert "there is no shared memory" in fault(tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [("size=64k", "shared memory is full (/dev/shm has 0.1 MB free, "), ("ro", "(/dev/shm is not writable)")],
)
def test_without_shared_memory_images_go_by_udp_and_it_is_said(
    bench: Bench, node_model: Path, tmp_path: Path, options: str, sentence: str
) -> None:
    prefix = with_private_shm(options)
    with NodeProcess(tmp_path / "log.txt", prefix=prefix, model=node_model, device="cpu") as node:
        node.wait_for_output("active:")
        bench.new_mask()
        assert node.output.count(sentence) == 1
        bench.send_until(
            lambda: bench.last("/diagnostics") and told(bench.last("/diagnostics"))[0] == 0, "a healthy node"
        )
        node.process.send_signal(signal.SIGTERM)
        assert node.wait() == 0
