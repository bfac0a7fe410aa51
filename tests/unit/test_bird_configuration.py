"""BIRD's configuration has the shape that calico-node gives it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from labhelpers.errors import BadInput
from labhelpers.networks.bird import Configuration

PEERS = ["192.168.1.12", "192.168.1.9", "192.168.1.10"]


def _main(**options: Any) -> str:
    return Configuration(**options).main("192.168.1.11", "10.0.2.0/24", "/run/mesh", "/run/log")


def test_a_node_tells_of_its_own_block_and_of_nothing_else() -> None:
    text = _main()
    assert "  route 10.0.2.0/24 blackhole;\n" in text
    (exported,) = re.findall(r"filter calico_export_to_bgp_peers \{(.*?)\}", text, re.DOTALL)
    assert " ".join(exported.split()) == "if net = 10.0.2.0/24 then accept; reject;"
    assert "export filter calico_export_to_bgp_peers;" in text
    assert "local 192.168.1.11 as 64512;" in text


def test_there_is_a_session_with_every_peer_in_order_of_address() -> None:
    text = Configuration().mesh("192.168.1.11", PEERS)
    names = re.findall(r"protocol bgp (\S+) from bgp_template", text)
    assert names == ["Mesh_192_168_1_9", "Mesh_192_168_1_10", "Mesh_192_168_1_12"]
    assert re.findall(r"neighbor (\S+) as 64512;", text) == ["192.168.1.9", "192.168.1.10", "192.168.1.12"]


def test_of_two_nodes_the_one_with_the_higher_address_calls() -> None:
    """By number: as text, 192.168.1.9 would be higher than 192.168.1.11."""
    text = Configuration().mesh("192.168.1.11", PEERS)
    passive = [block.split()[2] for block in text.split("}\n") if "passive on;" in block]
    assert passive == ["Mesh_192_168_1_12"]


def test_a_mesh_of_one_has_no_session() -> None:
    assert Configuration(tunnel="tunl0").mesh("192.168.1.11", []) == "# no other node\n"


def test_through_a_tunnel_each_peer_is_behind_it() -> None:
    with_tunnel = Configuration(tunnel="tunl0")
    assert "  route 192.168.1.12/32 via 192.168.1.12%tunl0 onlink;" in with_tunnel.mesh("192.168.1.11", PEERS)
    assert "igp table tunnels;" in _main(tunnel="tunl0")
    assert "tunl0 onlink" not in Configuration().mesh("192.168.1.11", PEERS)
    assert "tunnels" not in _main()


def test_what_is_not_asked_for_is_not_there() -> None:
    assert not re.search("bfd|graceful", _main())
    assert "bfd on;" in _main(bfd=True)
    assert "graceful restart time 7;" in _main(graceful_restart=7)
    assert "hold time 9;" in _main(hold_time=9)


@pytest.mark.parametrize(
    "options",
    [{"hold_time": 2}, {"hold_time": 65536}, {"hold_time": "9"}, {"hold_time": True}, {"graceful_restart": -1}],
)
def test_a_time_that_bird_would_not_take_is_refused(options: Any) -> None:
    with pytest.raises(BadInput, match=r"seconds is not possible\. Use a whole number from \d+ to 65535\."):
        Configuration(**options)


@pytest.mark.parametrize("bfd", ["yes", "no", 1, None])
def test_a_bfd_that_is_neither_true_nor_false_is_refused(bfd: Any) -> None:
    with pytest.raises(BadInput, match=rf"bfd={bfd!r} says neither yes nor no\. Write bfd=True or bfd=False\."):
        Configuration(bfd=bfd)
