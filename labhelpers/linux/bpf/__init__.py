"""eBPF: programs that the kernel checks and then runs itself (``man 2 bpf``), without a compiler and without libbpf.

``elf`` reads what the compiler made, ``program`` gives it to the kernel's verifier, ``maps`` holds what programs and
processes share, ``ring`` reads events, ``filters`` puts programs where packets pass, ``find`` sees what is loaded.
"""

from labhelpers.linux.bpf.system_call import (
    RAW_TRACEPOINT,
    RING_BUFFER,
    SCHED_CLS,
    create_map,
    load,
    open_raw_tracepoint,
)

__all__ = ["RAW_TRACEPOINT", "RING_BUFFER", "SCHED_CLS", "create_map", "load", "open_raw_tracepoint"]
