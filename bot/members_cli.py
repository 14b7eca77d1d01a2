"""Commands for who may run the programme, and for the log of what they did."""

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from bot.settings import Settings
from bot.staff_cli import Add, staffed, with_database
from bot.tables import safe_cell
from bot.wave_cli import refusing
from domain import audit, clock
from domain.staff import members
from handlers import i18n
from models.database import writing
from models.enums import Role
from models.staff import StaffMember

EXPORT_HEAD = [
    "number", "at", "by", "action", "subject", "before", "after", "words_sha256", "previous", "hash", "words",
]  # fmt: skip


def add_commands(add: Add) -> None:
    """All commands of this module."""
    staff = add("staff", _staff, "members of staff: add, invite, list, revoke")
    staff.set_defaults(at_the_machine=True)  # whoever holds the machine lets the first ones in: no member has to
    what = staff.add_subparsers(dest="what", required=True, metavar="WHAT")
    what.add_parser("list", help="everybody, with roles and provinces")
    added = staffed(what.add_parser("add", help="a new member, or other roles for one; prints an invitation"))
    added.add_argument("name")
    added.add_argument("--role", action="append", type=Role, choices=list(Role), required=True)
    added.add_argument("--region", action="append", default=[], help="code of a province (31); default: all")
    for name, text in (
        ("invite", "a link that lets a member into one chat, once, within a day"),
        ("reset", "forget a member's code generator (a lost phone) and print an invitation"),
        ("revoke", "shut a member out, at once and everywhere"),
    ):
        staffed(what.add_parser(name, help=text)).add_argument("name")
    log = add("audit", _audit, "the log of what staff did: verify, export, published heads")
    what = log.add_subparsers(dest="what", required=True, metavar="WHAT")
    verify = what.add_parser("verify", help="look through the whole chain; 1 where anything is changed or missing")
    verify.add_argument("--heads", type=Path, help="a copy of /audit/heads.csv that was kept elsewhere")
    exported = what.add_parser("export", help="the whole log as CSV")
    exported.add_argument("file", type=Path)
    what.add_parser("heads", help="what was published: number,hash of the last entry of each day")


def invitation(settings: Settings, token: str) -> str:
    """The links that a token is given out as; it stands behind a # so that it reaches no server's log."""
    here = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    lines = [f"{here}/staff#{token}"]
    if settings.staff_telegram_name:
        lines.insert(0, f"https://t.me/{settings.staff_telegram_name}?start={token}")
    return "\n".join(lines)


def _staff(settings: Settings, options: argparse.Namespace) -> int:
    from domain import regions  # noqa: PLC0415 - read only where provinces are named

    async def work(db: Any) -> int:
        now = clock.now()
        if options.what == "list":
            for row in await members.everybody():
                print(_line(row))
            return 0
        async with writing():
            if options.what == "revoke":
                await members.revoke(options.name, options.staff, now)
                print(f"{options.name} is shut out")
                return 0
            if options.what == "add":
                regions.load()
                await members.add(options.name, options.role, options.region, options.staff, now)
            elif options.what == "reset":
                await members.unenrol(options.name, options.staff, now)
            token = await members.invite(options.name, options.staff, now)
        print(f"for {options.name} only, good once, for a day:\n{invitation(settings, token)}")
        return 0

    return refusing(settings, work)


def _line(row: StaffMember) -> str:
    where = row.regions or "all provinces"
    state = "revoked" if row.revoked_at else "active" if row.totp_used else "invited"
    return f"{row.name:<24} {state:<8} {row.roles:<40} {where}"


def _audit(settings: Settings, options: argparse.Namespace) -> int:
    async def work(db: Any) -> int:
        match options.what:
            case "verify":
                known = _heads(options.heads) if options.heads else {}
                found = await audit.verify(known)
                for problem in found.problems:
                    print(i18n.text("en", f"staff.audit_{problem.kind}", {"entry": problem.entry}), file=sys.stderr)
                good = "every entry follows the one before" if not found.problems else "NOT as it was written"
                print(f"{found.entries:,} entries, head {found.head.hex()}: {good}")
                return int(bool(found.problems))
            case "export":
                with options.file.open("w", newline="") as file:
                    count = await export(file)
                print(f"{count:,} entries: {options.file}")
            case _:
                for _, number, digest in await audit.heads():
                    print(f"{number},{digest}")
        return 0

    return with_database(settings, work)


async def export(file: Any) -> int:
    """Write the log as CSV; a line's hash is over the JSON list of the columns before it (docs/audit.md)."""
    count, lines = 0, csv.writer(file)
    lines.writerow(EXPORT_HEAD)
    async for entry in audit.entries():
        lines.writerow([*audit.columns(entry), bytes(entry.hash).hex(), safe_cell(entry.words)])
        count += 1
    return count


def _heads(path: Path) -> dict[int, bytes]:
    try:
        pairs = [line.split(",")[:2] for line in path.read_text().split() if line]
        return {int(number): bytes.fromhex(digest) for number, digest in pairs}
    except ValueError:
        raise ValueError(f"{path}: lines of number,hash are expected") from None
