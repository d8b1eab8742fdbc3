"""`python -m training.measure.performance_page` writes docs/performance.md from the runs in docs/performance/."""

from pathlib import Path
from typing import Any

from rgbt_seg_ros.base.json_files import read_json
from rgbt_seg_ros.base.whole_files import write_file

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = "docs/performance.md"
RUNS = "docs/performance"
REMEDY = "measure it again"

_HEAD = """# How fast the networks are

<!-- Written by python3 -m training.measure.performance_page from the files in docs/performance/: change these. -->

Every number here was measured by the suite, one file a machine. Yours is one command, of six minutes at the most:

```bash
python3 -m training.benchmark --suite --json docs/performance/my_machine.json
python3 -m training.measure.performance_page
```

`plain` is what one writes with PyTorch alone: float32, one pass of the encoder for each modality, images scaled on
the host. `eager` is this package in the precision `auto`; `graph` the same as a CUDA graph, which is how the node
serves on a GPU; `compiled` is `torch.compile`, which the node does not use. *Plain takes*: the time of `plain` over
that of this form. Same class: share of pixels with the class of `plain`. nano has the packaged weights; the others
have random ones, which cost as much as trained ones and decide less clearly.

The floor of a stage is the longer of two times on this very machine: its multiply-adds at the measured rate of a
large product, and its weights, inputs and outputs, moved once at the measured rate of a copy. The gap is the time
taken over the floor. What it consists of: attention, norms and activations, which move the same numbers several
times; products too small for the machine; and on a GPU, without a graph, the time to start each kernel.

On a CPU all forms run under the same settings. Threads sleep while they wait for each other, unless
`OMP_WAIT_POLICY` says something else: threads that spin took thirty times as long beside one busy process. Where it
takes long to wake a thread, as in some virtual machines, two that sleep are then no faster than one: on such a machine
the packaged model took 111 ms for a pair of 480x640 with two threads and 103 ms with one (plain: 198 and 148), and
73 ms with two that spin (plain: 106). If your cores are idle, try `OMP_WAIT_POLICY=ACTIVE`; if others need them, try
`OMP_NUM_THREADS=1`. `python3 -m training.benchmark --model default` tells what it brings.

Time should grow with the pixels and hardly with the classes: pixels are of one picture in several sizes, and of the
ninety classes each ten are near one of the model's nine, which makes them the hardest to tell apart.
"""


def performance_page(runs: dict[str, dict[str, Any]]) -> str:
    """The page of runs of the suite, by their names."""
    parts = [_HEAD]
    if not any(run["device"].startswith("cuda") for run in runs.values()):
        parts.append("No GPU has been measured yet: whoever has one runs the command above.\n")
    return "\n".join([*parts, *(_run(name, run) for name, run in sorted(runs.items()))])


def read_runs(folder: Path) -> dict[str, dict[str, Any]]:
    """The runs in a folder by the names of their files."""
    return {path.stem: read_json(path, dict[str, Any], REMEDY) for path in sorted(folder.glob("*.json"))}


def _run(name: str, run: dict[str, Any]) -> str:
    host = run["host"]
    machine = run.get("machine") or host.get("gpu") or host["processor"]
    parts = [
        f"## {machine}\n",
        f"File `{RUNS}/{name}.json`, PyTorch {host['torch']}, {run['pairs']} pairs a case.",
    ]
    if note := run.get("note"):
        parts.append(note)
    if ceilings := run.get("ceilings"):
        rates = ", ".join(
            f"{rate / 1e12:.3g} TFLOP/s in {kind}" for kind, rate in ceilings["operations_per_s"].items()
        )
        copies = f"{ceilings['copy_bytes_per_s'] / 1e9:.3g} GB/s"
        parts.append(f"Measured ceilings: copies of {copies}, products of {rates}.")
    parts += ["", *_cases(run["cases"])]
    for stages in run["stages"]:
        parts += ["", *_stages(stages)]
    if "growth" in run:
        parts += ["", *_growth(run["growth"])]
    if run["checks"]:
        parts += ["", "Checks: " + ", ".join(_check(check) for check in run["checks"]) + "."]
    for error in run["errors"]:
        parts.append(f"\nFailed: {error['what']}: `{error['error']}`")
    if run["left_out"]:
        parts += ["", f"Left out: {len(run['left_out'])} cases; the file names each and says why."]
    return "\n".join(parts) + "\n"


