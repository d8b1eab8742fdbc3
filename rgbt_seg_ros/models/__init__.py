"""The segmentation networks and the model file. No ROS, no text encoder."""

from rgbt_seg_ros.models.model_file import ModelCard, file_hash, load_model, read_card, save_model
from rgbt_seg_ros.models.registry import build_model

__all__ = ["ModelCard", "build_model", "file_hash", "load_model", "read_card", "save_model"]
