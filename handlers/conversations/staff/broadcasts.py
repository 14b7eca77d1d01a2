"""/siaran: a form for the segment, the text in each language, a dry run, a second pair of eyes, and progress."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from domain import clock, regions
from domain.errors import DomainError
from domain.programme import Programme, Sending
from domain.staff import broadcasts, segments
from domain.staff.rules import Member, Permission
from domain.staff.segments import FIELDS, Segment
from handlers import i18n
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Stay, Step, Turn, pressed, without
from handlers.conversations.staff import door, tasks
from handlers.conversations.staff.home import MENU
from models.broadcast import Broadcast
from models.enums import BroadcastStatus, Channel, Layer, RecipientStatus

MOST_SHOWN = 6
ENDED = frozenset({BroadcastStatus.DONE, BroadcastStatus.CANCELLED})
BAR = 20
_VALUES: Mapping[str, tuple[str, ...]] = {
    "stage": tuple(segments.STAGES),
    "language": i18n.LANGUAGES,
    "channel": tuple(channel.value for channel in segments.CHANNELS),
    "layer": tuple(layer.value for layer in Layer),
}
_VALUE_KEY = {
    "stage": "staff.segment_stage_{}",
    "language": "staff.language_{}",
    "channel": "staff.channel_{}",
    "layer": "layer.name_{}",
}


def come_in(turn: Turn) -> Outcome:
    """The last broadcasts, those that wait for this member first."""

    async def action() -> Done:
        assert turn.staff is not None
        waiting = await broadcasts.waiting_for_second(turn.staff)
        rows = [
            *waiting,
            *(row for row in await broadcasts.latest(turn.staff) if row.id not in {w.id for w in waiting}),
        ]
        choices = [
            Choice(
                f"show_{row.id}",
                "staff.broadcast_choice",
                {"number": row.id, "status_label": f"staff.broadcast_{row.status}"},
            )
            for row in rows[:MOST_SHOWN]
        ]
        new = Choice("new", "staff.broadcast_new_button")
        screen = Say("staff.broadcasts", {"waiting": len(waiting)}, (new, *choices, MENU))
        return Go("staff.broadcasts", door.as_view(screen))

    return Act(action)


def take(turn: Turn) -> Outcome:
    """A new one, or one to look at."""
    choice = pressed(turn) or ""
    if choice == "new":
        return Go("staff.segment", {"segment": {}, "sms": False})
    number = choice.removeprefix("show_")
    if not number.isdecimal() or len(number) > 18:
        raise DomainError("staff.choose")
    return Act(lambda: show(turn, int(number)))


# --- writing one


def ask_segment(turn: Turn) -> Say:
    """The form as it is filled."""
    filled = turn.draft["segment"]
    choices = [Choice(f"field_{name}", f"staff.field_{name}") for name in FIELDS if name not in filled]
    choices += [Choice(f"clear_{name}", "staff.field_clear", {"field_label": f"staff.field_{name}"}) for name in filled]
    sms = Choice("sms", "staff.sms_off_button" if turn.draft["sms"] else "staff.sms_on_button")
    go = [Choice("write", "staff.segment_done_button")] if filled else []
    lines = segment_lines(msgspec.convert(filled, Segment, strict=False), sms=turn.draft["sms"])
    return Say("staff.ask_segment", {"segment_lines": lines}, (*go, *choices, sms, MENU))


def segment_lines(segment: Segment, *, sms: bool) -> list[list[Any]]:
    """A segment in words."""
    lines: list[list[Any]] = []
    for name in FIELDS:
        value = getattr(segment, name)
        if not value:
            continue
        params: dict[str, Any] = {"field_label": f"staff.field_{name}"}
        if name in _VALUE_KEY:
            lines.append(["staff.segment_label", {**params, "value_label": _VALUE_KEY[name].format(value)}])
            continue
        shown = ", ".join(str(each) for each in value[:12]) if isinstance(value, tuple) else str(value)
        if name == "regions":
            shown = ", ".join(regions.province_name(code) for code in value[:12])
        lines.append(["staff.segment_value", {**params, "value": shown}])
    lines.append(["staff.segment_sms" if sms else "staff.segment_no_sms", {}])
    return lines


def take_segment(turn: Turn) -> Outcome:
    """A field to fill or to clear, or on to the text."""
    choice = pressed(turn) or ""
    what, _, name = choice.partition("_")
    if choice == "sms":
        return Go("staff.segment", {**turn.draft, "sms": not turn.draft["sms"]})
    if choice == "write" and turn.draft["segment"]:
        return Go("staff.broadcast_write", {**turn.draft, "texts": {}})
    if name not in FIELDS:
        raise DomainError("staff.choose")
    if what == "clear":
        return Go("staff.segment", {**turn.draft, "segment": without(turn.draft["segment"], name)})
    return Go("staff.segment_value", {**turn.draft, "field": name})


def ask_value(turn: Turn) -> Say:
    """One field's value: buttons where there are few, else to be typed."""
    name = turn.draft["field"]
    choices = [Choice(value, _VALUE_KEY[name].format(value)) for value in _VALUES.get(name, ())]
    return Say(
        "staff.ask_value",
        {"field_label": f"staff.field_{name}", "hint_label": f"staff.hint_{name}"},
        (*choices, Choice("!back", "staff.back_button")),
    )


