"""JupyterHub for a class on one machine.  How to start it, and what the two ways differ in, is in README.md here.

Environment:
    CLASSROOM_FOLDER: where the hub keeps its files and, without system users, the learners' ones.
    CLASSROOM_PASSWORD: what all learners type who are no users of this machine; at least eight characters.
        Without it learners log in as users of this machine, and the hub must run as root.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labhelpers.course.classroom.notebook import KERNEL

if TYPE_CHECKING:
    from traitlets.config import get_config  # JupyterHub puts it here

CLONE = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("CLASSROOM_FOLDER") or Path.cwd()).resolve()
PASSWORD = os.environ.get("CLASSROOM_PASSWORD", "")
LEARNERS = 30

c = get_config()

# ---- the hub and its proxy

c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # others reach it through a web server with a certificate
c.JupyterHub.db_url = f"sqlite:///{FOLDER}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{FOLDER}/jupyterhub_cookie_secret"
c.ConfigurableHTTPProxy.pid_file = f"{FOLDER}/jupyterhub-proxy.pid"
c.ConfigurableHTTPProxy.command = shutil.which("configurable-http-proxy") or f"{sys.prefix}/bin/configurable-http-proxy"
c.JupyterHub.active_server_limit = LEARNERS
c.JupyterHub.concurrent_spawn_limit = 5  # a class that logs in at the same minute starts in turns
c.JupyterHub.cleanup_servers = True  # what was started ends with the hub

# ---- who learners are

if PASSWORD:
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = PASSWORD
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = f"{FOLDER}/learners/{{username}}"
else:
    c.JupyterHub.authenticator_class = "pam"
    c.JupyterHub.spawner_class = "localprocess"
c.Authenticator.allow_all = True

# ---- what each learner gets

c.Spawner.cmd = [f"{sys.prefix}/bin/jupyterhub-singleuser"]
c.Spawner.args = [
    # the only kernel on offer is the sandbox: the others run on the machine itself
    f"--KernelSpecManager.allowed_kernelspecs={KERNEL}",
    "--KernelSpecManager.ensure_native_kernel=False",
    f"--MultiKernelManager.default_kernel_name={KERNEL}",
    "--MappingKernelManager.cull_idle_timeout=3600",  # seconds; a sandbox that nobody uses ends
    *(["--allow-root"] if PASSWORD and os.geteuid() == 0 else []),
]
c.Spawner.default_url = "/lab/tree/pod-networking/00-start-here.ipynb"
c.Spawner.environment = {"PATH": f"{sys.prefix}/bin:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
c.Spawner.start_timeout = 180  # seconds, when the whole class starts
c.Spawner.http_timeout = 180


async def give_chapters(spawner: Any) -> None:
    """Put the chapters, without solutions, into the learner's folder.  What is there already stays.

    Another program writes them, as the learner: a hub that is root must not follow the links of a learner's folder.
    It gets none of the hub's environment, which a learner could read.
    """
    if PASSWORD:
        home, who = FOLDER / "learners" / spawner.user.name, {}
    else:
        user = pwd.getpwnam(spawner.user.name)
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        home, who = Path(user.pw_dir), {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}
    target = home / "pod-networking"
    if os.path.lexists(target):
        return
    chapters = sorted(map(str, (CLONE / "notebooks").glob("[0-9][0-9]-*.ipynb")))
    command = [sys.executable, "-m", "labhelpers.course", "handout", str(target), *chapters]
    own = {"HOME": str(home), "PATH": os.defpath}
    process = await asyncio.create_subprocess_exec(*command, cwd="/", env=own, stdout=subprocess.DEVNULL, **who)
    if await process.wait():
        raise RuntimeError(f"The chapters could not be written to {target}; the hub's log says why.")


c.Spawner.pre_spawn_hook = give_chapters
