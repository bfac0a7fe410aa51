"""The error codes of the CNI specification, and what each means.

Source: https://www.cni.dev/docs/spec/#error, specification 1.1.0, section 5.  Codes from 100 on are a plugin's own.
"""

from __future__ import annotations

__all__ = [
    "BAD_CONFIG",
    "BAD_ENVIRONMENT",
    "CODES",
    "INCOMPATIBLE_VERSION",
    "IO_FAILURE",
    "LIMITED",
    "NOT_AVAILABLE",
    "NOT_DECODED",
    "TRY_AGAIN",
    "UNKNOWN_CONTAINER",
    "UNSUPPORTED_FIELD",
    "meaning",
]

INCOMPATIBLE_VERSION = 1
UNSUPPORTED_FIELD = 2
UNKNOWN_CONTAINER = 3
BAD_ENVIRONMENT = 4
IO_FAILURE = 5
NOT_DECODED = 6
BAD_CONFIG = 7
TRY_AGAIN = 11
NOT_AVAILABLE = 50
LIMITED = 51
FIRST_OWN = 100

CODES = {
    INCOMPATIBLE_VERSION: "incompatible CNI version",
    UNSUPPORTED_FIELD: "unsupported field in the network configuration",
    UNKNOWN_CONTAINER: "container unknown or does not exist",
    BAD_ENVIRONMENT: "invalid necessary environment variables",
    IO_FAILURE: "I/O failure",
    NOT_DECODED: "failed to decode content",
    BAD_CONFIG: "invalid network configuration",
    TRY_AGAIN: "try again later",
    NOT_AVAILABLE: "the plugin is not available",
    LIMITED: "the plugin is not available, and existing containers may have limited connectivity",
}


def meaning(code: int) -> str:
    """The specification's words for a code."""
    if code >= FIRST_OWN:
        return "the plugin's own code"
    return CODES.get(code, "a code the specification does not define")
