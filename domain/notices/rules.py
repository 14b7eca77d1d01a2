"""Which notices there are, and the ladder each climbs. Pure; limits from the channels' own rules (docs/notices.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TypeAlias

from domain.clock import WIB
from models.enums import Channel

WINDOW = timedelta(hours=24)  # WhatsApp takes free text so long after the person's last message
SOFT_TRIES = 3  # of one SMS that did not arrive for a reason that may pass
SOFT_WAIT = timedelta(hours=1)  # then four times as long
SMS_HOURS = (8, 20)  # local time; nobody is woken by the state


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of news. A smaller ``priority`` leaves first. ``sms``: worth a message that costs money.

    ``params``: what its words are filled with, beside the check code. ``words``: the message key, else the kind's own.
    ``always``: told to somebody who said STOP too, where the law or their money requires it. ``owed``: told even to
    somebody who took their consent back. ``days``: after so many the news is old and is not told any more.
    """

    priority: int
    params: tuple[str, ...]
    sms: bool = True
    always: bool = False
    owed: bool = False
    days: int = 7
    words: str = ""


KINDS: Mapping[str, Kind] = {
    "selected": Kind(1, ("wave", "deadline_date"), always=True, days=30),
    "reserve_offered": Kind(1, ("wave", "deadline_date"), always=True, days=7),
    "balance_credited": Kind(2, ("amount_number",), always=True, days=30),
    "payment_failed": Kind(2, ("amount_number",), always=True, owed=True, days=30),
    "deadline_1": Kind(2, ("wave", "days", "deadline_date"), always=True, days=1, words="deadline"),
    "deadline_3": Kind(3, ("wave", "days", "deadline_date"), always=True, days=2, words="deadline"),
    "deadline_7": Kind(3, ("wave", "days", "deadline_date"), always=True, days=4, words="deadline"),
    "deadline_14": Kind(3, ("wave", "days", "deadline_date"), always=True, days=7, words="deadline"),
    "lapsed": Kind(4, ("wave", "deadline_date"), always=True, days=30),
    "verification_needed": Kind(4, (), days=7),
    "payment_sent": Kind(5, ("amount_number",), always=True, owed=True, days=30),
    "training_finished": Kind(5, ("training",), sms=False, days=30),
    "certificate_accepted": Kind(5, ("training",), sms=False, days=30),
    "certificate_refused": Kind(5, ("training",), sms=False, days=30),
    "training_suspended": Kind(3, ("training",), sms=False, always=True, days=30),
    "survey_open": Kind(6, ("amount_number", "deadline_date"), sms=False, days=14),
    "data_answered": Kind(4, (), always=True, owed=True, days=30),
    "wave_open": Kind(7, ("wave", "closes_time"), sms=False, days=7),
    "broadcast": Kind(9, ("text",), sms=False, days=3),
    "broadcast_sms": Kind(9, ("text",), days=3, words="broadcast"),
    "not_selected": Kind(8, ("wave", "reason_label"), sms=False, days=14),
}

# The parameters that notices' words take, with the longest that is likely: what must fit is tried with them, and a
# platform that approves templates is shown them.
SAMPLES: Mapping[str, object] = {
    "wave": 100,
    "days": 14,
    "deadline_date": "2026-09-30",
    "closes_time": "2026-09-30T16:59:00+00:00",
    "amount_number": 2_400_000,
    "reason_label": "notice.reason_quota",
    "training": "Bahasa Inggris untuk Kerja Lanjutan",
    "text": "Kantor kami tutup 17 Agustus. Selamat hari kemerdekaan!",
    "check_code": "K7M2QX",
    "link": "https://www.gelombang.go.id/l#ABCDEFGHJK",
}
NOT_SELECTED = (
    "notice.reason_quota",
    "notice.reason_layers",
    "notice.reason_waiting",
    "notice.reason_had_place",
    "notice.reason_same_nik",
)  # what ``reason_label`` may be


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat in which a person can be told things; ``last``: the one they used last."""

    address_id: int
    channel: Channel
    reachable: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """All that is known of how a person can be reached.

    ``heard_at`` is about their last chat, ``templates`` are kinds with one in their language, ``sms_hours`` the hours
    of the day between which an SMS may be sent, None where none can be.
    """

    chats: Sequence[Chat]
    heard_at: datetime | None
    paused: bool
    templates: frozenset[str]
    sms_hours: tuple[int, int] | None = SMS_HOURS
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """Tell it here, from ``at`` on, by a ``template`` where nothing else may go. Address 0 is the person's number."""

    channel: Channel
    address_id: int
    at: datetime
    template: bool = False

    @property
    def name(self) -> str:
        """As it stands among the rungs that were tried."""
        return rung_name(self.channel, self.address_id, template=self.template)


