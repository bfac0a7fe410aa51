"""What can be typed after ``minikube``."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from labhelpers.errors import BadInput

__all__ = ["ADDONS", "IGNORED", "PROFILE", "Parser", "is_not_here", "parser"]

PROFILE = "minikube"
ADDONS = {"dns": "answers the names of services and pods"}
#: options of ``start`` about the machine, which is there already
IGNORED = ("driver", "memory", "cpus", "container-runtime", "kubernetes-version", "disk-size", "network-plugin")
_NOT_HERE = (
    *("cache", "config", "cp", "dashboard", "docker-env", "image", "logs", "mount", "pause", "podman-env"),
    *("profile", "service", "ssh-key", "stop", "tunnel", "unpause", "update-check", "update-context"),
)


class Parser(argparse.ArgumentParser):
    """Raises ``BadInput`` where argparse would print and exit."""

    def error(self, message: str) -> NoReturn:
        """What was typed cannot be."""
        if match := re.match(r"argument COMMAND: invalid choice: '(.*?)'", message):
            raise BadInput(f'unknown command "{match[1]}" for "{self.prog}".', f"See `{self.prog} --help`.")
        raise BadInput(f"{message[:1].upper()}{message[1:]}.", f"See `{self.prog} --help`.")


def parser() -> Parser:
    """The commands and their options."""
    everywhere = Parser(add_help=False)
    everywhere.add_argument("-p", "--profile", default=argparse.SUPPRESS, help="there is one, minikube")
    top = Parser(
        prog="minikube", description="minikube's commands for the cluster of this sandbox.", parents=[everywhere]
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    start = commands.add_parser("start", parents=[everywhere], help="make a cluster")
    start.add_argument("-n", "--nodes", type=int, default=1, help="how many nodes (default 1)")
    start.add_argument(
        "--cni", default="auto", help="how pods are connected: bridge, flannel, calico, canal, cilium, false"
    )
    start.add_argument("--addons", action="append", choices=list(ADDONS), metavar="NAME", help="as addons enable")
    for name in IGNORED:
        start.add_argument(f"--{name}", help="taken and ignored: no machine is made here")
    addons = commands.add_parser("addons", parents=[everywhere], help="the cluster's DNS: minikube addons enable dns")
    addons.add_argument("what", choices=["list", "enable", "disable"])
    addons.add_argument("name", nargs="?", choices=list(ADDONS), metavar="NAME", help="dns")
    ssh = commands.add_parser("ssh", parents=[everywhere], help="a shell on a node, or a command there")
    ssh.add_argument("-n", "--node", default="", help="which node (default: the first)")
    ssh.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND")
    commands.add_parser("status", parents=[everywhere], help="whether it runs")
    delete = commands.add_parser("delete", parents=[everywhere], help="remove the cluster and its nodes")
    delete.add_argument("--all", action="store_true", help="the same, as there is one cluster")
    delete.add_argument("--purge", action="store_true", help="the same, as nothing is kept on disk")
    ip = commands.add_parser("ip", parents=[everywhere], help="a node's address")
    ip.add_argument("-n", "--node", default="", help="which node (default: the first)")
    kubectl = commands.add_parser("kubectl", help="the kubectl of this machine")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENTS")
    node = commands.add_parser("node", parents=[everywhere], help="the nodes: minikube node list")
    node.add_argument("what", choices=["list"])
    commands.add_parser("version", parents=[everywhere], help="what this is")
    for name in _NOT_HERE:
        commands.add_parser(name, add_help=False).add_argument("rest", nargs=argparse.REMAINDER)
    return top


def is_not_here(command: str) -> bool:
    """Is it a command that minikube has and this has not?"""
    return command in _NOT_HERE
