"""The evaluation of providers, as a page with a chart and as a table for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from bot.tables import safe_cell
from domain.clock import WIB
from domain.programme import Programme
from domain.trainings.evaluation import Judged, csv_row, figures_of, judge
from domain.trainings.evidence import gather, propose
from models.database import writing

DRAWN = 30  # providers in the chart: the best and the worst
_PAGES = Environment(loader=PackageLoader("bot", "report_pages"), autoescape=select_autoescape())


async def report(
    folder: Path, first: date, last: date, programme: Programme, now: datetime
) -> tuple[list[Judged], list[Judged]]:
    """Evaluate providers and trainings in a period, both days included; writes index.html, providers.csv and
    trainings.csv, and keeps what is proposed.
    """
    since = datetime.combine(first, time(0), WIB)
    until = datetime.combine(last, time.max, WIB)
    rules = programme.evaluation
    providers, trainings = (
        judge((figures_of(each) for each in evidence), rules) for evidence in await gather(since, until, rules)
    )
    async with writing():
        await propose([*providers, *trainings], f"{first.isoformat()}/{last.isoformat()}", now)
    html = page(providers, trainings, f"{first:%d %B %Y} to {last:%d %B %Y}", programme, now)
    _write(folder, html, {"providers": providers, "trainings": trainings})
    return providers, trainings


def _write(folder: Path, html: str, tables: Mapping[str, Sequence[Judged]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(html)
    for name, judged in tables.items():
        rows = [csv_row(rank, each) for rank, each in enumerate(judged, 1)]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["rank", "name"])
            writer.writeheader()
            writer.writerows({key: safe_cell(value) for key, value in row.items()} for row in rows)


def page(
    providers: Sequence[Judged], trainings: Sequence[Judged], period: str, programme: Programme, now: datetime
) -> str:
    """The page, whole in itself."""
    assert _PAGES.loader is not None
    ranked = [each for each in providers if each.score is not None]
    drawn = ranked if len(ranked) <= DRAWN else [*ranked[: DRAWN // 2], *ranked[-DRAWN // 2 :]]
    values: dict[str, Any] = {
        "style": _PAGES.loader.get_source(_PAGES, "report.css")[0],
        "period": period,
        "participants": sum(each.figures.participants for each in providers),
        "reviews": sum(each.figures.reviews for each in providers),
        "made": f"{now.astimezone(WIB):%d %B %Y, %H:%M} WIB",
        "proposals": [each for each in (*providers, *trainings) if each.proposal],
        "tables": {"All providers": providers, "Trainings": [each for each in trainings if each.score is not None]},
        "ranked": len(ranked),
        "shown": DRAWN,
        "left_out": len(ranked) > DRAWN,
        "least": programme.evaluation.least_participants,
        "chart": chart(drawn) if drawn else "<p>No provider has enough participants yet.</p>",
    }
    return _PAGES.get_template("providers.html").render(**values)


def chart(judged: Sequence[Judged]) -> str:
    """Ratings and completion with their intervals, as SVG; the best on top."""
    import matplotlib as mpl  # noqa: PLC0415 - large, and only needed here

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gelombang", "font.family": "sans-serif"}):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(10, 1.2 + 0.27 * len(judged)), sharey=True, layout="constrained"
        )
        places = range(len(judged), 0, -1)
        _intervals(left, places, [_rating(each) for each in judged], (1, 5), "Rating, stars")
        _intervals(right, places, [_completion(each) for each in judged], (0, 100), "Finished, %")
        left.set_yticks(list(places), [each.figures.name[:38] for each in judged])
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)
    return out.getvalue()[out.getvalue().index("<svg") :]


def _rating(each: Judged) -> tuple[float, float, float] | None:
    figures = each.figures
    if figures.rating is None or figures.rating_between is None:
        return None
    return figures.rating_between[0], figures.rating, figures.rating_between[1]


def _completion(each: Judged) -> tuple[float, float, float] | None:
    if each.figures.completion is None:
        return None
    low, high = each.figures.completion
    return 100 * low, 50 * (low + high), 100 * high


def _intervals(
    axes: Any, places: Sequence[int], values: Sequence[Any], limits: tuple[float, float], label: str
) -> None:
    for place, value in zip(places, values, strict=True):
        if value is None:
            continue
        low, middle, high = value
        axes.plot([low, high], [place, place], color="#8fb5b3", linewidth=3, solid_capstyle="round")
        axes.plot([middle], [place], "o", color="#0b5c6b", markersize=6)
    axes.set_xlim(*limits)
    axes.set_xlabel(label)
    axes.grid(axis="x", color="#e3eceb")
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