def take_value(turn: Turn) -> Outcome:
    """What was pressed or typed."""
    name = turn.draft["field"]
    value = segments.read_field(name, pressed(turn) or turn.inbound.text or "")
    filled = {**turn.draft["segment"], name: value}
    return Go("staff.segment", {**without(turn.draft, "field"), "segment": filled})


def ask_text(turn: Turn) -> Say:
    """The text in the next language."""
    language = next(each for each in i18n.LANGUAGES if each not in turn.draft["texts"])
    skip = () if language == i18n.DEFAULT_LANGUAGE else (Choice("skip", "staff.skip_language_button"),)
    known = ", ".join(f"{{{name}}}" for name in segments.VARIABLES)
    return Say(
        "staff.ask_text",
        {"language_label": f"staff.language_{language}", "known": known, "limit": segments.MOST_TEXT},
        (*skip, MENU),
    )


def take_text(turn: Turn) -> Outcome:
    """A text; after the last one its recipients are looked up."""
    language = next(each for each in i18n.LANGUAGES if each not in turn.draft["texts"])
    text = (turn.inbound.text or "").strip()
    if pressed(turn) == "skip" and language != i18n.DEFAULT_LANGUAGE:
        text = ""
    else:
        segments.check_text(text, sms=turn.draft["sms"])
    texts = {**turn.draft["texts"], language: text}
    if len(texts) < len(i18n.LANGUAGES):
        return Go("staff.broadcast_write", {**turn.draft, "texts": texts})
    segment = msgspec.convert(turn.draft["segment"], Segment, strict=False)
    assert turn.staff is not None
    if turn.staff.regions and not segment.regions:
        segment = msgspec.structs.replace(segment, regions=turn.staff.regions)
    member = turn.staff

    async def action() -> Done:
        said = {name: words for name, words in texts.items() if words}
        row = await broadcasts.write(member, segment, said, sms=turn.draft["sms"], now=turn.now)
        return await show(turn, row.id)

    return Act(action)


# --- one broadcast


