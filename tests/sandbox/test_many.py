"""Many notebooks at once do not see one another."""

from __future__ import annotations

import os

from tests.sandbox.family import Family
from tests.sandbox.notebook import JupyterNotebook

MANY = 20

BUILD = """%%bash
set -e
test -z "$(ls /run/netns)"
ip netns add red
ip link add eth0 type veth peer name eth0 netns red
ip addr add 10.0.0.1/24 dev eth0
nft add table inet mine
echo $MARK >/run/mark
echo $MARK >/etc/netns/mark
sleep 1
ip -n red link set eth0 up
cat /run/mark /etc/netns/mark
readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt /proc/self/ns/uts /proc/self/ns/ipc
stat -L -c %i /run/netns/red
ls /run/netns /sys/class/net
nft list tables
"""


def test_twenty_notebooks_do_the_same_and_do_not_meet(family: Family) -> None:
    before = set(os.listdir("/sys/class/net"))
    notebooks = [JupyterNotebook(environment={"MARK": str(mark)}, wait=False) for mark in range(MANY)]
    try:
        for notebook in notebooks:
            notebook.connect()
        questions = [notebook.start_cell(BUILD) for notebook in notebooks]
        answers = [question.answer() for question in questions]
        assert {answer.status for answer in answers} == {"ok"}, answers
        assert len(family.alive()) == 3 * MANY
    finally:
        for notebook in notebooks:
            notebook.manager.request_shutdown()
        for notebook in notebooks:
            notebook.end()
    printed = [answer.printed.splitlines() for answer in answers]
    assert [lines[:2] for lines in printed] == [[str(mark)] * 2 for mark in range(MANY)]
    for namespaces in zip(*(lines[2:8] for lines in printed), strict=True):
        assert len(set(namespaces)) == MANY
    rest = ["/run/netns:", "red", "", "/sys/class/net:", "eth0", "lo", "table inet mine"]
    assert all(lines[8:] == rest for lines in printed), printed
    assert set(os.listdir("/sys/class/net")) == before
