"""Wiring: the one place that puts database, engine, channels, delivery and tasks together."""

import asyncio
import dataclasses
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web
from tortoise.backends.base.client import BaseDBAsyncClient

from bot import web as webserver
from bot.alarms import Alarms
from bot.audit_page import AuditPage
from bot.bell import Bell
from bot.broadcasts import Broadcasts
from bot.catalogue import CatalogueFeed
from bot.channel import Desk, LocalSender, Sender, StaffDesk
from bot.channels import browser
from bot.channels.mail import MailSender
from bot.channels.sms import SmsSender
from bot.channels.staff_browser import StaffBrowser
from bot.channels.telegram import TelegramChannel
from bot.channels.whatsapp import WhatsAppSender
from bot.data_rights import DataRights
from bot.delivery import Delivery
from bot.draws_page import DrawPages
from bot.figures import FiguresFeed
from bot.gateways.charts import Charts
from bot.gateways.civil_registry import CsvRegistry, HttpRegistry
from bot.gateways.faces.chosen import chosen
from bot.gateways.faces.search import FaceIndexProcess
from bot.gateways.kyc import PartnerKeys
from bot.gateways.media import MediaFolder
from bot.gateways.payouts.chosen import chosen as chosen_gateway
from bot.gateways.twilio import Twilio
from bot.limits import Limits
from bot.my_data import MyData
from bot.notices import Notices
from bot.partners import KycDesk
from bot.payouts import PayoutDesk, Payouts
from bot.photos import Photos, Remote
from bot.probes import Measured, Probes
from bot.provider_api import ProviderApi
from bot.reports import TwilioDesk
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
from handlers.engine import Engine, Outgoing, TurnResult, TurnUnavailableError, address_lookup, outgoing
from handlers.flows import STEPS
from models import crypto, trace
from models.database import database
from models.enums import Channel

if TYPE_CHECKING:
    from bot.channels.staff_telegram import StaffTelegram

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
        self.waves = Waves(db, programme, now, self._wave_is_open, self.notices.wake)

        self.catalogue = CatalogueFeed(programme, now, self._use_catalogue)
        self.surveys = Surveys(programme, now, self.notices.wake)
        self.staff_tasks = StaffTasks(now, self.receive)
        self.broadcasts = Broadcasts(db, now, self.receive, self.notices.wake, hours)
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
        if inbound.channel != Channel.INTERNAL:
            trace.begin(inbound.channel, inbound.external_id)
            told = self.limits.chat(f"{inbound.channel}:{inbound.address}")
            if told is False:  # a flood was told so a moment ago: nothing is taken, and nothing is sent again
                return TurnResult([], repeated=True)
            if told:
                inbound = Inbound(
                    channel=inbound.channel,
                    address=inbound.address,
                    external_id=inbound.external_id,
                    problem="limits.too_fast",
                )
        began = time.perf_counter()
        try:
            result = await self.engine.take_turn(inbound)
        except TurnUnavailableError:
            self.measured.unavailable(inbound.channel)
            raise
        self.measured.taken(inbound.channel, time.perf_counter() - began)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s message taken%s", inbound.channel, " before" if result.repeated else "")
        if not result.repeated:  # a repeat's replies are on their way already, or the sweep has them
            self.delivery.post(result.replies)
        return result

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
        app.payouts = Payouts(db, gateway, clock.now, app.receive, app.notices.wake)
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


