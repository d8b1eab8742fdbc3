"""The segmentation networks and the model file. No ROS, no text encoder."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rgbt_seg_ros.models.model_file import ModelCard, file_hash, load_model, read_card, save_model
    from rgbt_seg_ros.models.registry import build_model

__all__ = ["ModelCard", "build_model", "file_hash", "load_model", "read_card", "save_model"]


def __getattr__(name: str) -> Any:
    # When it is asked for: `models.choices` has words for commands, which have to answer before PyTorch is imported.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "registry" if name == "build_model" else "model_file"
    return getattr(import_module(f"{__name__}.{module}"), name)
