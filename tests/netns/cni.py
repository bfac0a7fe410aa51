"""Networks for CNI, and what the kernel and the disk of a node say about them, asked by programs of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from labhelpers.lab import Node

__all__ = [
    "PAIRS",
    "VERSION",
    "addresses",
    "cables",
    "inside",
    "leases",
    "links",
    "names",
    "network",
    "on_node",
    "plugin",
    "results",
    "routes",
]

#: main plugin and IPAM plugin: the course's own, the reference ones, and either with the other's
PAIRS = {
    "our bridge": ("lab-bridge", "lab-host-local"),
    "their bridge": ("bridge", "host-local"),
    "our bridge, their IPAM": ("lab-bridge", "host-local"),
    "their bridge, our IPAM": ("bridge", "lab-host-local"),
    "our ptp": ("lab-ptp", "lab-host-local"),
    "their ptp": ("ptp", "host-local"),
    "our ptp, their IPAM": ("lab-ptp", "host-local"),
    "their ptp, our IPAM": ("ptp", "lab-host-local"),
}
#: the newest version that the reference plugins of Debian 12 speak
VERSION = "1.0.0"


def plugin(main: str = "lab-bridge", ipam: str = "lab-host-local", *subnets: str, **options: Any) -> dict[str, Any]:
    """The configuration of a main plugin with its IPAM plugin; one range for each subnet."""
    is_bridge = {"bridge": "cni0", "isGateway": True} if main.endswith("bridge") else {}
    everywhere = {4: "0.0.0.0/0", 6: "::/0"}
    subnets = subnets or ("10.0.1.0/24",)
    routes = [{"dst": everywhere[6 if ":" in subnet else 4]} for subnet in subnets]
    ranges = [[{"subnet": subnet}] for subnet in subnets]
    return {"type": main, **is_bridge, "ipam": {"type": ipam, "ranges": ranges, "routes": routes}, **options}


def network(*plugins: dict[str, Any], version: str = VERSION, name: str = "pods", **fields: Any) -> dict[str, Any]:
    """A configuration list."""
    return {"cniVersion": version, "name": name, "plugins": list(plugins or [plugin()]), **fields}


def on_node(node: Node, *command: str) -> str:
    """What a program prints that is started in the node's namespaces; it must end well."""
    enter = ["nsenter", "-t", str(node.pid), "-n", "-m", "-u", "--"]
    done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def inside(node: Node, container: str, *command: str) -> str:
    """The same in a container's namespace, by the name that it has on the node."""
    return on_node(node, "ip", "netns", "exec", f"cni-{container}", *command)


def links(node: Node, container: str = "") -> dict[str, Any]:
    """``ip address`` in the container, or on the node, by interface name."""
    where = ["-n", f"cni-{container}"] if container else []
    found = json.loads(on_node(node, "ip", *where, "-json", "-details", "address"))
    return {one["ifname"]: one for one in found}


def addresses(node: Node, container: str, ifname: str = "eth0") -> list[str]:
    """The addresses that somebody gave to an interface."""
    found = links(node, container)[ifname]["addr_info"]
    return [f"{one['local']}/{one['prefixlen']}" for one in found if one["scope"] == "global"]


def routes(node: Node, container: str = "", family: str = "-4") -> list[tuple[str, str, str]]:
    """Destination, router and interface of each route of the main table."""
    where = ["-n", f"cni-{container}"] if container else []
    found = json.loads(on_node(node, "ip", *where, family, "-json", "route") or "[]")
    return [(one["dst"], one.get("gateway", ""), one["dev"]) for one in found]


def cables(node: Node) -> set[str]:
    """The node's ends of cables to containers."""
    return {name for name, one in links(node).items() if _kind(one) == "veth" and name != "eth0"}


def _kind(link: dict[str, Any]) -> str:
    return str(link.get("linkinfo", {}).get("info_kind", ""))


def names(node: Node) -> list[str]:
    """``ip netns list`` on the node."""
    return sorted(line.split()[0] for line in on_node(node, "ip", "netns", "list").splitlines())


def leases(node: Node, network: str = "pods") -> dict[str, str]:
    """Which addresses are noted, and for whom: container and interface."""
    folder = Path(f"{node.root}/var/lib/cni/networks/{network}")
    files = [path for path in sorted(folder.glob("*")) if not path.name.startswith(("last_", "lock"))]
    return {path.name: " ".join(path.read_text().split()) for path in files}


def results(node: Node) -> list[str]:
    """The names of the kept results."""
    return sorted(path.name for path in Path(f"{node.root}/var/lib/cni/results").glob("*"))
