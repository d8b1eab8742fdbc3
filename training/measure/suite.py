"""Every size of network in every form on one device, within a budget of time: what a GPU's owner runs once."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rgbt_seg_ros.base.host import describe_host
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.segmenter import Segmenter, choose_device
from rgbt_seg_ros.segmenter.devices import choose_precision, release_cached_memory

from .ceilings import Ceilings, measure_ceilings
from .cuda_checks import CHECKS
from .growth import GROWTH_SIZES, measure_growth
from .inference_speed import percentiles
from .stage_costs import stage_costs, stage_times
from .suite_networks import SuiteNetwork, build_network

NETWORKS = ("nano", "tiny", "large", "small", "base_plus")
"""In the order in which they are measured: what is left out for want of time is the least surprising."""

SIZES = ((480, 640), (720, 1280))
BATCHES = (1, 4)
FORMS = ("plain", "eager", "graph")
"""Plain PyTorch in float32; the node's way in the precision `auto`; the same as a CUDA graph."""

COMPILED = ("nano", "tiny", "large")
"""Compiled in the end, at the first size only, as it takes a minute each."""


_LEAST_ROUNDS = 3
"""Of the growth, whose fit has few points."""


@dataclass(frozen=True)
class Case:
    """One thing to measure."""

    network: str
    size: tuple[int, int]
    batch: int
    form: str


class Suite:
    """A run of the suite; its result is saved after each case, so that a run that is cut keeps what it has.

    Args:
        device: where.
        pairs: timed runs of each case.
        budget_s: no case begins after this time [s].
        path: of the JSON; None: nowhere.
        say: told what is being measured.
        networks, sizes: what is measured.
        growth_sizes: at which the first network's growth is.
    """

    def __init__(
        self,
        device: torch.device,
        pairs: int,
        budget_s: float,
        path: Path | None,
        say: Callable[[str], None],
        networks: Sequence[str] = NETWORKS,
        sizes: Sequence[tuple[int, int]] = SIZES,
        growth_sizes: Sequence[tuple[int, int]] = GROWTH_SIZES,
    ) -> None:
        self._device, self._pairs, self._path, self._say = device, pairs, path, say
        self._names, self._sizes, self._growth_sizes = networks, sizes, growth_sizes
        self._begun = time.monotonic()
        self._budget_s = budget_s
        self._networks: dict[str, SuiteNetwork] = {}
        self.result: dict[str, Any] = {
            "device": str(device),
            "host": describe_host(device),
            "pairs": pairs,
            "budget_s": budget_s,
            "cases": [],
            "stages": [],
            "checks": [],
            "left_out": [],
            "errors": [],
        }

    def run(self) -> dict[str, Any]:
        """Measure all that there is time for; what fails is noted, and the rest goes on."""
        ceilings: Ceilings | None = None
        if self._device.type == "cuda" and self._device.index is not None:
            # Events of the stages are those of the current device.
            torch.cuda.set_device(self._device)
        with self._surviving("ceilings"):
            ceilings = measure_ceilings(self._device)
            self.result["ceilings"] = asdict(ceilings)
        # Short, and on a slow machine there would be no time for it behind the large networks.
        self._growth()
        for size in self._sizes:
            for batch in BATCHES:
                for name in self._names:
                    for form in FORMS:
                        self._case(Case(name, size, batch, form))
                    if ceilings is not None and batch == 1:
                        self._stages(name, size, ceilings)
            if size == self._sizes[0]:
                self._checks()
        for name in COMPILED:
            self._case(Case(name, self._sizes[0], 1, "compiled"))
        self.result["seconds"] = round(time.monotonic() - self._begun, 1)
        self._save()
        return self.result

    @contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """An error costs what it belongs to, and is noted."""
        try:
            yield
        except Exception as error:
            self.result["errors"].append({"what": what, "error": f"{type(error).__name__}: {error}"[:400]})
            self._forget()
        self._save()

    def _has_time(self, what: str) -> bool:
        if time.monotonic() - self._begun < self._budget_s:
            self._say(what)
            return True
        self._leave_out(what, "the budget of time was spent")
        return False

    def _leave_out(self, what: str, why: str) -> None:
        self.result["left_out"].append({"what": what, "why": why})

    def _case(self, case: Case) -> None:
        what = f"{case.network} {case.size[0]}x{case.size[1]}, batch {case.batch}, {case.form}"
        if case.form in ("graph", "compiled") and self._device.type != "cuda":
            self._leave_out(what, "it needs CUDA")
        elif self._has_time(what):
            with self._surviving(what):
                self.result["cases"].append(self._measure(case))

    def _network_of(self, name: str) -> SuiteNetwork:
        if name not in self._networks:
            if self._device.type != "cuda":
                # All of them fit into a GPU, and not into every computer.
                self._forget()
            self._networks[name] = build_network(name, self._device)
        return self._networks[name]

    def _forget(self) -> None:
        self._networks.clear()
        gc.collect()
        release_cached_memory()

    def _measure(self, case: Case) -> dict[str, Any]:
        network = self._network_of(case.network)
        pairs = random_pairs(case.size, case.batch)
        plain = network.plain
        if case.form == "plain":
            call: Callable[[], Any] = lambda: plain(pairs)  # noqa: E731
            precision, device_ms, per_second = "fp32", None, None
        else:
            precision = choose_precision("auto", self._device)
            segmenter = network.segmenter(precision, case.form)
            call = lambda: segmenter.segment(pairs)  # noqa: E731
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        for _ in range(4 if self._device.type == "cuda" else 1):
            call()
        milliseconds, device_times = [], []
        for _ in range(self._pairs):
            started = time.perf_counter()
            answer = call()
            milliseconds.append(1e3 * (time.perf_counter() - started))
            if case.form != "plain":
                device_times.append(case.batch * answer[0].stage_ms["inference"])
        if case.form != "plain":
            device_ms = float(np.median(device_times))
            per_second = case.batch * _runs_per_second(segmenter, pairs, self._pairs)
        facts: dict[str, Any] = {
            **asdict(case),
            "weights": network.weights,
            "precision": precision,
            "latency_ms": percentiles(milliseconds),
            "device_ms": device_ms,
            "pairs_per_second": per_second,
        }
        if self._device.type == "cuda":
            facts["peak_memory"] = torch.cuda.max_memory_allocated(self._device)
        if case.form != "plain":
            masks = plain(pairs)
            same = [np.mean(a.mask == mask) for a, mask in zip(answer, masks, strict=True)]
            facts |= {"same_class": float(np.mean(same)), "fault": segmenter.graph_fault}
        return facts

    def _stages(self, name: str, size: tuple[int, int], ceilings: Ceilings) -> None:
        what = f"{name} {size[0]}x{size[1]}, stages"
        if not self._has_time(what):
            return
        with self._surviving(what):
            network = self._network_of(name)
            precision = choose_precision("auto", self._device)
            times = stage_times(network.segmenter(precision, "eager"), random_pairs(size, 1), self._pairs)
            costs = stage_costs(network.served, size)
            width = 4 if precision == "fp32" else 2
            stages = {stage: {"ms": milliseconds} for stage, milliseconds in times.items()}
            for stage, cost in costs.items():
                moved = width * cost.numbers
                floor = ceilings.floor_ms(cost.multiply_adds, moved, precision)
                stages[stage] |= {"multiply_adds": cost.multiply_adds, "bytes": moved, "floor_ms": floor}
            floor_ms = sum(stage.get("floor_ms", 0.0) for stage in stages.values())
            self.result["stages"].append(
                {
                    "network": name,
                    "size": size,
                    "precision": precision,
                    "stages": stages,
                    "floor_ms": floor_ms,
                }
            )

    def _growth(self) -> None:
        name = self._names[0]
        what = f"{name}, growth with pixels and classes"
        if not self._has_time(what):
            return
        with self._surviving(what):
            precision = choose_precision("auto", self._device)
            network, rounds = self._network_of(name), max(self._pairs, _LEAST_ROUNDS)
            segmenter = network.segmenter(precision, "eager")
            growth = measure_growth(segmenter, network.served, self._growth_sizes, self._sizes[0], rounds)
            self.result["growth"] = {"network": name, "precision": precision, **growth.to_json()}

    def _checks(self) -> None:
        for name, check in CHECKS.items():
            if self._device.type != "cuda":
                self._leave_out(f"check: {name}", "it needs CUDA")
            elif self._has_time(f"check: {name}"):
                passed = False
                with self._surviving(f"check: {name}"):
                    check(self._device)
                    passed = True
                self.result["checks"].append({"what": name, "passed": passed})

    def _save(self) -> None:
        if self._path is not None:
            write_file(self._path, encode_json(self.result, indent=2) + "\n")


