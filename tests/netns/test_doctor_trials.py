"""Each answer of ``doctor()`` is the answer of another program that tries the same thing in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labhelpers.doctor import doctor
from labhelpers.doctor.features import FEATURES
from labhelpers.doctor.probe import Program
from labhelpers.doctor.programs import PROGRAMS
from labhelpers.doctor.report import Report
from labhelpers.doctor.verdict import WORKS

NFT = ["unshare", "--net", "nft"]
IN_NET = ["unshare", "--net", "sh", "-ec"]
LO = "ip link set lo up; "
# what `ip link add NAME … type KIND` is told beside the kind
OPTIONS = {
    "bridge": "",
    "dummy": "",
    "geneve": "id 7 remote 192.0.2.7",
    "gre": "local 192.0.2.7 remote 192.0.2.8",
    "ipip": "local 192.0.2.7 remote 192.0.2.8",
    "netkit": "",
    "veth": "",
    "vrf": "table 7",
    "vxlan": "id 7 dstport 4789",
    "wireguard": "",
}
STACKED = {"ipvlan": "mode l2", "macvlan": "mode private", "vlan": "id 7"}
TRY = {
    "user-namespaces": ["unshare", "--user", "--map-root-user", "--root=/", "true"],
    "namespaces": ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true"],
    "mounts": ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "none", "/mnt"],
    "overlay": [
        "unshare", "--mount", "sh", "-ec",
        "mount -t tmpfs none /mnt; cd /mnt; mkdir low up work all;"
        "mount -t overlay none all -o lowerdir=low,upperdir=up,workdir=work,userxattr; touch all/file; test -e up/file",
    ],
    "tun": ["unshare", "--net", "ip", "tuntap", "add", "mytun", "mode", "tun"],
    "ping": [*IN_NET, LO + "ping -c 1 -W 2 127.0.0.1"],
    "packet-sockets": [
        *IN_NET,
        LO + "ping -i 0.2 -c 40 127.0.0.1 >/dev/null & status=0;"
        "timeout 6 tcpdump -n -i lo -c 1 || status=$?; kill $!; wait $! || true; exit $status",
    ],
    "raw-sockets": [sys.executable, "-ISc", "from socket import *; socket(AF_INET, SOCK_RAW, 47)"],
    "forwarding": ["unshare", "--net", "sysctl", "-qw", "net.ipv4.ip_forward=1"],
    "ipv6": [*IN_NET, LO + "ping -6 -c 1 -W 2 ::1"],
    "nft-tables": [*NFT, "table inet t { chain c { type filter hook output priority 0; accept; }; }"],
    "nft-nat": [*NFT, "table ip t { chain c { type nat hook postrouting priority 0; masquerade; }; }"],
    "nft-trace": [*NFT, "table ip t { chain c { meta nftrace set 1; }; }"],
    "nft-log": [*NFT, "table inet t { chain c { type filter hook input priority 0; log group 7; }; }"],
    "nft-tproxy": [
        *NFT,
        "table ip t { chain c { type filter hook prerouting priority -150; tcp dport 80 tproxy to :7; }; }",
    ],
    "nft-netdev": [
        *NFT,
        "table netdev t { chain c { type filter hook ingress device lo priority 0; accept; }; }",
    ],
    "nft-bridge": [*NFT, "table bridge t { chain c { type filter hook forward priority 0; accept; }; }"],
    "bridge-isolation": [
        *IN_NET,
        "ip link add sw type bridge; ip link add port type veth peer far; ip link set port master sw;"
        "bridge link set dev port isolated on; bridge -json -details link show dev port | grep -q '\"isolated\":true'",
    ],
    "br-netfilter": ["unshare", "--net", "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"],
    "clsact": ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "clsact"],
    "tracepoints": ["unshare", "--mount", "sh", "-ec", "mount -t tracefs none /mnt; cat /mnt/events/skb/kfree_skb/id"],
    **{kind: [*IN_NET, f"ip link add one type {kind} {options}"] for kind, options in OPTIONS.items()},
    **{
        kind: [*IN_NET, f"ip link add low type veth; ip link add one link low type {kind} {options}"]
        for kind, options in STACKED.items()
    },
}  # fmt: skip
# no program that loads eBPF is among the tests' packages; the kernel's own rule says who may
BPF = {"bpf", "raw-tracepoints"}


@pytest.fixture(scope="module")
def report() -> Report:
    return doctor()


def real_root() -> bool:
    """Root with its capabilities, and in no user namespace but the machine's first."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    may = int(status["CapEff"], 16) >> 21 & 1  # CAP_SYS_ADMIN
    return bool(may) and Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def test_every_feature_of_the_kernel_is_tried_by_another_program_too() -> None:
    assert {feature.id for feature in FEATURES} == TRY.keys() | BPF
    assert not TRY.keys() & BPF


@pytest.mark.parametrize("id", sorted(TRY))
def test_a_feature_works_exactly_if_another_program_can_use_it(report: Report, id: str) -> None:
    tried = subprocess.run(TRY[id], capture_output=True, text=True)
    assert (report[id].status == WORKS) == (tried.returncode == 0), f"{report[id]}\n{tried}"


@pytest.mark.parametrize("id", sorted(BPF))
def test_ebpf_is_for_those_whom_the_kernel_lets(report: Report, id: str) -> None:
    everybody = Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip() == "0"
    assert (report[id].status == WORKS) == (real_root() or (everybody and id == "bpf"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_a_program_is_there_exactly_if_a_shell_finds_it(report: Report, program: Program) -> None:
    files = program.files or (program.id,)
    tests = [
        " || ".join(f"test -x {folder}/{file}" for folder in program.folders) or f"command -v {file}" for file in files
    ]
    found = [subprocess.run(["sh", "-c", test], capture_output=True).returncode == 0 for test in tests]
    assert (report[program.id].status == WORKS) == all(found)