async def show(turn: Turn, number: int, *replies: Say) -> Done:
    """One broadcast, with what can be done about it now."""
    assert turn.staff is not None
    row = await broadcasts.numbered(number, turn.staff)
    db = Broadcast._meta.db
    screen = await card(db, turn.programme, number, turn.now)
    mine = row.prepared_by == turn.staff.name
    names = {
        BroadcastStatus.READY: ["preview", "submit", "rewrite", "cancel"] if mine else [],
        BroadcastStatus.SUBMITTED: ["preview", *([] if mine else ["approve"]), "cancel"],
        BroadcastStatus.APPROVED: ["preview", "start", "later", "spread", "cancel"],
        BroadcastStatus.RUNNING: ["pause", "cancel"],
        BroadcastStatus.PAUSED: ["resume", "cancel"],
        BroadcastStatus.CANCELLED: ["report", *(["rewrite"] if mine else [])],
        BroadcastStatus.DONE: ["report"],
    }.get(BroadcastStatus(row.status), [])
    choices = [Choice(f"{name}_{number}", f"staff.broadcast_{name}_button") for name in names]
    screen = msgspec.structs.replace(screen, choices=(*choices, Choice(f"show_{number}", "staff.refresh_button"), MENU))
    return Go("staff.broadcast", {"number": number, **door.as_view(screen)}, replies)


async def card(db: BaseDBAsyncClient, programme: Programme, number: int, now: datetime) -> Say:
    """What is known of a broadcast at this moment."""
    row = await broadcasts.numbered(number)
    texts = broadcasts.texts_of(row)
    status = BroadcastStatus(row.status)
    lines: list[list[Any]] = list(segment_lines(broadcasts.segment_of(row), sms=row.sms))
    lines += [
        ["staff.text_line", {"language_label": f"staff.language_{each}", "text": text}] for each, text in texts.items()
    ]
    if status == BroadcastStatus.FREEZING:
        lines.append(["staff.freezing", {"count_number": row.count}])
    elif row.started_at is None:
        lines += _estimate(row, texts, programme.sending)
    else:
        lines += await _progress(db, row, now)
    params = {
        "number": number,
        "status_label": f"staff.broadcast_{status.value}",
        "by": row.prepared_by + (f" / {row.approved_by}" if row.approved_by else ""),
        "broadcast_lines": lines,
    }
    moving = status in {BroadcastStatus.FREEZING, BroadcastStatus.RUNNING, BroadcastStatus.PAUSED}
    return Say("staff.broadcast_card", params, live=f"broadcast:{number}" if moving else "")


