"""What pays, as a process that can be killed: announces a drawn wave, or hands payments over and takes callbacks.

Leases are shorter than a server's, so that a rehearsal with many deaths is over in minutes.
"""

import asyncio
import os
import sys
from datetime import timedelta

from aiohttp import web

from bot import payouts
from bot.gateways.payouts.sandbox import SandboxGateway
from bot.lifeline import end_with
from bot.payouts import PayoutDesk, Payouts
from bot.settings import Settings
from bot.web import application
from domain import clock
from domain.money import sending, settling
from domain.programme import load
from domain.waves import places
from domain.waves.actions import wave_numbered
from handlers.conversation import Inbound
from handlers.engine import TurnResult
from models.database import database
from models.enums import WaveStatus

SHORT = timedelta(seconds=2)


async def announce(number: int) -> None:
    """Tell a drawn wave's people and give them their balances, as the draw does at its end."""
    settings = Settings()
    settings.use_keys()
    programme = load()
    async with database(settings.database_url) as db:
        wave = await places.start_announcing(await wave_numbered(number), programme, clock.now())
        after = 0
        while following := await places.announce_some(db, wave, programme, after, clock.now()):
            after = following
        if wave.status != WaveStatus.ANNOUNCED:
            await places.finish_announcing(wave, clock.now())


async def work() -> None:
    """Pay whatever was started, until killed."""
    settings = Settings()
    settings.use_keys()
    payouts.BATCH_LEASE, payouts.KEEP_SECONDS, payouts.SWEEP_SECONDS = SHORT, 0.5, 0.5
    sending.LEASE = sending.ASK_AGAIN = timedelta(seconds=4)
    settling.ASK_FIRST = timedelta(seconds=1)
    gateway = SandboxGateway(
        settings.sandbox_bank_url, settings.bank_secret(), side_by_side=settings.payout_side_by_side,
        a_second=settings.payout_pace, seconds=1.5,
    )  # fmt: skip
    gateway.asks_after = 5.0
    async with database(settings.database_url) as db:
        paying = Payouts(db, gateway, clock.now, _nobody, lambda: None)
        site = application()
        PayoutDesk("sandbox", paying.ear, settings.bank_secret(), paying.find).add_routes(site)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.port).start()
        print("ready", flush=True)
        await paying.run()


async def _nobody(inbound: Inbound) -> TurnResult:
    return TurnResult([])


if __name__ == "__main__":
    end_with(os.getppid())
    asyncio.run(announce(int(sys.argv[2])) if sys.argv[1] == "announce" else work())
