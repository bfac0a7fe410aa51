"""The rules that tell of flows: a table of its own on a node, before and behind all others that forwarded packets meet.

The first packet of a conversation is logged when it comes to the node's firewall and when it has passed it: what came
and did not pass was dropped between.  In between it is traced, so that it is known which rules let it through; that
costs more, and is done for some packets a second only.  The packets that follow meet three matches that do not match.

TCP begins with SYN.  UDP and ICMP have no beginning, so that those that passed are remembered for a while.
"""

from __future__ import annotations

__all__ = ["BEGINS", "ENDS", "TRACED_A_SECOND", "rules"]

BEGINS, ENDS = "begins", "ends"
TRACED_A_SECOND = 300
_REMEMBERED = 30  # seconds
#: before those that change addresses back, and behind all that may drop
_FIRST, _LAST = -150, 300
_UDP = "ip saddr . ip daddr . udp sport . udp dport"
_BACK = "ip daddr . ip saddr . udp dport . udp sport"
_ECHO = "ip saddr . ip daddr . icmp id"
_SYN = "tcp flags & (syn | ack) == syn"


def rules(family: str, name: str, group: int) -> str:
    """The table in the language of nft.  It belongs to whoever loads it.

    Args:
        family: ``ip`` for what a node routes, ``bridge`` for what its bridges pass from port to port.
        group: the log group that is told.
    """
    log = f"log group {group} snaplen 64 prefix"
    known = f"flags dynamic,timeout; timeout {_REMEMBERED}s; size 65535;"
    return f"""table {family} {name} {{
  flags owner;
  set known_udp {{ typeof {_UDP}; {known} }}
  set known_echo {{ typeof {_ECHO}; {known} }}
  chain begin {{
    {log} "{family} {BEGINS}"
    limit rate {TRACED_A_SECOND}/second burst {TRACED_A_SECOND} packets meta nftrace set 1
  }}
  chain end {{
    {log} "{family} {ENDS}"
  }}
  chain before {{
    type filter hook forward priority {_FIRST}; policy accept;
    {_SYN} goto begin
    {_UDP} @known_udp accept
    {_BACK} @known_udp accept
    meta l4proto udp goto begin
    icmp type echo-request {_ECHO} @known_echo accept
    icmp type echo-request goto begin
  }}
  chain after {{
    type filter hook forward priority {_LAST}; policy accept;
    meta nftrace set 0
    {_SYN} goto end
    {_UDP} @known_udp update @known_udp {{ {_UDP} }} accept
    {_BACK} @known_udp accept
    meta l4proto udp add @known_udp {{ {_UDP} }} goto end
    icmp type echo-request {_ECHO} @known_echo accept
    icmp type echo-request add @known_echo {{ {_ECHO} }} goto end
  }}
}}"""