def _estimate(row: Broadcast, texts: Mapping[str, str], costs: Sending) -> list[list[Any]]:
    """The dry run: how many by which channel, what it costs and how long it takes, what to mind."""
    shares = broadcasts.shares_of(row)
    lines: list[list[Any]] = [["staff.recipients", {"count_number": row.count}]]
    if row.left_out:
        lines.append(["staff.left_out", {"count_number": row.left_out}])
    channels: dict[str, int] = {}
    missing: dict[str, int] = {}
    for channel, language, number in shares:
        channels[channel] = channels.get(channel, 0) + number
        if language not in texts:
            missing[language] = missing.get(language, 0) + number
    lines += [
        ["staff.by_channel", {"channel_label": f"staff.channel_{name or 'none'}", "count_number": number}]
        for name, number in channels.items()
    ]
    lines += [
        ["staff.language_missing", {"language_label": f"staff.language_{name}", "count_number": number}]
        for name, number in missing.items()
    ]
    if row.sms:
        parts = max(segments.segments_of(text) for text in texts.values())
        unreached = sum(number for name, number in channels.items() if name not in costs.pace or name == Channel.SMS)
        lines.append(
            [
                "staff.sms_cost",
                {
                    "parts": parts,
                    "count_number": unreached,
                    "cost_number": unreached * parts * costs.sms_price,
                    "most_number": row.count * parts * costs.sms_price,
                },
            ]
        )
    whatsapp = channels.get(Channel.WHATSAPP, 0)
    if costs.whatsapp_daily and whatsapp > costs.whatsapp_daily:
        lines.append(
            [
                "staff.whatsapp_cap",
                {
                    "count_number": whatsapp,
                    "limit_number": costs.whatsapp_daily,
                    "days": -(-whatsapp // costs.whatsapp_daily),
                },
            ]
        )
    hours = segments.hours_needed(channels, costs.pace)
    lines.append(
        [
            "staff.takes_hours" if hours >= 1 else "staff.takes_minutes",
            {"hours_decimal": hours} if hours >= 1 else {"minutes": max(1, round(hours * 60))},
        ]
    )
    lines.append(["staff.quiet_hours", {"from_hour": costs.hours[0], "until_hour": costs.hours[1]}])
    return lines


async def _progress(db: BaseDBAsyncClient, row: Broadcast, now: datetime) -> list[list[Any]]:
    found = await broadcasts.progress(db, row, now)
    share = found.done / row.count if row.count else 0.0
    bar = "█" * round(BAR * share) + "░" * (BAR - round(BAR * share))
    counts = {name: found.standing.get(name, 0) for name in RecipientStatus}
    lines: list[list[Any]] = [
        [
            "staff.progress_bar",
            {"bar": bar, "share_decimal": 100 * share, "done_number": found.done, "count_number": row.count},
        ],
        [
            "staff.progress_counts",
            {
                "sent_number": counts[RecipientStatus.SENT] + counts[RecipientStatus.DELIVERED],
                "delivered_number": counts[RecipientStatus.DELIVERED],
                "failed_number": counts[RecipientStatus.FAILED],
                "waiting_number": counts[RecipientStatus.FROZEN] + counts[RecipientStatus.RELEASED],
            },
        ],
    ]
    if counts[RecipientStatus.UNCERTAIN]:
        lines.append(["staff.progress_uncertain", {"count_number": counts[RecipientStatus.UNCERTAIN]}])
    if found.left is not None:
        lines.append(
            [
                "staff.progress_left",
                {"rate_decimal": found.rate, "end_time": (now + timedelta(seconds=found.left)).isoformat()},
            ]
        )
    elif row.ended_at is not None:
        lines.append(["staff.progress_ended", {"end_time": row.ended_at.isoformat()}])
    return lines


def take_one(turn: Turn) -> Outcome:
    """What to do about a broadcast; which one stands on the button."""
    name, _, digits = (pressed(turn) or "").partition("_")
    member = turn.staff
    assert member is not None
    if not digits.isdecimal() or int(digits) != turn.draft["number"]:
        raise DomainError("staff.choose")
    number = turn.draft["number"]

    if name in {"later", "spread"}:
        return Go("staff.broadcast_when", {"number": number, "how": name})
    if name == "report":
        return tasks.ask(turn, "broadcast_report", number=number)

    async def action() -> Done:
        row = await broadcasts.numbered(number, member)
        match name:
            case "preview":
                return Stay(preview(row))
            case "rewrite":
                return await _rewrite(turn, row)
            case "show":
                return await show(turn, number)
        await _change(turn, name, row, member)
        return await show(turn, number)

    return Act(action)


async def _change(turn: Turn, name: str, row: Broadcast, member: Member) -> None:
    """Bring a broadcast on by the button of this name."""
    db, now = Broadcast._meta.db, turn.now
    match name:
        case "submit":
            if row.prepared_by != member.name:
                raise DomainError("staff.not_yours")
            await broadcasts.move(row, BroadcastStatus.SUBMITTED, member.name, now)
        case "approve":
            await broadcasts.approve(row, member, now)
        case "start":
            await broadcasts.start(row, member, now, timedelta(), now)
        case "pause":
            await broadcasts.pause(db, row, member, now)
        case "resume":
            await broadcasts.resume(db, row, member, now, turn.programme.sending.hours)
        case "cancel":
            await broadcasts.cancel(db, row, member, now)
        case _:
            raise DomainError("staff.choose")


async def _rewrite(turn: Turn, row: Broadcast) -> Done:
    """Back to the form with what was written; the old one is cancelled."""
    assert turn.staff is not None
    if row.status == BroadcastStatus.READY:
        await broadcasts.cancel(Broadcast._meta.db, row, turn.staff, turn.now)
    segment = msgspec.to_builtins(broadcasts.segment_of(row))
    return Go("staff.segment", {"segment": segment, "sms": row.sms})


def preview(row: Broadcast) -> tuple[Say, ...]:
    """The text as each channel shows it."""
    samples = {"nama": "Siti", "tiket": "G1-7KQ2M", "tenggat": f"{clock.day_of(row.prepared_at):%d-%m-%Y}"}
    shown = []
    for language, text in broadcasts.texts_of(row).items():
        words = segments.filled(text, samples)
        params = {"text": words, "check_code": "K7M2QX", "link": "https://…/l#ABCDEFGHJK"}
        chat = i18n.text(language, "notice.broadcast", params)
        flat = i18n.text(language, "notice.broadcast", {**params, "text": " ".join(words.split())})
        shown.append(
            Say(
                "staff.preview",
                {"channel": "Telegram / web", "language_label": f"staff.language_{language}", "text": chat},
            )
        )
        shown.append(
            Say("staff.preview", {"channel": "WhatsApp", "language_label": f"staff.language_{language}", "text": flat})
        )
        if row.sms:
            sms = i18n.text(language, "notice.broadcast_sms", params)
            channel = f"SMS ({segments.segments_of(text)})"
            shown.append(
                Say("staff.preview", {"channel": channel, "language_label": f"staff.language_{language}", "text": sms})
            )
    return tuple(shown)


def ask_when(turn: Turn) -> Say:
    """At which time, or over how many hours."""
    return Say(f"staff.ask_{turn.draft['how']}", choices=(MENU,))


def take_when(turn: Turn) -> Outcome:
    """A moment in WIB, or a number of hours."""
    typed, number, member = (turn.inbound.text or "").strip(), turn.draft["number"], turn.staff
    assert member is not None
    at, spread = turn.now, timedelta()
    try:
        if turn.draft["how"] == "spread":
            spread = timedelta(hours=float(typed.replace(",", ".")))
            good = timedelta(minutes=1) <= spread <= timedelta(days=7)
        else:
            at = datetime.strptime(typed.replace(".", ":"), "%d-%m-%Y %H:%M").replace(tzinfo=clock.WIB)
            good = turn.now < at < turn.now + timedelta(days=60)
    except (ValueError, OverflowError):
        good = False
    if not good:
        raise DomainError("staff.when_unreadable")

    async def action() -> Done:
        await broadcasts.start(
            await broadcasts.numbered(number, member), member, at.astimezone(turn.now.tzinfo), spread, turn.now
        )
        return await show(turn, number)

    return Act(action)


async def tell(turn: Turn, number: int) -> Done:
    """How a broadcast stands, wherever its preparer is; its buttons are a keyword away."""
    screen = await card(Broadcast._meta.db, turn.programme, number, turn.now)
    return Stay((msgspec.structs.replace(screen, choices=(Choice("!broadcasts", "staff.broadcasts_button"),)),))


_PERMISSION = Permission.BROADCAST
STEPS = (
    Step("staff.broadcasts", door.drawn, take, permission=_PERMISSION),
    Step(
        "staff.segment",
        ask_segment,
        take_segment,
        accepts=frozenset({"choice"}),
        needs="staff.choose",
        permission=_PERMISSION,
    ),
    Step(
        "staff.segment_value",
        ask_value,
        take_value,
        permission=_PERMISSION,
        back=lambda turn: Go("staff.segment", turn.draft),
    ),
    Step("staff.broadcast_write", ask_text, take_text, permission=_PERMISSION),
    Step("staff.broadcast", door.drawn, take_one, permission=_PERMISSION),
    Step("staff.broadcast_when", ask_when, take_when, accepts=frozenset({"text"}), permission=_PERMISSION),
)
