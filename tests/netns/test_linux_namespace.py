"""Namespaces and their names, seen by ``ip netns`` and by inode numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from labhelpers.errors import AlreadyExists, NotFound, Vanished
from labhelpers.linux import link, namespace
from labhelpers.linux.changes import Changes
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.worker import visit, visit_each
from tests.netns.kernel import eventually, ip, links, shell

HERE = os.stat("/proc/self/ns/net").st_ino


@pytest.fixture
def red() -> Iterator[NetworkNamespace]:
    made = namespace.create("red")
    yield made
    shell("umount /run/netns/red 2>/dev/null || true; rm -f /run/netns/red")


def test_a_new_namespace_has_lo_which_is_down(red: NetworkNamespace) -> None:
    assert [one["name"] for one in ip("netns")] == ["red"]
    assert [(one["ifname"], "UP" in one["flags"]) for one in ip("link", namespace="red")] == [("lo", False)]
    assert shell("stat -Lc %i /proc/self/ns/net", "red") == str(red.inode)


def test_what_is_set_up_is_there_at_once() -> None:
    def set_up(changes: Changes, fd: int) -> None:
        assert os.fstat(fd).st_ino == os.stat("/proc/thread-self/ns/net").st_ino
        link.up(changes, "lo")

    made = namespace.create("red", set_up)
    assert "UP" in links("red")["lo"]["flags"]
    namespace.delete(made)


def test_several_are_made_all_or_none() -> None:
    made = namespace.create_all([("red", None), ("blue", None)])
    assert [one["name"] for one in ip("netns")] == ["blue", "red"]
    assert len({HERE, *(one.inode for one in made)}) == 3
    with pytest.raises(AlreadyExists):
        namespace.create_all([("green", None), ("red", None)])
    assert [one["name"] for one in ip("netns")] == ["blue", "red"]
    for one in made:
        namespace.delete(one)


def test_a_set_up_that_fails_leaves_no_name() -> None:
    def set_up(changes: Changes, fd: int) -> None:
        link.up(changes, "nosuch")

    with pytest.raises(NotFound, match="There is no interface 'nosuch' in namespace red"):
        namespace.create("red", set_up)
    assert ip("netns") == []


def test_a_name_is_used_once(red: NetworkNamespace) -> None:
    with pytest.raises(AlreadyExists, match="There is a namespace 'red' already"):
        namespace.create("red")
    assert shell("stat -Lc %i /run/netns/red") == str(red.inode)


def test_one_made_by_hand_can_be_used() -> None:
    shell("ip netns add hand")
    hand = namespace.attach("hand")
    with hand.changes() as changes:
        link.up(changes, "lo")
    assert "UP" in links("hand")["lo"]["flags"]
    namespace.delete(hand)
    assert ip("netns") == []


def test_what_is_not_there_is_said_with_what_is(red: NetworkNamespace) -> None:
    with pytest.raises(NotFound, match=r"There is no namespace 'blue'\. Namespaces: red\."):
        namespace.attach("blue")


def test_a_file_that_is_no_namespace_is_none() -> None:
    shell("touch /run/netns/paper; mount --bind /etc/hostname /run/netns/paper")
    assert namespace.inode_at("/run/netns/paper") == 0
    with pytest.raises(NotFound):
        namespace.attach("paper")
    shell("umount /run/netns/paper")
    with pytest.raises(NotFound):
        namespace.attach("paper")
    shell("rm /run/netns/paper")


def test_a_process_lends_its_namespace_a_name() -> None:
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as sleeper:
        path = f"/proc/{sleeper.pid}/ns/net"
        assert eventually(lambda: namespace.inode_at(path) not in (0, HERE))
        named = namespace.give_name(sleeper.pid, "red")
        assert named.inode == namespace.inode_at(path)
        sleeper.kill()
    assert [one["ifname"] for one in ip("link", namespace="red")] == ["lo"]
    namespace.delete(named)


def test_a_process_that_is_gone_lends_nothing() -> None:
    with pytest.raises(NotFound, match="There is no process 4194304"):
        namespace.give_name(4194304, "red")
    assert ip("netns") == []


def test_what_was_removed_by_hand_has_vanished(red: NetworkNamespace) -> None:
    shell("ip netns delete red")
    assert not red.exists
    for act in (red.open, lambda: namespace.delete(red), lambda: red.visit(os.getpid)):
        with pytest.raises(Vanished, match="The namespace 'red' is gone: it was removed"):
            act()


def test_what_was_unmounted_by_hand_has_vanished(red: NetworkNamespace) -> None:
    shell("umount /run/netns/red")
    assert not red.exists
    with pytest.raises(Vanished, match="somebody unmounted it"):
        red.open()


def test_a_name_that_was_mounted_once_more_meanwhile_is_taken_away(red: NetworkNamespace) -> None:
    shell("mount --bind /run/netns/red /run/netns/red")
    namespace.delete(red)
    assert ip("netns") == []


def test_what_was_replaced_by_hand_is_not_taken_for_the_old_one(red: NetworkNamespace) -> None:
    kept = red.open()  # so that the kernel cannot give the new one its number
    shell("ip netns delete red; ip netns add red")
    assert not red.exists
    with pytest.raises(Vanished, match=r'another of the same name made.*Use lab\["red"\]'):
        red.open()
    with pytest.raises(Vanished):
        namespace.delete(red)
    assert ip("netns") != []
    os.close(kept)


def test_a_visit_runs_inside_and_nobody_else_moves(red: NetworkNamespace) -> None:
    inside = red.visit(lambda: os.stat("/proc/thread-self/ns/net").st_ino)
    assert inside == red.inode
    assert os.stat("/proc/self/ns/net").st_ino == HERE
    assert visit(None, lambda: os.stat("/proc/thread-self/ns/net").st_ino) == HERE


def test_a_job_that_fails_comes_home_too(red: NetworkNamespace) -> None:
    with pytest.raises(ZeroDivisionError):
        red.visit(lambda: 1 // 0)
    assert visit(None, lambda: os.stat("/proc/thread-self/ns/net").st_ino) == HERE


def test_a_tour_visits_one_after_another(red: NetworkNamespace) -> None:
    fds = [os.open("/proc/self/ns/net", os.O_RDONLY), red.open()]
    assert visit_each(fds, lambda: os.stat("/proc/thread-self/ns/net").st_ino) == [HERE, red.inode]
    for fd in fds:
        os.close(fd)


def test_many_threads_may_visit_at_once(red: NetworkNamespace) -> None:
    seen: list[int] = []

    def look() -> None:
        for _ in range(50):
            seen.append(red.visit(lambda: os.stat("/proc/thread-self/ns/net").st_ino))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [red.inode] * 200


def test_a_visit_in_a_visit_is_refused(red: NetworkNamespace) -> None:
    with pytest.raises(RuntimeError, match="cannot visit another namespace from inside one"):
        red.visit(lambda: red.visit(os.getpid))


def test_a_child_that_was_forked_visits_on_its_own(red: NetworkNamespace) -> None:
    visit(None, os.getpid)  # the parent has its thread
    script = (
        "import os\n"
        "from labhelpers.linux.worker import visit\n"
        "from labhelpers.linux.namespace import attach\n"
        "red = attach('red')\n"
        "red.visit(os.getpid)\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    os._exit(red.visit(lambda: os.stat('/proc/thread-self/ns/net').st_ino) != red.inode)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert _python(script).returncode == 0


def _python(script: str, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*before, sys.executable, "-c", script], capture_output=True, text=True, timeout=30)


def test_who_has_no_privilege_reads_its_own_namespace_again_and_again(red: NetworkNamespace) -> None:
    script = "from labhelpers.topology import Snapshot\nprint(*Snapshot.take().names)\nprint(*Snapshot.take().names)\n"
    done = _python(script, "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
    assert (done.stdout, done.stderr) == ("host\nhost\n", "")
