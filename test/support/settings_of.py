"""Settings for a test."""

from typing import Any

from rgbt_seg_ros.settings import Settings


def settings_of(**parameters: Any) -> Settings:
    """Settings from parameters with ``__`` for a dot: ``settings_of(sync__max_dt=0.1)``."""
    return Settings.read({name.replace("__", "."): value for name, value in parameters.items()})
