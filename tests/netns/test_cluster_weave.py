"""Weave in a cluster: its agents connect the nodes, start a router that was killed, and enforce policies."""

from __future__ import annotations

import pytest

from labhelpers.linux import process
from labhelpers.networks import Weave
from labhelpers.networks.weave.settings import BRIDGE, ROUTER
from tests.netns.networked import networked

pytestmark = pytest.mark.once

DENY = {"metadata": {"name": "deny"}, "spec": {"podSelector": {"matchLabels": {"app": "b"}}, "ingress": []}}


def test_its_agents_keep_routers_on_all_nodes_and_enforce_policies() -> None:
    with networked(Weave(password="open sesame")) as made:
        pods = made.run("a", "b")
        assert made.comes(lambda: pods["a"].ping(pods["b"].address))
        assert "open sesame" not in made.said()
        assert all(node.links()[BRIDGE].up for node in made.nodes)
        first = made.nodes[0]
        # an agent that has not yet seen a way cannot say that it is broken
        assert made.comes(lambda: "the way to the pods of node-2 is there" in made.log(first)), made.log(first)
        old = process.find(first.inode, ROUTER)
        process.end(old)
        assert made.comes(lambda: process.find(first.inode, ROUTER) not in ([], old)), made.log(first)
        assert made.comes(lambda: pods["a"].ping(pods["b"].address)), made.said()
        assert made.comes(lambda: "the way to the pods of node-2 is broken" in made.log(first)), made.log(first)
        made.enforce([DENY])
        assert made.comes(lambda: not pods["a"].ping(pods["b"].address, timeout=0.3))
        assert pods["b"].ping(pods["a"].address)
        made.kill(first)  # its router, which it had started, ends with it
        assert made.comes(lambda: made.begun(first) == 2)
        assert made.comes(lambda: pods["b"].ping(pods["a"].address)), made.said()
