"""A proxy judges the requests to a pod of Cilium's, although eBPF passes the node's firewall by."""

from __future__ import annotations

import pytest

from tests.netns.http_on_cilium import judge


@pytest.mark.parametrize("tunnel", ["vxlan", ""], ids=["vxlan", "native"])
def test_requests_are_judged_wherever_they_come_from(tunnel: str) -> None:
    judge("ebpf", tunnel)
