"""Free TCP ports on 127.0.0.1 for servers that must come back on the same port."""

import random
import socket
from pathlib import Path

FIRST_PORT = 15_000
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
EPHEMERAL_FIRST_DEFAULT = 32_768
ATTEMPTS = 200


def find_free_port() -> int:
    """Give a port that nobody listens on, below the range from which the kernel takes client ports.

    From within that range a killed server's port could be taken by any client before its restart;
    a client that keeps trying to reach the dead server can even connect to itself.
    """
    try:
        end = int(EPHEMERAL_RANGE.read_text().split()[0])
    except OSError:
        end = EPHEMERAL_FIRST_DEFAULT
    if end <= FIRST_PORT:
        end = 65_536
    generator = random.SystemRandom()
    for _ in range(ATTEMPTS):
        port = generator.randrange(FIRST_PORT, end)
        if is_free(port):
            return port
    message = f"no free port between {FIRST_PORT} and {end} after {ATTEMPTS} attempts"
    raise OSError(message)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
