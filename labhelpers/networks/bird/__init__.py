"""BIRD, the routing daemon that Calico runs on every node: its configuration, its control socket, its life."""

from labhelpers.networks.bird.configuration import AS_NUMBER, Configuration, name_of
from labhelpers.networks.bird.control import LOG, SOCKET, Session, ask, sessions
from labhelpers.networks.bird.daemon import configure, drop_routes, is_running, peers, start, stop

__all__ = [
    "AS_NUMBER",
    "LOG",
    "SOCKET",
    "Configuration",
    "Session",
    "ask",
    "configure",
    "drop_routes",
    "is_running",
    "name_of",
    "peers",
    "sessions",
    "start",
    "stop",
]
