"""The picture in words and lines: for terminals, screen readers and comparing outputs."""

from __future__ import annotations

from labhelpers.views.parts import has_routing, role_words, routes
from labhelpers.views.plan import Jack, Plan, Room

__all__ = ["EMPTY", "describe"]

EMPTY = "no namespaces: the lab is empty"
_LAST = frozenset({"underlay", "host"})


def describe(plan: Plan) -> str:
    """One paragraph a namespace, pods below their node, one line an interface.

    ::

        node-1 (node)
          cni0  10.0.1.1/24  bridge of veth-pod-a
          eth0  192.168.1.10/24  — underlay/node-1
          veth-pod-a  port of cni0  — pod-a/eth0
          routes: 10.0.1.0/24 dev cni0; default via 192.168.1.1
          pod-a (pod)
            eth0  10.0.1.10/24  — node-1/veth-pod-a
    """
    outer = [room for room in plan.rooms if not (room.parent and room in room.parent.inside)]
    outer.sort(key=lambda room: (room.state.role in _LAST, not room.is_node))
    return "\n".join(line for room in outer for line in _paragraph(room, "")) or EMPTY


def _paragraph(room: Room, indent: str) -> list[str]:
    lines = [f"{indent}{room.id} ({role_words(room)})"]
    lines += [f"{indent}  " + "  ".join(part for part in _words(jack) if part) for jack in room.jacks]
    if has_routing(room):
        lines.append(f"{indent}  routes: {'; '.join(routes(room)) or 'none'}")
    return lines + [line for guest in room.inside for line in _paragraph(guest, f"{indent}  ")]


def _words(jack: Jack) -> tuple[str, ...]:
    link = jack.link
    ports = [one.link.name for one in jack.room.jacks if one.link.master == link.name] if jack.is_bridge else []
    return (
        link.name,
        jack.status,
        " ".join(link.addresses),
        link.kind if link.kind not in ("veth", "bridge", "loopback") else "",
        f"bridge of {', '.join(ports)}" if ports else "bridge without ports" if jack.is_bridge else "",
        f"port of {link.master}" if link.master else "",
        f"— {jack.peer.id}" if jack.peer else "— other end not found" if link.kind == "veth" else "",
    )
