"""What a process that serves on the CPU does with its memory."""

import subprocess
import sys

import pytest
from training_runs import REPOSITORY

# In a thread, as in the node: threads have heaps of their own.
SERVE = """
import resource
from threading import Thread

import numpy as np

from rgbt_seg_ros.segmenter import Segmenter

segmenter = Segmenter.load("default", "cpu")
rgb, thermal = np.zeros((256, 320, 3), np.uint8), np.zeros((256, 320), np.uint8)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def serve():
    counts = []
    for _ in range(10):
        before = faults()
        segmenter(rgb, thermal)
        counts.append(faults() - before)
    print(min(counts))

thread = Thread(target=serve)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator is told on Linux only")
def test_memory_of_one_pair_is_kept_for_the_next() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120
    )
    # Without it thousands of pages are asked for again, with it next to none once the memory is there.
    assert int(done.stdout) < 500
