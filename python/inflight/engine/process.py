"""Settings of the whole process, for an engine that is a process of its own."""

from __future__ import annotations

import os
import sys

SWITCH_INTERVAL_SECONDS = 0.0002
_TUNABLES = "GLIBC_TUNABLES"
_NON_TEMPORAL = "glibc.cpu.x86_non_temporal_threshold=0x100000"


def stream_large_copies() -> None:
    """Makes memmove write past the cache from 1 MiB on, where glibc on many servers waits for tens of MiB.

    Measured: 11 instead of 7 GB/s. glibc reads it only when a program starts, so this starts the program anew, once.
    """
    if sys.platform == "linux" and _TUNABLES not in os.environ:
        os.execve(sys.executable, sys.orig_argv, {**os.environ, _TUNABLES: _NON_TEMPORAL})


def favour_short_waits() -> None:
    """The link's thread gives up the interpreter's lock for every copy; it must not wait 5 ms to get it back."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
