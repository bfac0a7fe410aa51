"""The API server over HTTP: what kubectl asks for, and every refusal as a Status."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labhelpers.cluster.api import watching
from labhelpers.store import CONFIGMAPS, DEPLOYMENTS, NODES, PODS, Object
from tests.unit.apiserver import Client, api, running_pod

PODS_PATH, CORE, APPS = "/api/v1/namespaces/default/pods", "/api/v1", "/apis/apps/v1/namespaces/default"
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
NOT_FOUND = "the server could not find the requested resource"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


@pytest.fixture
def client() -> Iterator[Client]:
    with api() as one:
        yield one


def pod(name: str = "web", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec}}


def deployment(name: str = "web") -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def refusal(answer: tuple[int, Any]) -> tuple[int, str, str]:
    """Code, reason and message, which the status and the line must agree about."""
    code, status = answer
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)
    return code, status["reason"], status["message"]


def test_discovery_names_every_kind_in_both_forms(client: Client) -> None:
    groups = client.get("/apis")["groups"]
    found = {one["name"] for one in client.get("/api/v1")["resources"]}
    for group in groups:
        path = f"/apis/{group['preferredVersion']['groupVersion']}"
        found |= {one["name"] for one in client.get(path)["resources"]}
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    aggregated = set()
    for path in ("/api", "/apis"):
        for item in client.get(path, Accept=accept)["items"]:
            for one in item["versions"][0]["resources"]:
                aggregated |= {
                    one["resource"],
                    *(f"{one['resource']}/{sub['subresource']}" for sub in one["subresources"]),
                }
    assert found == aggregated
    assert {"pods", "pods/exec", "deployments/scale", "networkpolicies"} <= found
    assert client.get("/version")["gitVersion"].endswith("+pod-networking")


def test_an_object_is_created_read_and_deleted(client: Client) -> None:
    status, made = client.ask("POST", PODS_PATH, pod())
    assert status == 201
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert client.get(f"{PODS_PATH}/web") == made == client.store.get(PODS, "web", "default")
    assert client.ask("DELETE", f"{PODS_PATH}/web")[0] == 200
    assert len(client.store.list(PODS)) == 0


def test_a_list_has_items_and_a_version_to_watch_from(client: Client) -> None:
    for name in ("b", "a"):
        client.ask("POST", PODS_PATH, pod(name))
    listed = client.get("/api/v1/pods?limit=500")
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    assert [one["metadata"]["name"] for one in listed["items"]] == ["a", "b"]
    assert listed["metadata"]["resourceVersion"] == client.store.resource_version
    assert "kind" not in listed["items"][0]


def test_a_table_is_answered_to_who_asks_for_one(client: Client) -> None:
    client.ask("POST", PODS_PATH, pod())
    table = client.get(PODS_PATH, Accept=TABLE)
    assert table["kind"] == "Table"
    assert table["rows"][0]["cells"][:3] == ["web", "0/1", "Pending"]
    one = client.get(f"{PODS_PATH}/web", Accept=TABLE)
    assert one["rows"][0]["object"]["metadata"]["name"] == "web"
    metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert client.get(PODS_PATH, Accept=metadata)["kind"] == "PartialObjectMetadataList"
    assert refusal(client.ask("GET", PODS_PATH, Accept="text/html"))[:2] == (406, "NotAcceptable")


def test_selectors_of_both_kinds_choose(client: Client) -> None:
    for name in ("a", "b"):
        client.ask("POST", PODS_PATH, {**pod(name), "metadata": {"name": name, "labels": {"app": name}}})
    assert [one["metadata"]["name"] for one in client.get(f"{PODS_PATH}?labelSelector=app+in+(b)")["items"]] == ["b"]
    assert [one["metadata"]["name"] for one in client.get(f"{PODS_PATH}?fieldSelector=metadata.name%3Da")["items"]] == [
        "a"
    ]
    assert refusal(client.ask("GET", f"{PODS_PATH}?fieldSelector=spec.x%3Da"))[:2] == (400, "BadRequest")


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "message"),
    [
        ("GET", f"{PODS_PATH}/no", None, 404, 'pods "no" not found'),
        ("GET", "/apis/batch/v1/jobs", None, 404, f"{NOT_FOUND}: this cluster has no jobs.batch"),
        ("POST", "/apis/batch/v1/namespaces/x/jobs", {}, 404, f"{NOT_FOUND}: this cluster has no jobs.batch"),
        ("GET", "/api/v1/namespaces/x/secrets", None, 404, f"{NOT_FOUND}: this cluster has no secrets"),
        ("GET", "/api/v1/namespaces/x/nothing%20else", None, 404, NOT_FOUND),
        ("GET", "/api/v1/namespaces/x/nodes", None, 404, NOT_FOUND),
        ("GET", "/api/v1/pods/web/status/more", None, 404, NOT_FOUND),
        ("GET", "/api/v2/pods", None, 404, NOT_FOUND),
        ("GET", "/nothing", None, 404, NOT_FOUND),
        ("PATCH", f"{PODS_PATH}/x/ephemeralcontainers", {}, 404, "pods have no ephemeralcontainers in this cluster"),
        ("POST", "/api/v1/namespaces/no/pods", pod(), 404, 'namespaces "no" not found'),
        ("POST", "/api/v1/pods", pod(), 405, "the server does not allow this method on the requested resource"),
        ("PUT", PODS_PATH, pod(), 405, "the server does not allow this method on the requested resource"),
        ("DELETE", "/version", None, 405, "the server does not allow this method on the requested resource"),
        ("DELETE", "/api/v1/namespaces/default", None, 403, "this namespace may not be deleted"),
        ("POST", PODS_PATH, b"{", 400, "no JSON"),
        ("POST", PODS_PATH, b"[" * 100_000, 400, "no JSON"),
        ("POST", PODS_PATH, b"\xff\xfe", 400, "no JSON"),
        ("POST", PODS_PATH, [], 400, "no object"),
        ("POST", PODS_PATH, {"kind": "Service"}, 400, "no kind"),
        ("POST", PODS_PATH, {**pod(), "metadata": {"name": "x", "namespace": "other"}}, 400, "does not match"),
        ("POST", PODS_PATH, pod("Web"), 422, 'Pod "Web" is invalid: metadata.name: Invalid value: "Web"'),
        ("POST", PODS_PATH, pod(containers=[]), 422, "spec.containers: Required value"),
        ("POST", PODS_PATH, pod(restartPolicy="x"), 422, 'Unsupported value: "x"'),
        ("POST", PODS_PATH, pod(containers=[{"name": "c"}]), 422, "spec.containers[0].image: Required value"),
        ("POST", PODS_PATH, pod(hostPID=True), 422, "this cluster cannot do that"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_a_status(
    client: Client, method: str, path: str, body: Any, code: int, message: str
) -> None:
    before = client.store.resource_version
    found, _, text = refusal(client.ask(method, path, body))
    assert found == code
    assert message in text
    assert client.store.resource_version == before


def test_a_body_in_a_form_that_is_not_spoken_is_refused(client: Client) -> None:
    assert refusal(client.ask("POST", PODS_PATH, b"a: b", Content_Type="application/yaml"))[0] == 415
    damaged = client.ask("POST", PODS_PATH, b"k8s\0\xff", Content_Type="application/vnd.kubernetes.protobuf")
    assert refusal(damaged)[:2] == (400, "BadRequest")


def test_a_body_of_ten_megabytes_is_refused_and_the_next_request_is_not(client: Client) -> None:
    large = {"metadata": {"name": "x"}, "data": {"x": "y" * 10_000_000}}
    try:
        code = refusal(client.ask("POST", f"{CORE}/namespaces/default/configmaps", large))[0]
    except (ConnectionError, http.client.HTTPException):  # it stopped listening before we had said all
        code = 413
    assert code == 413
    assert client.get("/version")


def test_without_the_token_nothing_is_told() -> None:
    with api(token="secret") as client:
        for sent in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
            assert refusal(client.ask("GET", "/version", **sent))[:2] == (401, "Unauthorized")
        assert client.get("/version", Authorization="Bearer secret")


def test_unknown_fields_are_refused_warned_of_or_ignored(client: Client) -> None:
    path = f"{CORE}/namespaces/default/configmaps"
    for number, how in enumerate(("Strict", "Warn", "Ignore")):
        body = json.dumps({"metadata": {"name": f"c{number}"}, "dato": {}}).encode()
        with client.open("POST", f"{path}?fieldValidation={how}", body, Content_Type="application/json") as answer:
            warning = answer.headers.get("Warning")
            if how == "Strict":
                assert answer.status == 400
                assert 'strict decoding error: unknown field "dato"' in json.load(answer)["message"]
            else:
                assert answer.status == 201
                assert warning == ('299 - "unknown field \\"dato\\""' if how == "Warn" else None)
    assert len(client.store.list(CONFIGMAPS)) == 2


def test_a_service_says_what_it_does_not_do(client: Client) -> None:
    body = json.dumps({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}).encode()
    path = f"{CORE}/namespaces/default/services"
    with client.open("POST", path, body, Content_Type="application/json") as answer:
        assert answer.status == 201
        assert "routes no ClusterIP" in (answer.headers["Warning"] or "")
    node_port = {"metadata": {"name": "x"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    assert "use ClusterIP" in refusal(client.ask("POST", path, node_port))[2]


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (MERGE, {"metadata": {"labels": {"a": "b"}}}),
        (STRATEGIC, {"metadata": {"labels": {"a": "b"}}}),
        ("application/json-patch+json", [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]),
    ],
)
def test_all_three_patches_patch(client: Client, media: str, patch: Any) -> None:
    client.ask("POST", PODS_PATH, pod())
    status, patched = client.ask("PATCH", f"{PODS_PATH}/web", patch, Content_Type=media)
    assert (status, patched["metadata"]["labels"]) == (200, {"a": "b"})
    assert client.store.get(PODS, "web", "default") == patched


def test_server_side_apply_is_refused_in_words_whether_the_object_is_there_or_not(client: Client) -> None:
    for _ in range(2):
        answer = client.ask("PATCH", f"{PODS_PATH}/web", b"a: b", Content_Type="application/apply-patch+yaml")
        assert refusal(answer)[0] == 415
        assert "no server-side apply" in refusal(answer)[2]
        client.ask("POST", PODS_PATH, pod())


def test_a_pods_spec_cannot_be_changed_but_its_image_can(client: Client) -> None:
    client.ask("POST", PODS_PATH, pod())
    patch = {"spec": {"containers": [{"name": "c", "command": ["x"]}]}}
    answer = client.ask("PATCH", f"{PODS_PATH}/web", patch, Content_Type=STRATEGIC)
    assert "pod updates may not change fields other than" in refusal(answer)[2]
    patch = {"spec": {"containers": [{"name": "c", "image": "x"}]}}
    assert client.ask("PATCH", f"{PODS_PATH}/web", patch, Content_Type=STRATEGIC)[0] == 200


def test_a_stale_update_is_a_conflict(client: Client) -> None:
    _, made = client.ask("POST", f"{APPS}/deployments", deployment())
    client.ask("PATCH", f"{APPS}/deployments/web", {"spec": {"replicas": 2}}, Content_Type=MERGE)
    assert refusal(client.ask("PUT", f"{APPS}/deployments/web", made))[:2] == (409, "Conflict")
    del made["metadata"]["resourceVersion"]
    assert client.ask("PUT", f"{APPS}/deployments/web", made)[0] == 200
    renamed = {**made, "metadata": {**made["metadata"], "name": "other"}}
    assert "does not match the name on the URL" in refusal(client.ask("PUT", f"{APPS}/deployments/web", renamed))[2]


def test_a_selector_is_for_ever(client: Client) -> None:
    client.ask("POST", f"{APPS}/deployments", deployment())
    other = deployment("other")
    other["metadata"]["name"] = "web"
    assert "field is immutable" in refusal(client.ask("PUT", f"{APPS}/deployments/web", other))[2]
    wrong = deployment()
    wrong["spec"]["selector"] = {"matchLabels": {"app": "x"}}
    assert "`selector` does not match template `labels`" in refusal(client.ask("POST", f"{APPS}/deployments", wrong))[2]


def test_a_dry_run_says_what_would_be_and_does_nothing(client: Client) -> None:
    before = client.store.resource_version
    status, made = client.ask("POST", f"{PODS_PATH}?dryRun=All", pod())
    assert (status, made["spec"]["dnsPolicy"]) == (201, "ClusterFirst")
    assert client.store.resource_version == before
    client.ask("POST", PODS_PATH, pod())
    before = client.store.resource_version
    patch = {"metadata": {"labels": {"a": "b"}}}
    assert client.ask("PATCH", f"{PODS_PATH}/web?dryRun=All", patch, Content_Type=MERGE)[1]["metadata"]["labels"]
    assert client.ask("DELETE", f"{PODS_PATH}/web?dryRun=All")[0] == 200
    assert client.store.resource_version == before


def test_a_scale_is_read_and_written(client: Client) -> None:
    client.ask("POST", f"{APPS}/deployments", deployment())
    path = f"{APPS}/deployments/web/scale"
    scale = client.get(path)
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]) == ("Scale", 1, "app=web")
    assert client.ask("PATCH", path, {"spec": {"replicas": 3}}, Content_Type=MERGE)[1]["spec"]["replicas"] == 3
    scale["spec"]["replicas"] = 4
    assert refusal(client.ask("PUT", path, scale))[1] == "Conflict"
    del scale["metadata"]["resourceVersion"]
    assert client.ask("PUT", path, scale)[0] == 200
    assert client.store.get(DEPLOYMENTS, "web", "default")["spec"]["replicas"] == 4
    negative = client.ask("PATCH", path, {"spec": {"replicas": -1}}, Content_Type=MERGE)
    assert "must be greater than or equal to 0" in refusal(negative)[2]


def test_status_and_binding_are_written_by_their_own_paths(client: Client) -> None:
    client.ask("POST", PODS_PATH, pod())
    status = client.ask("PATCH", f"{PODS_PATH}/web/status", {"status": {"phase": "Running"}}, Content_Type=MERGE)[1]
    assert status["status"]["phase"] == "Running"
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-1"}}
    assert client.ask("POST", f"{PODS_PATH}/web/binding", binding)[0] == 201
    assert client.store.get(PODS, "web", "default")["spec"]["nodeName"] == "node-1"
    assert "already assigned" in refusal(client.ask("POST", f"{PODS_PATH}/web/binding", binding))[2]


def test_a_delete_says_what_is_deleted_or_what_still_is(client: Client) -> None:
    client.ask("POST", f"{APPS}/deployments", deployment())
    status = client.ask("DELETE", f"{APPS}/deployments/web", {"propagationPolicy": "Background"})[1]
    assert (status["status"], status["details"]["kind"], status["details"]["group"]) == (
        "Success",
        "deployments",
        "apps",
    )
    running_pod(client.store)
    marked = client.ask("DELETE", f"{PODS_PATH}/web?gracePeriodSeconds=3")[1]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 3
    wrong = {"preconditions": {"uid": "x"}, "gracePeriodSeconds": 0}
    assert refusal(client.ask("DELETE", f"{PODS_PATH}/web", wrong))[1] == "Conflict"
    assert refusal(client.ask("DELETE", f"{PODS_PATH}/web", {"propagationPolicy": "x"}))[0] == 400
    assert client.ask("DELETE", f"{PODS_PATH}/web", {"gracePeriodSeconds": 0})[0] == 200
    for name in ("a", "b"):
        client.ask("POST", PODS_PATH, {"metadata": {"name": name, "labels": {"app": name}}, "spec": pod()["spec"]})
    client.ask("DELETE", f"{PODS_PATH}?labelSelector=app%3Da")
    assert [one["metadata"]["name"] for one in client.store.list(PODS)] == ["b"]


def watched(client: Client, query: str) -> Iterator[Any]:
    with client.open("GET", f"/api/v1/pods?watch=true&{query}") as answer:
        for line in answer:
            yield json.loads(line)


def test_a_watch_tells_what_happens_until_its_time_is_over(client: Client) -> None:
    client.ask("POST", PODS_PATH, pod("a"))
    since = client.get("/api/v1/pods")["metadata"]["resourceVersion"]
    events = watched(client, f"resourceVersion={since}&timeoutSeconds=2&labelSelector=x%21%3Dy")
    threading.Thread(target=lambda: client.ask("POST", PODS_PATH, pod("b"))).start()
    seen = [next(events)]
    client.ask("DELETE", f"{PODS_PATH}/b")
    seen += events
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in seen] == [("ADDED", "b"), ("DELETED", "b")]


def test_a_watch_can_begin_with_what_is_there(client: Client) -> None:
    client.ask("POST", PODS_PATH, pod("a"))
    (event,) = watched(client, "timeoutSeconds=1&resourceVersion=0")
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
    query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
    first, mark = watched(client, query)
    assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "Pod"),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json", "PartialObjectMetadata"),
        (TABLE, "Table"),
    ],
)
def test_a_bookmark_says_of_which_kind_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch, accept: str, kind: str
) -> None:
    monkeypatch.setattr(watching, "_BOOKMARK_EVERY", 0.1)
    client.ask("POST", PODS_PATH, pod("a"))
    version = client.get("/api/v1/pods")["metadata"]["resourceVersion"]
    query = f"watch=1&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=5"
    with client.open("GET", f"/api/v1/pods?{query}", Accept=accept) as answer:
        mark = json.loads(answer.readline())
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", kind)
    assert mark["object"]["metadata"]["resourceVersion"] == version


def test_a_watch_in_tables_names_the_columns_once(client: Client) -> None:
    for name in ("a", "b"):
        client.ask("POST", PODS_PATH, pod(name))
    with client.open("GET", "/api/v1/pods?watch=1&timeoutSeconds=1", Accept=TABLE) as answer:
        tables = [json.loads(line)["object"] for line in answer]
    assert [bool(one["columnDefinitions"]) for one in tables] == [True, False]
    assert [one["rows"][0]["cells"][0] for one in tables] == ["a", "b"]


def test_a_watch_from_too_long_ago_is_told_so(client: Client) -> None:
    assert refusal(client.ask("GET", "/api/v1/pods?watch=1&resourceVersion=999"))[:2] == (410, "Expired")


def test_a_client_that_reads_nothing_does_not_hold_up_the_others(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as lazy:
        lazy.sendall(b"GET /api/v1/nodes?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        lazy.recv(12)
        for number in range(3000):
            client.store.create(NODES, {"metadata": {"name": f"n{number}", "labels": {"x": 1000 * "x"}}})
        assert len(client.get("/api/v1/nodes")["items"]) == 3000


def test_a_server_that_closes_ends_its_watches_and_does_not_wait_for_them() -> None:
    with api() as server, server.open("GET", "/api/v1/pods?watch=1") as answer:
        server.serving.close()
        assert answer.read() == b""  # and not IncompleteRead, as when a connection is cut off


def test_a_pod_on_no_node_or_on_one_that_is_gone_says_so(client: Client) -> None:
    client.ask("POST", PODS_PATH, pod())
    assert "does not have a host assigned" in refusal(client.ask("GET", f"{PODS_PATH}/web/log"))[2]
    running_pod(client.store, "there")
    assert refusal(client.ask("GET", f"{PODS_PATH}/there/log"))[0] == 500


def test_whoever_has_the_token_may_do_everything(client: Client) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
    status, answer = client.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (status, answer["status"]) == (201, {"allowed": True})
