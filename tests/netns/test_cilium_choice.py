"""Which datapath it is: eBPF where the kernel lets us load it, its twin elsewhere; what was asked for, or none."""

from __future__ import annotations

import os

import pytest

from labhelpers.errors import NeedsPrivilege
from labhelpers.lab import Lab
from labhelpers.linux import bpf
from labhelpers.networks import Cilium
from labhelpers.networks.cilium import choose
from labhelpers.networks.cilium.choose import chosen
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from labhelpers.networks.cilium.ebpf.loaded import Loaded
from labhelpers.networks.cilium.nft import NftDatapath
from tests.netns.everything import Everything


def _loads() -> bool:
    try:
        os.close(bpf.load())
    except OSError:
        return False
    return True  # here, where the kernel is new enough for the course's programs


def test_it_is_ebpf_where_a_program_can_be_loaded_and_says_so() -> None:
    best: type[EbpfDatapath] | type[NftDatapath] = EbpfDatapath if _loads() else NftDatapath
    assert chosen() is best
    assert Cilium().running == best.way
    assert chosen("nft") is NftDatapath
    assert Cilium("nft").running == NftDatapath.way


def test_where_none_can_be_loaded_it_is_the_twin_and_ebpf_by_name_is_refused_with_nothing_left(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise NeedsPrivilege("The kernel does not let this process load it.", "Be root.")

    monkeypatch.setattr(Loaded, "try_out", refuse)
    choose._refused.cache_clear()
    try:
        assert Cilium().running == NftDatapath.way
        for number in (1, 2):
            lab.node(f"node-{number}")
        before = Everything.now(lab, firewall=True)
        with pytest.raises(NeedsPrivilege, match=r"does not let this process.*datapath='nft'"):
            Cilium("ebpf").install(lab)
        assert Everything.now(lab, firewall=True) == before
    finally:
        choose._refused.cache_clear()
