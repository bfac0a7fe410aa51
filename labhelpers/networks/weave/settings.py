"""What a node's router is told: a file in the node's /run, which it reads when it starts and when it is asked to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from labhelpers.linux.headers import SLEEVE_PORT

__all__ = ["BRIDGE", "FAST", "FOLDER", "FROM_BRIDGE", "PORT", "ROUTER", "SETTINGS", "SOCKET", "TO_ROUTER", "Settings"]

#: the bridge of a node's pods, its port for the router, and the router's end of that cable
BRIDGE, TO_ROUTER, FROM_BRIDGE = "weave", "vethwe-bridge", "vethwe-pcap"
#: the port for what the kernel itself carries, as Weave calls it
FAST = "vxlan-6784"
#: TCP for messages, UDP for frames
PORT = SLEEVE_PORT
FOLDER = "/run/weave"
SETTINGS, SOCKET = f"{FOLDER}/settings.json", f"{FOLDER}/router.sock"
#: the name of the program, as ``ps`` shows it
ROUTER = "weaver"


@dataclass(frozen=True, slots=True)
class Settings:
    """Who a router is and whom it knows."""

    #: the MAC address of its bridge
    name: str
    nickname: str
    #: of its node
    address: str
    #: addresses of the nodes to be connected with
    neighbours: Sequence[str] = ()
    #: ``""``: nothing is encrypted
    password: str = ""
    #: let the kernel carry frames to direct neighbours
    fast: bool = False

    def written(self) -> str:
        """As it stands in the file."""
        return json.dumps({**asdict(self), "neighbours": sorted(self.neighbours)}, indent=1) + "\n"

    @classmethod
    def read(cls, text: str) -> Settings:
        """What a file says.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from None
