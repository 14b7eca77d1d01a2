"""``gelombang serve``: the web server with everything that is reached over HTTP, until it is told to end."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from typing import cast

from aiohttp import web

from bot import web as webserver
from bot.app import App, Role, running
from bot.audit_page import AuditPage
from bot.channels import browser
from bot.channels.staff_browser import StaffBrowser
from bot.draws_page import DrawPages
from bot.front import IDLE_SECONDS, FrontDoor
from bot.gateways.kyc import PartnerKeys
from bot.gateways.media import MediaFolder
from bot.my_data import MyData
from bot.partners import KycDesk
from bot.payouts import PayoutDesk
from bot.platforms import Platforms
from bot.probes import Probes
from bot.provider_api import ProviderApi
from bot.settings import Settings
from domain import clock

log = logging.getLogger(__name__)

LAST_SECONDS = 3.0  # for answers that are under way when a process ends


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
    outside = Platforms.of(settings)
    async with running(settings, outside.senders, outside.remotes, role) as app:
        https = settings.public_url.startswith("https:")
        site = webserver.application(app.limits.middleware, https=https)
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
            shutdown_timeout=LAST_SECONDS,
            logger=webserver.quiet_logger(),
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
        )
        await runner.setup()
        lanes = outside.lanes(app) if role in {Role.ALL, Role.WEB} else {}
        door = FrontDoor(lanes, cast("web.Server", runner.server), https=https)
        try:
            await door.open(settings.host, settings.port)
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
            await door.close(LAST_SECONDS)
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
