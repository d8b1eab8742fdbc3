#!/usr/bin/env bash
# What training needs on a machine that has Python, PyTorch, NumPy, OpenCV and safetensors, but no network: one folder.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/carry_training.sh FOLDER [PYTHON_VERSION]

Put the packages that training imports into FOLDER (about 30 MB), for Python PYTHON_VERSION (default: 3.12) on Linux x86-64.
Copy the checkout and FOLDER to the machine. There:

  PYTHONPATH=FOLDER python3 -m training.train --config config/train/nano/default.yaml data.root=DIR

PyTorch, NumPy, OpenCV and safetensors are the machine's own. TensorBoard and Matplotlib are used if they are there.
TEXT
}

if [[ $# -lt 1 || $1 == -h || $1 == --help ]]; then
  usage
  exit $(($# < 1 ? 2 : 0))
fi
folder=$1
version=${2:-3.12}
python=${PYTHON:-python3}

# The versions that are installed here. No dependencies: those left are the machine's own, or nothing that training imports.
names="accelerate psutil packaging msgspec hydra-core omegaconf pyyaml portalocker tqdm typing_extensions pillow
  rich markdown-it-py mdurl pygments"
versions=$("$python" -c 'import sys
from importlib.metadata import version
print(*(f"{name}=={version(name)}" for name in sys.argv[1:]))' $names)
# shellcheck disable=SC2086 # a list
"$python" -m pip install --quiet --no-compile --no-deps --target "$folder" --python-version "$version" \
  --only-binary :all: $versions
# These come as source alone: their Python files are copied from where this package is installed.
"$python" - "$folder" <<'CODE'
import importlib.util, pathlib, shutil, sys

for name in ("sam2", "iopath", "antlr4"):
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"error: {name} is not installed here: run this with the Python that has rgbt_seg_ros (PYTHON=.venv/bin/python)")
    source = pathlib.Path(spec.submodule_search_locations[0])
    shutil.copytree(source, pathlib.Path(sys.argv[1]) / name, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.yaml"))
CODE
echo "$folder: $(du -sh "$folder" | cut -f1)"
