"""What the API server knows of types: decoding as Go does, strategic merge, protobuf, OpenAPI."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cluster.api.decode import decode
from labhelpers.cluster.api.openapi import definitions, document, index
from labhelpers.cluster.api.openapi_v2 import document_v2
from labhelpers.cluster.api.protobuf import read_protobuf
from labhelpers.cluster.api.strategic import strategic_merge
from labhelpers.cluster.api.types import DATA, fields_of, is_type, type_of
from labhelpers.store import RESOURCES, BadRequest, copied

POD, DEPLOYMENT = type_of("v1", "Pod"), type_of("apps/v1", "Deployment")
#: what kubectl 1.32.3 sends for ``create deployment web --image=nginx --replicas=3 --port=80``
SENT = base64.b64decode(
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAMSDAoKCgNhcHASA3dlYhpsChwK"
    "ABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIA"
    "WABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA="
)


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec}}


def test_every_kind_has_its_type() -> None:
    for one in RESOURCES:
        fields = fields_of(type_of(one.api_version, one.kind))
        assert {"kind", "apiVersion", "metadata"} <= fields.keys()
        assert ("status" in fields) >= one.status


def test_every_type_that_is_mentioned_is_there() -> None:
    types = json.loads((DATA / "types.json").read_text())["types"]
    scalars = {
        "any", "boolean", "byte", "double", "duration", "int-or-string", "int32", "int64", "microtime", "quantity",
        "string", "strings", "time",
    }  # fmt: skip
    assert {field["type"] for fields in types.values() for field in fields} <= types.keys() | scalars


def test_an_object_looks_as_the_real_server_writes_it() -> None:
    sent = {**pod(nodeSelector={}, hostNetwork=False), "status": None}
    sent["metadata"].update(labels={}, creationTimestamp=None)
    decoded = decode(POD, sent, "Pod", "v1")
    assert decoded.unknown == []
    assert decoded.object == {
        "metadata": {"name": "web", "creationTimestamp": None},
        "spec": {"containers": [{"name": "c", "image": "nginx", "resources": {}}]},
        "status": {},
    }


def test_zero_behind_a_pointer_is_kept() -> None:
    decoded = decode(POD, pod(terminationGracePeriodSeconds=0, enableServiceLinks=False), "Pod", "v1")
    assert decoded.object["spec"]["terminationGracePeriodSeconds"] == 0
    assert decoded.object["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"metadata": {"nam": "x"}}, "metadata.nam"),
        ({"spec": {"containers": [{"name": "a"}, {"imag": "nginx"}]}}, "spec.containers[1].imag"),
        ({"sepc": {}}, "sepc"),
    ],
)
def test_unknown_fields_are_named_and_left_out(sent: Any, path: str) -> None:
    decoded = decode(POD, sent, "Pod", "v1")
    assert decoded.unknown == [path]
    assert path.rpartition(".")[2] not in json.dumps(decoded.object)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"spec": {"containers": {}}}, "cannot unmarshal object into Go struct field PodSpec.spec.containers"),
        ({"spec": []}, "cannot unmarshal array into Go struct field"),
        ({"spec": {"hostNetwork": "yes"}}, "cannot unmarshal string .* of type bool"),
        ({"spec": {"priority": True}}, "cannot unmarshal bool .* of type int32"),
        ({"spec": {"priority": 1 << 40}}, "cannot unmarshal number .* of type int32"),
        ({"spec": {"containers": [{"name": 1}]}}, r"number .*spec.containers\[0\].name of type string"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot unmarshal number .*metadata.labels.a of type string"),
        ("text", "cannot unmarshal string into Go value"),
    ],
)
def test_a_wrong_type_is_refused_in_the_real_servers_words(sent: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=f'Pod in version "v1" cannot be handled as a Pod: json: .*{words}'):
        decode(POD, sent, "Pod", "v1")


def test_quantities_and_ports_may_be_numbers() -> None:
    limits = {"cpu": 1, "memory": "64Mi"}
    sent = pod(containers=[{"name": "c", "image": "x", "resources": {"limits": limits}}])
    assert decode(POD, sent, "Pod", "v1").object["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "1",
        "memory": "64Mi",
    }
    service = {"spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8080}]}}
    decoded = decode(type_of("v1", "Service"), service, "Service", "v1").object
    assert [one["targetPort"] for one in decoded["spec"]["ports"]] == ["http", 8080]


def test_what_was_decoded_is_decoded_again_as_it_is() -> None:
    once = decode(DEPLOYMENT, read_protobuf(SENT), "Deployment", "v1").object
    assert decode(DEPLOYMENT, once, "Deployment", "v1").object == once


def test_what_kubectl_sends_in_protobuf_is_what_it_means() -> None:
    assert decode(DEPLOYMENT, read_protobuf(SENT), "Deployment", "v1").object == {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web", "creationTimestamp": None, "labels": {"app": "web"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {"name": "nginx", "image": "nginx", "ports": [{"containerPort": 80}], "resources": {}}
                    ]
                },
            },
            "strategy": {},
        },
        "status": {},
    }


@given(end=st.integers(0, len(SENT) - 1), at=st.integers(0, len(SENT) - 1), byte=st.integers(0, 255))
def test_a_damaged_body_is_an_object_or_a_bad_request(end: int, at: int, byte: int) -> None:
    damaged = bytearray(SENT)
    damaged[at] = byte
    for body in (SENT[:end], bytes(damaged)):
        with suppress(BadRequest):
            assert isinstance(read_protobuf(body), dict)


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest, match='no kind "Deploymenu" is registered for version "apps/v1"'):
        read_protobuf(SENT.replace(b"Deployment", b"Deploymenu"))


def test_lists_with_a_key_are_merged_by_it() -> None:
    old = pod(
        containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "2", "env": [{"name": "X", "value": "1"}]}]
    )
    kept = copied(old)
    patch = {"spec": {"containers": [{"name": "b", "image": "3", "env": [{"name": "Y", "value": "2"}]}]}}
    merged = strategic_merge(POD, old, patch)
    assert merged["spec"]["containers"] == [
        {"name": "a", "image": "1"},
        {"name": "b", "image": "3", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
    ]
    assert old == kept


@pytest.mark.parametrize(
    ("patch", "containers"),
    [
        ({"containers": [{"name": "a", "$patch": "delete"}]}, ["b"]),
        ({"containers": [{"$patch": "replace"}, {"name": "z"}]}, ["z"]),
        (
            {"containers": [{"name": "c"}], "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
            ["c", "a", "b"],
        ),
        ({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}, ["b", "a"]),
        ({"containers": None}, []),
    ],
)
def test_directives_of_a_patch_are_followed(patch: Any, containers: list[str]) -> None:
    merged = strategic_merge(POD, pod(containers=[{"name": "a"}, {"name": "b"}]), {"spec": patch})
    assert [one["name"] for one in merged["spec"].get("containers", [])] == containers


def test_other_lists_are_replaced_and_maps_merged() -> None:
    old = {
        "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x"]},
        "spec": pod(tolerations=[{"key": "k"}])["spec"],
    }
    patch = {
        "metadata": {"labels": {"b": None, "c": "3"}, "finalizers": ["y"]},
        "spec": {"tolerations": [{"key": "n"}]},
    }
    merged = strategic_merge(POD, old, patch)
    assert merged["metadata"] == {"labels": {"a": "1", "c": "3"}, "finalizers": ["x", "y"]}
    assert merged["spec"]["tolerations"] == [{"key": "n"}]
    removed = strategic_merge(POD, merged, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})
    assert removed["metadata"]["finalizers"] == ["y"]


def test_retained_keys_are_all_that_is_retained() -> None:
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(DEPLOYMENT, old, patch)["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    "patch",
    [[], "x", {"spec": {"$patch": "fly"}}, {"spec": {"containers": [{"image": "x"}]}}, {"spec": {"containers": ["x"]}}],
)
def test_a_patch_that_is_none_is_refused(patch: Any) -> None:
    with pytest.raises(BadRequest):
        strategic_merge(POD, pod(), patch)


def test_openapi_has_every_kind_and_all_it_refers_to() -> None:
    found = []
    for path in index()["paths"]:
        content = json.loads(document(path) or b"null")
        schemas = content["components"]["schemas"]
        refs = {one.rpartition("/")[2] for one in _refs(content)}
        assert refs <= schemas.keys()
        found += [
            one["kind"] for schema in schemas.values() for one in schema.get("x-kubernetes-group-version-kind", ())
        ]
        assert "fieldValidation" in json.dumps(content["paths"])
    assert sorted(found) == sorted(one.kind for one in RESOURCES)
    assert document("apis/batch/v1") is None


def _refs(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(one) for key, one in value.items() if key == "$ref"] + [
            ref for one in value.values() for ref in _refs(one)
        ]
    return [ref for one in value for ref in _refs(one)] if isinstance(value, list) else []


def test_every_field_is_explained_or_its_type_is() -> None:
    """``kubectl explain`` with an empty description helps nobody; Kubernetes itself has some, all of them of types."""
    silent = [
        f"{name.rpartition('.')[2]}.{field}"
        for name, schema in definitions().items()
        for field, one in schema["properties"].items()
        if not one.get("description") and not is_type(str(one.get("$ref", "")).rpartition("/")[2])
    ]
    assert len(silent) < 10, silent


def test_the_v2_document_is_well_formed_protobuf() -> None:
    """Read by nobody's library here: by walking its fields, down to a schema's name."""
    fields = dict(_walk(document_v2()))
    assert fields[1] == b"2.0"
    names = {dict(_walk(entry))[1].decode() for number, entry in _walk(fields[9]) if number == 1}
    assert names == definitions().keys()


def _walk(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = number()
        assert tag & 7 in (0, 2)
        length = number()
        if tag & 7 == 2:
            assert at + length <= len(data)
            found.append((tag >> 3, data[at : at + length]))
            at += length
    return found
