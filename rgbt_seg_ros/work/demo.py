"""What `rgbt_seg_ros.demo` does once its arguments are known to be good."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from rgbt_seg_ros.bags.from_images import make_recording
from rgbt_seg_ros.bags.image_topics import find_image_topics, image_transports
from rgbt_seg_ros.bags.reader import Recording, read_images
from rgbt_seg_ros.bags.rendered import write_rendered_bag
from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.child_process import ChildProcess, last_words, wait_until
from rgbt_seg_ros.base.diagnostics import OUTSIDE_MODEL, Key
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import describe_host, prepare_process
from rgbt_seg_ros.base.text import duration
from rgbt_seg_ros.base.whole_files import naming_folder
from rgbt_seg_ros.live_view.child_page import ChildPage
from rgbt_seg_ros.masks.labels import LABELS_FOLDER, labels_in
from rgbt_seg_ros.pipeline.answer import decode_images
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.ros.dds import private_graph_environment
from rgbt_seg_ros.runs.folder import read_lines, read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.verdict import verdict
from rgbt_seg_ros.runs.written import name_run
from rgbt_seg_ros.scenes import demo_drive
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings import Settings

SPARE_TIME = 1.5
"""Time given to a pair, in times of the model's own: for the transport, the overlay and the other two processes."""

SLOWEST_RATE = 0.03
"""Slower than this, the images of one moment come so far apart that the node takes the pause for the end."""

START_TIMEOUT_S = 180.0
END_TIMEOUT_S = 30.0
_OVERHEAD_S = 20.0
"""What starting three processes and writing the report take beside the playing, measured on two busy cores."""


@dataclass(frozen=True)
class DemoRecording:
    """The recording of a demo.

    Attributes:
        name: for people.
        bag: the recording itself.
        topics, transports: by kind, ``rgb`` and ``thermal``.
        seconds: its length.
        pairs_hz: pairs a second that it can give.
    """

    name: str
    bag: Recording
    topics: dict[str, str]
    transports: dict[str, str]
    seconds: float
    pairs_hz: float

    @classmethod
    def of(cls, bag: Path, name: str) -> "DemoRecording":
        """Look at a rosbag2.

        Raises:
            UserError: not a recording, or one without RGB or thermal images.
        """
        recording = Recording(bag)
        found = find_image_topics(recording)
        topics = {str(kind): topic for kind, topic in found.items()}
        transports = {str(kind): transport for kind, transport in image_transports(recording, found).items()}
        # A recording of one moment has no rate; a millisecond stands for it.
        seconds = max(recording.duration_s, 1e-3)
        pairs = min(recording.topics[topic].count for topic in topics.values())
        return cls(name, recording, topics, transports, seconds, pairs / seconds)

    def labels(self) -> dict[int, Path] | None:
        """Its labels by stamp, where it has any."""
        return labels_in(self.bag.path / LABELS_FOLDER)


@contextmanager
def open_recording(args: argparse.Namespace) -> Iterator[DemoRecording]:
    """The recording that the arguments ask for; what is converted is deleted afterwards."""
    if args.bag:
        yield DemoRecording.of(args.bag, args.bag.name)
    elif args.rgb:
        with tempfile.TemporaryDirectory(prefix="rgbt_seg_ros_demo_") as folder:
            bag = Path(folder) / "recording"
            make_recording(bag, args.rgb, args.thermal)
            yield DemoRecording.of(bag, f"{args.rgb.name} and {args.thermal.name}")
    else:
        yield DemoRecording.of(packaged_recording(), f"a rendered street: {', '.join(demo_drive.CONDITIONS)}")


def packaged_recording() -> Path:
    """The demo's own recording, rendered at the first call and kept under build/ by its arguments."""
    arguments = [f"seed{demo_drive.SEED}", f"{demo_drive.SECONDS:g}s", *demo_drive.CONDITIONS]
    path = Path("build") / "_".join(["demo_recording", *arguments])
    if not path.is_dir():
        print("rendering the street first, once: about half a minute", file=sys.stderr, flush=True)
        write_rendered_bag(path, demo_drive.SEED, demo_drive.SECONDS, conditions=demo_drive.CONDITIONS)
    return path


def measure_model(recording: DemoRecording, model: str) -> tuple[float, str]:
    """Time of a pair on this machine in milliseconds: the median of seven runs on the recording's first pair.

    Returns:
        milliseconds, and the device that was used.

    Raises:
        UserError: the model or an image cannot be used.
    """
    segmenter = Segmenter.load(model)
    first: dict[str, Any] = {}
    for image in read_images(recording.bag):
        first.setdefault(image.kind, image.message)
        if len(first) == 2:
            break
    try:
        rgb, thermal = recording.transports["rgb"], recording.transports["thermal"]
        settings = Settings(rgb_transport=rgb, thermal_transport=thermal)
        images, _ = decode_images(settings, first["rgb"], first["thermal"])
    except ValueError as error:
        raise UserError(f"the first image of {recording.bag.path} cannot be used: {error}") from None
    segmenter.warm_up(*images.size)
    times = []
    for _ in range(7):
        started = time.perf_counter()
        segmenter(images.rgb, images.thermal)
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times), str(segmenter.device)


def playback_rate(recording: DemoRecording, pair_ms: float) -> float:
    """The speed at which a machine that needs `pair_ms` for a pair keeps up, two digits; 1 at most."""
    rate = float(f"{1e3 / (SPARE_TIME * pair_ms * recording.pairs_hz):.2g}")
    return min(max(rate, SLOWEST_RATE), 1.0)


