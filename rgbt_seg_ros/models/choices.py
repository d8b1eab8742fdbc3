"""The words that models are asked for with; nothing slow is imported, as commands ask before they do anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from rgbt_seg_ros.base.errors import UserError


@dataclass(frozen=True)
class Words:
    """What an architecture can be built with, beside its size.

    Attributes:
        title: its name for people.
        arguments: names of what it alone is built with.
        choices: the words for those of them that are words.
    """

    title: str
    arguments: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]


SAM2_SIZES = ("tiny", "small", "base_plus", "large")
SIZES = ("nano", *SAM2_SIZES)
"""`nano` is ours, for a CPU; the others are those of SAM 2."""

SHIFNET = Words(
    title="SHIFNet",
    arguments=("fusion", "decoder", "sem", "detail", "centred"),
    choices={"fusion": ("sacf", "uniform", "add", "concat"), "decoder": ("hpd", "segformer", "ppm")},
)
SARTM = Words(
    title="SARTM",
    arguments=("rank", "neck", "auxiliary", "prediction"),
    choices={
        "neck": ("avg", "sum"),
        "auxiliary": ("fpn", "deeplab", "segformer", "off"),
        "prediction": ("mean", "mask", "aux"),
    },
)
WORDS = {"shifnet": SHIFNET, "sartm": SARTM}
"""By the names that model files, configurations and commands use."""

SCALINGS = ("standard", "shifnet-fmb", "shifnet-pst900")
"""Rules by which pixels become network inputs, see `rgbt_seg_ros.models.scaling`."""


def check_architecture(arch: str) -> None:
    """Raise `UserError` for a name that is no architecture's."""
    if arch not in WORDS:
        raise UserError(f"there is no model architecture {arch!r}: choose one of {', '.join(WORDS)}")


def check_size(title: str, size: str) -> None:
    """Raise `UserError` for a word that is no size of an architecture, whose title is for people."""
    if size not in SIZES:
        raise UserError(f"there is no {title} size {size!r}: choose one of {', '.join(SIZES)}")
