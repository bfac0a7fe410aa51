"""Results are kept in libcni's form, whole or not at all, and a bad note is no reason to fall over."""

from __future__ import annotations

import base64
import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni.cache import Cache, Cached
from labhelpers.errors import AlreadyExists, BadInput, LabError

CONFIG = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}
RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.0.1.10/24"}], "unknown": {"kept": True}}
WEB = Cached(
    "pods",
    "web",
    "eth0",
    "/run/netns/cni-web",
    CONFIG,
    (("K8S_POD_NAME", "web"),),
    {"mac": "02:00:00:00:00:01"},
    RESULT,
)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path))


def _file(tmp_path: Path, name: str = "pods-web-eth0") -> Path:
    return tmp_path / "var/lib/cni/results" / name


def test_what_was_noted_is_read(cache: Cache) -> None:
    cache.write(WEB)
    assert cache.read("pods", "web", "eth0") == WEB
    assert cache.entries() == (WEB,)


def test_the_file_is_libcnis(cache: Cache, tmp_path: Path) -> None:
    """Field by field as ``cacheAdd`` of libcni writes it: another runtime may have to clean up after us."""
    cache.write(WEB)
    data = json.loads(_file(tmp_path).read_text())
    assert json.loads(base64.b64decode(data.pop("config"))) == CONFIG
    assert data == {
        "kind": "cniCacheV1",
        "containerId": "web",
        "ifName": "eth0",
        "networkName": "pods",
        "netns": "/run/netns/cni-web",
        "cniArgs": [["K8S_POD_NAME", "web"]],
        "capabilityArgs": {"mac": "02:00:00:00:00:01"},
        "result": RESULT,
    }


def test_what_libcni_leaves_out_is_empty(cache: Cache, tmp_path: Path) -> None:
    """It writes neither ``netns`` nor the arguments where there are none."""
    cache.write(WEB)
    data = json.loads(_file(tmp_path).read_text())
    for key in ("netns", "cniArgs", "capabilityArgs"):
        del data[key]
    _file(tmp_path).write_text(json.dumps(data))
    assert cache.read("pods", "web", "eth0") == replace(WEB, netns="", args=(), capabilities={})


def test_nothing_noted_is_nothing(cache: Cache) -> None:
    assert cache.read("pods", "web", "eth0") is None
    assert cache.entries() == ()
    cache.remove("pods", "web", "eth0")
    cache.require_readable("pods")


def test_a_note_can_be_replaced_and_removed(cache: Cache, tmp_path: Path) -> None:
    cache.write(WEB)
    cache.write(replace(WEB, args=()))
    assert cache.entries() == (replace(WEB, args=()),)
    cache.remove("pods", "web", "eth0")
    assert cache.read("pods", "web", "eth0") is None
    assert os.listdir(_file(tmp_path).parent) == []


def test_notes_are_listed_by_file_name(cache: Cache) -> None:
    for container in ("c", "a", "b"):
        cache.write(replace(WEB, container=container))
    cache.write(replace(WEB, container="a", ifname="net1"))
    assert [(one.container, one.ifname) for one in cache.entries()] == [
        ("a", "eth0"), ("a", "net1"), ("b", "eth0"), ("c", "eth0"),
    ]  # fmt: skip


def _changed(**fields: Any) -> str:
    good = {
        "kind": "cniCacheV1", "containerId": "web", "ifName": "eth0", "networkName": "pods", "result": {},
        "config": base64.b64encode(json.dumps(CONFIG).encode()).decode(),
    }  # fmt: skip
    return json.dumps({key: value for key, value in {**good, **fields}.items() if value is not ...})


