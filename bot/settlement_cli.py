"""Commands for paying providers, until staff have a bot of their own (docs/payouts.md, "Providers")."""

import argparse
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from bot.exports import export
from bot.settings import Settings
from bot.staff_cli import Add, said, staffed
from bot.wave_cli import refusing
from domain import clock
from domain.audit import record
from domain.errors import DomainError
from domain.money.accounts import link_provider
from domain.money.paying import masked
from domain.ports import AccountQuestion, GatewayUnavailableError
from domain.trainings import redemption, settlement
from models.database import writing
from models.enums import Match


def add_commands(add: Add) -> None:
    """All commands of this module."""
    settle = add("settlement", _settlement, "what providers are owed for redeemed codes (docs/payouts.md)")
    what = settle.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("owed", help="what each provider is owed and was paid")
    account = staffed(what.add_parser("account", help="the account that a provider is paid on from now on"))
    account.add_argument("provider", help="its code")
    account.add_argument("--institution", required=True, help="the bank's short name, such as bca or bni")
    account.add_argument(
        "--number", type=said, required=True, help="- reads it from the input: arguments are seen by all"
    )
    account.add_argument("--holder", type=said, required=True, help="the account's holder, as the bank writes it; or -")
    account.add_argument("--unchecked", action="store_true", help="do not ask the bank whose it is")
    told = what.add_parser("statement", help="every training that a provider redeemed, and how it was paid")
    told.add_argument("provider", help="its code")
    told.add_argument("file", type=Path, help="where to; .csv or .xlsx")
    told.add_argument("--first", type=date.fromisoformat, required=True, help="first day")
    told.add_argument("--last", type=date.fromisoformat, required=True, help="last day")


def _settlement(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        match options.what:
            case "owed":
                for each in await settlement.owed():
                    account = each.account
                    where = f"{account.institution} {masked(account.number)}" if account else "no account"
                    sums = f"owed Rp{each.open:>16,}  paid Rp{each.paid:>16,}"
                    print(f"{each.provider.code:<12} {each.redeemed:>8,} redeemed  {sums}  {where}")
            case "account":
                await _use_account(settings, options)
            case _:
                await _provider_statement(options)
        return 0

    return refusing(settings, work)


async def _use_account(settings: Settings, options: argparse.Namespace) -> None:
    from bot.gateways.payouts.chosen import chosen  # noqa: PLC0415 - loads the web client

    number = "".join(options.number.split())
    if not (number.isascii() and number.isdigit() and 6 <= len(number) <= 20):
        raise DomainError("staff.account_unreadable")
    provider = await redemption.provider_named(options.provider)
    if not options.unchecked:
        gateway = chosen(settings)
        try:
            found = await gateway.inquire(AccountQuestion(options.institution, number, options.holder, ""))
        except GatewayUnavailableError as error:
            raise ValueError(f"the bank can't be asked now ({error}); --unchecked takes it as it is") from None
        finally:
            await gateway.close()
        if not (found.exists and found.is_open and found.name == Match.MATCH):
            raise DomainError("staff.account_differs")
    async with writing():
        account = await link_provider(provider.id, options.institution, number, options.holder, clock.now())
        await record(options.staff, "provider.account", f"provider:{provider.code}", now=clock.now(), after=number)
    print(f"{provider.name} is paid on {account.institution} {masked(account.number)}")


async def _provider_statement(options: argparse.Namespace) -> None:
    provider = await redemption.provider_named(options.provider)
    since = datetime.combine(options.first, time(0), clock.WIB)
    until = datetime.combine(options.last + timedelta(days=1), time(0), clock.WIB)
    columns = ("purchase", "redeemed", "training", "title", "price", "due", "payment", "status", "paid")
    count = await export(options.file, columns, _statement_rows(provider.id, since, until))
    print(f"{count:,} redeemed trainings: {options.file}")


async def _statement_rows(provider_id: int, since: datetime, until: datetime) -> AsyncIterator[tuple[Any, ...]]:
    async for line in settlement.statement(provider_id, since, until):
        purchase, payment = line.purchase, line.payment
        assert purchase.redeemed_at is not None
        paid = line.due.paid_at if line.due else None
        yield (
            purchase.id,
            clock.in_wib(purchase.redeemed_at),
            purchase.training.code,
            purchase.training.title,
            purchase.price,
            line.due.key if line.due else "",
            payment.reference if payment else "",
            payment.status if payment else "",
            clock.in_wib(paid) if paid else "",
        )
