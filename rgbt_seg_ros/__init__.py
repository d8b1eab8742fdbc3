"""Language-guided segmentation of RGB and thermal image pairs for ROS 2."""

__version__ = "0.1.0"
