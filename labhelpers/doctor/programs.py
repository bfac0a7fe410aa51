"""What the course needs installed.  Files are looked up; no program is started."""

from __future__ import annotations

import os
import shutil

from labhelpers.doctor.probe import Instead, Outcome, Program, chapters

__all__ = ["PROGRAMS", "look_up"]

_ALL = chapters("00-11")

PROGRAMS = (
    Program(id="ip", what="ip: interfaces, addresses, routes", chapters=_ALL, package="iproute2"),
    Program(
        id="bridge-program",
        what="bridge: ports and learned MAC addresses",
        chapters=chapters("02", "06", "09", "11"),
        package="iproute2",
        files=("bridge",),
    ),
    Program(id="ss", what="ss: who listens on which port", chapters=chapters("01", "11"), package="iproute2"),
    Program(
        id="nft", what="nft: firewall rules and NAT", chapters=chapters("01", "03", "06-08", "11"), package="nftables"
    ),
    Program(
        id="iptables",
        what="iptables: with it CNI plugins write rules",
        chapters=chapters("04"),
        package="iptables",
    ),
    Program(id="ping-program", what="ping", chapters=chapters("02", "11"), package="iputils-ping", files=("ping",)),
    Program(
        id="nsenter",
        what="nsenter: into a namespace by process",
        chapters=chapters("01", "09-10"),
        package="util-linux",
    ),
    Program(
        id="tcpdump",
        what="tcpdump: packets, beside the notebook",
        chapters=chapters("02-03", "06"),
        package="tcpdump",
        instead=Instead("the course's own captures", ("packet-sockets",)),
    ),
    Program(
        id="sysctl",
        what="sysctl: settings of a namespace",
        chapters=chapters("01-03", "06", "11"),
        package="procps",
        instead=Instead("the files below /proc/sys"),
    ),
    Program(
        id="openssl",
        what="openssl: the API server's certificate",
        chapters=chapters("05", "08-11"),
        package="openssl",
    ),
    Program(id="kubectl", what="kubectl", chapters=chapters("05", "08-11"), package="kubernetes-client"),
    Program(
        id="cni-plugins",
        what="CNI plugins: the reference ones",
        chapters=chapters("04"),
        package="containernetworking-plugins",
        files=("bridge", "ptp", "host-local", "loopback", "portmap", "bandwidth", "tuning", "firewall"),
        folders=("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"),
    ),
    Program(id="bird", what="BIRD: speaks BGP", chapters=chapters("06-07", "09", "11"), package="bird2"),
    Program(id="nginx", what="nginx: a web server in pods", chapters=chapters("05", "08-11"), package="nginx-light"),
    Program(
        id="busybox",
        what="busybox: a small system in pods",
        chapters=chapters("05", "08-11"),
        package="busybox-static",
    ),
    Program(id="dnsmasq", what="dnsmasq: answers names", chapters=chapters("08-09", "11"), package="dnsmasq-base"),
    Program(id="iperf3", what="iperf3: measures throughput", chapters=chapters("06-07"), package="iperf3"),
    Program(
        id="wireguard-go",
        what="wireguard-go: WireGuard in user space",
        chapters=chapters("06-07", "11"),
        parts=(("11", ""),),
        package="wireguard-go",
        instead=Instead("the kernel's own WireGuard", ("wireguard",)),
    ),
    Program(id="wg", what="wg: shows WireGuard", chapters=chapters("06", "11"), package="wireguard-tools"),
)


def look_up(program: Program, path: str) -> Outcome:
    """Change nothing: are all files of a program there, and may we run them?

    Args:
        path: folders to look in, as in the environment variable PATH.

    Shell: ``command -v PROGRAM``.
    """
    files = program.files or (program.id,)
    # plugins have names such as "bridge" and "host-local": only their own folders count
    where = os.pathsep.join(program.folders) or path
    missing = [file for file in files if shutil.which(file, path=where) is None]
    if not missing:
        return Outcome(True)
    if program.folders and len(missing) < len(files):
        return Outcome(False, f"not among them: {', '.join(missing)}")
    return Outcome(False, f"not in {where}")
