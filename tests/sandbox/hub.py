"""JupyterHub with its proxy, from the classroom's configuration: as root with users, otherwise with a password."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack, suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from labhelpers.sandbox.facts import CAP_SYS_ADMIN, has_capability
from tests.runner.nobody import uncovered
from tests.sandbox.family import until

__all__ = ["CLASSROOM", "LEARNERS", "PASSWORD", "Hub", "until_ready"]

CLASSROOM = Path(__file__).parents[2] / "classroom"
PASSWORD, ADMIN = "correct horse", "a-token-of-the-test"
LEARNERS = ("ada", "bob")

#: what a test adds: ports that nobody has, and a token to ask the hub with
CONFIG = """
load_subconfig({classroom!r})
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{0}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{1}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{2}"
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}, "admin": True}}]
"""


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _with_users(folder: Path, homes: Path) -> list[str]:
    """The prefix that runs a command on a machine that has the learners as users, each with a home and a password.

    They are users in a mount namespace only, where copies with their lines lie over the files of the real ones.
    """
    taken = {user.pw_uid for user in pwd.getpwall()}
    free = (uid for uid in range(20_000, 60_000) if uid not in taken)
    lines = uncovered(CLASSROOM.parent, Path(sys.base_prefix), homes)
    added: dict[str, list[str]] = {"passwd": [], "group": [], "shadow": []}
    for name in LEARNERS:
        uid, home = next(free), homes / name
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
        secret = subprocess.check_output(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, text=True).strip()
        added["passwd"].append(f"{name}:x:{uid}:{uid}::{home}:/bin/sh")
        added["group"].append(f"{name}:x:{uid}:")
        added["shadow"].append(f"{name}:{secret}:20000:0:99999:7:::")
    for file, new in added.items():
        old = [line for line in Path("/etc", file).read_text().splitlines() if line.split(":")[0] not in LEARNERS]
        (folder / file).write_text("\n".join([*old, *new, ""]))
        (folder / file).chmod(0o600 if file == "shadow" else 0o644)
        lines.append(f"mount --bind {shlex.quote(str(folder / file))} /etc/{file}")
    return ["unshare", "--mount", "--propagation=private", "sh", "-ec", "\n".join([*lines, 'exec "$@"']), "sh"]


class Hub:
    """It has users of a machine (PAM) if root runs it, and otherwise learners who share an account and a password."""

    def __init__(self, folder: Path, homes: Path) -> None:
        self.folder = folder
        self.has_users = has_capability(CAP_SYS_ADMIN)
        self.homes = homes if self.has_users else folder / "learners"
        ports = _free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        config = CONFIG.format(*ports, classroom=str(CLASSROOM / "jupyterhub_config.py"), token=ADMIN)
        (folder / "config.py").write_text(config)
        environment = {**os.environ, "CLASSROOM_FOLDER": str(folder)}
        if not self.has_users:
            environment["CLASSROOM_PASSWORD"] = PASSWORD
        prefix = _with_users(folder, homes) if self.has_users else []
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "jupyterhub", "-f", str(folder / "config.py")],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def up(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.ask("GET", "/hub/api/")["version"])
        except (urllib.error.URLError, ConnectionError):
            return False

    def ask(self, method: str, path: str, token: str = ADMIN, **content: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=json.dumps(content).encode() if content or method == "POST" else None,
            headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read() or "null")

    def logs_in(self, name: str, password: str) -> bool:
        """As the form of the login page does."""
        cookies = CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        browser.open(f"{self.url}/hub/login", timeout=60).close()
        sent = {
            "_xsrf": next(one.value for one in cookies if one.name == "_xsrf"),
            "username": name,
            "password": password,
        }
        # to a page that starts nothing
        url = f"{self.url}/hub/login?next=%2Fhub%2Ftoken"
        try:
            browser.open(url, urllib.parse.urlencode(sent).encode(), timeout=60).close()
        except urllib.error.HTTPError as error:
            error.close()
        return any("hub-login" in one.name for one in cookies)

    def server_of(self, name: str) -> str:
        """Start the learner's server.  Returns a token for it."""
        self.ask("POST", f"/hub/api/users/{name}/server")
        until_ready(lambda: self.ask("GET", f"/hub/api/users/{name}")["servers"].get("", {}).get("ready"))
        token: str = self.ask("POST", f"/hub/api/users/{name}/tokens")["token"]
        return token

    def processes_of(self, name: str) -> list[str]:
        """What runs for the learner: the server and what it has started."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if f"JUPYTERHUB_USER={name}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return found

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def until_ready(condition: Any) -> None:
    """Twice and three times the patience of other tests: three servers start after one another."""
    for attempt in range(3):
        try:
            until(condition, "it is ready")
            return
        except AssertionError:
            if attempt == 2:
                raise
