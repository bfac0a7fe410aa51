"""A hub that is started from the classroom's configuration: two learners log in and run a chapter's first cells."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect
from traitlets.config.loader import PyFileConfigLoader

from tests.sandbox.family import Family
from tests.sandbox.hub import CLASSROOM, LEARNERS, PASSWORD, Hub, until_ready
from tests.sandbox.server import Socket

#: the chapters, and the pages that they link to
HANDED_OUT = {path.name for path in (CLASSROOM.parent / "notebooks").iterdir() if path.suffix in (".ipynb", ".md")}


@pytest.fixture(scope="module")
def hub(module_family: Family, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for all tests; nothing that it started is left."""
    if not (shutil.which("configurable-http-proxy") or Path(sys.prefix, "bin/configurable-http-proxy").exists()):
        pytest.skip("no configurable-http-proxy")
    with TemporaryDirectory() as homes:
        os.chmod(homes, 0o755)
        one = Hub(tmp_path_factory.mktemp("class"), Path(homes))
        try:
            until_ready(one.up)
            yield one
        finally:
            one.end()


def test_a_learner_needs_the_password(hub: Hub) -> None:
    assert not hub.logs_in("eve", "wrong horse!")
    assert hub.logs_in("ada", PASSWORD)
    assert [one["name"] for one in hub.ask("GET", "/hub/api/users")] == ["ada"]


async def _outputs(hub: Hub, tokens: dict[str, str], *more: str) -> dict[str, list[str]]:
    """What the same cells print for each, in kernels that run at the same time."""
    found: dict[str, list[str]] = {}
    connections = {}
    for name, token in tokens.items():
        kernel = hub.ask("POST", f"/user/{name}/api/kernels", token, name="pod-networking")
        url = f"{hub.url.replace('http', 'ws', 1)}/user/{name}/api/kernels/{kernel['id']}/channels"
        connections[name] = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {token}"}))
    for name, connection in connections.items():
        socket = Socket(connection)
        await socket.printed("!ip netns add red && echo made")
        await socket.printed(f"!echo {name} >/run/whose; echo written")
        found[name] = []
    for name, connection in connections.items():
        socket = Socket(connection)
        for cell in ("!cat /run/whose", "!ip netns", "!readlink /proc/self/ns/net", *more):
            found[name].append(await socket.printed(cell))
    for connection in connections.values():
        connection.close()
        while await connection.read_message() is not None:
            pass
    return found


def test_learners_have_the_chapters_and_a_sandbox_each(hub: Hub) -> None:
    for name in LEARNERS:
        assert hub.logs_in(name, PASSWORD)
    tokens = {name: hub.server_of(name) for name in LEARNERS}
    token = tokens["ada"]
    specs = hub.ask("GET", "/user/ada/api/kernelspecs", token)
    assert (list(specs["kernelspecs"]), specs["default"]) == (["pod-networking"], "pod-networking")
    files = hub.ask("GET", "/user/ada/api/contents/pod-networking", token)["content"]
    assert {one["name"] for one in files} == HANDED_OUT
    chapter = hub.homes / "ada/pod-networking/01-network-namespaces.ipynb"
    text = chapter.read_text()
    assert 'check(\\"1.1\\")' in text and '"solution(\\"1.1\\")"' not in text
    assert chapter.stat().st_uid == (hub.homes / "ada").stat().st_uid
    with pytest.raises(urllib.error.HTTPError) as refused:
        hub.ask("GET", "/user/ada/api/contents", tokens["bob"])
    refused.value.close()
    assert refused.value.code in (401, 403)
    reads = f"!head -c 1 {shlex.quote(str(chapter))}"
    outputs = asyncio.run(_outputs(hub, tokens, reads))
    assert [outputs[name][:2] for name in LEARNERS] == [["ada", "red"], ["bob", "red"]]
    assert outputs["ada"][2] != outputs["bob"][2] != os.readlink("/proc/self/ns/net")
    assert outputs["ada"][3] == "{"
    assert outputs["bob"][3].endswith("Permission denied") if hub.has_users else outputs["bob"][3] == "{"
    assert any("labhelpers.sandbox" in one for one in hub.processes_of("ada"))
    hub.ask("DELETE", "/hub/api/users/ada/server")
    until_ready(lambda: not hub.processes_of("ada"))
    assert hub.processes_of("bob")


