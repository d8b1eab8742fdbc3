"""Environment variables that let Fast DDS carry uncompressed images, and keep private ROS graphs apart."""

import errno
import os
import socket
from collections.abc import Mapping

from rgbt_seg_ros.base.shared_files import share_path

PROFILES_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"

DOMAINS = range(1, 102)
"""Those that are not ROS's default; the ports of higher ones overlap with the ephemeral ones of Linux."""


def fastdds_profile_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that make processes use `config/fastdds.xml`; empty if the user has a profile of his own.

    To be added to a process's environment before it initialises ROS. It has no effect on other middlewares.

    Raises:
        UserError: the profile is not part of the installation.
    """
    if environ.get(PROFILES_VARIABLE):
        return {}
    return {PROFILES_VARIABLE: str(share_path("config/fastdds.xml"))}


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
