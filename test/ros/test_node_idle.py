"""A node without images sleeps: it wakes for its report, and for what comes."""

import time
from pathlib import Path

from node_bench import Bench
from node_process import active_node
from waiting import wait_for

SECONDS = 4.0
MOST_OF_A_CORE = 0.03


def processor_seconds(pid: int) -> float:
    """Processor time of all threads of a process: it does not depend on what else the machine does."""
    return sum(
        int(path.read_text().split()[0]) / 1e9 for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def idle_share(pid: int) -> float:
    """Share of a core that a process takes while nothing comes."""
    before, started = processor_seconds(pid), time.monotonic()
    time.sleep(SECONDS)
    return (processor_seconds(pid) - before) / (time.monotonic() - started)


def test_a_node_without_images_takes_a_hundredth_of_a_core(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    with active_node(tmp_path / "log.txt", model=node_model) as node:
        bench.next_diagnostics()
        assert idle_share(node.process.pid) < MOST_OF_A_CORE
        bench.new_mask()
        # Cameras that have ended: what waits is decided, and then nothing is due.
        wait_for(lambda: bench.next_diagnostics()[2]["waiting"] == "0", "the end of the work")
        time.sleep(2.0)
        assert idle_share(node.process.pid) < MOST_OF_A_CORE
        bench.new_mask()
        values = bench.next_diagnostics()[2]
        assert float(values["stage_ms.transport.p50"]) > 0
        assert 0 < float(values["stage_ms.pairing.p50"]) < float(values["stage_ms.inference.p50"])
