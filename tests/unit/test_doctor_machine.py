"""What machine is it, and what can be said about its modules?  On trees of files as other machines have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labhelpers.doctor.machine import Machine, look
from labhelpers.doctor.modules import advice, waits_for_first_use

UBUNTU = "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nID=ubuntu\nID_LIKE=debian\n# a comment\nNAME='Ubuntu'\n"
WHOLE = "         0          0 4294967295\n"
MODULES = (
    "kernel/net/ipv4/ipip.ko.zst: kernel/net/ipv4/ip_tunnel.ko.zst\n"
    "kernel/net/8021q/8021q.ko:\nkernel/d/nft-nat.ko.xz:\n"
)


def machine(tmp_path: Path, files: dict[str, str], **environment: str) -> Machine:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return look(tmp_path, environment)


def test_the_distribution_is_read_as_it_calls_itself(tmp_path: Path) -> None:
    found = machine(tmp_path, {"etc/os-release": UBUNTU})
    assert found.distribution == "Ubuntu 24.04.1 LTS"
    assert found.family == ("ubuntu", "debian")
    assert found.debian
    assert found.kernel == os.uname().release


def test_a_distribution_may_keep_its_name_elsewhere_or_have_none(tmp_path: Path) -> None:
    assert machine(tmp_path, {"usr/lib/os-release": "ID=fedora\nPRETTY_NAME=Fedora"}).distribution == "Fedora"
    empty = look(tmp_path / "nothing", {})
    assert not empty.debian
    assert "an unknown distribution" in str(empty)


def test_who_is_root_only_in_a_sandbox_is_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert machine(tmp_path, {"proc/self/uid_map": WHOLE}).root
    assert not machine(tmp_path, {"proc/self/uid_map": "         0       1000          1\n"}).root
    assert not machine(tmp_path, {"proc/self/uid_map": "0 100000 65536\n"}).root
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not machine(tmp_path, {"proc/self/uid_map": WHOLE}).root


DISK = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
DOCKER = "500 400 0:50 / / rw - overlay overlay rw\n510 500 8:1 /x/hostname /etc/hostname rw - ext4 /dev/sda rw\n"


@pytest.mark.parametrize(
    ("files", "environment", "container"),
    [
        ({"proc/self/mountinfo": DISK}, {}, ""),
        ({"proc/self/mountinfo": DOCKER, ".dockerenv": ""}, {}, "Docker"),
        ({"proc/self/mountinfo": DOCKER, "run/.containerenv": ""}, {}, "Podman"),
        # a virtual machine that was made from a container's image
        ({"proc/self/mountinfo": DISK, ".dockerenv": ""}, {}, ""),
        # a live system
        ({"proc/self/mountinfo": DOCKER}, {}, ""),
        ({"proc/self/mountinfo": DOCKER, ".dockerenv": ""}, {"CODESPACES": "true"}, "Codespaces"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "Kubernetes"),
        ({}, {"container": "lxc"}, "a container"),
    ],
)
def test_a_container_is_known_by_its_marks(
    tmp_path: Path, files: dict[str, str], environment: dict[str, str], container: str
) -> None:
    assert machine(tmp_path, files, **environment).container == container


def test_the_facts_are_one_line() -> None:
    facts = Machine("6.8.0", "aarch64", "Ubuntu 24.04", root=True, container="Docker")
    assert str(facts) == "Linux 6.8.0 on aarch64, Ubuntu 24.04, as root, inside Docker"
    assert str(Machine("6.8.0", "x86_64")).endswith("as an ordinary user, not in a container")


MODULAR = Machine("6.8.0-45-generic", family=("ubuntu", "debian"), modular=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sys/module/ipip").mkdir(parents=True)
    folder = tmp_path / "lib/modules" / MODULAR.kernel
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_text(MODULES)
    return tmp_path


@pytest.mark.parametrize("module", ["ipip", "8021q", "nft_nat"])
def test_a_module_on_the_disk_can_be_loaded(root: Path, module: str) -> None:
    assert advice(module, MODULAR, root) == f"sudo modprobe {module}"


def test_ubuntu_has_more_modules_in_a_package(root: Path) -> None:
    assert advice("vrf", MODULAR, root) == "sudo apt-get install linux-modules-extra-6.8.0-45-generic"
    assert advice("vrf", Machine("6.8.0-45-generic", family=("debian",), modular=True), root) == ""


def test_in_a_container_the_machine_around_it_has_the_modules(tmp_path: Path) -> None:
    inside = Machine("6.8.0", family=("debian",), container="Docker", modular=True)
    assert advice("vxlan", inside, tmp_path) == "on the machine around Docker: sudo modprobe vxlan"


def test_a_kernel_without_modules_cannot_be_helped(root: Path) -> None:
    assert advice("ipip", Machine(MODULAR.kernel, family=("ubuntu",), modular=False), root) == ""
    assert advice("", MODULAR, root) == ""


def test_a_trial_would_load_what_is_not_loaded_and_can_be(root: Path, tmp_path: Path) -> None:
    assert waits_for_first_use("8021q", MODULAR, root)
    assert not waits_for_first_use("ipip", MODULAR, root), "it is loaded"
    assert not waits_for_first_use("dummy", MODULAR, root), "it is not on the disk"
    assert not waits_for_first_use("8021q", Machine(MODULAR.kernel, modular=False), root), "nothing can be loaded"
    assert waits_for_first_use("8021q", MODULAR, tmp_path / "container"), "nobody knows"
