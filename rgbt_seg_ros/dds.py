"""Environment variables that let Fast DDS carry uncompressed images, and keep private ROS graphs apart."""

import os
from collections.abc import Mapping

from rgbt_seg_ros.share import share_path

PROFILES_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def fastdds_profile_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that make processes use `config/fastdds.xml`; empty if the user has a profile of his own.

    To be added to a process's environment before it initialises ROS. It has no effect on other middlewares.

    Raises:
        UserError: the profile is not part of the installation.
    """
    if environ.get(PROFILES_VARIABLE):
        return {}
    return {PROFILES_VARIABLE: str(share_path("config/fastdds.xml"))}


def private_graph_environment(domain_id: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment for processes that shall see each other and nobody else (demo, tests).

    Args:
        domain_id: ROS domain, 0 to 101 (higher ones overlap with ephemeral ports on Linux).
        environ: what the processes inherit; all of it is passed on (rclpy finds its libraries through it).

    Raises:
        UserError: the profile is not part of the installation.
    """
    return {
        **environ,
        **fastdds_profile_environment(environ),
        "ROS_DOMAIN_ID": str(domain_id),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
