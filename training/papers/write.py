"""`python -m training.papers.write` writes the papers' configurations and docs/reproduce.md into the checkout."""

from pathlib import Path

from rgbt_seg_ros.base.whole_files import write_file

from .configurations import configurations
from .page import reproduce_page
from .sartm import SARTM
from .shifnet import SHIFNET

_CHECKOUT = Path(__file__).resolve().parents[2]


def files() -> dict[str, str]:
    """The text of each file by its path in the checkout."""
    texts = {
        f"config/train/{path}": text
        for paper in (SHIFNET, SARTM)
        for path, text in configurations(paper).items()
    }
    return {**texts, "docs/reproduce.md": reproduce_page()}


if __name__ == "__main__":
    for name, text in files().items():
        write_file(_CHECKOUT / name, text)
        print(name)
