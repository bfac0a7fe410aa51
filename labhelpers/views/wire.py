"""An operation of the CNI runtime as it went over the wire: what each plugin was given, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from textwrap import indent

from labhelpers.cni.exchange import Exchange
from labhelpers.cni.operation import Operation
from labhelpers.views.compact_json import compact
from labhelpers.views.sequence import Message, Sequence

__all__ = ["sequence_of", "wire_html", "wire_text"]

_LEFT = "style='text-align: left'"
_BESIDE = "style='margin-left: 1.5em'"


def wire_text(operation: Operation) -> str:
    """The exchange as text, plugin by plugin."""
    lines = [_headline(operation)]
    for exchange in operation.exchanges:
        lines += _text(exchange)
    lines += _unused(operation)
    if operation.undo:
        lines.append("DEL follows, along the whole chain:")
        lines += [f"  {exchange}" for exchange in operation.undo]
    return "\n".join(lines)


def _headline(operation: Operation) -> str:
    who = f" {operation.container}" if operation.container else ""
    outcome = "done" if operation.ok else operation.error or "failed"
    return f"{operation.command}{who}, network {operation.network}: {outcome}"


def _unused(operation: Operation) -> list[str]:
    return [f"runtimeConfig {name}: no plugin of the network names it in its capabilities" for name in operation.unused]


def _ended(exchange: Exchange) -> str:
    if exchange.status < 0:
        return f"ended by signal {-exchange.status}"
    return f"exit status {exchange.status}"


def _text(exchange: Exchange, *, delegated: bool = False) -> list[str]:
    lines = [f"{'it starts' if delegated else '▶'} {exchange.plugin}"]
    if not delegated:
        lines += [f"  {name}={value}" for name, value in exchange.environment.items()]
        lines += ["  standard input:", indent(_json(exchange.stdin, exchange.request), "    ")]
    for inner in exchange.delegated:
        lines += [f"  {line}" for part in _text(inner, delegated=True) for line in part.splitlines()]
    lines += ["  standard output:", indent(_json(exchange.stdout, exchange.answer) or "nothing", "    ")]
    if exchange.stderr.strip():
        lines += ["  standard error:", indent(exchange.stderr.strip(), "    ")]
    lines.append(f"  {_ended(exchange)}")
    if exchange.changes:
        lines += ["  changed in the kernel:", indent(str(exchange.changes), "    ")]
    return lines


def _json(text: str, value: object) -> str:
    """Laid out for reading if it is JSON, else as it came."""
    return text.strip() if value is None else compact(value)


def sequence_of(operation: Operation) -> Sequence:
    """The same in short: who started whom, what was changed in the kernel, and what came back."""
    messages = [message for exchange in operation.exchanges for message in _messages("runtime", exchange)]
    return Sequence(messages, title=_headline(operation))


def _messages(caller: str, exchange: Exchange) -> Iterator[Message]:
    what = " ".join(exchange.environment.get(name, "") for name in ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME"))
    yield Message(caller, exchange.plugin, what.strip())
    for inner in exchange.delegated:
        yield from _messages(exchange.plugin, inner)
    if exchange.changes:
        # what had changed when it ended: nobody saw in which order
        yield Message(exchange.plugin, exchange.plugin, "by now changed in the kernel:")
    for change in exchange.changes:
        yield Message(exchange.plugin, exchange.plugin, str(change), is_step=False)
    yield Message(exchange.plugin, caller, _answer(exchange), is_answer=True)


def _answer(exchange: Exchange) -> str:
    if exchange.failure:
        return str(exchange.failure)
    answer = exchange.answer
    ips = answer.get("ips") if isinstance(answer, dict) else None
    addresses = (
        ", ".join(one.get("address", "") for one in ips if isinstance(one, dict)) if isinstance(ips, list) else ""
    )
    return f"{_ended(exchange)}{f', {addresses}' if addresses else ''}"


def wire_html(operation: Operation) -> str:
    """The exchange as nested boxes that open and close."""
    parts = [f"<p><b>{escape(_headline(operation))}</b></p>"]
    parts += [_html(exchange) for exchange in operation.exchanges]
    parts += [f"<p>{escape(line)}</p>" for line in _unused(operation)]
    if operation.undo:
        parts.append("<p>DEL follows, along the whole chain:</p>")
        parts += [_html(exchange, is_open=False) for exchange in operation.undo]
    return "".join(parts)


def _html(exchange: Exchange, *, delegated: bool = False, is_open: bool = True) -> str:
    title = f"{'it starts ' if delegated else ''}<b>{escape(exchange.plugin)}</b>"
    state = " open" if is_open else ""
    return (
        f"<details{state} {_BESIDE}><summary>{title} with {escape(exchange.command)}: {_ended(exchange)}</summary>"
        + "".join(_sections(exchange, delegated=delegated))
        + "</details>"
    )


def _sections(exchange: Exchange, *, delegated: bool) -> Iterator[str]:
    if not delegated:
        rows = "".join(
            f"<tr><td {_LEFT}><code>{escape(name)}</code></td><td {_LEFT}><code>{escape(value)}</code></td></tr>"
            for name, value in exchange.environment.items()
        )
        yield f"<table><caption {_LEFT}>environment</caption><tbody>{rows}</tbody></table>"
        yield _folded("standard input", _json(exchange.stdin, exchange.request))
    else:
        yield "<p>with the same environment and the same standard input</p>"
    for inner in exchange.delegated:
        yield _html(inner, delegated=True)
    yield _folded("standard output", _json(exchange.stdout, exchange.answer) or "nothing")
    if exchange.stderr.strip():
        yield _folded("standard error", exchange.stderr.strip())
    if exchange.changes:
        yield _folded("changed in the kernel", str(exchange.changes))


def _folded(title: str, text: str) -> str:
    return f"<p style='margin: 0.4em 0 0'>{title}</p><pre {_BESIDE}>{escape(text)}</pre>"