CORRUPT = {
    "empty": "",
    "cut off": _changed()[:50],
    "not JSON": "\0\0\0",
    "not an object": "[]",
    "of an old kind": _changed(kind="cniCacheV0"),
    "without a kind": _changed(kind=...),
    "without a container": _changed(containerId=...),
    "without a result": _changed(result=...),
    "a result that is a list": _changed(result=[1]),
    "a configuration that is no base64": _changed(config="{}"),
    "a configuration that is no JSON": _changed(config=base64.b64encode(b"{").decode()),
    "a configuration that is a number": _changed(config=base64.b64encode(b"7").decode()),
    "arguments that are no pairs": _changed(cniArgs=["a"]),
    "capabilities that are a list": _changed(capabilityArgs=[1]),
}


@pytest.mark.parametrize("how", CORRUPT)
def test_a_note_that_makes_no_sense_is_said_and_can_be_removed(how: str, cache: Cache, tmp_path: Path) -> None:
    cache.write(replace(WEB, container="db"))
    _file(tmp_path).write_text(CORRUPT[how])
    with pytest.raises(
        BadInput, match=r"/var/lib/cni/results/pods-web-eth0 is not what a runtime writes\. DEL does what"
    ):
        cache.read("pods", "web", "eth0")
    assert [one.container for one in cache.entries()] == ["db"]
    with pytest.raises(BadInput, match="cannot be read, and its pod would lose its network"):
        cache.require_readable("pods")
    cache.require_readable("another")
    cache.remove("pods", "web", "eth0")
    cache.require_readable("pods")


def test_bytes_that_are_no_text_make_no_sense_either(cache: Cache, tmp_path: Path) -> None:
    cache.write(WEB)
    _file(tmp_path).write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="is not what a runtime writes"):
        cache.read("pods", "web", "eth0")


def test_a_folder_in_its_place_is_said(cache: Cache, tmp_path: Path) -> None:
    _file(tmp_path).mkdir(parents=True)
    with pytest.raises(BadInput, match=r"pods-web-eth0 cannot be read: is a directory\."):
        cache.read("pods", "web", "eth0")
    with pytest.raises(LabError, match=r"could not be kept in /var/lib/cni/results: is a directory\."):
        cache.write(WEB)
    with pytest.raises(LabError, match=r"pods-web-eth0 cannot be removed: is a directory\."):
        cache.remove("pods", "web", "eth0")
    assert os.listdir(_file(tmp_path).parent) == ["pods-web-eth0"]


def test_two_attachments_whose_file_would_be_the_same_are_not_mixed_up(cache: Cache) -> None:
    """``a-b`` and ``c`` give the same name as ``a`` and ``b-c``: libcni's form cannot tell them apart."""
    other = replace(WEB, network="pods-web", container="eth0", ifname="net1")
    one = replace(WEB, network="pods", container="web-eth0", ifname="net1")
    cache.write(one)
    with pytest.raises(AlreadyExists, match="eth0 on pods-web and web-eth0 on pods would share the cached result"):
        cache.read(*other.key)
    cache.remove(*other.key)
    assert cache.read(*one.key) == one


def test_a_name_that_is_too_long_for_a_file_is_said(cache: Cache, tmp_path: Path) -> None:
    entry = replace(WEB, network="n" * 300)
    with pytest.raises(LabError, match=r"could not be kept in /var/lib/cni/results: file name too long\."):
        cache.write(entry)
    assert os.listdir(_file(tmp_path).parent) == []


def test_a_draft_that_fails_leaves_the_old_note(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write(WEB)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(LabError, match=r"The result of web could not be kept.*: no space left on device\. Without it"):
        cache.write(replace(WEB, args=()))
    assert cache.entries() == (WEB,)
    assert os.listdir(_file(tmp_path).parent) == ["pods-web-eth0"]


def test_a_reader_never_sees_half_a_note(cache: Cache) -> None:
    large = replace(WEB, result={**RESULT, "padding": "x" * 200_000})
    cache.write(WEB)
    end = threading.Event()

    def keep_writing() -> None:
        while not end.is_set():
            cache.write(large)
            cache.write(WEB)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        seen = [cache.read(*WEB.key) for _ in range(100)]
    finally:
        end.set()
        writer.join()
    assert all(one in (WEB, large) for one in seen)
