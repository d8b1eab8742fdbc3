"""One word in front of everything: `rgbt segment ...` is `python -m rgbt_seg_ros.segment ...`."""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

GROUPS = {
    "look and run": {
        "demo": "play a recording through the real node, and write a report",
        "segment": "segment one pair of image files",
        "offline": "segment a recording without ROS, every pair",
        "node": "run the node, as `ros2 run rgbt_seg_ros segmenter` does",
        "watch": "show a running node in the browser",
        "play": "play a recording on ROS topics",
        "record": "record what a node makes of its images",
        "evaluate_bag": "play a recording through a node and score its masks",
        "report": "write the page of a run, or compare two",
    },
    "prepare": {
        "make_bag": "make a recording from videos or folders of images",
        "render_bag": "render a recording of a street",
        "calibrate_homography": "register a thermal camera to an RGB camera",
    },
    "train": {
        "inspect_data": "check a data set",
        "inspect_weights": "say what is in a file of weights",
        "embed_classes": "make text embeddings of class names",
        "train": "train a network",
        "evaluate": "score a model on a data set",
        "figures": "draw the figures of the papers for your models",
        "model_card": "write the page of a model file",
        "import_checkpoint": "make a model file of released weights",
        "export": "export a model to ONNX or torch.export",
        "benchmark": "measure speed and cost",
    },
}
COMMANDS = {name: what for group in GROUPS.values() for name, what in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; its exit code, or 2 where there is none."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else 2
    name = words[0].replace("-", "_")
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.0)[0]
        print(f"error: rgbt has no command {words[0]!r}, did you mean {near}? rgbt --help", file=sys.stderr)
        return 2
    # Commands read the arguments of the process, as the node's own are those of ROS.
    sys.argv = [f"rgbt {name}", *words[1:]]
    code: int = import_module(_module(name)).main()
    return code


def _module(name: str) -> str:
    if name not in GROUPS["train"]:
        return f"rgbt_seg_ros.{name}"
    # Installed, training lies in the package; in a checkout beside it.
    return f"rgbt_seg_ros.training.{name}" if find_spec("rgbt_seg_ros.training") else f"training.{name}"


def _help() -> str:
    lines = [
        "usage: rgbt COMMAND ...",
        "",
        "RGB-thermal segmentation. `rgbt COMMAND --help` says more of one.",
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:22}{what}" for name, what in commands.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
