"""The command ``gelombang``."""

import argparse
import asyncio
import hashlib
import sys
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from bot import (
    keys_cli,
    logs,
    members_cli,
    money_cli,
    payout_cli,
    privacy_cli,
    settlement_cli,
    staff_cli,
    training_cli,
    wave_cli,
)
from bot.lifeline import end_with
from bot.settings import Settings
from bot.staff_cli import with_database
from bot.wave_cli import refusing
from domain.audit import SYSTEM
from domain.programme import DEFAULT, load
from domain.staff import members
from models.database import migrate, pending_migrations
from models.dialect import is_transient


def main(argv: list[str] | None = None) -> int:
    """Run a command; errors of the operator's making are one line, not a traceback."""
    options = _parser().parse_args(argv)
    try:
        settings = Settings()
        logs.set_up(settings.log_level, settings.log_format, getattr(options, "role", options.command.__name__))
        command: Callable[[Settings, argparse.Namespace], int] = options.command
        if getattr(options, "staff", SYSTEM) != SYSTEM and not hasattr(options, "at_the_machine"):
            _known(settings, options.staff)
        return command(settings, options)
    except ValidationError as error:
        fields = "; ".join(f"GELOMBANG_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        print(f"gelombang: {fields}", file=sys.stderr)
    except (ValueError, OSError) as error:
        print(f"gelombang: {error}", file=sys.stderr)
    except ExceptionGroup as group:
        ours, others = group.split((ValueError, OSError))
        if others is not None or ours is None:
            raise
        print(f"gelombang: {_first(ours)}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not is_transient(error):
            raise
        print("gelombang: the database is busy or away: try again", file=sys.stderr)
    return 2


def _known(settings: Settings, name: str) -> None:
    """A command of which is kept who gave it is given by a member of staff, once there is one."""

    async def work(db: Any) -> int:
        if not await pending_migrations(db) and not await members.known(name):
            raise ValueError(f"there is no active member of staff called {name} (gelombang staff list)")
        return 0

    with_database(settings, work)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gelombang", description="Register by chat, end to end.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Settings, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=run)
        return command

    prepare = "first create or update the tables and load the sample data"
    served = add("serve", _serve, "serve the browser chat and all channels that are configured")
    served.add_argument("--prepare", action="store_true", help=prepare)
    served.add_argument(
        "--role", choices=["all", "web", "worker", "faces"], default="all", help="a part of the work (docs/operate.md)"
    )
    served.add_argument(
        "--fake-providers", action="store_true", help="stand-ins for Telegram and Twilio, with a page a phone: /phones"
    )
    chat = add("chat", _chat, "talk to the bot in this terminal; lines may also come from a pipe")
    chat.add_argument("--prepare", action="store_true", help=prepare)
    chat.add_argument("--name", default="me", help="which chat to continue (default: me)")
    add("migrate", _migrate, "create or update the tables")
    sample = add("sample", _sample, "load sample data: an open wave and a made-up catalogue")
    sample.add_argument(
        "--select", action="store_true", help="give whoever joined the open wave a place, without a draw"
    )
    webhook = add("webhook", _webhook, "tell Telegram where to send updates (serve does it at every start)")
    webhook.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    doctor = add("doctor", _doctor, "say what is configured, what is missing and what would not work")
    doctor.add_argument("--deep", action="store_true", help="then also try everything once; nobody is written to")
    keys_cli.add_commands(add)
    privacy_cli.add_commands(add)
    add("requests", _requests, "list who asked to talk to a person")
    staff_cli.add_commands(add)
    members_cli.add_commands(add)
    task = add("task", _task, "do one piece of work that staff asked for (serve does it by itself)")
    task.add_argument("number", type=int)
    counted = add("figures", _figures, "count the programme anew and show the funnel (serve counts by itself)")
    counted.add_argument("--quiet", action="store_true", help="only count")
    wave_cli.add_commands(add)
    money_cli.add_commands(add)
    payout_cli.add_commands(add)
    settlement_cli.add_commands(add)
    training_cli.add_commands(add)
    reply = add("reply", _reply, "answer a request; the text goes to the person's chat")
    staff_cli.staffed(reply).add_argument("number", type=int)
    reply.add_argument("text", type=staff_cli.said, help="what to say, or - to read it from the input")
    return parser


async def _bring_up_to_date(db: Any, settings: Settings, *, sample: bool) -> int:
    from bot import sample as sample_data  # noqa: PLC0415

    for name in await migrate(db):
        print(f"applied {name}")
    if sample:
        print(await sample_data.load(load(settings.programme or DEFAULT)))
    return 0


def _prepare(settings: Settings, options: argparse.Namespace) -> None:
    async def work(db: Any) -> int:
        return await _bring_up_to_date(db, settings, sample=True)

    if options.prepare:
        with_database(settings, work)


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from bot.app import Role  # noqa: PLC0415 - the web server is only loaded where it is used
    from bot.sandbox_bank.child import bank_beside  # noqa: PLC0415
    from bot.serving import serve  # noqa: PLC0415

    async def with_bank() -> None:
        async with bank_beside(settings):
            await serve(settings, role=Role(options.role))

    _prepare(settings, options)
    if not options.fake_providers:
        asyncio.run(with_bank())
        return 0
    from bot.phones import fake_providers  # noqa: PLC0415

    async def with_phones() -> None:
        async with bank_beside(settings), fake_providers(settings) as (changed, phones):
            await serve(changed, phones.add_routes)

    asyncio.run(with_phones())
    return 0


def _chat(settings: Settings, options: argparse.Namespace) -> int:
    from bot.app import running  # noqa: PLC0415
    from bot.channels.terminal import chat  # noqa: PLC0415
    from bot.sandbox_bank.child import bank_beside  # noqa: PLC0415

    async def talk() -> int:
        async with bank_beside(settings), running(settings) as app:
            mark = settings.key_file.with_name(f"chat-{hashlib.sha256(options.name.encode()).hexdigest()[:12]}")
            return await chat(app.desk(), options.name, mark)

    _prepare(settings, options)
    return asyncio.run(talk())


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        await _bring_up_to_date(db, settings, sample=False)
        print("the tables are up to date")
        return 0

    return with_database(settings, work)


def _sample(settings: Settings, options: argparse.Namespace) -> int:
    from bot import sample as sample_data  # noqa: PLC0415

    async def work(db: Any) -> int:
        if options.select:
            print(await sample_data.select(db, load(settings.programme or DEFAULT)))
            return 0
        return await _bring_up_to_date(db, settings, sample=True)

    return refusing(settings, work)


def _webhook(settings: Settings, options: argparse.Namespace) -> int:
    from bot.platforms import register_webhook  # noqa: PLC0415

    if options.parent:
        end_with(options.parent)
    asyncio.run(register_webhook(settings))
    return 0


def _doctor(settings: Settings, options: argparse.Namespace) -> int:
    from bot.doctor import examine  # noqa: PLC0415

    return asyncio.run(examine(settings, deep=options.deep))


def _requests(settings: Settings, options: argparse.Namespace) -> int:
    from domain.staff.actions import open_help_requests  # noqa: PLC0415

    async def work(db: Any) -> int:
        for request in await open_help_requests():
            print(f"{request.id}\t{request.opened_at:%Y-%m-%d %H:%M} UTC\tat {request.step}")
        return 0

    return with_database(settings, work)


def _figures(settings: Settings, options: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415

    from domain.clock import now  # noqa: PLC0415
    from domain.staff import figures  # noqa: PLC0415
    from models.figures import FigureTables  # noqa: PLC0415

    async def work(db: Any) -> int:
        total = await FigureTables(db).last_person(db)
        with tqdm(total=total, unit="person", desc="counting", disable=True if options.quiet else None) as bar:
            row = await figures.count(db, now, bar.update)
        stages = figures.opened(row).stages()
        focus = figures.opened(row).stages(focus=True)
        for name, number in stages.items():
            print(f"{name:<12} {number:>12,}   laid off or furloughed, no aid {focus.get(name, 0):>12,}")
        return 0

    return with_database(settings, work)


def _task(settings: Settings, options: argparse.Namespace) -> int:
    from bot.staff_work import do, limit_this_process  # noqa: PLC0415 - loads what any work needs
    from domain import regions  # noqa: PLC0415
    from domain.clock import now  # noqa: PLC0415
    from domain.staff.tasks import finish  # noqa: PLC0415

    async def work(db: Any) -> int:
        limit_this_process()
        regions.load()
        await finish(options.number, await do(db, settings, options.number), now())
        return 0

    return with_database(settings, work)


def _reply(settings: Settings, options: argparse.Namespace) -> int:
    from handlers.staff_reply import reply  # noqa: PLC0415

    async def work(db: Any) -> int:
        await reply(db, options.number, options.text, options.staff)
        print("queued: the running server delivers it within 15 seconds")
        return 0

    return with_database(settings, work)
