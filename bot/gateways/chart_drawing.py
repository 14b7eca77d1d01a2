"""Drawing charts for phones: horizontal bars with their numbers, as PNG. Runs in a child process."""

import io
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from matplotlib.figure import Figure

INK, SOFT, SEA = "#12262b", "#4f676d", "#0b5c6b"
COLOURS = ("#8cc3c9", "#0b5c6b", "#e0a030", "#8c6bb1")
STACKED = ("#0b5c6b", "#e0a030", "#c8553d", "#8c6bb1")
WIDTH = 7.2  # inches at 150 dots: 1080 points across, a phone's
ROW = 0.52


def draw(chart: dict[str, Any]) -> bytes:
    """A chart (handlers.charts.Chart as plain data) as PNG."""
    bars, legend = chart["bars"], chart["legend"]
    figure = Figure(figsize=(WIDTH, 1.75 + ROW * max(1, len(bars)) + 0.3 * bool(legend)), dpi=150, layout="constrained")
    axes = figure.subplots()
    colours = COLOURS if chart["overlaid"] else STACKED
    at = list(range(len(bars)))
    ends = [0.0] * len(bars)
    for part in range(len(bars[0]["parts"]) if bars else 0):
        widths = [bar["parts"][part] for bar in bars]
        lefts = [0.0] * len(bars) if chart["overlaid"] else list(ends)
        height = 0.68 - (0.2 * part if chart["overlaid"] else 0)
        axes.barh(at, widths, left=lefts, height=height, color=colours[part], label=legend[part] if legend else None)
        ends = [max(end, left + width) for end, left, width in zip(ends, lefts, widths, strict=True)]
    most = max(ends, default=0) or 1
    for row, (bar, end) in enumerate(zip(bars, ends, strict=True)):
        axes.text(end + most * 0.015, row, bar["note"], va="center", fontsize=11, color=INK)
    axes.set_xlim(0, most * 1.38)
    axes.set_yticks(at, [bar["label"] for bar in bars], fontsize=12, color=INK)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.suptitle(chart["title"], x=0.02, ha="left", fontsize=16, fontweight="bold", color=SEA)
    axes.set_title(chart["subtitle"], loc="left", fontsize=10, color=SOFT, pad=10, x=0.0)
    if legend:
        figure.legend(loc="outside lower left", ncols=len(legend), frameon=False, fontsize=11)
    if not bars:
        axes.text(0.5, 0.5, "–", ha="center", fontsize=20, color=SOFT, transform=axes.transAxes)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