def run_graph(
    recording: DemoRecording, seconds: float, model: str, rate: float, output: Path, live: bool = False
) -> None:
    """Run recorder, node and player until everything is answered, and end them.

    Args:
        recording: what to play.
        seconds: how much of it.
        model: as the node's parameter.
        rate: speed of the player.
        output: folder of the recorder's files and of the logs.
        live: whether to serve the live page meanwhile.

    Raises:
        UserError: one of them died or hung.
    """
    environment = private_graph_environment()
    remap = ["--ros-args", "-r", f"rgb/image:={recording.topics['rgb']}"]
    remap += ["-r", f"thermal/image:={recording.topics['thermal']}"]
    node_arguments = [*remap, "-p", "mode:=lossless", "-p", f"model:={model}"]
    recorder_arguments = ["-o", str(output), "--input-reliability", "reliable"]
    for kind, transport in recording.transports.items():
        node_arguments += ["-p", f"{kind}_transport:={transport}"]
        recorder_arguments += [f"--{kind}-transport", transport]
    recorder_arguments += remap
    player_arguments = [str(recording.bag.path), "--rate", str(rate), "--stamps", "auto"]
    player_arguments += ["--playback-duration", str(seconds)]
    # Node and recorder subscribe to both cameras; each must have found the player before it starts.
    player_arguments += ["--subscriptions", "4", "--wait-for-subscribers", str(START_TIMEOUT_S)]
    with ExitStack() as stack, Progress() as progress:

        def start(name: str, module: str, arguments: Sequence[str]) -> ChildProcess:
            log = output / f"{name}.log"
            # No signal may come between: nobody would end the child.
            with interrupts.deferred():
                return stack.enter_context(ChildProcess(name, module, arguments, environment, log))

        recorder = start("recorder", "record", recorder_arguments)
        node = start("node", "node", node_arguments)
        page = ChildPage(start("view", "watch", ["--port", "0", *remap])) if live else None
        # The names of the classes come when the node is active.
        wait_until((output / "classes.json").is_file, [node, recorder], START_TIMEOUT_S, "an active node")
        player = start("player", "play", player_arguments)
        bar = progress.add_task("segmenting", total=round(recording.pairs_hz * seconds))

        def played() -> bool:
            masks = _masks(output)
            progress.update(bar, completed=masks)
            # Not before, or a viewer of a camera could be taken for one of those whom the player waits for.
            if page is not None and masks:
                page.show()
            return player.exit_code is not None

        wall_s = seconds / rate
        wait_until(played, [node, recorder], START_TIMEOUT_S + 1.5 * wall_s, "the player's end")
        player.wait(0)
        # Reports of before say nothing of a recording that took less time than there is between two.
        told = len(read_lines(output / "diagnostics.jsonl"))
        # Should the machine have become slower meanwhile, much is still waiting.
        wait_until(
            lambda: played() and _drained(output, told), [node, recorder], 60 + 2 * wall_s, "the last mask"
        )
        node.interrupt(END_TIMEOUT_S)
        recorder.interrupt(END_TIMEOUT_S)


def _masks(output: Path) -> int:
    return len(read_lines(output / "masks.jsonl"))


def _drained(output: Path, told: int) -> bool:
    """Whether the node's last two reports after `told` are equal in what came in and out, with nothing left."""
    reports = [line["values"] for line in read_lines(output / "diagnostics.jsonl")[told:][-2:]]
    keys = (Key.RGB_IN, Key.THERMAL_IN, Key.PAIRS, Key.MASKS)
    counts = [tuple(report.get(key) for key in keys) for report in reports]
    done = [reports[-1].get(key) == "0" for key in (Key.WAITING, Key.UNPAIRED)] if reports else [False]
    return len(counts) == 2 and counts[0] == counts[1] and all(done)


def run(args: argparse.Namespace) -> None:
    prepare_process()
    with naming_folder(args.output):
        args.output.mkdir(parents=True, exist_ok=True)
        for name in ("classes.json", "summary.json", "report.html"):
            # What an earlier run left must not pass for the result of a failed one.
            (args.output / name).unlink(missing_ok=True)
    with open_recording(args) as recording:
        pair_ms, device = measure_model(recording, args.model)
        rate = playback_rate(recording, pair_ms)
        seconds = min(recording.seconds, 60 * args.minutes * rate)
        part = "All" if seconds == recording.seconds else f"The first {seconds:.1f} s"
        note = (
            f"{part} of {recording.seconds:.1f} s of recording, played at {rate:g} times the speed: "
            f"this machine needs {pair_ms:.0f} ms for a pair."
        )
        print(note)
        print(
            f"This takes about {duration(_OVERHEAD_S + seconds / rate)} from here, the report included.",
            flush=True,
        )
        run_graph(recording, seconds, args.model, rate, args.output, args.live)
        labels = recording.labels()
        summary = replace(
            summarize(read_run(args.output), labels),
            recording=recording.name,
            playback_rate=rate,
            note=note,
            model=args.model,
            settings={"mode": "lossless"},
            host=describe_host(device),
        )
        summary.write(args.output / "summary.json")
        write_report(args.output, labels)
    level, sentence = verdict(summary)
    if level == "error":
        raise UserError(f"no mask came; the node's last lines: {last_words(args.output / 'node.log')}")
    print(sentence)
    if summary.possible_hz is not None:
        print(f"Always busy, the node would give {summary.possible_hz:.1f} masks a second on this machine.")
    if summary.own_cost_ms is not None:
        outside, model = summary.own_cost_ms
        print(
            f"Outside the model ({', '.join(OUTSIDE_MODEL)}; overlay and confidence are published as well) a pair "
            f"takes {outside:.1f} ms, {100 * outside / model:.0f} % of the model's time."
        )
    name_run(args.output)