def _check(check: dict[str, Any]) -> str:
    return f"{check['what'].replace('_', ' ')} ({'passed' if check['passed'] else 'failed'})"


def _cases(cases: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| network | size | batch | form | precision | p50, ms | p95, ms | p99, ms | plain takes | network alone, ms "
        "| pairs/s | same class |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    plain = {_what(case): case["latency_ms"]["p50"] for case in cases if case["form"] == "plain"}
    for case in cases:
        beside = plain.get(_what(case)) if case["form"] != "plain" else None
        longer = "" if beside is None else f"{beside / case['latency_ms']['p50']:.2f} x"
        times = (_number(case["latency_ms"][name]) for name in ("p50", "p95", "p99"))
        same = case.get("same_class")
        cells = [
            *(
                case["network"],
                "x".join(map(str, case["size"])),
                str(case["batch"]),
                case["form"],
                case["precision"],
            ),
            *(*times, longer, _number(case["device_ms"]), _number(case["pairs_per_second"])),
            "" if same is None else f"{100 * same:.3f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _what(case: dict[str, Any]) -> tuple[str, tuple[int, ...], int]:
    """What the forms of a network do alike."""
    return case["network"], tuple(case["size"]), case["batch"]


def _stages(measured: dict[str, Any]) -> list[str]:
    size = "x".join(map(str, measured["size"]))
    lines = [
        f"Stages of {measured['network']} at {size}, one pair, one stage after the other, in {measured['precision']}:",
        "",
        "| stage | ms | G multiply-adds | MB at the least | floor, ms | gap |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for stage, facts in measured["stages"].items():
        floor = facts.get("floor_ms")
        counted = ["", "", "", ""]
        if floor:
            counted = [
                *(_number(facts["multiply_adds"] / 1e9), _number(facts["bytes"] / 1e6)),
                *(_number(floor), f"{facts['ms'] / floor:.1f} x"),
            ]
        lines.append(f"| {' | '.join([stage, _number(facts['ms']), *counted])} |")
    within = sum(facts["ms"] for facts in measured["stages"].values() if facts.get("floor_ms"))
    lines.append(
        f"| network | {_number(within)} | | | {_number(measured['floor_ms'])} | {within / measured['floor_ms']:.1f} x |"
    )
    return lines


def _growth(growth: dict[str, Any]) -> list[str]:
    clock = "processor time of all threads" if growth["clock"] == "process" else "time"
    (few, few_ms), (many, many_ms) = growth["classes"].items()
    line = f"{_number(growth['ms_per_megapixel'])} ms a megapixel and {_number(growth['base_ms'])} ms"
    return [
        f"How {growth['network']} grows, {growth['precision']}, eager, with the detections; {clock}:",
        "",
        "| size | megapixels | ms | ms a megapixel |",
        "| --- | --- | --- | --- |",
        *(
            f"| {'x'.join(map(str, size))} | {_number(pixels)} | {_number(ms)} | {_number(ms / pixels)} |"
            for size, ms in ((case["size"], case["ms"]) for case in growth["sizes"])
            for pixels in [size[0] * size[1] / 1e6]
        ),
        "",
        f"The straight line through these is {line}, off by {100 * growth['largest_residual']:.0f} % at most.",
        f"As a power law, time grows with pixels to the {growth['exponent']:.2f}, multiply-adds to the",
        f"{growth['multiply_adds_exponent']:.2f}: attention over the whole image grows with their square.",
        f"{few} classes take {_number(few_ms)} ms at {'x'.join(map(str, growth['classes_size']))}, {many} classes",
        f"{_number(many_ms)} ms: {growth['classes_ratio']:.2f} times as long.",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


if __name__ == "__main__":
    write_file(CHECKOUT / PAGE, performance_page(read_runs(CHECKOUT / RUNS)))
    print(PAGE)
