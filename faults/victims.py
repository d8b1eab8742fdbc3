"""The commands that faults come over, what must be readable of what they leave, and the run that must come after."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.rendered import write_rendered_bag
from rgbt_seg_ros.base.image_bytes import png
from rgbt_seg_ros.base.whole_files import UNFINISHED
from rgbt_seg_ros.images.files import read_image
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.report_page.salvage import without_lost
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings
from training.engine.checkpoint import STATE_FILE, load_state

Arguments = Sequence[str]

TINY = (
    *("data.name=scenes", "data.rendered_height=48", "data.rendered_width=64", "data.rendered_stills=4"),
    *("data.rendered_val=2", "data.workers=1", "augment.crop_height=32", "augment.crop_width=64"),
    *(
        "train.batch_size=2",
        "train.warmup_steps=2",
        "train.ema_decay=0.9",
        "train.log_every=1",
        "train.threads=1",
    ),
    *("train.eval_every=1", "train.max_steps=4", "train.pictures_every=2", "train.seed=5"),
)


@dataclass(frozen=True)
class Victim:
    """A command that writes into a folder of its own.

    Attributes:
        name: for people.
        start: its arguments, after Python's ``-m``, for a folder.
        again: those of the run that comes after a fault.
        check: raises if something under a final name is not whole.
        result: what a whole run comes to, the same each time.
    """

    name: str
    start: Callable[[Path], Arguments]
    check: Callable[[Path], None]
    result: Callable[[Path], object]
    again: Callable[[Path], Arguments | None] | None = None

    def next_run(self, folder: Path) -> Arguments | None:
        """The arguments of the run after a fault; None where the first one has done all."""
        return (self.again or self.start)(folder)


class Material:
    """What the commands read: a small recording, images and a training configuration, made once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bag = folder / "recording"
        write_rendered_bag(self.bag, 3, 1.5, size=(120, 160), thermal_size=(60, 80))
        still = render_still(3, (120, 160))
        self.rgb, self.thermal = folder / "rgb.png", folder / "thermal.png"
        for path, image in ((self.rgb, still.rgb[..., ::-1]), (self.thermal, still.thermal)):
            path.write_bytes(png(image))
        for kind in ("vi", "ir"):
            (folder / kind).mkdir()
        for number in range(12):
            shutil.copy(self.rgb, folder / "vi" / f"{number}.png")
            shutil.copy(self.thermal, folder / "ir" / f"{number}.png")
        self.images = folder
        self.config = folder / "tiny.yaml"
        self.config.write_text("train: {}\n")


def victims(material: Material) -> list[Victim]:
    """Commands that end by themselves; node, player and recorder are in `faults.graph`."""

    def train(out: Path) -> Arguments:
        return ["training.train", "--config", str(material.config), *TINY, f"run.dir={out / 'run'}"]

    def resume(out: Path) -> Arguments:
        run = out / "run"
        return ["training.train", "--resume", str(run)] if (run / "config.yaml").exists() else train(out)

    return [
        Victim(
            "offline",
            lambda out: ["rgbt_seg_ros.offline", str(material.bag), "--output", str(out / "run")],
            check_run,
            lambda out: json.loads((out / "run" / "metrics.json").read_text())["mask_hash"],
        ),
        Victim(
            "render_bag",
            lambda out: ["rgbt_seg_ros.render_bag", "--duration", "0.5", "-o", str(out / "bag")],
            check_bag,
            lambda out: Recording(out / "bag").content_hash(),
            lambda out: _unless_there(
                out / "bag", ["rgbt_seg_ros.render_bag", "--duration", "0.5", "-o", str(out / "bag")]
            ),
        ),
        Victim(
            "make_bag",
            lambda out: _make_bag(material, out),
            check_bag,
            lambda out: Recording(out / "bag").content_hash(),
            lambda out: _unless_there(out / "bag", _make_bag(material, out)),
        ),
        Victim(
            "scenes",
            lambda out: _scenes(out),
            check_scenes,
            lambda out: sorted(path.name for path in (out / "set").rglob("*.png")),
            lambda out: _unless_there(out / "set", _scenes(out)),
        ),
        Victim(
            "segment",
            lambda out: [
                "rgbt_seg_ros.segment",
                str(material.rgb),
                str(material.thermal),
                "-o",
                str(out / "m.png"),
            ],
            check_segment,
            lambda out: read_image(out / "m.png").tobytes(),
        ),
        Victim(
            "embed_classes",
            lambda out: ["training.embed_classes", "--classes", "mfnet", "-o", str(out / "e.safetensors")],
            check_embeddings,
            lambda out: load_class_embeddings(out / "e.safetensors").key(),
        ),
        Victim("training", train, check_training, lambda out: state_hash(out / "run"), resume),
    ]


