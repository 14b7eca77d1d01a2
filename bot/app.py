"""Wiring: the one place that puts database, engine, channels, delivery and tasks together."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import cached_property, partial
from typing import Protocol

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.alarms import Alarms
from bot.bell import Bell
from bot.broadcasts import Broadcasts
from bot.catalogue import CatalogueFeed
from bot.channel import Desk, LocalSender, Sender, StaffDesk
from bot.channels.mail import MailSender
from bot.channels.whatsapp import WhatsAppSender
from bot.data_rights import DataRights
from bot.delivery import Delivery
from bot.figures import FiguresFeed
from bot.gateways.charts import Charts
from bot.gateways.civil_registry import CsvRegistry, HttpRegistry
from bot.gateways.faces.chosen import chosen
from bot.gateways.faces.search import FaceIndexProcess
from bot.gateways.media import MediaFolder
from bot.gateways.payouts.chosen import chosen as chosen_gateway
from bot.limits import Limits
from bot.notices import Notices
from bot.payouts import Payouts
from bot.photos import Photos, Remote
from bot.probes import Measured
from bot.settings import Settings
from bot.staff_desk import StaffAccess
from bot.staff_files import StaffFiles
from bot.staff_tasks import StaffTasks
from bot.surveys import Surveys
from bot.templates import Templates
from bot.verifications import Verifications
from bot.waves import Waves
from domain import clock, regions
from domain.programme import DEFAULT, Programme, Sending, load, load_partners
from domain.trainings.catalogue import Catalogue
from handlers import i18n
from handlers.conversation import Inbound, Photo
from handlers.engine import (
    Engine,
    Outgoing,
    Settled,
    TurnFuture,
    TurnResult,
    TurnUnavailableError,
    address_lookup,
    outgoing,
)
from handlers.flows import STEPS
from models import crypto, trace
from models.database import database
from models.enums import Channel

log = logging.getLogger(__name__)

MAILBOX_PAGE = 100


KEYS_SECONDS = 5.0


class Role(StrEnum):
    """What a process does: everything, or its part of a set of many (docs/operate.md)."""

    ALL = "all"
    WEB = "web"  # takes messages and answers them
    WORKER = "worker"  # notices, waves, payouts, figures: everything that is not asked for by a message
    FACES = "faces"  # photos and layers of verification


# Kinds of slow work that a message may leave behind, and the role that does each.
DONE_BY = {
    "photos": Role.FACES,
    "verifications": Role.FACES,
    "inquiries": Role.WORKER,
    "notices": Role.WORKER,
    "staff tasks": Role.WORKER,
}


class Keys:
    """Hears of a key that was added, so that from then on this process seals by it."""

    async def run(self) -> None:
        """Look now and then until cancelled."""
        while True:
            await asyncio.sleep(KEYS_SECONDS)
            try:
                crypto.refresh()
            except (OSError, ValueError) as error:  # the keys that are known are good all the same
                log.warning("keys not read anew: %s", type(error).__name__)


class Runs(Protocol):
    """Something that works until it is cancelled."""

    async def run(self) -> None:
        """Work."""


class App:
    """What a process is made of. Photos, verifications and payouts are set by ``running``: they feed back into it."""

    photos: Photos
    verifications: Verifications
    payouts: Payouts

    def __init__(
        self,
        settings: Settings,
        db: BaseDBAsyncClient,
        programme: Programme,
        senders: dict[Channel, Sender],
        now: Callable[[], datetime] = clock.now,
        role: Role = Role.ALL,
    ) -> None:
        self.settings, self.db, self.programme, self._senders = settings, db, programme, senders
        self.role, self.draining = role, False
        self.engine = Engine(db, programme, now, self._wake)
        self.delivery = Delivery(db, senders, now)
        hours = settings.sms_from_hour, settings.sms_until_hour
        self.templates = Templates()
        approved = self.templates.approved
        here = settings.public_url or f"http://{settings.host}:{settings.port}"
        self.notices = Notices(db, self.delivery, _pace(settings, senders), approved, now, hours, here)
        self.delivery.on_settled = self.notices.settled
        self.waves = Waves(db, programme, now, self._wave_is_open, self.wake_notices)

        self.catalogue = CatalogueFeed(programme, now, self._use_catalogue)
        self.surveys = Surveys(programme, now, self.wake_notices)
        self.staff_tasks = StaffTasks(now, self.receive)
        self.broadcasts = Broadcasts(db, now, self.receive, self.wake_notices, hours)
        self.figures = FiguresFeed(now, self.receive, settings.daily_summary_hour)
        media = MediaFolder(settings.media_dir)
        self.charts = Charts()
        self.measured = Measured()
        self.engine.on_refused, self.delivery.on_called = self.measured.refused, self.measured.called
        self.limits = Limits(now, settings.requests_a_minute, settings.new_chats_an_hour, settings.proxies)
        self.alarms = Alarms(now, self.receive)
        self.data_rights = DataRights(db, programme, media, now, self.receive)
        self.staff = StaffAccess(db, programme, self.engine, StaffFiles(media, self.charts.draw), media, now)

    def _use_catalogue(self, catalogue: Catalogue) -> None:
        self.engine.catalogue = catalogue

    def _wave_is_open(self, number: int) -> None:
        self.engine.open_wave = number

    def _wake(self) -> None:
        self.bell.ring(DONE_BY)

    def wake_notices(self) -> None:
        """There are new notices, which may be another process's to tell."""
        self.bell.ring(["notices"])

    @cached_property
    def bell(self) -> Bell:
        """By which this process hears of work that is its own; asked for after ``photos`` and the others are set."""
        wakes = {
            "photos": self.photos.work.wake,
            "verifications": self.verifications.work.wake,
            "inquiries": self.payouts.inquiries.wake,
            "notices": self.notices.wake,
            "staff tasks": self.staff_tasks.work.wake,
        }
        own = {kind: wake for kind, wake in wakes.items() if self.role in {Role.ALL, DONE_BY[kind]}}
        return Bell(self.settings.redis_url.get_secret_value(), own, DONE_BY)

    def workers(self) -> tuple[Runs, ...]:
        """Everything that runs for as long as a process of this role does."""
        always = self.engine, self.delivery, self.templates, self.catalogue, self.limits, self.bell, Keys()
        faces = self.photos.work, self.verifications.work
        work = (
            self.notices,
            self.waves,
            self.surveys,
            self.payouts,
            self.figures,
            self.broadcasts,
            self.data_rights,
            self.alarms,
            self.staff_tasks.work,
        )
        match self.role:
            case Role.WEB:
                return *always, self.waves.watcher(), self.payouts.ear
            case Role.WORKER:
                return *always, *work
            case Role.FACES:
                return *always, self.waves.watcher(), *faces
        return *always, *work, *faces

    async def receive(self, inbound: Inbound) -> TurnResult:
        """Take a message and deliver the replies: what every channel calls."""
        turn = TurnFuture()
        if inbound.channel != Channel.INTERNAL:
            trace.begin(inbound.channel, inbound.external_id)
        self.submit(inbound, turn.settle, trace.begun())
        return await turn

    def submit(self, inbound: Inbound, done: Settled, begun: trace.Begun) -> None:
        """The same for who can't wait (see Engine.submit)."""
        channel = inbound.channel
        if channel != Channel.INTERNAL and (told := self.limits.chat(channel + ":" + inbound.address)) is not None:
            if not told:  # a flood was told so a moment ago: nothing is taken, and nothing is sent again
                done(TurnResult([], repeated=True))
                return
            inbound = Inbound(
                channel=channel, address=inbound.address, external_id=inbound.external_id, problem="limits.too_fast"
            )
        self.engine.submit(inbound, partial(self._settled, channel, time.perf_counter(), done), begun)

    def _settled(
        self, channel: Channel, began: float, done: Settled, result: TurnResult | TurnUnavailableError
    ) -> None:
        try:
            if isinstance(result, TurnResult):
                self.measured.taken(channel, time.perf_counter() - began)
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("%s message taken%s", channel, " before" if result.repeated else "")
                if not result.repeated:  # a repeat's replies are on their way already, or the sweep has them
                    self.delivery.post(result.replies)
            else:
                self.measured.unavailable(channel)
        finally:  # whatever fails here, somebody waits
            done(result)

    async def keep_photo(self, channel: Channel, chat: str, content: bytes) -> Photo | None:
        """Look at a photo and keep it; None where the chat's step asks for none, so that nothing is kept unasked."""
        seat = await self.engine.tables.seat_at(self.db, address_lookup(channel, chat))
        if seat is None or "photo" not in STEPS[seat[1]][1].accepts:
            return None
        return await self.photos.keep(content, seat[0])

    async def mailbox(self, channel: Channel, chat: str, after: int) -> tuple[int | None, list[Outgoing]]:
        """Messages of a chat with an id above ``after``."""
        lookup = address_lookup(channel, chat)
        address_id, rows = await self.engine.tables.mailbox(self.db, lookup, after, MAILBOX_PAGE)
        return address_id, [outgoing(row) for row in rows]

    async def directs(self, channel: Channel, chat: str) -> list[Outgoing]:
        """What no provider carries to bare numbers and e-mail addresses of a chat's conversation, oldest first."""
        rows = await self.engine.tables.directs(self.db, address_lookup(channel, chat), MAILBOX_PAGE)
        return [outgoing(row) for row in rows if isinstance(self._senders[Channel(row.channel)], LocalSender)]

    def desk(self) -> Desk:
        """What the browser chat and the terminal need."""
        return Desk(
            receive=self.receive,
            keep_photo=self.keep_photo,
            replay=self.engine.replay,
            mailbox=self.mailbox,
            new_mail=self.delivery.new_mail,
            directs=self.directs,
        )

    def staff_desk(self) -> StaffDesk:
        """What channels for staff need."""
        return self.staff.desk(self.receive, self.mailbox, self.delivery.new_mail)


