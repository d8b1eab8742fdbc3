"""Training, scoring and class embeddings: everything that happens before a model file reaches the robot."""

# `python -m training.NAME` takes signals as the package's own commands do, from here on.
import rgbt_seg_ros  # noqa: F401