@dataclasses.dataclass
class _Outside:
    """The platforms that are configured."""

    telegram: TelegramChannel | None
    staff: "StaffTelegram | None"
    twilio: Twilio | None
    senders: dict[Channel, Sender] = dataclasses.field(default_factory=dict)
    remotes: dict[Channel, Remote] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "_Outside":
        """What the settings ask for."""
        found = cls(_telegram(settings), _staff_telegram(settings), twilio_account(settings))
        if found.telegram:
            found.senders[Channel.TELEGRAM] = found.telegram
            found.remotes[Channel.TELEGRAM] = Remote(found.telegram.fetch)
        if found.staff:
            found.senders[Channel.STAFF_TELEGRAM] = found.staff
        if found.twilio:
            found.senders |= _twilio_senders(settings, found.twilio)
            found.remotes[Channel.WHATSAPP] = Remote(found.twilio.fetch, found.twilio.forget)
        return found

    def add_routes(self, site: web.Application, app: App) -> None:
        """Webhooks."""
        if self.staff:
            site.router.add_post("/webhooks/staff", webserver.guarded(self.staff.webhook(app.receive)))
        if self.telegram:
            site.router.add_post("/webhooks/telegram", webserver.guarded(self.telegram.webhook(app.receive)))
        if self.twilio:
            TwilioDesk(self.twilio, app.receive, app.delivery.report).add_routes(site)

    def work(self, app: App, *, updates: bool) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the server does; ``updates``: messages are taken here."""
        found = []
        if self.staff:
            self.staff.desk = app.staff_desk()
        if self.telegram:
            found += [self.telegram.run(), *([_updates(self.telegram, app)] if updates else [])]
        if self.staff:
            found += [self.staff.run(), *([_staff_updates(self.staff, app)] if updates else [])]
        return found

    async def close(self) -> None:
        """Close the connections."""
        for each in (self.telegram, self.twilio, self.staff):
            if each:
                await each.close()


async def serve(
    settings: Settings, add_routes: Callable[[web.Application], None] | None = None, role: Role = Role.ALL
) -> None:
    """Serve all channels that are configured until SIGTERM or SIGINT; ``add_routes`` adds pages of the caller's.

    A worker, or a process for faces, only says how it is. Told to end, a process first says that it is not ready, so
    that a balancer sends nothing more, and ends what it has begun.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    if role == Role.WEB and settings.telegram_mode == "polling" and settings.telegram_token.get_secret_value():
        raise ValueError("several processes can't poll one bot: set GELOMBANG_TELEGRAM_MODE=webhook")
    outside = _Outside.of(settings)
    async with running(settings, outside.senders, outside.remotes, role) as app:
        site = webserver.application(app.limits.middleware, https=settings.public_url.startswith("https:"))
        token = settings.metrics_token.get_secret_value()
        Probes(app.db, lambda: app.draining, token, app.measured, app.programme.sending.pace).add_routes(site)
        if role in {Role.ALL, Role.WEB}:
            _add_pages(site, app)
            outside.add_routes(site, app)
        if add_routes is not None:
            add_routes(site)
            log.info("phones: %s/phones", settings.public_url)
        # Nobody who calls here packs what they send, and a packed body may be a thousand times its size.
        runner = web.AppRunner(
            site,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=3,
            logger=webserver.quiet_logger(),
            auto_decompress=False,
        )
        await runner.setup()
        try:
            server = web.TCPSite(runner, settings.host, settings.port)
            await server.start()
            # What is loaded by now stays: the collector need not walk it again and again under load.
            gc.collect()
            gc.freeze()
            gc.set_threshold(10_000, 20, 20)  # a turn leaves hundreds of short-lived objects and hardly a cycle
            log.info("%s: http://%s:%d", role, settings.host, settings.port)
            async with asyncio.TaskGroup() as group:
                work = [group.create_task(each) for each in outside.work(app, updates=role in {Role.ALL, Role.WEB})]
                await stop.wait()
                app.draining = True
                await asyncio.sleep(settings.drain_seconds)
                for task in work:
                    task.cancel()
        finally:
            await runner.cleanup()
            await outside.close()


def _add_pages(site: web.Application, app: App) -> None:
    """Everything that people and partners reach."""
    settings = app.settings
    browser.BrowserChat(app.desk(), app.limits.new_chat, outbox=settings.shows_codes()).add_routes(site)
    StaffBrowser(app.staff_desk()).add_routes(site)
    DrawPages(settings.draws_dir).add_routes(site)
    AuditPage().add_routes(site)
    MyData(MediaFolder(settings.media_dir), clock.now).add_routes(site)
    KycDesk(PartnerKeys(app.programme.partners, clock.now), clock.now, app.receive).add_routes(site)
    ProviderApi(clock.now).add_routes(site)
    called_back = settings.xendit_callback_token.get_secret_value()
    secret = called_back if settings.payout_gateway == "xendit" else settings.bank_secret()
    PayoutDesk(settings.payout_gateway, app.payouts.ear, secret, app.payouts.find).add_routes(site)


