"""Commands for the catalogue, providers and certificates, until staff have a bot of their own."""

import argparse
import secrets
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tortoise.functions import Count

from bot.settings import Settings
from bot.staff_cli import Add, staffed
from bot.tables import sha256_of
from bot.wave_cli import refusing
from domain import clock, regions
from domain.audit import record
from domain.programme import DEFAULT, load
from domain.surveys.actions import survey_called
from domain.trainings import listings, redemption, reviews
from domain.trainings.evidence import decide
from models.database import writing
from models.survey import SurveyInvitation, SurveyResponse
from models.training import EvaluationStep, Provider, ProviderKey, Training

OVERLAP_DAYS = 7  # that an old key is good for beside the new one


def add_commands(add: Add) -> None:
    """All commands of this module."""
    trainings = add("trainings", _trainings, "the catalogue: import it, take trainings out of it (docs/trainings.md)")
    what = trainings.add_subparsers(dest="what", required=True, metavar="WHAT")
    imported = what.add_parser("import", help="take a catalogue from CSV, XLSX or JSON, by the providers' ids")
    imported.add_argument("file", type=Path)
    imported.add_argument("--report", type=Path, help="where refused lines go (default: FILE.report.csv)")
    staffed(imported)
    made = what.add_parser("sample", help="write a made-up catalogue, the same for the same seed")
    made.add_argument("file", type=Path)
    made.add_argument("--count", type=int, default=1_500)
    made.add_argument("--seed", type=int, default=2020)
    what.add_parser("list", help="how many trainings each platform sells")
    for name, text in (("suspend", "take a training out of the menus"), ("restore", "put it back")):
        staffed(what.add_parser(name, help=text)).add_argument("number", type=int)
    certificates = add("certificates", _certificates, "photos of certificates that wait for staff")
    certificates.add_argument("what", choices=["list", "accept", "reject"])
    certificates.add_argument("number", type=int, nargs="?")
    certificates.add_argument("--words", default="", help="to the person: what is wrong and what to do")
    staffed(certificates)
    surveys = add("surveys", _surveys, "the surveys there are, and their answers (docs/surveys.md)")
    surveys.add_argument("what", choices=["list", "export"])
    surveys.add_argument("code", nargs="?", help="which survey")
    surveys.add_argument("file", type=Path, nargs="?", help="where to; .csv or .parquet")
    providers = add("providers", _providers, "training providers, their keys and their evaluation (docs/providers.md)")
    what = providers.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("list", help="all providers with the number of their trainings and keys")
    new = what.add_parser("add", help="a provider's first key for the redemption API; a new provider is made")
    new.add_argument("code")
    new.add_argument("--name", default="")
    staffed(new)
    rotate = what.add_parser("rotate", help="a new key; the old one is good for a while still")
    rotate.add_argument("code")
    rotate.add_argument("--days", type=float, default=OVERLAP_DAYS, help="that the old key is good for; 0: lost key")
    staffed(rotate)
    told = what.add_parser("report", help="evaluate a period: a page with charts, a table, and what is proposed")
    told.add_argument("--first", type=date.fromisoformat, required=True, help="first day")
    told.add_argument("--last", type=date.fromisoformat, required=True, help="last day")
    told.add_argument("--out", type=Path, default=Path("var/provider-report"), help="folder")
    what.add_parser("proposals", help="warnings and suspensions that figures propose and nobody decided")
    decided = what.add_parser("decide", help="agree to a proposal, or dismiss it")
    decided.add_argument("number", type=int)
    decided.add_argument("--agree", action=argparse.BooleanOptionalAction, required=True)
    staffed(decided)
    for name, text in (
        ("suspend", "take all of a provider's trainings out of the menus"),
        ("restore", "put them back"),
    ):
        staffed(what.add_parser(name, help=text)).add_argument("code")


def _trainings(settings: Settings, options: argparse.Namespace) -> int:
    if options.what == "sample":
        from bot import sample_catalogue  # noqa: PLC0415

        sample_catalogue.write(options.file, options.count, options.seed)
        print(f"{options.count:,} made-up trainings: {options.file}")
        return 0

    async def work(db: Any) -> int:
        now = clock.now()
        match options.what:
            case "import":
                return await _import(options)
            case "list":
                rows = (
                    await Training.annotate(count=Count("id"))
                    .group_by("platform__name", "status")
                    .values_list("platform__name", "status", "count")
                )
                for name, status, count in sorted(map(tuple, rows)):
                    print(f"{count:>7,}  {status:<10} {name}")
            case _:
                async with writing():
                    suspended = options.what == "suspend"
                    training = await listings.suspend_training(options.number, now, suspended=suspended)
                    await record(options.staff, f"training.{options.what}", f"training:{options.number}", now=now)
                print(f"training {training.id} is {'out of' if suspended else 'back in'} the menus")
        return 0

    return refusing(settings, work)


