"""Commands about personal data: what retention would destroy, destroying it, verifying that it is gone; the record."""

import argparse
import tomllib
from pathlib import Path
from typing import Any

from tqdm import tqdm

import domain.privacy
from bot.settings import Settings
from bot.staff_cli import Add, with_database
from domain import clock
from domain.privacy import erasure, retention
from domain.programme import DEFAULT, load
from models.person import Photo
from models.privacy import Destruction

RECORD = Path(domain.privacy.__file__).with_name("processing.toml")
COLUMNS = ("name", "purpose", "basis", "data", "special", "recipients", "kept")


def add_commands(add: Add) -> None:
    """All commands of this module."""
    kept = add("retention", _retention, "what has been kept long enough: a dry run, unless it is to be destroyed")
    what = kept.add_mutually_exclusive_group()
    what.add_argument("--destroy", action="store_true", help="destroy it now (serve does it once a day)")
    what.add_argument("--verify", action="store_true", help="look whether everything that was destroyed is gone")
    add("processing-record", _record, "the record of processing activities, as a table")


def _retention(settings: Settings, options: argparse.Namespace) -> int:
    if options.verify:
        return with_database(settings, _verify, settings)
    return with_database(settings, _destroy if options.destroy else _dry_run, settings)


async def _dry_run(db: Any, settings: Settings) -> int:
    days = load(settings.programme or DEFAULT).retention
    now = clock.now()
    found = await retention.due(db, days, now)
    for rule in retention.RULES:
        until = f"{retention.until(rule, days, now):%Y-%m-%d}"
        print(f"{rule.kind:<12} {found[rule.kind]:>12,}   older than {until} ({getattr(days, rule.days)} days)")
    print("nothing was destroyed: gelombang retention --destroy")
    return 0


async def _destroy(db: Any, settings: Settings) -> int:
    from bot.data_rights import DataRights  # noqa: PLC0415 - loads the conversations
    from bot.gateways.media import MediaFolder  # noqa: PLC0415

    async def nobody(_: Any) -> Any:
        raise RuntimeError("nothing is told by this command")

    programme = load(settings.programme or DEFAULT)
    total = sum((await retention.due(db, programme.retention, clock.now())).values())
    with tqdm(total=total, unit="row", unit_scale=True, desc="destroying", disable=None) as bar:
        work = DataRights(db, programme, MediaFolder(settings.media_dir), clock.now, nobody)
        found = await work.keep_to_the_days(bar.update)
    for kind, count in found.items():
        print(f"{kind:<12} {count:>12,} destroyed")
    return 0


async def _verify(db: Any, settings: Settings) -> int:
    """1 where a file that was destroyed is there, or was never seen to be gone."""
    from bot.gateways.media import MediaFolder  # noqa: PLC0415

    media, problems, files = MediaFolder(settings.media_dir), [], 0
    rows = await Destruction.exclude(ids="").order_by("id")
    for row in tqdm(rows, unit="row", desc="looking", disable=None):
        files += row.count
        problems += [f"{row.kind} {number}: the file is there" for number in await erasure.still_there(media, row)]
        if row.verified_at is None:
            problems.append(f"{row.kind} of {row.at:%Y-%m-%d}: not seen to be gone yet")
    known = {str(number) for (number,) in await Photo.filter(destroyed_at__isnull=False).values_list("id")}
    said = {number for row in rows if row.kind.startswith("photo") for number in row.ids.split(",")}
    problems += [f"photo {number}: gone without a word" for number in sorted(known - said)]
    print("\n".join(problems) or f"{files:,} files were destroyed and are gone")
    return int(bool(problems))


def record_table() -> str:
    """The record as a Markdown table; docs/privacy.md has it."""
    activities = tomllib.loads(RECORD.read_text(encoding="utf-8"))["activity"]
    head = ("activity", "purpose", "basis", "data", "specific data", "recipients", "kept")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(each[name] for name in COLUMNS)} |" for each in activities)])


def _record(settings: Settings, options: argparse.Namespace) -> int:
    print(record_table())
    return 0