async def _staff_updates(staff: "StaffTelegram", app: App) -> None:
    if app.settings.telegram_mode == "polling":
        await staff.poll(app.receive)
    else:
        await staff.set_webhook(app.settings.public_url)


async def _updates(telegram: TelegramChannel, app: App) -> None:
    if app.settings.telegram_mode == "polling":
        await telegram.poll(app.receive)
        return
    if not app.settings.telegram_reply_in_webhook:
        await telegram.load()  # now, in a thread, rather than at the first reply
    # A process of its own tells Telegram the address: this one stays small where it never calls Telegram itself.
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "webhook", "--parent", str(os.getpid()), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()


async def register_webhook(settings: Settings) -> None:
    """Tell Telegram where to send updates; returns when it has taken it."""
    telegram = _telegram(settings)
    if telegram is None:
        raise ValueError("GELOMBANG_TELEGRAM_TOKEN is not set")
    try:
        await telegram.set_webhook(settings.public_url)
    finally:
        await telegram.close()


def twilio_account(settings: Settings) -> Twilio | None:
    """The Twilio account that is set; raises ValueError where a part of it is missing."""
    token = settings.twilio_auth_token.get_secret_value()
    if not settings.twilio_account_sid and not token:
        return None
    if not (settings.twilio_account_sid and token and settings.public_url):
        raise ValueError(
            "Twilio needs GELOMBANG_TWILIO_ACCOUNT_SID, GELOMBANG_TWILIO_AUTH_TOKEN and GELOMBANG_PUBLIC_URL"
        )
    return Twilio(
        settings.twilio_account_sid, token, settings.public_url, settings.twilio_api_url, settings.twilio_content_url
    )


def _twilio_senders(settings: Settings, account: Twilio) -> dict[Channel, Sender]:
    senders: dict[Channel, Sender] = {}
    if settings.twilio_whatsapp_from:
        senders[Channel.WHATSAPP] = WhatsAppSender(account, settings.twilio_whatsapp_from)
    if settings.twilio_sms_from or settings.twilio_messaging_service_sid:
        senders[Channel.SMS] = SmsSender(account, settings.twilio_sms_from, settings.twilio_messaging_service_sid)
    return senders


def _staff_telegram(settings: Settings) -> "StaffTelegram | None":
    token = settings.staff_telegram_token.get_secret_value()
    if not token:
        return None
    if token == settings.telegram_token.get_secret_value():
        raise ValueError("GELOMBANG_STAFF_TELEGRAM_TOKEN is the applicants' bot: staff need one of their own")
    secret = settings.staff_telegram_secret.get_secret_value()
    if settings.telegram_mode == "webhook" and not (settings.public_url and secret):
        raise ValueError(
            "GELOMBANG_TELEGRAM_MODE=webhook needs GELOMBANG_PUBLIC_URL and GELOMBANG_STAFF_TELEGRAM_SECRET"
        )
    from bot.channels.staff_telegram import StaffTelegram  # noqa: PLC0415 - only where there is such a bot

    return StaffTelegram(token, settings.telegram_api_url, secret)


def _telegram(settings: Settings) -> TelegramChannel | None:
    token = settings.telegram_token.get_secret_value()
    if not token:
        return None
    if settings.telegram_mode == "webhook" and not (
        settings.public_url and settings.telegram_secret.get_secret_value()
    ):
        raise ValueError("GELOMBANG_TELEGRAM_MODE=webhook needs GELOMBANG_PUBLIC_URL and GELOMBANG_TELEGRAM_SECRET")
    return TelegramChannel(
        token,
        settings.telegram_api_url,
        settings.telegram_secret.get_secret_value(),
        i18n.text(i18n.DEFAULT_LANGUAGE, "telegram.contact_button"),
        reply_in_webhook=settings.telegram_reply_in_webhook,
    )