def rung_name(channel: Channel, address_id: int, *, template: bool = False) -> str:
    """As a rung stands among those that were tried."""
    return f"{channel.value}.{address_id}{'.template' * template}"


def soft_name(name: str) -> str:
    """As a rung stands among those that were tried when it failed for a reason that may pass."""
    return f"{name}?"


@dataclass(frozen=True, slots=True)
class NoRung:
    """Nobody can be told, and why."""

    reason: str


def words_key(kind: str, channel: Channel) -> str:
    """The message key of what a notice says on a channel."""
    return f"notice.{KINDS[kind].words or kind}{'_sms' if channel == Channel.SMS else ''}"


def next_rung(kind: str, reach: Reach, tried: Sequence[str], now: datetime) -> Rung | NoRung:
    """The next rung that was not tried: the chat used last, the other chats, then the phone number by SMS."""
    rules = KINDS[kind]
    if reach.withdrawn and not rules.owed:
        return NoRung("withdrawn")
    if reach.paused and not rules.always:
        return NoRung("stopped")
    for chat in sorted(reach.chats, key=lambda chat: (not chat.last, chat.address_id)):
        for rung in _at_chat(kind, chat, reach, now):
            if rung.name not in tried:
                return rung
    if not rules.sms or reach.sms_hours is None:
        return NoRung("no chat left")
    name = rung_name(Channel.SMS, 0)
    soft = tried.count(soft_name(name))
    if name in tried or soft >= SOFT_TRIES:
        return NoRung("all tried")
    return Rung(Channel.SMS, 0, sms_time(now + SOFT_WAIT * 4 ** (soft - 1) if soft else now, reach.sms_hours))


def _at_chat(kind: str, chat: Chat, reach: Reach, now: datetime) -> list[Rung]:
    if not chat.reachable:
        return []
    free = Rung(chat.channel, chat.address_id, now)
    if chat.channel != Channel.WHATSAPP:
        return [free]
    template = [Rung(chat.channel, chat.address_id, now, template=True)] if kind in reach.templates else []
    return [free, *template] if chat.last and window_open(reach.heard_at, now) else template


def window_open(heard_at: datetime | None, now: datetime) -> bool:
    """Whether WhatsApp still takes free text; a minute early, for what waits in a queue."""
    return heard_at is not None and now < heard_at + WINDOW - timedelta(minutes=1)


def sms_time(now: datetime, hours: tuple[int, int] = SMS_HOURS) -> datetime:
    """Now, or the next moment at which an SMS may be sent."""
    local = now.astimezone(WIB)
    if hours[0] <= local.hour < hours[1]:
        return now
    day = local.date() if local.hour < hours[0] else local.date() + timedelta(days=1)
    return datetime.combine(day, time(hours[0]), WIB).astimezone(now.tzinfo)


Params: TypeAlias = Mapping[str, object]

# --- what fits into one SMS (GSM 03.38: what is not in these tables makes the whole message UCS-2)

GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")
SMS_SEPTETS = 160


def sms_septets(text: str) -> int | None:
    """Length of a text in an SMS of one part; None where a letter is not of the GSM alphabet."""
    if not set(text) <= GSM7 | GSM7_EXTENDED:
        return None
    return len(text) + sum(letter in GSM7_EXTENDED for letter in text)
