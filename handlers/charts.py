"""Charts in words and numbers, as staff see them; a child process draws them (bot.gateways.chart_drawing)."""

from collections.abc import Callable, Collection

import msgspec

from domain import regions
from domain.staff import figures
from domain.staff.figures import Counted
from handlers import i18n
from models.enums import NoticeStatus

MOST_BARS = 14


class Bar(msgspec.Struct, frozen=True):
    """One bar: its label, the parts it is made of, and what is written at its end."""

    label: str
    parts: tuple[float, ...]
    note: str = ""


class Chart(msgspec.Struct, frozen=True):
    """Horizontal bars. ``legend`` names the parts, where there are several; ``overlaid``: parts lie on each other."""

    title: str
    subtitle: str
    bars: tuple[Bar, ...]
    legend: tuple[str, ...] = ()
    overlaid: bool = False


def name_of(number: int, kind: str, language: str, provinces: Collection[str]) -> str:
    """A chart as a message names it."""
    return f"{number}:{kind}:{language}:{'.'.join(provinces)}"


async def chart_of(name: str) -> Chart:
    """The chart that a message names; raises KeyError where there is none."""
    number, kind, language, provinces = name.split(":")
    row = await figures.numbered(int(number))
    if row is None:
        raise KeyError(name)
    found = KINDS[kind](figures.opened(row), language, [code for code in provinces.split(".") if code])
    when = i18n.text(language, "staff.counted_at", {"counted_time": row.taken_at.isoformat()})
    return msgspec.structs.replace(found, subtitle=" · ".join(part for part in (found.subtitle, when) if part))


def _number(language: str, value: float) -> str:
    return i18n.text(language, "staff.a_number", {"value_number": value})


def _share(language: str, part: int, whole: int) -> str:
    percent = i18n.text(language, "staff.a_percent", {"value_decimal": 100 * part / whole}) if whole else ""
    return f"{_number(language, part)}  {percent}".rstrip()


def _funnel(counted: Counted, language: str, provinces: list[str]) -> Chart:
    stages, focus = counted.stages(provinces), counted.stages(provinces, focus=True)
    whole = next(iter(stages.values()), 0)
    bars = tuple(
        Bar(
            i18n.text(language, f"staff.stage_{name}"),
            (number, focus.get(name, 0)),
            _share(language, number, whole),
        )
        for name, number in stages.items()
    )
    legend = i18n.text(language, "staff.legend_all"), i18n.text(language, "staff.legend_focus")
    return Chart(i18n.text(language, "staff.chart_funnel"), "", bars, legend, overlaid=True)


def _provinces(counted: Counted, language: str, provinces: list[str]) -> Chart:
    found = sorted(counted.by(0, provinces).items(), key=lambda item: -item[1]["registered"])
    bars = [
        Bar(
            regions.province_name(code),
            (stages["registered"], stages["joined"], stages["selected"]),
            _number(language, stages["registered"]),
        )
        for code, stages in found[:MOST_BARS]
    ]
    rest = [stages for _, stages in found[MOST_BARS:]]
    if rest:
        parts = tuple(sum(stages[name] for stages in rest) for name in ("registered", "joined", "selected"))
        bars.append(Bar(i18n.text(language, "staff.others"), parts, _number(language, parts[0])))
    legend = tuple(i18n.text(language, f"staff.stage_{name}") for name in ("registered", "joined", "selected"))
    return Chart(i18n.text(language, "staff.chart_provinces"), "", tuple(bars), legend, overlaid=True)


def _channels(counted: Counted, language: str, provinces: list[str]) -> Chart:
    found = sorted(counted.by(1, provinces).items(), key=lambda item: -item[1]["registered"])
    bars = tuple(
        Bar(
            i18n.text(language, f"staff.channel_{channel}") if channel else "?",
            (stages["registered"], stages["joined"], stages["selected"]),
            _number(language, stages["registered"]),
        )
        for channel, stages in found
    )
    legend = tuple(i18n.text(language, f"staff.stage_{name}") for name in ("registered", "joined", "selected"))
    return Chart(i18n.text(language, "staff.chart_channels"), "", bars, legend, overlaid=True)


