#!/usr/bin/env bash
# Installs the package on a robot with Ubuntu 24.04 and ROS 2 Jazzy; docs/install_robot.md explains the steps.
set -euo pipefail

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REQUIREMENTS=$REPOSITORY/environment/requirements-robot.txt
CONSTRAINTS=$REPOSITORY/environment/constraints-noble.txt
SAM2=$REPOSITORY/environment/requirements-sam2.txt
CPU_WHEELS=https://download.pytorch.org/whl/cpu

usage() {
  cat <<END
usage: scripts/install_robot.sh [--cuda | --cpu | --no-torch] [options]

Installs rgbt_seg_ros with all it needs on Ubuntu 24.04 with ROS 2 Jazzy. May be run again: what is there is kept.

  --cuda            PyTorch for NVIDIA GPUs (default, several GB)
  --cpu             PyTorch without CUDA
  --no-torch        the torch and torchvision that Python has already, as on a Jetson
  --workspace DIR   colcon workspace (default: the folder above src/ that the package lies in, else the package's own)
  --venv DIR        virtual environment (default: venv in the workspace)
  --python FILE     Python to make it with (default: /usr/bin/python3)
  --skip-apt        install nothing with apt and rosdep
  --dry-run         print the commands and run none
END
}

say() { printf '\n== %s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

run() {
  if [[ $DRY_RUN == yes ]]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

as_root() {
  if [[ $EUID -eq 0 ]]; then run "$@"; else run sudo "$@"; fi
}

TORCH=cuda WORKSPACE='' VENV='' BASE_PYTHON=/usr/bin/python3 SKIP_APT=no DRY_RUN=no
while [[ $# -gt 0 ]]; do
  case $1 in
    --cuda | --cpu) TORCH=${1#--} ;;
    --no-torch) TORCH=none ;;
    --skip-apt) SKIP_APT=yes ;;
    --dry-run) DRY_RUN=yes ;;
    --workspace | --venv | --python)
      [[ $# -ge 2 ]] || { echo "error: $1 needs a value" >&2; exit 2; }
      case $1 in
        --workspace) WORKSPACE=$2 ;;
        --venv) VENV=$2 ;;
        --python) BASE_PYTHON=$2 ;;
      esac
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *)
      echo "error: unknown option $1" >&2
      usage >&2
      exit 2
      ;;
  esac
  shift
done

# The nearest src/ above the package is a workspace's.
find_workspace() {
  local folder=$REPOSITORY
  while [[ $folder != / ]]; do
    if [[ ${folder##*/} == src ]]; then
      dirname "$folder"
      return
    fi
    folder=$(dirname "$folder")
  done
  echo "$REPOSITORY"
}

WORKSPACE=${WORKSPACE:-$(find_workspace)}
VENV=${VENV:-$WORKSPACE/venv}
PYTHON=$VENV/bin/python3

check_machine() {
  # shellcheck source=/dev/null
  [[ $SKIP_APT == yes ]] || (. /etc/os-release && [[ $ID == ubuntu && $VERSION_ID == 24.04 ]]) ||
    fail "this is not Ubuntu 24.04: with the packages of package.xml installed otherwise, use --skip-apt"
  if [[ -z ${AMENT_PREFIX_PATH:-} ]]; then
    local setup=/opt/ros/jazzy/setup.bash
    [[ -f $setup ]] || fail "there is no $setup: install ROS 2 Jazzy first (docs.ros.org, ros-jazzy-ros-base)"
    # ROS's own scripts read variables that are not set.
    set +u
    # shellcheck source=/dev/null
    . "$setup"
    set -u
  fi
}

install_apt_packages() {
  # In a container there is nobody to ask for a time zone.
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get update
  as_root apt-get install -y python3-venv python3-rosdep python3-colcon-common-extensions
  if ! compgen -G '/etc/ros/rosdep/sources.list.d/*' >/dev/null; then
    as_root rosdep init
  fi
  run rosdep update --rosdistro jazzy
  run rosdep install --from-paths "$REPOSITORY" --ignore-src --rosdistro jazzy -y
}

make_venv() {
  if [[ ! -x $PYTHON ]]; then
    # The system's packages stay visible: rclpy, numpy and OpenCV are those that ROS was built with.
    run "$BASE_PYTHON" -m venv --system-site-packages "$VENV"
  fi
  run touch "$VENV/COLCON_IGNORE"
}

pip_install() {
  run env SAM2_BUILD_CUDA=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$PYTHON" -m pip install --constraint "$CONSTRAINTS" "$@"
}

torch_variant() {
  "$PYTHON" -c 'import torch; print("cuda" if torch.version.cuda else "cpu")' 2>/dev/null || true
}

install_torch() {
  if [[ $TORCH == none ]]; then
    run "$PYTHON" -c 'import torch, torchvision; print("PyTorch", torch.__version__)' ||
      fail "--no-torch, and $PYTHON has no torch and torchvision: install those of the machine's maker first"
    return
  fi
  local found
  found=$(torch_variant)
  if [[ -n $found && $found != "$TORCH" ]]; then
    run "$PYTHON" -m pip uninstall -y torch torchvision
  fi
  if [[ $TORCH == cpu ]]; then
    pip_install torch torchvision --index-url "$CPU_WHEELS"
  else
    pip_install torch torchvision
  fi
}

install_pip_packages() {
  pip_install --requirement "$REQUIREMENTS"
  # Its build would fetch a PyTorch of its own, and its list would change the one that was chosen.
  pip_install --no-build-isolation --no-deps --requirement "$SAM2"
}

build() {
  # colcon under this Python: the executables then start with it, activated or not.
  (cd "$WORKSPACE" && run "$PYTHON" -m colcon build --base-paths "$REPOSITORY" --packages-select rgbt_seg_ros)
}

check_installation() {
  local setup=$WORKSPACE/install/setup.bash
  if [[ $DRY_RUN == no ]]; then
    set +u
    # shellcheck source=/dev/null
    . "$setup"
    set -u
  fi
  run "$PYTHON" -c 'import cv2, numpy, rclpy, sam2, torch, vision_msgs.msg
print("numpy", numpy.__version__, "OpenCV", cv2.__version__, "PyTorch", torch.__version__,
      "with CUDA" if torch.version.cuda else "without CUDA")'
  run "$WORKSPACE/install/rgbt_seg_ros/lib/rgbt_seg_ros/segmenter" --help >/dev/null
}

say "1 of 6: the machine"
check_machine
echo "workspace $WORKSPACE, virtual environment $VENV"
say "2 of 6: packages from apt"
if [[ $SKIP_APT == yes ]]; then echo "left out (--skip-apt)"; else install_apt_packages; fi
say "3 of 6: virtual environment on top of the system's packages"
make_venv
say "4 of 6: packages from pip: PyTorch ($TORCH), SAM 2 and others"
install_torch
install_pip_packages
say "5 of 6: colcon build"
build
say "6 of 6: does it start?"
check_installation
cat <<END

Done. In every new terminal:
  source /opt/ros/jazzy/setup.bash && source $WORKSPACE/install/setup.bash
Then:
  ros2 launch rgbt_seg_ros segment.launch.py rgb:=/cam/image_raw thermal:=/boson/image_raw
END
