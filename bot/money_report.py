"""Where the money went: per wave, per batch and what does not agree; a page with charts, and tables."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.exports import each, export
from domain.clock import WIB
from domain.money import report as figures
from domain.money.paying import short
from domain.money.report import BatchFigures, DifferenceFigures, WaveFigures

_PAGES = Environment(loader=PackageLoader("bot", "report_pages"), autoescape=select_autoescape())
_PAGES.filters["short"] = short
# What became of a wave's money, in the order it is stacked, with its colour.
PARTS = (
    ("redeemed", "redeemed trainings", "#0b5c6b"),
    ("bought", "bought, not redeemed", "#4f9aa6"),
    ("incentives", "incentives earned", "#e0a030"),
    ("in_flight", "on its way to accounts", "#8c6bb1"),
    ("unspent", "balances unspent", "#bcd9d6"),
    ("left", "in nobody's hands", "#e3e6e8"),
)


async def report(db: BaseDBAsyncClient, folder: Path, suffix: str, now: datetime) -> dict[str, int]:
    """Write index.html and the tables waves, batches and differences; gives how many lines each has."""
    waves, batches = await figures.waves(db), await figures.batches(db)
    differences = await figures.differences()
    tables: Mapping[str, tuple[type, Sequence[Any]]] = {
        "waves": (WaveFigures, waves),
        "batches": (BatchFigures, batches),
        "differences": (DifferenceFigures, differences),
    }
    for name, (kind, rows) in tables.items():
        columns = [field.name for field in fields(kind)]
        await export(folder / f"{name}.{suffix}", columns, each([list(asdict(row).values()) for row in rows]))
    _write(folder / "index.html", page(waves, batches, differences, now))
    return {name: len(rows) for name, (_, rows) in tables.items()}


def _write(path: Path, html: str) -> None:
    path.write_text(html, encoding="utf-8")


def page(
    waves: Sequence[WaveFigures],
    batches: Sequence[BatchFigures],
    differences: Sequence[DifferenceFigures],
    now: datetime,
) -> str:
    """The page, whole in itself."""
    assert _PAGES.loader is not None
    values = {
        "style": _PAGES.loader.get_source(_PAGES, "report.css")[0],
        "made": f"{now.astimezone(WIB):%d %B %Y, %H:%M} WIB",
        "waves": waves,
        "batches": batches,
        "differences": differences,
        "open": [row for row in differences if not row.explained],
        "allotted": sum(row.allotted for row in waves),
        "paid": sum(row.paid for row in batches),
        "lapsed": sum(row.lapsed for row in waves),
        "reallotted": sum(row.reallotted for row in waves),
        "chart": chart(waves) if waves else "<p>No wave was funded yet.</p>",
    }
    return _PAGES.get_template("money.html").render(**values)


def chart(waves: Sequence[WaveFigures]) -> str:
    """A bar for each wave, of what became of its money, as SVG; the last wave on top."""
    import matplotlib as mpl  # noqa: PLC0415 - large, and only needed here

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gelombang", "font.family": "sans-serif"}):
        figure, axes = plt.subplots(figsize=(10, 1.8 + 0.5 * len(waves)), layout="constrained")
        places = list(range(len(waves)))
        begun = [0.0] * len(waves)
        for name, label, colour in PARTS:
            sizes = [getattr(row, name) / 1e9 for row in waves]
            axes.barh(places, sizes, left=begun, color=colour, label=label, height=0.6)
            begun = [before + size for before, size in zip(begun, sizes, strict=True)]
        axes.set_yticks(places, [f"Wave {row.wave}" for row in waves])
        axes.set_xlabel("Rp billion")
        axes.grid(axis="x", color="#e3eceb")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)
    return out.getvalue()[out.getvalue().index("<svg") :]
