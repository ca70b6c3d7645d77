"""Plots delay and CPU against the number of calls. matplotlib is imported only for this."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from voicestt.ops.load.figures import LoadResult, percentile

_SHARES = ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
_SECOND_COLOUR = "tab:red"


class CannotPlot(Exception):
    """The picture cannot be drawn; the message says why."""


def require_matplotlib() -> None:
    """Raise `CannotPlot` without matplotlib: better before a long run than after it."""
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise CannotPlot(
            "--plot needs matplotlib, which is not installed: pip install '.[bench]' in voicestt's folder"
        ) from error


def plot(loads: Sequence[LoadResult], path: Path, title: str) -> None:
    """Write the picture in the format of the name's ending; raise `CannotPlot`."""
    require_matplotlib()
    figure = import_module("matplotlib.figure").Figure(figsize=(8, 6.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    figure.suptitle(title)
    _draw_delays(upper, loads)
    _draw_cost(lower, loads)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise CannotPlot(f"the picture cannot be written: {error}") from error


def _draw_delays(axes: Any, loads: Sequence[LoadResult]) -> None:
    known = [(figures.calls, figures.delays) for figures in loads if figures.delays is not None]
    counts = [calls for calls, _ in known]
    for share, name in _SHARES:
        values = [1000 * percentile(delays.partials, share) for _, delays in known]
        axes.plot(counts, values, marker="o", label=f"partial, {name}")
    finals = [1000 * percentile(delays.finals, 0.95) for _, delays in known]
    axes.plot(counts, finals, marker="s", linestyle="--", label="final, 95 %")
    axes.set_ylabel("delay beyond the batch, ms")
    axes.grid(alpha=0.3)
    _finish(axes, bool(known))


def _draw_cost(axes: Any, loads: Sequence[LoadResult]) -> None:
    known = [(figures.calls, figures.cost) for figures in loads if figures.cost is not None]
    counts = [calls for calls, _ in known]
    each = [cost.cpu_ms for _, cost in known]
    axes.plot(counts, each, marker="o", label="for a second of a call, ms (left)")
    axes.set_xlabel("calls at once")
    axes.set_ylabel("CPU for a second of a call, ms")
    axes.grid(alpha=0.3)  # one grid for two scales
    axes.set_xticks([figures.calls for figures in loads])
    _finish(axes, bool(known), "upper center")
    whole = axes.twinx()
    shares = [cost.cpu_ms * calls / 10 for calls, cost in known]
    whole.plot(counts, shares, marker="s", linestyle="--", color=_SECOND_COLOUR, label="of all calls, % (right)")
    whole.set_ylabel("CPU of the server, % of a core")
    _finish(whole, bool(known), "lower right")


def _finish(axes: Any, has_lines: bool, place: str = "best") -> None:
    axes.set_ylim(bottom=0)
    if has_lines:
        axes.legend(loc=place)
