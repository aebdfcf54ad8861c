"""The pictures of a report, as SVG that takes its colours from the page around it; none without matplotlib."""

from __future__ import annotations

import gc
import importlib.util
import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contract.schema.judgement import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT = "#0a0b0c", "#0d0e0f"
"""Stand-ins for the page's own colours: whether it is light or dark is decided where it is looked at."""
OURS, EQUALLY = "#2f6fde", "#e0872d"
STRATEGY_COLOURS = ("#4c78a8", "#f2a65a", "#54a27b", "#d9605b", "#8f78c4", "#5fb3bf", "#c9b037", "#a3745c")
_SIZE_IN = (5.4, 2.9)
"""So that its words can be read on a telephone too, where the picture shrinks."""
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.alpha": 0.45,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.color": _FAINT,
    "ytick.labelcolor": _INK,
}


def pictures(found: Report) -> dict[str, str]:
    """By name; those that there is anything to show of."""
    series = found.body["series"]
    if len(series["dates"]) < 2 or importlib.util.find_spec("matplotlib") is None:
        return {}
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = {}
    for name, draw in _PICTURES.items():
        with rc_context({**_SETTINGS, "svg.hashsalt": name}):
            figure = Figure(figsize=_SIZE_IN, layout="constrained")
            axes = figure.add_subplot()
            if draw(axes, _dates(series), series):
                _mark_dates(axes)
                drawn[name] = _svg(figure, name)
    with rc_context({**_SETTINGS, "svg.hashsalt": "allocators"}):
        figure = Figure(figsize=_SIZE_IN, layout="constrained")
        _allocators(figure.add_subplot(), found.body["allocators"])
        drawn["allocators"] = _svg(figure, "allocators")
    del figure, axes
    gc.collect()  # figures refer to themselves: the tracker would hold those of the last reports, 10 MiB of each
    return drawn


def _dates(series: Mapping[str, Any]) -> Any:
    return np.array(series["dates"], dtype="datetime64[D]")


def _values(values: list[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values])


def _wealth(axes: Axes, dates: Any, series: Mapping[str, Any]) -> bool:
    for name, values in series["wealth"].items():
        if name not in _NAMES:
            axes.plot(dates, _values(values), color=_FAINT, linewidth=0.7, alpha=0.7)
    band = series["wealth_band"]
    axes.fill_between(dates, _values(band["low"]), _values(band["high"]), color=OURS, alpha=0.13, linewidth=0)
    _both(axes, dates, series["wealth"])
    _keep_to(axes, series)
    return True


def _keep_to(axes: Axes, series: Mapping[str, Any]) -> None:
    """What was chosen in hindsight may go through the roof, and may leave the picture there."""
    shown = [_values(series["wealth"][name]) for name in _NAMES]
    shown += [_values(values) for values in series["wealth_band"].values()]
    every = np.concatenate(shown)
    every = every[np.isfinite(every) & (every > 0.0)]
    if not len(every):
        return
    low, high = every.min() / 1.03, every.max() * 1.03
    if high > 4.0 * low:  # where wealth multiplies, equal steps are equal growth
        axes.set_yscale("log", subs=[2.0, 5.0])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:.3g}")
    axes.set_ylim(low, high)


def _drawdown(axes: Axes, dates: Any, series: Mapping[str, Any]) -> bool:
    for name, colour in ((_NAMES[1], EQUALLY), (_NAMES[0], OURS)):
        below = -100.0 * _values(series["drawdown"][name])
        axes.fill_between(dates, below, 0.0, color=colour, alpha=0.15, linewidth=0)
        axes.plot(dates, below, color=colour, label=_LABELS[name], linewidth=1.2)
    axes.set_ylabel("% below the peak")
    _legend(axes)
    return True


def _rolling_sharpe(axes: Axes, dates: Any, series: Mapping[str, Any]) -> bool:
    if not any(value is not None for value in series["rolling_sharpe"][_NAMES[0]]):
        return False
    axes.axhline(0.0, color=_INK, linewidth=0.8)
    _both(axes, dates, series["rolling_sharpe"])
    axes.set_ylabel("Sharpe ratio, annual")
    return True


def _weights(axes: Axes, dates: Any, series: Mapping[str, Any]) -> bool:
    shares = 100.0 * np.array([_values(values) for values in series["weights"].values()])
    labels = [name.replace("_", " ") for name in series["weights"]]
    axes.stackplot(dates, shares, labels=labels, colors=STRATEGY_COLOURS, linewidth=0)
    axes.set_ylim(0.0, 100.0)
    axes.set_ylabel("% of the account")
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)
    return True


def _trust(axes: Axes, dates: Any, series: Mapping[str, Any]) -> bool:
    trust = 100.0 * _values(series["trust"])
    if not np.isfinite(trust).any():
        return False
    axes.fill_between(dates, trust, 0.0, color=OURS, alpha=0.13, linewidth=0)
    axes.plot(dates, trust, color=OURS)
    axes.axhline(50.0, color=_FAINT, linewidth=0.8)
    axes.set_ylim(0.0, 100.0)
    axes.set_ylabel("% of what is published")
    return True


def _allocators(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """The best one at the top."""
    ranked = sorted((row for row in rows if row["sharpe"] is not None), key=lambda row: float(row["sharpe"]))
    for place, row in enumerate(ranked):
        colour = {_NAMES[0]: OURS, _NAMES[1]: EQUALLY}.get(row["name"], _FAINT)
        low, high = _values(row["sharpe_interval"])
        axes.plot([low, high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
        axes.plot(row["sharpe"], place, "o", color=colour, markersize=4.5)
    names = [row["name"].replace("_", " ") + (" *" if row["hindsight"] else "") for row in ranked]
    axes.set_yticks(range(len(ranked)), names, fontsize=8.5)
    axes.axvline(0.0, color=_INK, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Sharpe ratio, annual")


def _both(axes: Axes, dates: Any, series: Mapping[str, Any]) -> None:
    for name, colour in ((_NAMES[1], EQUALLY), (_NAMES[0], OURS)):
        axes.plot(dates, _values(series[name]), color=colour, label=_LABELS[name])
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)


_LABELS = {"published": "published", "equal_weight": "equal weight"}
_NAMES = tuple(_LABELS)
_PICTURES = {
    "wealth": _wealth,
    "drawdown": _drawdown,
    "rolling_sharpe": _rolling_sharpe,
    "weights": _weights,
    "trust": _trust,
}


def _mark_dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.margins(x=0.0)


def _svg(figure: Figure, name: str) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = re.sub(r"<metadata>.*?</metadata>", "", text.getvalue(), flags=re.DOTALL)
    svg = svg[svg.index("<svg") :].replace(_INK, "var(--ink)").replace(_FAINT, "var(--faint)")
    svg = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r'\1 role="img"', svg, count=1)
    # Several pictures stand on one page, and what they refer to inside themselves must stay their own.
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
