"""What a CNI operation looks like: every word that was said is there, as text and as HTML."""

from __future__ import annotations

import html
import json
import re

import pytest

from labhelpers.cni import Exchange, Operation
from labhelpers.topology import Change, Changes
from labhelpers.views.wire import sequence_of, wire_html, wire_text

CONFIG = {"cniVersion": "1.1.0", "name": "pods", "type": "lab-bridge"}
RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.1.2/24"}]}
ENVIRONMENT = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "web", "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin"}


def exchange(plugin: str, *, stdout: object = RESULT, status: int = 0, **more: object) -> Exchange:
    text = stdout if isinstance(stdout, str) else json.dumps(stdout)
    values = {"stderr": "", "path": f"/opt/cni/bin/{plugin}", "stdin": json.dumps(CONFIG), "environment": ENVIRONMENT}
    return Exchange(**{"plugin": plugin, "command": "ADD", "stdout": text, "status": status, **values, **more})  # type: ignore[arg-type]


INNER = exchange("lab-host-local")
GOOD = Operation("ADD", "pods", "web", (exchange("lab-bridge", delegated=(INNER,)), exchange("portmap")))
ERROR = {"cniVersion": "1.1.0", "code": 11, "msg": "no <address> left"}
BAD = Operation(
    "ADD",
    "pods",
    "web",
    (exchange("lab-bridge", stdout=ERROR, status=1, stderr="oh & no"),),
    undo=(exchange("lab-bridge", stdout="", command="DEL"),),
    error="The plugin said no.",
)


def said(operation: Operation) -> list[str]:
    """Everything that must be readable."""
    return ["lab-bridge", "CNI_CONTAINERID", "/opt/cni/bin", '"type": "lab-bridge"']


@pytest.mark.parametrize("operation", [GOOD, BAD], ids=["well", "badly"])
@pytest.mark.parametrize("show", [wire_text, wire_html])
def test_what_was_said_is_there(operation: Operation, show: object) -> None:
    text = html.unescape(show(operation))  # type: ignore[operator]
    for words in said(operation):
        assert words in text


def test_the_calls_are_in_order_and_the_inner_ones_inside() -> None:
    lines = wire_text(GOOD).splitlines()
    assert lines[0] == "ADD web, network pods: done"
    assert [line for line in lines if line.lstrip().startswith(("▶", "it starts"))] == [
        "▶ lab-bridge",
        "  it starts lab-host-local",
        "▶ portmap",
    ]
    page = wire_html(GOOD)
    assert page.index("<b>lab-bridge") < page.index("it starts <b>lab-host-local") < page.index("<b>portmap")
    assert page.count("<details") == page.count("</details>") == 3


def test_a_failure_shows_the_error_object_standard_error_and_the_undo() -> None:
    text = wire_text(BAD)
    assert text.splitlines()[0] == "ADD web, network pods: The plugin said no."
    assert '{"cniVersion": "1.1.0", "code": 11, "msg": "no <address> left"}' in text
    assert "oh & no" in text
    assert text.endswith("DEL follows, along the whole chain:\n  DEL lab-bridge: ok")
    page = wire_html(BAD)
    assert "no &lt;address&gt; left" in page
    assert "oh &amp; no" in page


@pytest.mark.parametrize(("status", "words"), [(0, "exit status 0"), (1, "exit status 1"), (-9, "ended by signal 9")])
def test_how_it_ended_is_said(status: int, words: str) -> None:
    operation = Operation("ADD", "pods", "web", (exchange("lab-bridge", status=status),))
    assert words in wire_text(operation)
    assert words in wire_html(operation)


def test_what_is_no_json_is_shown_as_it_came() -> None:
    operation = Operation("ADD", "pods", "web", (exchange("lab-bridge", stdout="garbage {", stdin="{half"),))
    assert "garbage {" in wire_text(operation)
    assert "{half" in wire_html(operation)


def test_the_short_form_is_a_sequence() -> None:
    story = sequence_of(GOOD)
    assert story.parties == ("runtime", "lab-bridge", "lab-host-local", "portmap")
    assert [(one.source, one.target, one.text) for one in story.messages][:3] == [
        ("runtime", "lab-bridge", "ADD web eth0"),
        ("lab-bridge", "lab-host-local", "ADD web eth0"),
        ("lab-host-local", "lab-bridge", "exit status 0, 10.0.1.2/24"),
    ]
    assert "code 11: no <address> left" in repr(sequence_of(BAD))


def test_what_changed_is_one_step_whatever_the_order_of_the_table() -> None:
    changes = Changes([Change("node-1", "added", "link", "cni0"), Change("web", "added", "link", "eth0")])
    story = sequence_of(Operation("ADD", "pods", "web", (exchange("lab-bridge", delegated=(INNER,), changes=changes),)))
    assert [re.sub(" +", " ", line.strip()) for line in repr(story).splitlines()[3:]] == [
        "4. lab-bridge by now changed in the kernel:",
        "lab-bridge + node-1: link cni0",
        "lab-bridge + web: link eth0",
        "5. lab-bridge ⇢ runtime exit status 0, 10.0.1.2/24",
    ]


def test_the_network_has_no_container() -> None:
    operation = Operation("GC", "pods", "", (exchange("lab-bridge", stdout="", changes=Changes()),))
    assert wire_text(operation).startswith("GC, network pods: done")
    assert "nothing" in wire_text(operation)
