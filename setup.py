"""Build of the ament_python package: modules, executables and the files under share/rgbt_seg_ros.

colcon calls this on a ROS machine. Lower bounds only: on a robot rosdep and the distribution choose the versions;
environment/requirements.txt holds the exact ones that `make setup` installs.
"""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "rgbt_seg_ros"
INDEX_MARKER = f"resource/{PACKAGE}"
COMMANDS = [
    "play",
    "record",
    "watch",
    "make_bag",
    "render_bag",
    "offline",
    "segment",
    "demo",
    "report",
    "calibrate_homography",
    "evaluate_bag",
]
TRAINING_COMMANDS = [
    "inspect_data",
    "inspect_weights",
    "train",
    "evaluate",
    "figures",
    "model_card",
    "embed_classes",
    "import_checkpoint",
    "export",
    "benchmark",
]
TRAINING = ["peft>=0.11", "transformers>=4.40", "huggingface_hub>=0.23"]


def shared_files() -> list[tuple[str, list[str]]]:
    """launch/, config/ and resource/ under share/rgbt_seg_ros by the same relative names.

    The index marker is left out: colcon knows one destination per file and would miss the marker's own.
    """
    folders: dict[str, list[str]] = {}
    for top in ("launch", "config", "resource"):
        for path in sorted(Path(top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and str(path) != INDEX_MARKER:
                folders.setdefault(f"share/{PACKAGE}/{path.parent}", []).append(str(path))
    return sorted(folders.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Semantic segmentation of paired RGB and thermal camera streams in ROS 2",
    license="Apache-2.0",
    maintainer="rgbt_seg_ros project",
    maintainer_email="rgbt_seg_ros@users.noreply.github.com",
    project_urls={"Issues": "https://github.com/rgbt-seg-ros/rgbt_seg_ros/issues"},
    python_requires=">=3.10",
    # `training` is a top-level folder of the checkout, but sam2 installs a top-level `training` of its own.
    packages=[
        *find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
        *(f"{PACKAGE}.{name}" for name in find_packages(include=["training", "training.*"])),
    ],
    package_dir={f"{PACKAGE}.training": "training"},
    data_files=[
        ("share/ament_index/resource_index/packages", [INDEX_MARKER]),
        (f"share/{PACKAGE}", ["package.xml", *glob("LICENSE")]),
        *shared_files(),
    ],
    install_requires=[
        "numpy>=1.26",
        "opencv-python-headless>=4.6",
        "torch>=2.5.1",
        "torchvision>=0.20.1",
        "sam2>=1.1",
        "safetensors>=0.4",
        "msgspec>=0.18",
        "rosbags>=0.11",
        "rich>=13",
        "scipy>=1.11",
        "matplotlib>=3.6",
        "jinja2>=3",
        "imageio-ffmpeg>=0.5",
        "pillow>=10",
        "pyyaml>=6",
        "accelerate>=1",
        "omegaconf>=2.3",
        "tensorboard>=2.15",
    ],
    extras_require={
        # SARTM's adapters, and text encoders; all else of training needs nothing more
        "training": TRAINING,
        "train": TRAINING,  # its former name
        # t-SNE in training.figures
        "figures": ["scikit-learn>=1.3"],
        # run.wandb
        "wandb": ["wandb>=0.16"],
        "export": ["onnx>=1.16", "onnxscript>=0.1", "onnx_ir>=0.1", "onnxruntime>=1.18"],
        # report --rerun
        "rerun": ["rerun-sdk>=0.39"],
        # The name under which colcon looks for pytest; without it `colcon test` runs nothing and reports success.
        "test": ["pytest>=7.4", "hypothesis>=6.98", "torchmetrics>=1.3", "playwright>=1.40"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            f"rgbt = {PACKAGE}.rgbt:main",
            f"segmenter = {PACKAGE}.node:main",
            *(f"{name} = {PACKAGE}.{name}:main" for name in COMMANDS),
            *(f"{name} = {PACKAGE}.training.{name}:main" for name in TRAINING_COMMANDS),
        ]
    },
)
