"""What a cell finds in the sandbox: a world of its own in which the usual commands work."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.family import Chain, Family
from tests.sandbox.notebook import JupyterNotebook


@pytest.fixture(scope="module")
def inside(module_family: Family) -> Iterator[JupyterNotebook]:
    """One kernel for all; its PATH lacks /usr/sbin, as that of ordinary users does."""
    one = JupyterNotebook(environment={"PATH": "/usr/bin:/bin"})
    yield one
    one.end()


@pytest.fixture
def chain(inside: JupyterNotebook, module_family: Family) -> Chain:
    return module_family.chain(inside.supervisor)


@pytest.mark.parametrize("kind", ["user", "net", "mnt", "pid", "uts", "ipc"])
def test_it_has_a_namespace_of_its_own_of_each_kind(chain: Chain, kind: str) -> None:
    ours, theirs = (os.readlink(f"/proc/{pid}/ns/{kind}") for pid in ("self", chain.kernel))
    assert (ours == theirs) == (kind == "user" and os.geteuid() == 0), "root keeps its user namespace, for eBPF"


def test_every_thread_of_the_kernel_is_in_it(chain: Chain) -> None:
    threads = list(Path(f"/proc/{chain.kernel}/task").iterdir())
    assert len(threads) > 3
    assert len({os.readlink(thread / "ns/net") for thread in threads}) == 1


def test_it_sees_its_own_processes_only(inside: JupyterNotebook) -> None:
    lines = inside.printed("!ps -e -o pid=,args=").splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["1", "2"]
    assert all("labhelpers.sandbox" in line for line in lines[:2])
    assert len(lines) <= 4, lines


def test_it_has_no_handle_of_a_process_outside(chain: Chain) -> None:
    for pid in (chain.init, chain.kernel):
        handles = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        assert "anon_inode:[pidfd]" not in handles


def test_it_says_where_it_is(inside: JupyterNotebook, chain: Chain) -> None:
    cell = "import os\nprint(os.getpid(), *(os.environ[f'POD_NETWORKING_SANDBOX{x}'] for x in ('', '_PID', '_NOTES')))"
    assert inside.printed(cell) == f"2 1 {chain.init}"


def test_it_has_only_lo_which_is_up(inside: JupyterNotebook) -> None:
    (lo,) = json.loads(inside.printed("!ip -j link"))
    assert lo["ifname"] == "lo"
    assert "UP" in lo["flags"]
    assert inside.printed("!ls /sys/class/net") == "lo"
    assert inside.printed("!ping -c 1 127.0.0.1 >/dev/null && echo ok") == "ok"


def test_shell_lines_and_shell_cells_build_in_it(inside: JupyterNotebook) -> None:
    inside.printed("!ip netns add red")
    inside.printed("%%bash\nset -e\nip netns add blue\nip link add eth0 netns red type veth peer eth0 netns blue")
    assert {one["name"] for one in json.loads(inside.printed("!ip -j netns"))} == {"red", "blue"}
    for name, host in (("red", 1), ("blue", 2)):
        inside.printed(
            f"%%bash\nset -e\nip -n {name} addr add 10.0.0.{host}/24 dev eth0\nip -n {name} link set eth0 up"
        )
    assert inside.printed("!ip netns exec red ls /sys/class/net").split() == ["eth0", "lo"]
    assert " 0% packet loss" in inside.printed("!ip netns exec red ping -c 1 -w 5 10.0.0.2")
    inside.printed("%%bash\nip netns del red\nip netns del blue")
    assert inside.printed("!ls /run/netns") == ""


def test_settings_are_of_the_namespace_they_are_made_in(inside: JupyterNotebook) -> None:
    inside.printed("!ip netns add red")
    for change, expected in (("ip netns exec red", "0 1"), ("", "1 1")):
        inside.printed(f"!{change} sysctl -qw net.ipv4.ip_forward=1")
        here, there = (inside.printed(f"!{x} sysctl -n net.ipv4.ip_forward") for x in ("", "ip netns exec red"))
        assert f"{here} {there}" == expected
    inside.printed("!ip netns del red")


def test_the_firewall_is_its_own(inside: JupyterNotebook) -> None:
    assert inside.printed("!nft list ruleset") == ""
    inside.printed(
        "%%bash\nnft add table inet fence\nnft add chain inet fence in '{ type filter hook input priority 0; }'"
    )
    assert "hook input" in inside.printed("!nft list ruleset")
    inside.printed("!nft delete table inet fence")


def test_tcpdump_captures_although_it_wants_another_user(inside: JupyterNotebook, tmp_path: Path) -> None:
    cell = f"""%%bash
    tcpdump -i lo -c 2 -U -w {tmp_path}/packets icmp 2>{tmp_path}/said &
    until grep -q listening {tmp_path}/said; do sleep 0.05; kill -0 $! || exit 1; done
    ping -c 1 127.0.0.1 >/dev/null
    wait $!
    tcpdump -n -r {tmp_path}/packets 2>/dev/null"""
    printed = inside.printed(cell)
    assert "ICMP echo request" in printed
    assert "ICMP echo reply" in printed


def test_a_user_cannot_give_a_file_away_but_programs_that_try_go_on(inside: JupyterNotebook, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert inside.printed(f"!chown daemon:daemon {tmp_path}/mine && echo ok") == "ok"
    assert (tmp_path / "mine").stat().st_uid == (pwd.getpwnam("daemon").pw_uid if os.geteuid() == 0 else os.geteuid())
    assert "No such file" in inside.printed(f"!chown root {tmp_path}/missing")


def test_it_is_root_and_has_a_name(inside: JupyterNotebook) -> None:
    assert inside.printed("!id -u; hostname; getent hosts sandbox | cut -d' ' -f1") == "0\nsandbox\n127.0.1.1"


def test_the_hosts_run_is_there_but_its_own_files_are_not_the_hosts(inside: JupyterNotebook) -> None:
    own = {"netns", "pod-networking"}
    assert set(inside.printed("!ls -A /run").split()) - own == set(os.listdir("/run")) - own - {"xtables.lock"}
    inside.printed("!touch /run/new")
    assert not os.path.exists("/run/new")
    inside.printed("!rm /run/new")


def test_a_namespace_can_have_its_own_name_servers(inside: JupyterNotebook) -> None:
    inside.printed(
        "%%bash\nset -e\nip netns add red\nmkdir /etc/netns/red\necho nameserver 10.0.0.53 >/etc/netns/red/resolv.conf"
    )
    assert inside.printed("!ip netns exec red grep nameserver /etc/resolv.conf") == "nameserver 10.0.0.53"
    assert inside.printed("!grep -c nameserver /etc/resolv.conf") == "0", "no server could be reached"
    inside.printed("!ip netns del red; rm -r /etc/netns/red")


@pytest.mark.parametrize("folder", ["/etc/cni/net.d", "/var/lib/cni", "/opt/cni/bin", "~/.kube"])
def test_plugins_and_clusters_have_folders_of_their_own(inside: JupyterNotebook, folder: str) -> None:
    inside.printed(f"!touch {folder}/of-the-sandbox")
    assert "of-the-sandbox" in inside.printed(f"!ls {folder}")
    assert not Path(folder, "of-the-sandbox").expanduser().exists()


def test_kubectl_does_not_reach_the_learners_cluster(inside: JupyterNotebook) -> None:
    assert inside.printed("!echo $KUBECONFIG") == "/run/pod-networking/kube/config"


def test_what_a_cell_writes_elsewhere_belongs_to_the_learner(inside: JupyterNotebook, tmp_path: Path) -> None:
    inside.printed(f"!touch {tmp_path}/mine")
    assert (tmp_path / "mine").stat().st_uid == os.geteuid()


def test_programs_of_the_administrator_are_found(inside: JupyterNotebook) -> None:
    printed = inside.printed("!command -v nft; command -v sysctl; command -v jupyter").splitlines()
    assert [os.path.basename(path) for path in printed] == ["nft", "sysctl", "jupyter"]


def test_a_sandbox_can_be_made_inside(inside: JupyterNotebook) -> None:
    nested = inside.printed("!python -m labhelpers.sandbox.run -- sh -c 'ip -j link; readlink /proc/self/ns/net'")
    links, name = nested.splitlines()
    assert [link["ifname"] for link in json.loads(links)] == ["lo"]
    assert name != inside.printed("!readlink /proc/self/ns/net")


@pytest.mark.parametrize("setting", ["kernel/panic", "vm/swappiness", "kernel/core_pattern", "fs/file-max"])
def test_settings_of_the_whole_machine_cannot_be_changed(inside: JupyterNotebook, setting: str) -> None:
    """Written is what is there already, so that the machine stays as it is even if the test fails."""
    path = f"/proc/sys/{setting}"
    answer = inside.run(f"text = open({path!r}).read(); open({path!r}, 'w').write(text)")
    assert answer.error.startswith(("OSError: [Errno 30]", "PermissionError"))
