"""A switch or a tunnel that does not know where to send it."""

from __future__ import annotations

from labhelpers.linux.fdb import EVERYBODY
from labhelpers.trace.evidence import Evidence
from labhelpers.trace.hop import Hop, Why
from labhelpers.trace.reasons.down import switched_off
from labhelpers.trace.reasons.unanswered import isolated

__all__ = ["bridge", "not_plugged_in", "tunnel"]


def tunnel(evidence: Evidence) -> Why | None:
    """It went into a tunnel's interface and did not come out as the tunnel's packet."""
    last = evidence.last
    if last is None or last.direction != "out" or evidence.map.kinds.get((last.namespace, last.device)) != "vxlan":
        return None
    here, device = last.namespace, last.device
    ethernet = last.header("Ethernet")
    state = evidence.map.states[here]
    known = {entry.mac: entry.destination for entry in state.fdb if entry.device == device and entry.destination}
    counted = evidence.grew(here, f"{device}.tx_drop", f"{device}.tx_errs", f"{device}.tx_carrier")
    if ethernet is None:
        return None
    mac, how = ethernet["destination"], f"`bridge -n {here} fdb show dev {device}` shows those it has."
    if not {mac, EVERYBODY} & known.keys():
        words = f"{here} does not know behind which node {mac} is: {device} has no FDB entry for it."
        return Why(words, "fdb", last.place, counted, how)
    remote = known.get(mac, "")
    if remote and remote not in evidence.map.addresses:
        words = f"{device} of {here} has {mac} noted behind {remote}, and no interface of the lab has that address."
        said = (
            (f"{here} asked on {asked} who has {remote}, and nobody answered",)
            if (asked := evidence.no_answer_from(here, remote))
            else ()
        )
        return Why(words, "fdb", last.place, (*said, *counted), how)
    return None


def bridge(evidence: Evidence) -> Why | None:
    """It is in a switch, and no port was the right one."""
    last = evidence.last
    if last is None:
        return None
    here = last.namespace
    if last.direction != "out":
        bridge = evidence.map.masters.get((here, last.device))
    else:  # the node itself sent it into its switch
        bridge = last.device if evidence.map.kinds.get((here, last.device)) == "bridge" else None
    if bridge is None:
        return None
    switch = evidence.link(here, bridge)
    if switch and not switch.up:
        return Why(f"{here}/{bridge} is down.", "down", f"{here}/{bridge}", (), f"`ip -n {here} link set {bridge} up`.")
    ethernet = last.header("Ethernet")
    mac = ethernet["destination"] if ethernet else ""
    noted = [one.device for one in evidence.map.states[here].fdb if (one.mac, one.master) == (mac, bridge)]
    if noted == [last.device]:
        return Why(
            f"The switch {here}/{bridge} has {mac} noted behind {last.device}, where the packet came in, and sends "
            "nothing back there.",
            "fdb", last.place, (), f"`bridge -n {here} fdb show br {bridge}` shows what it has noted.",
        )  # fmt: skip
    if elsewhere := _behind_another_port(evidence, last, bridge, mac, noted):
        return elsewhere
    if mac not in evidence.map.macs:
        return Why(
            f"No interface that the switch {here}/{bridge} reaches has the MAC address {mac}.", "mac", last.place,
            ("the switch sent it to every port, and nobody took it",),
            "The neighbour entry of the sender is wrong, or its owner is gone.",
        )  # fmt: skip
    owner = evidence.map.macs[mac].split("/")[0]
    for port in evidence.map.states[here].links:
        peer = evidence.map.peers.get((here, port.name))
        if port.master == bridge and peer and peer[0] == owner:
            if off := switched_off(evidence, here, port.name):
                return off
            if dict(port.details).get("isolated") == "on":
                return isolated((here, last.device), port.name, last.place)
            if far := evidence.link(*peer):
                if last.length - 14 > min(far.mtu, port.mtu) and not _is_cut_later(evidence, last):
                    return Why(
                        f"The packet has {last.length - 14} bytes, and {here}/{port.name} sends at most "
                        f"{min(far.mtu, port.mtu)}: a switch does not cut packets.",
                        "mtu", last.place, (), "All interfaces of one network need the same MTU.",
                    )  # fmt: skip
                if not far.up:
                    return Why(f"{'/'.join(peer)} is down.", "down", f"{here}/{port.name}")
    return None


def not_plugged_in(evidence: Evidence) -> Why | None:
    """It came to an interface that has another MAC address, and is no port of a switch that would send it on."""
    last = evidence.last
    ethernet = last.header("Ethernet") if last else None
    if last is None or ethernet is None or last.direction != "other host":
        return None
    link = evidence.link(last.namespace, last.device)
    if link is None or link.master:
        return None
    return Why(
        f"{last.place} is no port of a bridge, and takes only what is for its own MAC address, {link.mac}. The packet "
        f"is for {ethernet['destination']}.",
        "mac", last.place, (), f"`bridge -n {last.namespace} link` shows which interfaces are ports.",
    )  # fmt: skip


def _behind_another_port(evidence: Evidence, last: Hop, bridge: str, mac: str, noted: list[str]) -> Why | None:
    """The switch has it noted behind one port, and the cable of another leads to it."""
    here = last.namespace
    namespace, _, device = evidence.map.macs.get(mac, "").partition("/")
    right = evidence.map.peers.get((namespace, device))
    if not noted or right is None or right[0] != here or right[1] in noted:
        return None
    if evidence.map.masters.get(right) != bridge:
        return None
    return Why(
        f"The switch {here}/{bridge} has {mac} noted behind {noted[0]}. "
        f"{namespace}/{device}, whose address that is, is behind {right[1]}.",
        "fdb", last.place, (), f"`bridge -n {here} fdb show br {bridge}` shows what it has noted.",
    )  # fmt: skip


def _is_cut_later(evidence: Evidence, last: Hop) -> bool:
    """TCP hands the kernel more than an interface takes, and it is cut at the end: a switch lets that pass."""
    sender = evidence.link(evidence.source, next((hop.device for hop in evidence.hops), ""))
    return last.header("TCP") is not None and sender is not None and last.length - 14 > sender.mtu