async def _import(options: argparse.Namespace) -> int:
    from bot.catalogue_import import import_catalogue  # noqa: PLC0415

    regions.load()
    report_path = options.report or options.file.with_name(f"{options.file.name}.report.csv")
    report = await import_catalogue(options.file, report_path, clock.now)
    async with writing():
        digest = sha256_of(options.file).hex()
        await record(options.staff, "imported", "catalogue", now=clock.now(), after=digest, words=str(report)[:400])
    print(report)
    if report.refused:
        print(f"refused lines, by number and reason: {report_path}")
    return 0


def _certificates(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        if options.what == "list":
            for check in await reviews.open_certificates():
                purchase = check.purchase
                since = clock.in_wib(check.sent_at)
                title = f"{purchase.training.title}, {purchase.training.provider.name}"
                print(f"{check.id}\t{since}\tphoto {check.photo_id}\t{title}")
            return 0
        if options.number is None:
            raise ValueError("say which certificate: its number stands first in `gelombang certificates list`")
        accept = options.what == "accept"
        words = " ".join(options.words.split())[:300]
        async with writing():
            await reviews.decide_certificate(
                options.number, accept=accept, words=words, by=options.staff, now=clock.now()
            )
        print("kept; the person is told")
        return 0

    return refusing(settings, work)


def _surveys(settings: Settings, options: argparse.Namespace) -> int:
    from bot.surveys import export  # noqa: PLC0415

    programme = load(settings.programme or DEFAULT)

    async def work(db: Any) -> int:
        if options.what == "list":
            for each in programme.surveys:
                opened = await SurveyInvitation.filter(survey=each.code).count()
                answered = await SurveyResponse.filter(survey=each.code).count()
                print(f"{each.code:<24} {answered:>9,} of {opened:>9,} answered  {each.title['en']}")
            return 0
        survey = survey_called(programme, options.code or "")
        if survey is None or options.file is None:
            raise ValueError("say which survey and which file: gelombang surveys export CODE FILE")
        print(f"{await export(survey, options.file):,} answers: {options.file}")
        return 0

    return refusing(settings, work)


def _providers(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        now = clock.now()
        match options.what:
            case "list":
                await _list()
            case "add":
                provider, _ = await Provider.get_or_create(
                    code=options.code, defaults={"name": options.name or options.code}
                )
                if await ProviderKey.filter(provider_id=provider.id).exists():
                    raise ValueError(f"{options.code} has a key: gelombang providers rotate {options.code}")
                await _key(provider, timedelta(0), options.staff)
            case "rotate":
                await _key(await redemption.provider_named(options.code), timedelta(days=options.days), options.staff)
            case "report":
                await _report(settings, options)
            case "proposals":
                for step in await EvaluationStep.filter(agreed__isnull=True).order_by("id"):
                    about = await Provider.get(id=step.provider_id)
                    whose = f"{about.code} {about.name}" + (f", training {step.training_id}" * bool(step.training_id))
                    print(f"{step.id}\t{step.what}\t{whose}\t{step.period}\t{step.reasons}")
            case "decide":
                async with writing():
                    step = await decide(options.number, agree=options.agree, by=options.staff, now=now)
                print(f"{step.what} {'agreed' if step.agreed else 'dismissed'}")
            case _:
                async with writing():
                    provider = await redemption.provider_named(options.code)
                    await listings.suspend_provider(provider, now, suspended=options.what == "suspend")
                    await record(options.staff, f"provider.{options.what}", f"provider:{provider.code}", now=now)
                print(f"{provider.name} is {'suspended' if options.what == 'suspend' else 'active'}")
        return 0

    return refusing(settings, work)


async def _report(settings: Settings, options: argparse.Namespace) -> None:
    from bot.evaluations import report  # noqa: PLC0415 - loads matplotlib

    programme = load(settings.programme or DEFAULT)
    providers, trainings = await report(options.out, options.first, options.last, programme, clock.now())
    proposed = sum(bool(each.proposal) for each in (*providers, *trainings))
    counts = f"{len(providers):,} providers, {len(trainings):,} trainings, {proposed:,} proposals"
    print(f"{counts}: {options.out / 'index.html'}")


async def _key(provider: Provider, overlap: timedelta, staff: str) -> None:
    key, now = secrets.token_urlsafe(32), clock.now()
    async with writing():
        await redemption.give_key(provider, provider.code, key, now, overlap)
        await record(staff, "provider.key", f"provider:{provider.code}", now=now)
    print(f"client_code {provider.code}\nsign_key    {key}\nShown this once: send it to the provider by a safe way.")


async def _list() -> None:
    trainings = dict(
        await Training.annotate(count=Count("id")).group_by("provider_id").values_list("provider_id", "count")
    )
    keyed = {number for (number,) in await ProviderKey.all().values_list("provider_id")}
    for provider in await Provider.all().order_by("code"):
        key = "key" if provider.id in keyed else ""
        print(f"{provider.code:<12} {provider.status:<10} {trainings.get(provider.id, 0):>6,} {key:<4} {provider.name}")