@asynccontextmanager
async def running(
    settings: Settings,
    senders: dict[Channel, Sender] | None = None,
    remotes: dict[Channel, Remote] | None = None,
    role: Role = Role.ALL,
) -> AsyncIterator[App]:
    """An app with its engine, delivery and tasks at work; everything is ended and closed on the way out."""
    settings.use_keys()
    regions.load()
    programme = _programme(settings)
    local: dict[Channel, Sender] = {}
    if settings.shows_codes():
        local = {Channel.SMS: LocalSender(), Channel.MAIL: LocalSender()}
    senders = {**local, **_mail(settings), **(senders or {})}
    for channel in {Channel.SMS, Channel.MAIL} - senders.keys():
        log.warning("nothing is sent by %s: no provider is set, and codes are not shown to the world", channel.value)
    programme = dataclasses.replace(programme, unsent=frozenset({Channel.SMS, Channel.MAIL}) - senders.keys())
    async with AsyncExitStack() as stack:
        faces, cards = chosen(settings)
        stack.push_async_callback(faces.close)
        stack.push_async_callback(cards.close)
        if settings.face_engine != "opencv":  # whose files come with the package: it starts at the first photo
            log.info("faces: %s", await faces.start())
        index = FaceIndexProcess()
        stack.push_async_callback(index.close)
        registry = _registry(settings)
        if registry is not None:
            stack.push_async_callback(registry.close)
        db = await stack.enter_async_context(database(settings.database_url))
        pace = {channel.value: rate for channel, rate in _pace(settings, senders).items()}
        hours = settings.sms_from_hour, settings.sms_until_hour
        sending = Sending(pace, settings.sms_price, settings.whatsapp_daily_limit, hours)
        app = App(settings, db, dataclasses.replace(programme, sending=sending), senders, role=role)
        stack.push_async_callback(app.charts.close)
        if isinstance(whatsapp := senders.get(Channel.WHATSAPP), WhatsAppSender):
            whatsapp.contents = app.templates.contents
        app.photos = Photos(
            faces, cards, MediaFolder(settings.media_dir), programme, clock.now, remotes or {}, app.receive
        )
        gateway = chosen_gateway(settings)
        stack.push_async_callback(gateway.close)
        app.payouts = Payouts(db, gateway, clock.now, app.receive, app.wake_notices)
        app.verifications = Verifications(db, registry, index, programme, clock.now, app.receive)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        work = [group.create_task(each.run()) for each in app.workers()]
        try:
            yield app
        finally:
            for task in work:
                task.cancel()


