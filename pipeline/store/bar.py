"""A stage's numbers drawn for a terminal: what a build shows, and `ave status --watch` too.

Two lines: name, bar, items, rate, bytes, time to go; below it failures, the whole build, the slowest item. What does
not fit into the terminal's width is cut off at the right of the second line, where the slowest item's name stands.
"""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.store.tally import QUIET_S, Tally, clock_words, quiet_words, rate_words, slowest_words

_NARROWEST_BAR = 8


def drawn(tally: Tally) -> RenderableType:
    """The two lines of a running stage."""
    line = Table.grid(padding=(0, 2, 0, 0), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1, min_width=_NARROWEST_BAR)
    cells = [
        f"{tally.done:,}/{tally.total:,}",
        rate_words(tally.items_per_s) if tally.items_per_s else "-/s",
        f"{tally.bytes_per_s / 1e6:.1f} MB/s",
        "" if tally.eta_s is None else f"{clock_words(tally.eta_s)} left",
    ]
    for _ in cells:
        line.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=max(tally.total, 1), completed=tally.done)
    line.add_row(f"{tally.stage} {tally.corpus}", bar, *cells)
    return Group(line, _below(tally))


def _below(tally: Tally) -> Text:
    words = Text("  ", no_wrap=True, overflow="ellipsis")
    if tally.failed:
        words.append(f"{tally.failed:,} failed", style="bold red").append(" · ")
    if tally.build_total is not None:
        words.append(f"build {tally.build_percent} % ({tally.build_done:,} of at most {tally.build_total:,} items) · ")
    if tally.quiet_s >= QUIET_S:
        words.append(quiet_words(tally), style="yellow").append(" · ")
    words.append(slowest_words(tally) if tally.slowest else f"{clock_words(tally.seconds)} so far")
    return words


class Bar:
    """Draws the newest numbers over the last ones, and leaves nothing behind; a context."""

    def __init__(self, console: Console):
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Bar:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, tally: Tally) -> None:
        """Draw these numbers."""
        self._live.update(drawn(tally), refresh=True)