def test_chapters_are_written_as_the_learner_and_never_through_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    with TemporaryDirectory() as folder:
        for name in ("own", "other"):
            Path(folder, name).mkdir()
        os.chmod(folder, 0o755)
        home, other = Path(folder, "own"), Path(folder, "other")
        os.chown(home, 65534, 65534)
        monkeypatch.setenv("CLASSROOM_FOLDER", folder)
        monkeypatch.delenv("CLASSROOM_PASSWORD", raising=False)
        learner = pwd.struct_passwd(("ada", "x", 65534, 65534, "", str(home), "/bin/sh"))
        monkeypatch.setattr(pwd, "getpwnam", lambda name: learner)
        config = PyFileConfigLoader(str(CLASSROOM / "jupyterhub_config.py")).load_config()
        assert config.JupyterHub.authenticator_class == "pam"
        spawner = SimpleNamespace(user=SimpleNamespace(name="ada"))
        asyncio.run(config.Spawner.pre_spawn_hook(spawner))
        written = list((home / "pod-networking").iterdir())
        assert {path.name for path in written} == HANDED_OUT
        assert {path.stat().st_uid for path in (home / "pod-networking", *written)} == {65534}
        shutil.rmtree(home / "pod-networking")
        (home / "pod-networking").symlink_to(other)
        asyncio.run(config.Spawner.pre_spawn_hook(spawner))
        assert list(other.iterdir()) == []
        (home / "pod-networking").unlink()
        os.chown(home, 0, 0)
        with pytest.raises(RuntimeError, match="could not be written"):
            asyncio.run(config.Spawner.pre_spawn_hook(spawner))


@pytest.fixture(scope="module")
def values() -> Any:
    return yaml.safe_load((CLASSROOM / "values.yaml").read_text())


def test_a_pod_has_what_the_sandbox_needs_and_no_more(values: Any) -> None:
    c = SimpleNamespace(KubeSpawner=SimpleNamespace())
    exec(values["hub"]["extraConfig"]["sandbox"], {"c": c})
    context = c.KubeSpawner.container_security_context
    # tests/sandbox/test_container.py starts a sandbox with these
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert (context["privileged"], context["allowPrivilegeEscalation"]) == (False, False)
    assert context["procMount"] == "Unmasked"
    learner = values["singleuser"]
    # Kubernetes refuses an unmasked /proc in a pod that shares the node's users
    assert learner["extraPodConfig"] == {"hostUsers": False}
    # the chart's default is a privileged container in each pod
    assert learner["cloudMetadata"] == {"blockWithIptables": False} and learner["networkPolicy"]["enabled"]
    assert {"limit", "guarantee"} == set(learner["memory"]) == set(learner["cpu"])


def test_a_pod_offers_what_the_hub_on_one_machine_offers(values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASSROOM_PASSWORD", PASSWORD)
    one_machine = PyFileConfigLoader(str(CLASSROOM / "jupyterhub_config.py")).load_config()
    learner, settings = values["singleuser"], values["hub"]["config"]
    assert set(one_machine.Spawner.args) - {"--allow-root"} < set(learner["cmd"])
    assert learner["defaultUrl"] == one_machine.Spawner.default_url
    assert settings["JupyterHub"]["authenticator_class"] == one_machine.JupyterHub.authenticator_class
    assert settings["Authenticator"]["allow_all"] is one_machine.Authenticator.allow_all is True


def test_the_course_is_where_no_volume_hides_it(values: Any, tmp_path: Path) -> None:
    (build,) = re.findall(r"    repo2docker (.*?) \.\n", (CLASSROOM / "README.md").read_text(), re.DOTALL)
    options = dict(re.findall(r"--([a-z-]+) ([^- \\]\S*)", build))
    learner = values["singleuser"]
    home, course = learner["storage"]["homeMountPath"], options["target-repo-dir"]
    assert home == f"/home/{options['user-name']}" and not course.startswith(home)
    assert f"--ServerApp.root_dir={home}" in learner["cmd"]
    assert options["image-name"] == f"{learner['image']['name']}:{learner['image']['tag']}"
    assert f'"runAsUser": {options["user-id"]},' in values["hub"]["extraConfig"]["sandbox"]
    # what Kubernetes runs when the container has started, with the clone for the image's folder
    command = learner["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert command[2].count(f"{course}/") == 1
    hook = [*command[:2], command[2].replace(course, str(CLASSROOM.parent))]
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    chapters = tmp_path / "pod-networking"
    for _ in range(2):
        subprocess.run(hook, check=True, env=environment, cwd=CLASSROOM.parent, stdout=subprocess.DEVNULL)
        assert {path.name for path in chapters.iterdir()} == HANDED_OUT
        next(chapters.iterdir()).write_text("a learner's work")
    assert "a learner's work" in [one.read_text() for one in chapters.iterdir()]
    shutil.rmtree(chapters)
    chapters.symlink_to("nowhere")
    subprocess.run(hook, check=True, env=environment, cwd=CLASSROOM.parent)
    assert not chapters.exists()
