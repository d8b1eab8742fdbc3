"""Imported by every Python below a process that has this folder on PYTHONPATH: notes each use of a network.

The file named by NETWORK_AUDIT gets a line for each name that is looked up and each address that is connected or
sent to, loopback and sockets of the file system excepted.
"""

import ipaddress
import os
import sys

_LOG = os.open(os.environ["NETWORK_AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_PLACES = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "urllib.Request": 0,
}


def _is_local(address: object) -> bool:
    host = address[0] if isinstance(address, tuple) else address
    if host is None or isinstance(host, int) or (isinstance(address, str | bytes) and "/" in str(address)):
        # Nothing given, a netlink, or a socket of the file system.
        return True
    text = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    if text in ("", "localhost") or text.startswith("\0"):
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    place = _PLACES.get(event)
    if place is not None and not _is_local(arguments[place]):
        os.write(_LOG, f"{event} {arguments[place]!r} by {sys.argv}\n".encode())


sys.addaudithook(_note)
