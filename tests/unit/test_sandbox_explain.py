"""Each cause for which there can be no sandbox has its own sentence, with what to do.

The causes that can be had on any machine are tested for real, in tests/sandbox; these are the others.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from labhelpers.sandbox import explain as module
from labhelpers.sandbox.explain import explain


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without limits, filters and guards, whatever this one has."""
    for name in ("user", "net", "mnt", "pid", "uts", "ipc"):
        _set(tmp_path, f"user/max_{name}_namespaces", "1000")
    monkeypatch.setattr(module, "status", lambda field: "0")
    return tmp_path


def _set(machine: Path, name: str, value: str) -> None:
    (machine / name).parent.mkdir(exist_ok=True)
    (machine / name).write_text(f"{value}\n")


def _explain(machine: Path, number: int, stage: str) -> str:
    error = OSError(number, os.strerror(number), stage)
    return explain(error, "euid 1000", sysctl=str(machine), label=str(machine / "label"))


REFUSALS = [
    (errno.EPERM, "unshare"),
    (errno.EACCES, "unshare"),
    (errno.EPERM, "uid_map"),
    (errno.EACCES, "mount none on /"),
]


@pytest.mark.parametrize(("number", "stage"), REFUSALS)
def test_apparmor_of_ubuntu(machine: Path, number: int, stage: str) -> None:
    _set(machine, "kernel/apparmor_restrict_unprivileged_userns", "1")
    assert "As administrator: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in (
        _explain(machine, number, stage)
    )


@pytest.mark.parametrize(("number", "stage"), REFUSALS)
def test_apparmor_of_ubuntu_known_by_the_label_it_gives(machine: Path, number: int, stage: str) -> None:
    _set(machine, "label", "unprivileged_userns (enforce)")
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in _explain(machine, number, stage)


def test_apparmor_that_restricts_others_only(machine: Path) -> None:
    _set(machine, "kernel/apparmor_restrict_unprivileged_userns", "0")
    _set(machine, "label", "unconfined")
    assert "AppArmor restricts" not in _explain(machine, errno.EPERM, "unshare")


def test_the_apparmor_profile_of_a_container(machine: Path) -> None:
    _set(machine, "label", "docker-default (enforce)")
    text = _explain(machine, errno.EACCES, "mount none on /")
    assert "The AppArmor profile docker-default (enforce) forbids it." in text
    assert "--security-opt apparmor=unconfined" in text


@pytest.mark.parametrize(("number", "stage"), REFUSALS)
def test_the_setting_of_debian(machine: Path, number: int, stage: str) -> None:
    _set(machine, "kernel/unprivileged_userns_clone", "0")
    assert "As administrator: sudo sysctl -w kernel.unprivileged_userns_clone=1" in _explain(machine, number, stage)


def test_the_setting_of_debian_does_not_explain_a_limit(machine: Path) -> None:
    _set(machine, "kernel/unprivileged_userns_clone", "0")
    assert "is used up" in _explain(machine, errno.ENOSPC, "unshare")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_kernel_without_namespaces(machine: Path, number: int) -> None:
    assert "This system's kernel lacks namespaces of the kind" in _explain(machine, number, "unshare")


def test_selinux(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module,
        "read",
        lambda path: {"/sys/fs/selinux/enforce": "1", "/proc/self/mountinfo": "1 0 8:1 / /"}.get(path, ""),
    )
    assert "ausearch -m avc" in _explain(machine, errno.EACCES, "mount none on /")


def test_what_is_not_known_says_so(machine: Path) -> None:
    assert "not one the course knows" in _explain(machine, errno.EIO, "mount none on /")


def test_it_says_the_stage_first_and_the_facts_last(machine: Path) -> None:
    _set(machine, "user/max_net_namespaces", "0")
    _set(machine, "user/max_pid_namespaces", "0")
    lines = _explain(machine, errno.ENOSPC, "unshare").splitlines()
    assert lines[0].endswith("[unshare: ENOSPC No space left on device]")
    assert lines[-1] == f"Facts: kernel {os.uname().release}, euid 1000, limits at zero: net, pid, AppArmor: -"
    assert len(lines) == 4