def _make_bag(material: Material, out: Path) -> Arguments:
    images = material.images
    return [
        "rgbt_seg_ros.make_bag",
        "--rgb",
        f"{images}/vi",
        "--thermal",
        f"{images}/ir",
        "-o",
        str(out / "bag"),
    ]


def _scenes(out: Path) -> Arguments:
    return ["rgbt_seg_ros.scenes", "--stills", "8", "--size", "96x128", "-o", str(out / "set")]


def _unless_there(path: Path, arguments: Arguments) -> Arguments | None:
    """A command that refuses to overwrite needs no second run where the first one was done."""
    return None if path.exists() else arguments


def check_run(out: Path, name: str = "run") -> None:
    """A run folder can be reported, and what is whole in it is whole."""
    folder = out / name
    if not (folder / "masks.jsonl").exists():
        return
    run = without_lost(read_run(folder))
    # A mask is written before its line.
    assert not run.lost, sorted(run.lost)
    assert not run.damaged, sorted(run.damaged)
    for mask in run.masks:
        run.mask_image(mask.stamp_ns)
    if (folder / "segmentation").exists():
        read_whole(folder / "segmentation")
    for file in ("metrics.json", "summary.json", "classes.json"):
        if (folder / file).exists():
            json.loads((folder / file).read_text())
    write_report(folder)


def check_bag(out: Path) -> None:
    if (out / "bag").exists():
        read_whole(out / "bag")


def read_whole(bag: Path) -> None:
    """Read all messages of a recording, if it has any; raises where something is wrong, or only guessed."""
    recording = Recording(bag)
    assert not recording.notes, recording.notes
    for _ in recording.messages(recording.topics):
        pass


def check_scenes(out: Path) -> None:
    if not (out / "set").exists():
        return
    names = [
        name for split in ("train", "val") for name in (out / "set" / f"{split}.txt").read_text().split()
    ]
    for name in names:
        for folder in ("vi", "ir", "Segmentation_labels"):
            read_image(out / "set" / folder / f"{name}.png")


def check_segment(out: Path) -> None:
    for name in ("m.png", "m_overlay.png"):
        if (out / name).exists():
            read_image(out / name)
    if (out / "m.json").exists():
        json.loads((out / "m.json").read_text())


def check_embeddings(out: Path) -> None:
    if (out / "e.safetensors").exists():
        load_class_embeddings(out / "e.safetensors")


def check_training(out: Path) -> None:
    """State, model, numbers and pictures of a run are whole, as far as they are there."""
    run = out / "run"
    if (run / STATE_FILE).exists():
        load_state(run)
    if (run / "best.safetensors").exists():
        read_card(run / "best.safetensors")
        load_model(run / "best.safetensors")
        assert load_file(run / "best.safetensors")
    if (run / "metrics.jsonl").exists():
        *lines, _ = (run / "metrics.jsonl").read_text().split("\n")
        for line in lines:
            json.loads(line)
    for picture in (run / "pictures").glob("*.png"):
        read_image(picture)


def state_hash(run: Path) -> str:
    """Of all tensors of a training's state: a resumed run is that of one which was never stopped, to the bit."""
    digest = hashlib.sha256()
    for part, tensors in sorted(load_state(run).tensors.items()):
        for name, tensor in sorted(tensors.items()):
            digest.update(f"{part}/{name}".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def leftovers(out: Path) -> list[str]:
    """Unfinished files and folders, which a whole run must not leave."""
    return sorted(str(path.relative_to(out)) for path in out.rglob(f"*{UNFINISHED}*"))
