"""The resumable state of a training run: `last/state.safetensors` in its folder.

Tensors are stored as such, numbers as JSON in the metadata; nothing is ever unpickled. One file, so that a state is
replaced whole or not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

import msgspec
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import Count, MalformedJson, decode_json, encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.models.safetensors_file import open_tensors

FORMAT_VERSION = 1
_METADATA_KEY = "rgbt_seg_ros_training"
STATE_FILE = Path("last") / "state.safetensors"


class WatchNumbers(TypedDict):
    """Of `LossWatch`; None stands for a number that is not finite."""

    recent: list[float | None]
    lowest: float | None
    astray_steps: Count


class PlateauNumbers(TypedDict):
    """Of `Plateau`; no best one before the first validation."""

    scale: float
    best: float | None
    waited: Count


class _OfLaterVersions(TypedDict, total=False):
    plateau: PlateauNumbers
    seconds: float


class StateNumbers(_OfLaterVersions):
    """What must be in a state besides its tensors, see `RunState`."""

    step: Count
    best: float
    unlogged: list[float | None]
    watch: WatchNumbers
    average_updates: Count
    scaler: dict[str, Any] | None
    processes: Annotated[int, msgspec.Meta(ge=1)]
    frozen_hash: str


@dataclass(frozen=True)
class _Format:
    format_version: int


@dataclass(frozen=True)
class SavedState:
    """What a run needs to go on.

    Attributes:
        tensors: by part of the run (`network`, `optimizer`, ...) and name.
        numbers: everything else, of JSON's types, as in `StateNumbers`.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    numbers: Mapping[str, Any]


def save_state(run: Path, state: SavedState) -> None:
    """Write the state of a run; the previous one is replaced at once or not at all.

    Raises:
        UserError: it cannot be written; the previous one is kept.
    """
    tensors = {
        f"{part}/{name}": tensor.detach().cpu().contiguous()
        for part, named in state.tensors.items()
        for name, tensor in named.items()
    }
    numbers = encode_json({"format_version": FORMAT_VERSION, **state.numbers})
    write_file(run / STATE_FILE, save(tensors, metadata={_METADATA_KEY: numbers}), inside=run)


def is_unsaved(run: Path) -> bool:
    """Whether a run was stopped before it had anything to keep: neither a state nor a model."""
    return not (run / STATE_FILE).exists() and not any(run.glob("*.safetensors"))


def load_state(run: Path) -> SavedState:
    """Read what `save_state` wrote, onto the CPU.

    Raises:
        UserError: there is no state in this run, it is damaged, or of another version.
    """
    path = run / STATE_FILE
    if not path.is_file():
        raise UserError(f"{run} holds no state to resume ({path} is missing): give the folder of a run")
    tensors: dict[str, dict[str, Tensor]] = {}
    try:
        with open_tensors(path) as file:
            text = (file.metadata() or {}).get(_METADATA_KEY, "")
            version = decode_json(text, _Format).format_version
            numbers = decode_json(text, StateNumbers) if version == FORMAT_VERSION else None
            for key in file.keys() if numbers else ():
                part, _, name = key.partition("/")
                tensors.setdefault(part, {})[name] = file.get_tensor(key)
    except (SafetensorError, OSError, MalformedJson) as error:
        raise UserError(f"{path} is damaged ({error}): start the run again without --resume") from error
    if numbers is None:
        raise UserError(
            f"{path} has format {version}, this version reads {FORMAT_VERSION}: "
            "resume it with the version that wrote it"
        )
    return SavedState(tensors, cast(Mapping[str, Any], numbers))
