"""Commands for waves and draws."""

import argparse
import getpass
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tortoise.exceptions import BaseORMException
from tortoise.transactions import in_transaction

from bot.settings import Settings
from bot.staff_cli import Add, staffed, with_database
from domain import clock
from domain.errors import DomainError
from domain.ports import BeaconUnavailableError
from domain.programme import DEFAULT, Programme, load
from domain.waves.actions import Plan, close_now, open_now, plan_wave, strata_of, wave_numbered
from domain.waves.funnel import funnel
from handlers import i18n
from models.enums import Layer, Randomness
from models.wave import Wave

BAR = 40


def add_commands(add: Add) -> None:
    """All commands of this module."""
    waves = add("waves", _waves, "plan, open and close waves, and see how they stand")
    what = waves.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("list", help="all waves")
    for name, text in (("open", "open a planned wave now"), ("close", "close an open wave now")):
        _numbered(what.add_parser(name, help=text))
    _numbered(what.add_parser("show", help="how far everybody is, stage by stage"))
    plan = what.add_parser("plan", help="a new wave, or other terms for a planned one")
    plan.add_argument("--number", type=int, help="the planned wave to change (default: a new one)")
    plan.add_argument("--opens", type=_moment, required=True, help="date or date and time, WIB")
    plan.add_argument("--closes", type=_moment, help="default: as programme.toml says")
    plan.add_argument("--freezes", type=_moment, help="when the list is frozen; default: as programme.toml says")
    plan.add_argument("--quota", type=int)
    plan.add_argument("--stratum", action="append", metavar="NAME=SEATS", help="in order; general gets the rest")
    plan.add_argument("--layer", action="append", type=Layer, choices=list(Layer), help="layers of verification")
    plan.add_argument("--list", action="append", dest="lists", help="exclusion lists that apply (default: all)")
    plan.add_argument("--household-cap", type=int, help="places that a family card may have, 0: any number")
    plan.add_argument("--dice", action="store_true", help="drawn with dice instead of drand")
    simulated = add("simulate", _simulate, "let virtual people go through waves, on a simulated clock (docs/draw.md)")
    simulated.add_argument("--people", type=int, default=2_000)
    simulated.add_argument("--waves", type=int, default=2)
    simulated.add_argument("--seed", type=int, default=1)
    simulated.add_argument("--quota", type=int, help="places a wave (default: a tenth of the people)")
    simulated.add_argument("--database", default="", help="an empty database to fill (default: a temporary one)")
    simulated.add_argument("--json", type=Path, help="where the funnel and the invariants are written")
    simulated.add_argument("--draws", type=Path, help="where the draws are published (default: a temporary folder)")
    simulated.add_argument(
        "--straight", action="store_true", help="put people straight into the tables: no chat, photos or checks"
    )
    draw = add("draw", _draw, "freeze, draw, publish and verify a wave (docs/draw.md)")
    what = draw.add_subparsers(dest="what", required=True, metavar="WHAT")
    _numbered(what.add_parser("freeze", help="look at everybody again, commit to the list, publish it"))
    _numbered(what.add_parser("run", help="draw with the announced round, publish, let everybody be told"))
    _numbered(what.add_parser("publish", help="write the published files again"))
    dice = _numbered(what.add_parser("dice", help="dice thrown in public, typed in by two members of staff"))
    dice.add_argument("--throws", required=True, help="50 digits from 1 to 6 or more, in the order they fell")
    verify = what.add_parser("verify", help="compute a published draw anew and compare (the same as check_draw.py)")
    verify.add_argument("folder", type=Path)
    verify.add_argument("--ticket")


def _numbered(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("number", type=int, help="the wave")
    return staffed(parser)


def _moment(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=clock.WIB)).astimezone(clock.now().tzinfo)


def refusing(settings: Settings, work: Callable[[Any], Awaitable[int]]) -> int:
    """Run work with the database; what it refuses is said in a line."""

    async def run(db: Any) -> int:
        try:
            return await work(db)
        except BaseORMException as error:
            print(f"gelombang: the database refuses it ({type(error).__name__})", file=sys.stderr)
        except DomainError as error:
            print(f"gelombang: {i18n.text('en', error.code, error.params)}", file=sys.stderr)
        except BeaconUnavailableError as error:
            print(f"gelombang: the round can't be had now, try again: {error}", file=sys.stderr)
        return 1

    return with_database(settings, run)


