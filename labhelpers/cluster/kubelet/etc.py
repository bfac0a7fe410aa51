"""The three files of /etc that a kubelet writes for a pod: hosts, hostname, resolv.conf.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kubelet_pods.go (``managedHostsFileContent``)
and ``pkg/kubelet/network/dns/dns.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["hostname_of", "hosts", "resolv_conf"]

_LOCAL = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)
_LONGEST_HOSTNAME = 63
_DOMAIN = "cluster.local"


def hostname_of(pod: Mapping[str, Any]) -> str:
    """A pod's host name: what its spec says, or its own name, cut to what a host name may be long."""
    name = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return str(name)[:_LONGEST_HOSTNAME].rstrip("-.")


def hosts(pod: Mapping[str, Any], address: str, nodes_own: str) -> str:
    """/etc/hosts.  A pod on the node's network gets the node's, ``nodes_own``."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        text = f"# Kubernetes-managed hosts file (host network).\n{nodes_own.rstrip()}\n"
    else:
        lines = ["# Kubernetes-managed hosts file.", *_LOCAL, f"{address}\t{_names(pod)}"]
        text = "\n".join(lines) + "\n"
    aliases = ["\t".join((one["ip"], *(one.get("hostnames") or ()))) for one in spec.get("hostAliases") or ()]
    if aliases:
        text += "\n# Entries added by HostAliases.\n" + "\n".join(aliases) + "\n"
    return text


def _names(pod: Mapping[str, Any]) -> str:
    name = hostname_of(pod)
    if subdomain := pod["spec"].get("subdomain"):
        return f"{name}.{subdomain}.{pod['metadata']['namespace']}.svc.{_DOMAIN}\t{name}"
    return name


def resolv_conf(pod: Mapping[str, Any], servers: Sequence[str], nodes_own: str) -> str:
    """/etc/resolv.conf after the pod's ``dnsPolicy``.

    Args:
        servers: the cluster's name servers; without one, a pod that wants them gets the node's file too.
        nodes_own: the node's file.
    """
    spec = pod["spec"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    config = spec.get("dnsConfig") or {}
    from_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    search: list[str] = []
    options: dict[str, str] = {}
    if policy == "None":
        servers = ()
    elif from_cluster and servers:
        namespace = pod["metadata"]["namespace"]
        search = [f"{namespace}.svc.{_DOMAIN}", f"svc.{_DOMAIN}", _DOMAIN]
        options = {"ndots": "5"}
    else:
        return nodes_own
    servers = list(dict.fromkeys((*servers, *(config.get("nameservers") or ()))))
    search += [one for one in config.get("searches") or () if one not in search]
    options |= {one["name"]: one.get("value", "") for one in config.get("options") or ()}
    lines = [f"nameserver {server}" for server in servers]
    if search:
        lines.insert(0, f"search {' '.join(search)}")
    if options:
        lines.append("options " + " ".join(f"{name}:{value}" if value else name for name, value in options.items()))
    return "\n".join(lines) + "\n"
