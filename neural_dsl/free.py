"""How much memory this process may still take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Assumed where the system does not tell.
UNKNOWN_SYSTEM = 4 * 2**30


def available() -> int:
    """Bytes that this process may still take.

    The smallest of what the system says (`MemAvailable` in /proc/meminfo, else half of
    the physical memory, else 4 GiB), what its control group leaves (Linux containers),
    and what its own limit leaves (`ulimit -v`).
    """
    return min([_system(), *_control_groups(), *_own_limit()])


def _system() -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN_SYSTEM


def _control_groups() -> Iterator[int]:
    """What the limits of this process's control group leave (versions 2 and 1)."""
    root = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            maximum = (root / limit).read_text().strip()
            if maximum != "max":
                yield max(0, int(maximum) - int((root / used).read_text()))


def _own_limit() -> Iterator[int]:
    """What is left of the address space that the process may have."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limits
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            yield max(0, limit - pages * resource.getpagesize())
