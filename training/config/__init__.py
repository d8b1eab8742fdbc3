"""What a training run is asked to do: one typed configuration."""

from .load import load_config, save_config
from .schema import Config

__all__ = ["Config", "load_config", "save_config"]
