"""Pod addresses: handed out in order, once each, from blocks that do not overlap."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import AlreadyExists, BadInput, PoolExhausted
from labhelpers.lab.pool import Pool, free_block, pod_block

TAKEN = {"node-1": "10.0.1.0/24", "the underlay": "192.168.1.0/24"}


def _pool(block: str = "10.0.1.0/28", dead: frozenset[str] = frozenset()) -> Pool:
    return Pool(IPv4Network(block), alive=lambda pod: pod not in dead)


def test_addresses_begin_at_ten_and_go_up() -> None:
    pool = _pool()
    assert pool.gateway == "10.0.1.1"
    assert [pool.lease(pod) for pod in "abc"] == ["10.0.1.10", "10.0.1.11", "10.0.1.12"]


def test_a_released_address_is_the_next_one() -> None:
    pool = _pool()
    for pod in "abc":
        pool.lease(pod)
    pool.release("b")
    assert pool.lease("d") == "10.0.1.11"
    pool.release_address("10.0.1.10")
    assert pool.lease("e") == "10.0.1.10"


def test_what_was_never_leased_can_be_released() -> None:
    pool = _pool()
    pool.release("nobody")
    pool.release_address("10.0.1.12")
    assert pool.lease("a") == "10.0.1.10"


def test_an_exhausted_pool_says_so() -> None:
    pool = _pool()
    for pod in "abcde":
        pool.lease(pod)
    with pytest.raises(PoolExhausted, match=r"All 5 pod addresses of 10\.0\.1\.0/28 are in use\. Delete a pod"):
        pool.lease("f")


def test_addresses_of_pods_that_were_removed_by_hand_are_used_when_all_others_are() -> None:
    dead: set[str] = set()
    pool = Pool(IPv4Network("10.0.1.0/28"), alive=lambda pod: pod not in dead)
    for pod in "abcde":
        pool.lease(pod)
    dead.add("c")
    assert pool.lease("f") == "10.0.1.12"


def test_an_address_may_be_wished_for() -> None:
    pool = _pool()
    assert pool.lease("a", "10.0.1.2") == "10.0.1.2"
    assert pool.lease("b", "10.0.1.14") == "10.0.1.14"
    with pytest.raises(AlreadyExists, match=r"10\.0\.1\.2 is the address of a\."):
        pool.lease("c", "10.0.1.2")


def test_the_address_of_a_pod_that_is_gone_may_be_wished_for() -> None:
    pool = _pool(dead=frozenset("a"))
    pool.lease("a", "10.0.1.2")
    assert pool.lease("b", "10.0.1.2") == "10.0.1.2"


@pytest.mark.parametrize("wanted", ["10.0.1.16", "10.0.0.255", "192.168.1.1", "fd00::1"])
def test_an_address_outside_the_block_is_refused(wanted: str) -> None:
    with pytest.raises(BadInput, match=r"is outside 10\.0\.1\.0/28.*Choose one between 10\.0\.1\.2 and 10\.0\.1\.14\."):
        _pool().lease("a", wanted)


@pytest.mark.parametrize("wanted", ["10.0.1.0", "10.0.1.1", "10.0.1.15"])
def test_an_address_that_is_not_for_pods_is_refused(wanted: str) -> None:
    with pytest.raises(BadInput, match="is not for a pod"):
        _pool().lease("a", wanted)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=40))
def test_no_two_pods_ever_have_the_same_address(steps: list[tuple[bool, int]]) -> None:
    pool = _pool()
    held: dict[str, str] = {}
    for add, number in steps:
        pod = f"pod-{number}"
        if add and pod not in held:
            if len(held) < 5:
                held[pod] = pool.lease(pod)
            else:
                with pytest.raises(PoolExhausted):
                    pool.lease(pod)
        elif not add and pod in held:
            pool.release(pod)
            del held[pod]
        assert len(set(held.values())) == len(held)


@pytest.mark.parametrize("cidr", ["10.0.1.128/25", "10.0.0.0/16", "0.0.0.0/0", "192.168.1.64/26"])
def test_a_block_that_overlaps_another_is_refused(cidr: str) -> None:
    with pytest.raises(BadInput, match="overlaps"):
        pod_block(cidr, taken=TAKEN)


@pytest.mark.parametrize(
    ("cidr", "words"),
    [
        ("10.0.2.0/29", "has 8 addresses"),
        ("10.0.2.0", "has 1 addresses"),
        ("10.0.2.5/24", "bits set after its prefix"),
        ("fd00::/64", "is IPv6"),
        ("ten", "is not a CIDR block"),
        ("", "is not a CIDR block"),
    ],
)
def test_a_block_that_cannot_be_one_is_refused(cidr: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        pod_block(cidr, taken=TAKEN)


def test_a_block_nobody_has_is_taken() -> None:
    assert pod_block("10.0.2.0/28", taken=TAKEN) == IPv4Network("10.0.2.0/28")


def test_a_node_gets_the_block_of_its_number_or_the_next_free_one() -> None:
    assert str(free_block(2, TAKEN)) == "10.0.2.0/24"
    assert str(free_block(1, TAKEN)) == "10.0.2.0/24"
    assert str(free_block(255, TAKEN | {"node-2": "10.0.255.0/28"})) == "10.0.0.0/24"
    with pytest.raises(PoolExhausted):
        free_block(1, {"all": "10.0.0.0/16"})