def _steps(counted: Counted, language: str, provinces: list[str]) -> Chart:
    """Where people stopped: by group of steps, of all who began."""
    started = counted.stages().get("started", 0)
    found = sorted(counted.steps.items(), key=lambda item: -item[1])[:MOST_BARS]
    bars = tuple(Bar(step_name(step, language), (number,), _share(language, number, started)) for step, number in found)
    return Chart(i18n.text(language, "staff.chart_steps"), "", bars)


def step_name(step: str, language: str) -> str:
    """A step of registration in words; its own name where it has none."""
    key = f"staff.step_{step.partition('.')[2]}"
    return i18n.text(language, key) if key in i18n.catalogue(i18n.DEFAULT_LANGUAGE) else step


def _reasons(counted: Counted, language: str, provinces: list[str]) -> Chart:
    bars = []
    for name, number in list(counted.reasons.items())[:MOST_BARS]:
        layer, state, _ = name.split(":", 2)
        label = i18n.text(language, f"layer.name_{layer}")
        bars.append(
            Bar(f"{label}: {i18n.text(language, f'staff.state_{state}')}", (number,), _number(language, number))
        )
    return Chart(i18n.text(language, "staff.chart_reasons"), "", tuple(bars))


def _payouts(counted: Counted, language: str, provinces: list[str]) -> Chart:
    kinds: dict[str, list[float]] = {}
    for kind, status, _, amount in counted.payouts:
        if status in {"paid", "open"}:
            kinds.setdefault(kind, [0.0, 0.0])[status == "open"] += amount / 1e9
    bars = tuple(
        Bar(
            i18n.text(language, f"staff.due_{kind}"),
            tuple(parts),
            i18n.text(language, "staff.a_billion", {"value_decimal": sum(parts)}),
        )
        for kind, parts in kinds.items()
    )
    legend = i18n.text(language, "staff.legend_paid"), i18n.text(language, "staff.legend_open")
    return Chart(i18n.text(language, "staff.chart_payouts"), i18n.text(language, "staff.in_billions"), bars, legend)


def _providers(counted: Counted, language: str, provinces: list[str]) -> Chart:
    found = sorted(counted.providers, key=lambda each: (-each[2] / each[1], each[0]))[:MOST_BARS]
    bars = tuple(
        Bar(
            name,
            (stars / reviews,),
            i18n.text(language, "staff.a_rating", {"value_decimal": stars / reviews, "count_number": reviews}),
        )
        for name, reviews, stars in found
    )
    return Chart(i18n.text(language, "staff.chart_providers"), "", bars)


def _delivery(counted: Counted, language: str, provinces: list[str]) -> Chart:
    channels: dict[str, list[float]] = {}
    for channel, status, number in counted.notices:
        at = 0 if status == NoticeStatus.TOLD else 2 if status in {NoticeStatus.UNREACHED, NoticeStatus.EXPIRED} else 1
        channels.setdefault(channel, [0.0, 0.0, 0.0])[at] += number
    bars = tuple(
        Bar(i18n.text(language, f"staff.channel_{channel or 'none'}"), tuple(parts), _number(language, sum(parts)))
        for channel, parts in sorted(channels.items(), key=lambda item: -sum(item[1]))
    )
    legend = tuple(i18n.text(language, f"staff.legend_{name}") for name in ("told", "waiting", "unreached"))
    return Chart(i18n.text(language, "staff.chart_delivery"), "", bars, legend)


KINDS: dict[str, Callable[[Counted, str, list[str]], Chart]] = {
    "funnel": _funnel,
    "provinces": _provinces,
    "channels": _channels,
    "steps": _steps,
    "reasons": _reasons,
    "payouts": _payouts,
    "providers": _providers,
    "delivery": _delivery,
}
NATIONAL = frozenset({"steps", "reasons", "payouts", "providers", "delivery"})
