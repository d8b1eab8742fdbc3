"""Runs a command in a network of its own that has nothing but loopback: `python in_empty_network.py COMMAND ...`.

Exits with 77 and a sentence where the system does not let it. Linux only.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

NOT_PERMITTED = 77
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP, _IFF_MULTICAST = 0x1, 0x1000


def enter_empty_network() -> None:
    """Move this process into a new network namespace and bring its loopback up.

    Raises:
        OSError: the system does not let it.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    as_root = libc.unshare(_CLONE_NEWNET) == 0
    if not as_root:
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0)
        (flags,) = struct.unpack("16xh", fcntl.ioctl(control, _SIOCGIFFLAGS, request.ljust(40, b"\0"))[:18])
        wanted = struct.pack("16sh", b"lo", flags | _IFF_UP | _IFF_MULTICAST)
        fcntl.ioctl(control, _SIOCSIFFLAGS, wanted.ljust(40, b"\0"))


if __name__ == "__main__":
    try:
        enter_empty_network()
    except OSError as error:
        print(f"no network namespace can be made here ({error})", file=sys.stderr)
        sys.exit(NOT_PERMITTED)
    os.execvp(sys.argv[1], sys.argv[1:])
