"""``doctor()`` on the bare machine: it tries in a sandbox of its own, changes nothing here, and never falls over.

Each test starts it in a process of its own.  What it finds depends on the machine, and is compared with what the
sandbox itself does here.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labhelpers.doctor import doctor
from labhelpers.errors import BadInput
from labhelpers.sandbox.run import REFUSED

CLONE = Path(__file__).resolve().parents[2]
DOCTOR = [sys.executable, "-m", "labhelpers.doctor"]
#: what a shell says before the doctor is asked, in a user namespace that may have no network namespaces
LIMIT = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-ec",
    'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"',
    "-",
]


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CLONE, capture_output=True, text=True, **options)


def sandbox_works() -> bool:
    done = run([sys.executable, "-m", "labhelpers.sandbox.run", "--", "true"])
    assert done.returncode in (0, REFUSED), done.stderr
    return done.returncode == 0


def here() -> dict[str, Any]:
    """What this process sees of the machine, and what a doctor could have changed."""
    return {
        "links": sorted(os.listdir("/sys/class/net")),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "namespace": os.readlink("/proc/self/ns/net"),
        "hostname": os.uname().nodename,
        "files": set(os.listdir("/proc/self/fd")),
    }


def test_it_finds_what_a_sandbox_finds_and_changes_nothing_here() -> None:
    before = here()
    report = doctor()
    assert here() == before
    assert report.ok == sandbox_works()
    assert bool(report.refusal) == (not report.ok)
    assert not report.trouble
    assert report["veth"].ok == report.ok


def test_where_a_limit_forbids_a_sandbox_it_says_which_and_looks_for_programs_only() -> None:
    """Where even the user namespace for the limit is refused, so is the sandbox, unless this is root."""
    prefix = LIMIT if run([*LIMIT, "true"]).returncode == 0 else []
    if not prefix and sandbox_works():
        pytest.skip("root where user namespaces are refused")
    done = run([*prefix, *DOCTOR, "--json"])
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["refusal"].startswith("This machine does not allow a sandbox")
    if prefix:
        assert "sudo sysctl -w user.max_net_namespaces=10000" in report["refusal"]
    assert report["sentences"][0].startswith("No chapter runs here, because this machine does not allow a sandbox.")
    status = {row["id"]: row["status"] for row in report["rows"]}
    assert status["veth"] == status["nft-tables"] == status["namespaces"] == "not tried"
    assert status["ip"] == "works"
    text = run([*prefix, *DOCTOR]).stdout
    assert report["refusal"] in text
    assert "VXLAN" not in text


def test_programs_of_the_system_folders_are_found_where_the_path_lacks_them() -> None:
    """An ordinary user's PATH has no sbin, and the sandbox adds it."""
    done = run([*DOCTOR, "--json"], env={**os.environ, "PATH": "/usr/bin:/bin"})
    status = {row["id"]: row["status"] for row in json.loads(done.stdout)["rows"]}
    nft = any(os.access(f"{folder}/nft", os.X_OK) for folder in ("/usr/sbin", "/sbin", "/usr/bin"))
    assert status["nft"] == ("works" if nft else "missing")


@pytest.mark.parametrize("chapter", ["77", "0.1", "-1", "two", True, 3.0, " 02", None])
def test_a_chapter_that_does_not_exist_is_bad_input(chapter: Any) -> None:
    with pytest.raises(BadInput, match="There is no chapter"):
        doctor(chapter)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["77"], 2, "There is no chapter '77'."),
        (["--help"], 2, "usage: "),
        (["01", "02"], 2, "usage: "),
    ],
)
def test_the_command_line_says_what_it_does_not_understand(arguments: list[str], code: int, words: str) -> None:
    done = run([*DOCTOR, *arguments])
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith(words)


@pytest.mark.parametrize(
    "lines",
    [
        "from labhelpers import doctor",
        "from labhelpers.doctor import doctor",
        "import labhelpers.doctor; from labhelpers import doctor",
        "from labhelpers import doctor; import labhelpers.doctor; from labhelpers import doctor",
        "from labhelpers.doctor.report import Report; from labhelpers import doctor",
    ],
)
def test_doctor_is_a_verb_however_it_was_imported(lines: str) -> None:
    """The module has the name of the verb, and importing the one must not hide the other."""
    code = f"{lines}\nfrom labhelpers.errors import BadInput\ntry: doctor('99')\nexcept BadInput: print('asked')"
    done = run([sys.executable, "-W", "error", "-c", code])
    assert done.stdout == "asked\n", shlex.join(map(str, done.args)) + done.stderr
