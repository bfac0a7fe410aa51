"""Settings below /proc/sys/net and rules of nftables belong to one namespace, and change there only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labhelpers.errors import BadInput, LabError, NeedsPrivilege, NotFound, ToolMissing
from labhelpers.linux import namespace, nft, sysctl
from labhelpers.linux.namespace import NetworkNamespace
from tests.netns import kernel

RULES = """
table ip demo {
    chain input {
        type filter hook input priority 0
        icmp type echo-request drop
    }
}
"""


@pytest.fixture
def red() -> Iterator[NetworkNamespace]:
    made = namespace.create("red")
    yield made
    namespace.delete(made)


def test_a_setting_changes_in_its_namespace_only(red: NetworkNamespace) -> None:
    before = kernel.sysctl("net.ipv4.ip_forward")
    red.visit(lambda: sysctl.write("net.ipv4.ip_forward", 1))
    assert kernel.sysctl("net.ipv4.ip_forward", "red") == "1"
    assert kernel.sysctl("net.ipv4.ip_forward") == before
    assert red.visit(lambda: sysctl.read("net.ipv4.ip_forward")) == "1"


def test_a_setting_of_an_interface_with_a_dot_is_written_with_slashes(red: NetworkNamespace) -> None:
    kernel.shell("ip link add up.5 type bridge", "red")
    red.visit(lambda: sysctl.write("net/ipv4/conf/up.5/rp_filter", 2))
    assert kernel.sysctl("net/ipv4/conf/up.5/rp_filter", "red") == "2"


def test_a_setting_of_several_words_is_kept_whole(red: NetworkNamespace) -> None:
    red.visit(lambda: sysctl.write("net.ipv4.ping_group_range", "0 0"))
    assert red.visit(lambda: sysctl.read("net.ipv4.ping_group_range")).split() == ["0", "0"]


@pytest.mark.parametrize(
    "name",
    ["kernel.hostname", "net.ipv4", "net..ipv4.ip_forward", "net/../kernel/hostname", "net/ipv4/../../x", "", None],
)
def test_what_is_no_network_setting_is_refused(name: str) -> None:
    for act in (sysctl.read, lambda it: sysctl.write(it, 1)):
        with pytest.raises(BadInput, match="is not a network setting"):
            act(name)


@pytest.mark.parametrize("name", ["net.ipv4.nosuch", "net.ipv4.conf", "net.ipv4.ip_forward.deeper"])
def test_a_setting_that_is_not_there_is_said(name: str) -> None:
    for act in (sysctl.read, lambda it: sysctl.write(it, 1)):
        with pytest.raises(NotFound, match="This kernel has no setting"):
            act(name)


def test_a_value_the_kernel_does_not_take_is_said(red: NetworkNamespace) -> None:
    said = r"The kernel does not take 'perhaps' for net\.ipv4\.ip_forward: invalid argument"
    with pytest.raises(BadInput, match=said):
        red.visit(lambda: sysctl.write("net.ipv4.ip_forward", "perhaps"))
    assert kernel.sysctl("net.ipv4.ip_forward", "red") == "0"


def test_a_setting_that_can_only_be_written_cannot_be_read(red: NetworkNamespace) -> None:
    with pytest.raises(BadInput, match=r"net\.ipv4\.route\.flush cannot be read: permission denied"):
        red.visit(lambda: sysctl.read("net.ipv4.route.flush"))


def test_a_setting_that_can_only_be_read_cannot_be_changed(red: NetworkNamespace) -> None:
    with pytest.raises(NeedsPrivilege, match="cannot be changed here"):
        red.visit(lambda: sysctl.write("net.netfilter.nf_conntrack_count", 1))


def test_rules_are_those_that_nft_lists(red: NetworkNamespace) -> None:
    nft.apply(red, RULES)
    assert [next(iter(one)) for one in kernel.nft("red")] == ["table", "chain", "rule"]
    assert kernel.nft() == []
    assert nft.ruleset(red) == kernel.shell("nft --stateless list ruleset", "red")
    nft.apply(red, "delete table ip demo")
    assert nft.ruleset(red) == ""


def test_rules_are_taken_all_or_none(red: NetworkNamespace) -> None:
    with pytest.raises(BadInput, match="nft did not accept the rules in red") as caught:
        nft.apply(red, "add table ip one\nadd chain ip two input")
    assert "No such file or directory" in caught.value.what
    assert kernel.nft("red") == []


def test_nft_that_is_not_installed_is_said(red: NetworkNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing, match="nftables"):
        nft.apply(red, RULES)
    with pytest.raises(ToolMissing, match="nftables"):
        nft.ruleset(red)


def test_nft_that_fails_is_an_error(red: NetworkNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "nft"
    broken.write_text("#!/bin/sh\necho no netlink here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(LabError, match="nft could not list the rules of red: no netlink here"):
        nft.ruleset(red)
