"""BIRD's configuration on a node, in the shape that calico-node gives it.

Source: https://github.com/projectcalico/calico, ``confd/etc/calico/confd/templates/bird.cfg.template``,
``bird_aggr.cfg.template`` and ``bird_ipam.cfg.template``, in the spelling of BIRD 2
(https://bird.network.cz/?get_doc&v=20&f=bird.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from labhelpers.errors import BadInput

__all__ = ["AS_NUMBER", "Configuration", "name_of"]

AS_NUMBER = 64512  # Calico's default; the first of those for private use, RFC 6996
_SHORTEST_HOLD, _LONGEST_HOLD = 3, 65535  # seconds, RFC 4271 section 4.2; 0, which means never, is not offered


@dataclass(frozen=True, slots=True)
class Configuration:
    """What BIRD is told on every node of a mesh.

    Args:
        hold_time: seconds without a word after which a peer counts as gone; Calico leaves BIRD's default.
        bfd: besides, ask each peer five times a second whether it lives (RFC 5880).
        graceful_restart: seconds for which the routes of a peer that was killed are kept, because it may come back
            (RFC 4724).  0: they go at once.  Calico has 120.
        tunnel: an interface by which the peers' pods are reached, such as ``tunl0``; ``""`` for none.

    Raises:
        BadInput: a time that BIRD would not take, or a bfd that is not True or False.
    """

    hold_time: int = 240
    bfd: bool = False
    graceful_restart: int = 0
    tunnel: str = ""

    def __post_init__(self) -> None:
        for what, value, shortest in (
            ("hold_time", self.hold_time, _SHORTEST_HOLD),
            ("graceful_restart", self.graceful_restart, 0),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not shortest <= value <= _LONGEST_HOLD:
                raise BadInput(
                    f"A {what} of {value!r} seconds is not possible.",
                    f"Use a whole number from {shortest} to {_LONGEST_HOLD}.",
                )
        if not isinstance(self.bfd, bool):
            raise BadInput(f"bfd={self.bfd!r} says neither yes nor no.", "Write bfd=True or bfd=False.")

    def main(self, address: str, block: str, mesh_file: str, log_file: str) -> str:
        """The file that BIRD reads: everything but the neighbours.

        Args:
            address: the node's own.
            block: its pods'.
        """
        restart = f"graceful restart; graceful restart time {self.graceful_restart};" if self.graceful_restart else ""
        return _MAIN.format(
            address=address,
            block=block,
            mesh_file=mesh_file,
            log_file=log_file,
            as_number=AS_NUMBER,
            bfd=_BFD if self.bfd else "",
            bfd_on=" bfd on;" if self.bfd else "",
            graceful=f"\n  {restart}" if restart else "",
            kernel_graceful=" graceful restart;" if restart else "",
            hold_time=self.hold_time,
            igp=_IGP if self.tunnel else "",
            igp_table=" igp table tunnels;" if self.tunnel else "",
        )

    def mesh(self, address: str, peers: Iterable[str]) -> str:
        """The file with the neighbours: every other node of a full mesh, by address.

        Of two nodes the one with the higher address calls, so that they never call each other at once.
        """
        ordered = sorted(peers, key=IPv4Address)
        lines = [self._neighbour(address, peer) for peer in ordered]
        if self.tunnel and ordered:
            ways = "".join(f"  route {peer}/32 via {peer}%{self.tunnel} onlink;\n" for peer in ordered)
            lines.append(f"protocol static ways_by_tunnel {{\n  ipv4 {{ table tunnels; }};\n{ways}}}\n")
        return "".join(lines) or "# no other node\n"

    @staticmethod
    def _neighbour(address: str, peer: str) -> str:
        passive = " passive on;" if IPv4Address(peer) > IPv4Address(address) else ""
        return (
            f"protocol bgp {name_of(peer)} from bgp_template {{\n"
            f"  neighbor {peer} as {AS_NUMBER};\n  source address {address};{passive}\n}}\n"
        )


def name_of(peer: str) -> str:
    """What the session with a peer is called: ``Mesh_192_168_1_11``."""
    return f"Mesh_{peer.replace('.', '_')}"


_BFD = """
protocol bfd {
  interface "*" { interval 200 ms; multiplier 3; };
  multihop { interval 200 ms; multiplier 3; };
}
"""

# Calico's own BIRD has krt_tunnel for this.  In any other, a next hop is looked up in a table where it is behind tunl0.
_IGP = """
ipv4 table tunnels;
"""

_MAIN = """\
log "{log_file}" {{ info, remote, warning, error, auth, fatal, bug }};
router id {address};

# The block of this node's pods; what nobody has of it goes nowhere.
protocol static {{
  ipv4;
  route {block} blackhole;
}}

# Other nodes are told of the block, and of nothing else.
filter calico_export_to_bgp_peers {{
  if net = {block} then accept;
  reject;
}}

# The kernel is told of the other nodes' blocks, and of the own one.
filter calico_kernel_programming {{
  if source ~ [ RTS_BGP, RTS_STATIC ] then accept;
  reject;
}}

protocol kernel {{
  scan time 2;{kernel_graceful}
  ipv4 {{ import none; export filter calico_kernel_programming; }};
}}

protocol device {{
  scan time 2;
}}

protocol direct {{
  ipv4;
  interface -"cali*", -"veth*", -"tunl0", "*";
}}
{bfd}{igp}
template bgp bgp_template {{
  local {address} as {as_number};
  multihop;{bfd_on}{graceful}
  hold time {hold_time};
  connect delay time 1;
  connect retry time 5;
  error wait time 5, 30;
  ipv4 {{{igp_table}
    import all;
    export filter calico_export_to_bgp_peers;
    gateway recursive;
    next hop self;
  }};
}}

include "{mesh_file}";
"""
