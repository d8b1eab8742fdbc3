"""What `training.benchmark` does once its arguments are known to be good."""

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.segmenter import choose_device

from ..config import load_config
from ..measure.inference_speed import measure_inference
from ..measure.network_comparison import compare_networks
from ..measure.suite import run_suite


def run(args: argparse.Namespace) -> None:
    if args.train is not None:
        result = _training(args)
        _show_training(Console(), result)
    elif args.suite:
        prepare_process()
        result = run_suite(args.device, args.pairs, args.budget, args.json, args.machine)
        _show_suite(Console(), result)
    elif args.compare is not None:
        result = compare_networks(args.compare, args.size, args.pairs, choose_device(args.device))
        _show_comparison(Console(), result)
    else:
        prepare_process()
        result = measure_inference(args.model, args.size, args.pairs, args.device, args.precision)
        _show_inference(Console(), result)
    if args.json:
        write_file(args.json, encode_json(result, indent=2) + "\n")
    name_files(("numbers", args.json))


def _show_suite(console: Console, result: dict[str, Any]) -> None:
    table = Table("network", "size", "batch", "form", "precision", title=result["device"])
    for column in ("p50, ms", "p99, ms", "pairs/s", "same class"):
        table.add_column(column, justify="right")
    for case in result["cases"]:
        rate, same = case["pairs_per_second"], case.get("same_class")
        table.add_row(
            *(case["network"], "x".join(map(str, case["size"])), str(case["batch"]), case["form"]),
            *(case["precision"], *(f"{case['latency_ms'][p]:.2f}" for p in ("p50", "p99"))),
            *("" if rate is None else f"{rate:.1f}", "" if same is None else f"{100 * same:.3f} %"),
        )
    console.print(table)
    for check in result["checks"]:
        console.print(f"{'passed' if check['passed'] else 'FAILED'}: {check['what']}")
    for error in result["errors"]:
        console.print(f"{error['what']}: {error['error']}", style="red")
    console.print(f"{len(result['left_out'])} cases were left out, see the file; {result['seconds']:.0f} s")


def _training(args: argparse.Namespace) -> dict[str, Any]:
    # Not at the top: a machine that only serves lacks what training needs.
    from ..measure.sample_rate import measure_samples
    from ..measure.training_cost import count_run, hours, measure_steps

    config = load_config(args.train, args.overrides)
    result: dict[str, Any] = {"config": str(args.train), "overrides": args.overrides}
    if args.samples:
        # Before the network: worker processes begin as copies of this one.
        result |= measure_samples(config, args.samples, args.device)
    if not args.count_only:
        result |= measure_steps(config, args.steps, args.device)
    result |= count_run(config)
    if args.tflops:
        result |= {"assumed_tflops": args.tflops, "hours": hours(result, args.tflops)}
    return result


def _show_inference(console: Console, result: dict[str, Any]) -> None:
    baseline, cost = result["baseline"], result["multiply_adds"]
    image, network = ("x".join(map(str, result[size])) for size in ("size", "network_size"))
    seen = image if image == network else f"{image} seen as {network}"
    table = Table("milliseconds", title=f"{seen}, {result['device']}, {result['precision']}")
    for percentile in ("p50", "p95", "p99"):
        table.add_column(percentile, justify="right")
    for stage, times in result["stages_ms"].items():
        table.add_row(stage, *_numbers(times))
    table.add_row("pair", *_numbers(result["latency_ms"]), style="bold", end_section=True)
    table.add_row("baseline", *_numbers(baseline["latency_ms"]))
    console.print(table)
    console.print(
        f"{result['pairs_per_second']:.2f} pairs/s, {result['speedup']:.2f} times as fast as the baseline "
        f"({result['pairs']} pairs, in turn)"
    )
    console.print(
        f"baseline: {baseline['what']}; same class in {100 * result['equal_pixels']:.2f} % of pixels"
    )
    console.print(
        f"{cost['total'] / 1e9:.2f} G multiply-adds a pair ({cost['without_attention'] / 1e9:.2f} G without QK^T "
        f"and AV), peak memory {_gigabytes(result['peak_memory'])}"
    )


def _show_comparison(console: Console, result: dict[str, Any]) -> None:
    size = "x".join(map(str, result["size"]))
    table = Table(title=f"a pair of {size}, {result['device']}, float32", padding=0)
    table.add_column("network", no_wrap=True)
    for column in (
        "weights",
        "trained",
        "mult. adds",
        "mult. adds served",
        "ms",
        "times first",
        "over plain",
    ):
        table.add_column(column, justify="right")
    for network in result["networks"]:
        table.add_row(
            f"{network['arch']}/{network['size']}",
            *(f"{network[key] / 1e6:.1f}M" for key in ("parameters", "trained")),
            *(f"{network[key] / 1e9:.3g}G" for key in ("multiply_adds", "multiply_adds_served")),
            f"{network['latency_ms']:.0f}",
            *(f"{network[key]:.2f}" for key in ("times_first", "speedup")),
        )
    console.print(table)
    console.print(
        f"medians of {result['pairs']} pairs, in turn; peak memory {_gigabytes(result['peak_memory'])}"
    )
    for arch, baseline in {network["arch"]: network["baseline"] for network in result["networks"]}.items():
        console.print(f"plain {arch}: {baseline}")


def _show_training(console: Console, result: dict[str, Any]) -> None:
    lines = []
    if "seconds_per_step" in result:
        lines.append(f"{result['seconds_per_step']:.2f} s a step on {result['device']}")
        lines.append(f"peak memory {_gigabytes(result['peak_memory'])}")
    if "samples_per_second" in result:
        made = (
            f"{result['samples_per_second']:.0f} samples a second are made by {_workers(result['workers'])}"
        )
        lines.append(f"{made} ({result['samples_per_second_alone']:.0f} in the training process)")
    if {"samples_per_second", "seconds_per_step"} <= result.keys():
        needed = result["pairs_per_step"] / result["seconds_per_step"]
        lines.append(f"a step takes {needed:.3g} samples a second")
    lines.append(f"{result['multiply_adds_per_pair'] / 1e9:.1f} G multiply-adds a pair, forward and backward")
    length = f"{result['steps']} steps" if "steps" in result else f"{result['minutes']:g} minutes"
    lines.append(f"whole run: {length}, batch size {result['pairs_per_step']}")
    if "hours" in result:
        lines.append(f"{result['hours']:.3g} hours at {result['assumed_tflops']:g} TFLOP/s")
    for line in lines:
        console.print(line)


def _workers(number: int) -> str:
    return "1 worker process" if number == 1 else f"{number} worker processes"


def _numbers(times: dict[str, float]) -> list[str]:
    return [f"{value:.1f}" for value in times.values()]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
