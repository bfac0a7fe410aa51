"""What one call of a plugin was, also where the plugin misbehaved."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.cni.exchange import Exchange, Failure
from labhelpers.cni.operation import Operation


def _exchange(**fields: Any) -> Exchange:
    given = {
        "plugin": "bridge", "command": "ADD", "path": "/opt/cni/bin/bridge", "environment": {}, "stdin": "{}",
        "stdout": "", "stderr": "", "status": 0,
    }  # fmt: skip
    return Exchange(**{**given, **fields})


def test_what_went_in_and_came_out_are_values() -> None:
    exchange = _exchange(stdin='{"name": "pods"}', stdout='{"ips": []}')
    assert (exchange.ok, exchange.request, exchange.answer) == (True, {"name": "pods"}, {"ips": []})
    assert exchange.failure is None
    assert str(exchange) == "ADD bridge: ok"


def test_what_is_no_json_is_no_value() -> None:
    exchange = _exchange(stdin="", stdout="done!")
    assert (exchange.request, exchange.answer) == (None, None)


def test_an_error_object_is_read() -> None:
    exchange = _exchange(status=1, stdout='{"cniVersion": "1.0.0", "code": 7, "msg": "bad", "details": "very"}')
    assert exchange.failure == Failure(7, "bad", "very", "1.0.0")
    assert str(exchange) == "ADD bridge: code 7: bad (very)"


@pytest.mark.parametrize("stdout", ["", "oh no", "[]", "{}", '{"code": "7"}', '{"code": 7'])
def test_a_failure_without_an_error_object(stdout: str) -> None:
    exchange = _exchange(status=3, stdout=stdout)
    assert exchange.failure is None
    assert str(exchange) == "ADD bridge: status 3"


def test_an_error_object_of_a_call_that_worked_is_none() -> None:
    assert _exchange(stdout='{"code": 7, "msg": "bad"}').failure is None


def test_what_is_missing_in_an_error_object_is_empty() -> None:
    assert _exchange(status=1, stdout='{"code": 7, "msg": null}').failure == Failure(7, "")


def test_trouble_with_the_program_itself_is_said() -> None:
    exchange = _exchange(status=126, trouble="could not be started: exec format error")
    assert not exchange.ok
    assert exchange.outcome == "could not be started: exec format error"


def test_an_operation_worked_if_every_plugin_did() -> None:
    good, bad = _exchange(), _exchange(status=1, command="DEL", plugin="portmap")
    assert Operation("ADD", "pods", "web", (good, good))
    assert not Operation("ADD", "pods", "web", (good, bad))
    assert not Operation("ADD", "pods", "web", (good,), error="The plugin was not found.")
    assert str(Operation("ADD", "pods", "web", (good, bad))) == "ADD web on pods: ADD bridge: ok, DEL portmap: status 1"
    assert str(Operation("CHECK", "pods")) == "CHECK on pods: no plugin was called"
