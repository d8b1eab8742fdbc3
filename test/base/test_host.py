"""What a process that segments on the CPU does with its memory, and who says so."""

import subprocess
import sys

import pytest
import torch
from places import REPOSITORY

from rgbt_seg_ros.base.host import prepare_process

# In a thread, as in the node: threads have heaps of their own.
SEGMENT = """
import resource
from threading import Thread

import numpy as np

from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.segmenter import Segmenter

prepare_process()
segmenter = Segmenter.load("default", "cpu")
rgb, thermal = np.zeros((256, 320, 3), np.uint8), np.zeros((256, 320), np.uint8)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def segment():
    counts = []
    for _ in range(10):
        before = faults()
        segmenter(rgb, thermal)
        counts.append(faults() - before)
    print(min(counts))

thread = Thread(target=segment)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator is told on Linux only")
def test_memory_of_one_pair_is_kept_for_the_next() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEGMENT],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    # Without it thousands of pages are asked for again, with it next to none once the memory is there.
    assert int(done.stdout) < 500


def test_convolutions_are_deterministic_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    prepare_process()
    assert not torch.backends.cudnn.deterministic
    prepare_process(deterministic=True)
    assert torch.backends.cudnn.deterministic


def test_only_commands_change_settings_of_the_process() -> None:
    def users_of(*phrases: str) -> set[str]:
        folders = (REPOSITORY / name for name in ("rgbt_seg_ros", "training"))
        paths = {path: path.read_text() for folder in folders for path in folder.rglob("*.py")}
        return {
            path.relative_to(REPOSITORY).as_posix()
            for path, text in paths.items()
            if any(phrase in text for phrase in phrases)
        }

    host = {"rgbt_seg_ros/base/host.py"}
    segmenting = {f"rgbt_seg_ros/work/{name}.py" for name in ("node", "offline", "segment", "demo")}
    segmenting |= {f"training/work/{name}.py" for name in ("benchmark", "evaluate", "figures", "model_card")}
    assert users_of("prepare_process(") == host | segmenting
    assert users_of("prepare_process(deterministic=True)") == {"rgbt_seg_ros/work/offline.py"}
    assert users_of("keep_freed_memory(", "torch.backends.cudnn.deterministic = ") == host
    # For one call, it is as it was afterwards; and a question.
    asking = {"rgbt_seg_ros/segmenter/devices.py", "rgbt_seg_ros/models/layers/onednn.py"}
    assert users_of("torch.backends") == host | asking
    # Of the trainer only its worker processes, which are its own.
    assert users_of("set_num_threads(") == {"training/work/train.py", "training/engine/ring.py"}
