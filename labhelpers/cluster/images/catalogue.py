"""What can be assembled, and for which images it may stand.

An image's name and tag promise a certain version from a certain publisher.  What is put together here is another: the
program that the machine has.  So each time it is said which program of which package stands for what was asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["CATALOGUE", "Command", "Recipe", "find"]

_LOG_FOLDER = "/var/log/nginx"
_NGINX = """\
user  nginx;
worker_processes  1;

error_log  /var/log/nginx/error.log notice;
pid        /run/nginx.pid;

events {
    worker_connections  256;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;

    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';

    access_log  /var/log/nginx/access.log  main;
    sendfile        on;
    keepalive_timeout  65;
    include /etc/nginx/conf.d/*.conf;
}
"""
_NGINX_DEFAULT = """\
server {
    listen       80;
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }
}
"""
_IPROUTE = ("iproute2",)
_ENTRYPOINT = '#!/bin/sh\nexec "$@"\n'


class Command(NamedTuple):
    """What an image starts: ``ENTRYPOINT`` and ``CMD`` of its Dockerfile."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How to put a root file system together, and what runs in it."""

    name: str
    #: repositories it stands for, as people write them, and what each starts
    stands_for: Mapping[str, Command]
    #: programs without which it is nothing, each with the packages that have it, the usual one first
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: programs that are taken along where they are installed, likewise
    takes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: copied from the machine if they are there
    copies: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    #: the signal that asks it to end
    stop_signal: str = "SIGTERM"
    #: no root file system of its own: it runs in that of its node, as the agent of a network
    in_node: bool = False


def _each(command: Command, *repositories: str) -> dict[str, Command]:
    return dict.fromkeys(repositories, command)


_BUSYBOX = Recipe(
    "busybox",
    {
        **_each(
            Command((), ("sh",)),
            "busybox",
            "gcr.io/google-containers/busybox",
            "registry.k8s.io/e2e-test-images/busybox",
        ),
        **_each(Command((), ("/bin/sh",)), "alpine"),
    },
)
_NGINX_RECIPE = Recipe(
    "nginx",
    {"nginx": Command(("/docker-entrypoint.sh",), ("nginx", "-g", "daemon off;"))},
    needs={"nginx": ("nginx-light", "nginx-core", "nginx-full", "nginx-extras", "nginx")},
    copies=("/etc/nginx/mime.types", "/usr/share/nginx/html/index.html"),
    files={
        "/docker-entrypoint.sh": _ENTRYPOINT,
        "/etc/nginx/nginx.conf": _NGINX,
        "/etc/nginx/conf.d/default.conf": _NGINX_DEFAULT,
    },
    folders=(_LOG_FOLDER, "/var/lib/nginx"),
    links={f"{_LOG_FOLDER}/access.log": "/dev/stdout", f"{_LOG_FOLDER}/error.log": "/dev/stderr"},
    users=("nginx:x:101:101:nginx:/nonexistent:/bin/false",),
    stop_signal="SIGQUIT",
)
_TOOLBOX = Recipe(
    "toolbox",
    {
        **_each(Command((), ("bash",)), "nicolaka/netshoot", "praqma/network-multitool", "wbitt/network-multitool"),
        "curlimages/curl": Command(("curl",), ()),
        "networkstatic/iperf3": Command(("iperf3",), ()),
    },
    needs={"bash": ("bash",), "ip": _IPROUTE},
    takes={
        "arping": ("arping", "iputils-arping"),
        "bridge": _IPROUTE,
        "curl": ("curl",),
        "dig": ("bind9-dnsutils", "dnsutils"),
        "ethtool": ("ethtool",),
        "host": ("bind9-host",),
        "iperf3": ("iperf3",),
        "mtr": ("mtr-tiny", "mtr"),
        "nc.openbsd": ("netcat-openbsd",),
        "nft": ("nftables",),
        "nslookup": ("bind9-dnsutils", "dnsutils"),
        "ping": ("iputils-ping",),
        "socat": ("socat",),
        "ss": _IPROUTE,
        "tc": _IPROUTE,
        "tcpdump": ("tcpdump",),
        "tracepath": ("iputils-tracepath",),
        "wg": ("wireguard-tools",),
    },
    users=("tcpdump:x:102:102::/nonexistent:/bin/false",),
    links={"/bin/sh": "/usr/bin/bash"},
)
_PAUSE = Recipe(
    "pause",
    _each(Command((), ("sleep", "2147483647")), "registry.k8s.io/pause", "k8s.gcr.io/pause"),
)

_DNSMASQ = Recipe(
    "dnsmasq",
    {"andyshinn/dnsmasq": Command(("dnsmasq", "-k"), ())},
    needs={"dnsmasq": ("dnsmasq-base",)},
)

_AGENT = Recipe(
    "node-agent",
    _each(
        Command((sys.executable, "-I", "-m", "labhelpers.cluster.agent"), ()),
        "calico/node",
        "flannel/flannel",
        "quay.io/cilium/cilium",
        "weaveworks/weave-kube",
    ),
    in_node=True,
)

CATALOGUE = (_BUSYBOX, _NGINX_RECIPE, _TOOLBOX, _PAUSE, _DNSMASQ, _AGENT)


def find(repository: str) -> Recipe | None:
    """The recipe that stands for a repository, by the name that people write."""
    return next((recipe for recipe in CATALOGUE if repository in recipe.stands_for), None)
