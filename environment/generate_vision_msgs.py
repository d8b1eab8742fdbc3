"""Generates vision_msgs and tf2_msgs into the virtual environment whose Python runs this, from resource/*_msgs.

No wheels of these packages exist. The generators come with the ROS wheels; equal type hashes prove that the result
speaks with everybody else's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy

PREFIX = Path(sys.prefix)
PACKAGES = sorted((Path(__file__).resolve().parent.parent / "resource").glob("*_msgs"))
# Where Python and numpy were on the machine that built the wheels.
WHEEL_BUILD_PATHS = {
    r"/opt/python/cp\d+-cp\d+/include/python3\.\d+": sysconfig.get_path("include"),
    r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_core/include": numpy.get_include(),
}


def mend_include_paths() -> None:
    """Points the wheels' CMake files at this environment's Python and numpy."""
    for path in (PREFIX / "share").rglob("*.cmake"):
        text = path.read_text()
        mended = text
        for pattern, replacement in WHEEL_BUILD_PATHS.items():
            mended = re.sub(pattern, lambda _, new=replacement: new, mended)
        if mended != text:
            path.write_text(mended)


def build_and_install(interfaces: Path) -> None:
    """Runs CMake with the wheels' generators; a package lands in the environment beside the other messages."""
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": str(PREFIX),
        "CMAKE_PREFIX_PATH": str(PREFIX),
        "PATH": f"{PREFIX / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    configure = [
        "-DBUILD_TESTING=OFF",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DPython3_EXECUTABLE={sys.executable}",
        f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
    ]
    cmake = str(PREFIX / "bin" / "cmake")
    with tempfile.TemporaryDirectory() as build:
        for arguments in (
            ["-S", str(interfaces), "-B", build, "-G", "Unix Makefiles", *configure],
            ["--build", build, "--parallel", str(os.cpu_count())],
            ["--install", build],
        ):
            subprocess.run([cmake, *arguments], env=environment, check=True)


def generated_hashes(interfaces: Path) -> dict[str, str]:
    """Type hash by type name, of a package that lies in the environment."""
    hashes = {}
    for path in (PREFIX / "share" / interfaces.name / "msg").glob("*.json"):
        for entry in json.loads(path.read_text())["type_hashes"]:
            package, _, name = entry["type_name"].split("/")
            if package == interfaces.name:
                hashes[name] = entry["hash_string"]
    return hashes


def main() -> int:
    mend_include_paths()
    for interfaces in PACKAGES:
        name = interfaces.name
        try:
            build_and_install(interfaces)
        except subprocess.CalledProcessError as error:
            print(f"error: {name} could not be built: cmake ended with {error.returncode}", file=sys.stderr)
            return 1
        expected = json.loads((interfaces / "type_hashes.json").read_text())
        found = generated_hashes(interfaces)
        if found != expected:
            wrong = sorted(each for each in expected.keys() | found if found.get(each) != expected.get(each))
            print(
                f"error: type hashes differ from those of {name} in Jazzy: {', '.join(wrong)}",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
