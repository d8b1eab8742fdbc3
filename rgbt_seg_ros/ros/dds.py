"""Environment variables that let Fast DDS carry uncompressed images, and keep private ROS graphs apart."""

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from rgbt_seg_ros.base.shared_files import share_path

PROFILES_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"

_OWN_TRANSPORTS = (PROFILES_VARIABLE, "FASTDDS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")
"""Variables by which users say themselves how Fast DDS carries messages; newer versions have the second name."""

_OWN_PROFILE = "DEFAULT_FASTRTPS_PROFILES.xml"
"""Fast DDS reads it in the working folder where no variable names another one."""

DOMAINS = range(1, 102)
"""Those that are not ROS's default; the ports of higher ones overlap with the ephemeral ones of Linux."""


def own_transports(environ: Mapping[str, str] = os.environ) -> str:
    """By what the user says how Fast DDS carries messages, such as ``NAME=VALUE``; empty if by nothing."""
    for name in _OWN_TRANSPORTS:
        # What this module has set in a parent process is not the user's.
        if environ.get(name) and environ[name] != _shipped_profile():
            return f"{name}={environ[name]}"
    return _OWN_PROFILE if Path(_OWN_PROFILE).is_file() else ""


def fastdds_profile_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that make processes use `config/fastdds.xml`; empty if the user says otherwise.

    To be added to a process's environment before it initialises ROS, and not to that of other people's processes.
    It has no effect on other middlewares.

    Raises:
        UserError: the profile is not part of the installation.
    """
    return {} if own_transports(environ) else {PROFILES_VARIABLE: _shipped_profile()}


def _shipped_profile() -> str:
    return str(share_path("config/fastdds.xml"))


def private_graph_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment for processes that shall see each other and nobody else (demo, tests).

    Args:
        environ: what the processes inherit; all of it is passed on (rclpy finds its libraries through it).

    Raises:
        UserError: the profile is not part of the installation.
    """
    return {
        **environ,
        **fastdds_profile_environment(environ),
        "ROS_DOMAIN_ID": str(_free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def _free_domain() -> int:
    """A ROS domain without a participant on this machine, another one for each process that asks."""
    first = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        if not any(_is_bound(metatraffic_port(domain, participant)) for participant in range(4)):
            return domain
    return DOMAINS[first]


def metatraffic_port(domain: int, participant: int) -> int:
    """UDP port on which a participant of a domain hears of others (DDSI-RTPS 2.5, 9.6.2.3)."""
    return 7400 + 250 * domain + 10 + 2 * participant


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
