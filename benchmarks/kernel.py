"""What does the sandbox cost a notebook?  The kernel of the course beside an ordinary IPython kernel."""

from __future__ import annotations

import time
from statistics import median
from subprocess import DEVNULL
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from benchmarks._measure import Job, Row, a_a, in_turns, options, ratio, report

STOCK, SANDBOX = "python3", "pod-networking"
METRICS = ("start to first reply", "execute round trip", "50 MB of output")
_ROUND_TRIPS = 100
_MEGABYTES = 50
_PRINT = f"for _ in range({_MEGABYTES}): print('x' * 999_999)"
_PATIENCE = 60  # seconds


def measure(kernel: str) -> list[float]:
    """Start a kernel, use it, shut it down: seconds for each of the metrics."""
    manager = KernelManager(kernel_name=kernel)
    start = time.perf_counter()
    manager.start_kernel(stdout=DEVNULL, stderr=DEVNULL)
    client: BlockingKernelClient = manager.client()
    try:
        client.start_channels()
        to_first_reply = reply_after(client, "1", since=start)
        client.wait_for_ready(timeout=_PATIENCE)  # what the kernel publishes arrives from here on
        prove_where_it_runs(client, kernel)
        round_trip = median(round_trip_of(client) for _ in range(_ROUND_TRIPS))
        return [to_first_reply, round_trip, output_after(client)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def reply_after(client: BlockingKernelClient, code: str, *, since: float) -> float:
    """Run a cell; seconds until its reply."""
    request = client.execute(code)
    while (reply := client.get_shell_msg(timeout=_PATIENCE))["parent_header"].get("msg_id") != request:
        pass
    seconds = time.perf_counter() - since
    if reply["content"]["status"] != "ok":
        raise SystemExit(f"The kernel did not run {code!r}: {reply['content']}")
    return seconds


def round_trip_of(client: BlockingKernelClient) -> float:
    """Run a small cell; seconds until its reply.  What it publishes is read afterwards."""
    seconds = reply_after(client, "1", since=time.perf_counter())
    while client.iopub_channel.msg_ready():
        client.get_iopub_msg(timeout=_PATIENCE)
    return seconds


def output_after(client: BlockingKernelClient) -> float:
    """Print 50 MB; seconds until all of it is here and the kernel idle."""
    start = time.perf_counter()
    request = client.execute(_PRINT)
    printed = wait_until_idle(client, request)
    seconds = time.perf_counter() - start
    if len(printed) != _MEGABYTES * 1_000_000:
        raise SystemExit(f"{len(printed)} bytes came of {_MEGABYTES} MB.")
    return seconds


def prove_where_it_runs(client: BlockingKernelClient, kernel: str) -> None:
    """Only the sandbox's kernel is a child of pid 1 of its own."""
    request = client.execute("import os; print(os.environ.get('POD_NETWORKING_SANDBOX', 'none'), os.getppid())")
    printed = wait_until_idle(client, request).split()
    if (printed == ["1", "1"]) != (kernel == SANDBOX):
        raise SystemExit(f"The kernel {kernel} says of its sandbox and its parent: {printed}.")


def wait_until_idle(client: BlockingKernelClient, request: str) -> str:
    """Read what the kernel publishes until it is idle again; what the cell printed."""
    printed = []
    while True:
        message: dict[str, Any] = client.get_iopub_msg(timeout=_PATIENCE)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return "".join(printed)


def main() -> None:
    chosen = options(__doc__ or "", rounds=20).parse_args()

    def job(name: str, kernel: str) -> Job:
        return Job(name, lambda: {f"{what}, {name}": s for what, s in zip(METRICS, measure(kernel), strict=True)})

    jobs = [job("stock", STOCK), job("sandbox", SANDBOX), job("stock again", STOCK)]
    times, _ = in_turns(jobs, chosen.rounds)
    rows = []
    for what in METRICS:
        stock, again, sandbox = (times[f"{what}, {name}"] for name in ("stock", "stock again", "sandbox"))
        rows += [
            Row(f"{what}, stock", stock),
            Row(
                f"{what}, sandbox", sandbox, against="stock", ratio=ratio(sandbox, stock),
                a_a=a_a(stock, again), at_most=1.15,
            ),
        ]  # fmt: skip
    report(f"The kernel in its sandbox, {chosen.rounds} rounds", rows)


if __name__ == "__main__":
    main()