def random_pairs(size: tuple[int, int], number: int) -> list[ImagePair]:
    """Pairs uint8 of a size, of noise; thermal limits are fixed, as a camera of 8 bits has them."""
    draw = np.random.default_rng(0)
    return [
        ImagePair(
            draw.integers(0, 256, (*size, 3), np.uint8),
            draw.integers(0, 256, size, np.uint8),
            thermal_limits=(0.0, 255.0),
        )
        for _ in range(number)
    ]


def _runs_per_second(segmenter: Segmenter, pairs: Sequence[ImagePair], runs: int) -> float:
    """With the next batch going up while one is computed, where there is a device for it."""
    started = time.perf_counter()
    if segmenter.device_path is None:
        for _ in range(runs):
            segmenter.segment(pairs)
    else:
        before = segmenter.begin(pairs)
        for _ in range(runs - 1):
            after = segmenter.begin(pairs)
            segmenter.collect(before)
            before = after
        segmenter.collect(before)
    return runs / (time.perf_counter() - started)


def run_suite(
    device: str, pairs: int, budget_s: float, path: Path | None, machine: str | None = None
) -> dict[str, Any]:
    """Run the suite, see `Suite`.

    Raises:
        UserError: no such device.
    """
    suite = Suite(choose_device(device), pairs, budget_s, path, print)
    if machine:
        suite.result["machine"] = machine
    return suite.run()