def _pace(settings: Settings, senders: dict[Channel, Sender]) -> dict[Channel, float]:
    """Messages a second of each channel that notices may take."""
    pace = {
        Channel.TELEGRAM: settings.telegram_pace,
        Channel.WHATSAPP: settings.whatsapp_pace,
        Channel.SMS: settings.sms_pace,
    }
    return {channel: rate for channel, rate in pace.items() if channel in senders}


def _programme(settings: Settings) -> Programme:
    partners = load_partners(settings.kyc_partners) if settings.kyc_partners else ()
    programme = load(settings.programme or DEFAULT)
    here = settings.public_url.rstrip("/")
    return dataclasses.replace(
        programme,
        partners=partners,
        chat_url=here,
        site_url=here or f"http://{settings.host}:{settings.port}",
        staff_bot=settings.staff_telegram_name,
    )


def _mail(settings: Settings) -> dict[Channel, Sender]:
    url = settings.smtp_url.get_secret_value()
    subject = i18n.text(i18n.DEFAULT_LANGUAGE, "code.mail_subject")
    return {Channel.MAIL: MailSender(url, settings.mail_from, subject)} if url else {}


def _registry(settings: Settings) -> HttpRegistry | CsvRegistry | None:
    if settings.registry_url:
        return HttpRegistry(settings.registry_url, settings.registry_token.get_secret_value())
    return CsvRegistry(settings.registry_csv) if settings.registry_csv else None