def _waves(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        now = clock.now()
        match options.what:
            case "list":
                for wave in await Wave.all().order_by("number"):
                    print(_line(wave))
                return 0
            case "show":
                return await _show(options.number)
        async with in_transaction():
            match options.what:
                case "plan":
                    rules = load(settings.programme or DEFAULT)
                    wave = await plan_wave(_plan(options, rules), rules, getpass.getuser(), now, options.number)
                case "open":
                    wave = await open_now(options.number, options.staff, now)
                case _:
                    wave = await close_now(options.number, options.staff, now)
        print(_line(await wave_numbered(wave.number)))
        return 0

    return refusing(settings, work)


def _plan(options: argparse.Namespace, rules: Programme) -> Plan:
    strata = None
    quota = rules.waves.quota if options.quota is None else options.quota
    if options.stratum is not None:
        own = [(name, int(number)) for name, _, number in (each.partition("=") for each in options.stratum)]
        strata = (*own, ("general", quota - sum(number for _, number in own)))
    return Plan(
        opens_at=options.opens,
        closes_at=options.closes,
        freezes_at=options.freezes,
        quota=quota if strata is not None else options.quota,
        strata=strata,
        layers=tuple(options.layer) if options.layer else None,
        lists=tuple(options.lists) if options.lists is not None else None,
        household_cap=options.household_cap,
        randomness=Randomness.DICE if options.dice else Randomness.DRAND,
    )


def _line(wave: Wave) -> str:
    own = ", ".join(f"{name} {number:,}" for name, number in strata_of(wave))
    return (
        f"wave {wave.number}  {wave.status:<9}  {clock.in_wib(wave.opens_at)} to {clock.in_wib(wave.closes_at)}  {own}"
    )


async def _show(number: int) -> int:
    wave = await wave_numbered(number)
    print(_line(wave))
    if wave.round and wave.draws_at:
        print(f"drand round {wave.round}, published {clock.in_wib(wave.draws_at)}")
    stages = await funnel(wave)
    most = max((count for _, _, count in stages), default=0)
    for depth, name, count in stages:
        bar = "█" * round(BAR * count / most) if most else ""
        print(f"{'  ' * depth + name:<28} {count:>10,}  {bar}")
    return 0


def _simulate(settings: Settings, options: argparse.Namespace) -> int:
    from bot.simulation.run import Terms, command  # noqa: PLC0415 - a town of its own

    if options.people < 1 or options.waves < 1:
        raise ValueError("a simulation needs people and a wave")
    quota = options.quota or max(1, options.people // 10)
    terms = Terms(options.people, options.waves, options.seed, quota, options.straight)
    if terms.straight:
        print("people are put straight into the tables: chat, photos and checks are not simulated")
    return command(terms, options.database, options.draws, options.json)


def _draw(settings: Settings, options: argparse.Namespace) -> int:
    from domain.waves import check_draw  # noqa: PLC0415

    if options.what == "verify":
        return check_draw.main([str(options.folder), *(["--ticket", options.ticket] if options.ticket else [])])
    return refusing(settings, lambda db: _drawing(db, settings, options))


async def _drawing(db: Any, settings: Settings, options: argparse.Namespace) -> int:
    from bot.draws import Draws  # noqa: PLC0415 - loads numpy
    from bot.gateways.beacon import Drand  # noqa: PLC0415

    programme = load(settings.programme or DEFAULT)
    draws = Draws(db, programme, Drand(settings.drand_urls.split()), settings.draws_dir, clock.now)
    match options.what:
        case "freeze":
            wave = await draws.freeze(options.number, options.staff)
            assert wave.draws_at is not None
            how = f"drand round {wave.round}, published" if wave.round else "dice, from"
            print(f"wave {wave.number} is frozen: {wave.entrants:,} entrants; {how} {clock.in_wib(wave.draws_at)}")
            print(f"commitment {bytes(wave.commitment or b'').hex()}")
        case "dice":
            agreed = await draws.dice(options.number, options.staff, options.throws)
            print("two agree: gelombang draw run" if agreed else "kept; now another member of staff types them in too")
        case "publish":
            print(await draws.publish(await wave_numbered(options.number)))
        case _:
            wave = await draws.run(options.number, options.staff)
            print(f"wave {wave.number} is {wave.status}: {settings.draws_dir / str(wave.number)}")
    return 0
