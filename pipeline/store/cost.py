"""What making an item costs: processor seconds of the process that makes it, and of the programs that it runs."""

from __future__ import annotations

import resource
from typing import NamedTuple


class Cost(NamedTuple):
    """Processor seconds: `own_s` of this process, `tools_s` of those that it ran and waited for (ffmpeg)."""

    own_s: float = 0.0
    tools_s: float = 0.0

    def since(self, earlier: Cost) -> Cost:
        """What was spent after `earlier`."""
        return Cost(round(self.own_s - earlier.own_s, 3), round(self.tools_s - earlier.tools_s, 3))


def spent() -> Cost:
    """What this process has spent until now."""
    own, tools = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Cost(own.ru_utime + own.ru_stime, tools.ru_utime + tools.ru_stime)
