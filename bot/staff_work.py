"""What staff had done in the background: each kind is a function here, run by ``gelombang task`` in its own process."""

import csv
import io
import json
import re
import resource
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from zipfile import BadZipFile, ZipFile

from openpyxl.utils.exceptions import InvalidFileException
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.media import MediaFolder
from bot.payout_cli import prepared, reconciled
from bot.settings import Settings
from bot.tables import encoding_of, sha256_of
from domain import audit, clock
from domain.errors import DomainError
from domain.money import batches
from domain.ports import BeaconUnavailableError, GatewayUnavailableError
from domain.programme import DEFAULT, Programme, load
from domain.staff import members
from domain.staff.rules import Permission, permissions_of
from domain.staff.tasks import NEEDS, note_file
from models.broadcasts import BroadcastTables
from models.database import writing
from models.staff import StaffMember, StaffTask
from models.verification import PersonList

MOST_INSIDE = 400 * 1024 * 1024  # ten million lines of a list are 170 MB
MEMORY, CPU_SECONDS = 4 * 1024**3, 20 * 60  # of one piece of work: files come from people

Result: TypeAlias = dict[str, Any]
"""``lines`` of message keys with parameters, ``files`` (fields of handlers.conversation.File), ``choices``."""


async def _audit_verify(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    found = await audit.verify()
    if found.problems:
        lines = [[f"staff.audit_{problem.kind}", {"entry": problem.entry}] for problem in found.problems[:10]]
        return {"lines": [["staff.audit_bad", {"count_number": len(found.problems)}], *lines]}
    return {"lines": [["staff.audit_good", {"count_number": found.entries, "head": found.head.hex()}]]}


async def _audit_export(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    from bot.members_cli import export  # noqa: PLC0415

    file = io.StringIO()
    count = await export(file)
    kept = await keep(settings, file.getvalue().encode(), "audit.csv", Permission.AUDIT)
    return {"lines": [["staff.exported", {"count_number": count}]], "files": [kept]}


async def _broadcast_report(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    file, tables, after, count = io.StringIO(), BroadcastTables(db), 0, 0
    lines = csv.writer(file)
    lines.writerow(["person", "language", "channel", "status", "reason", "told_at"])
    while rows := await tables.lines(db, given["number"], after, 5_000):
        after, count = rows[-1]["id"], count + len(rows)
        lines.writerows(
            [[r["person_id"], r["language"], r["channel"], r["status"], r["reason"], r["told_at"] or ""] for r in rows]
        )
    kept = await keep(settings, file.getvalue().encode(), f"broadcast-{given['number']}.csv", Permission.BROADCAST)
    return {"lines": [["staff.exported", {"count_number": count}]], "files": [kept]}


async def _payouts_prepare(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    made = await prepared(db, settings, given["kind"], given["wave"], given["by"])
    params = {"number": made.batch.id, "added_number": made.added, "without_number": made.without_account}
    return {"lines": [["staff.batch_made", params]], "choices": [["!payouts", "staff.payouts_button"]]}


async def _payouts_check(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    batch = await batches.batch_numbered(given["number"])
    found = await batches.check(db, batch, _programme(settings), given["by"], clock.now())
    lines: list[list[Any]] = [["staff.batch_looked", {"count_number": found.count, "amount_number": found.amount}]]
    lines += [["staff.batch_problem", {"problem": problem}] for problem in found.problems]
    return {
        "lines": lines if found.problems else [*lines, ["staff.batch_good", {}]],
        "choices": [["!payouts", "staff.payouts_button"]],
    }


async def _payouts_approve(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    batch = await batches.batch_numbered(given["number"])
    await batches.approve(db, batch, _programme(settings), given["by"], clock.now())
    return {
        "lines": [["staff.batch_approved_now", {"number": batch.id}]],
        "choices": [["!payouts", "staff.payouts_button"]],
    }


async def _payouts_reconcile(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    count = await reconciled(db, settings, await batches.batch_numbered(given["number"]), given["by"])
    return {
        "lines": [["staff.batch_differences", {"count_number": count}]],
        "choices": [["!payouts", "staff.payouts_button"]],
    }


def _programme(settings: Settings) -> Programme:
    return load(settings.programme or DEFAULT)


async def _wave_freeze(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    wave = await _draws(db, settings).freeze(given["number"], given["by"])
    assert wave.draws_at is not None
    params = {
        "wave": wave.number,
        "count_number": wave.entrants,
        "draws_time": wave.draws_at.isoformat(),
        "commitment": bytes(wave.commitment or b"").hex(),
    }
    return {"lines": [["staff.wave_is_frozen", params]], "choices": [["!waves", "staff.waves_button"]]}


async def _wave_draw(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    wave = await _draws(db, settings).run(given["number"], given["by"])
    return {"lines": [["staff.wave_is_drawn", {"wave": wave.number}]], "choices": [["!waves", "staff.waves_button"]]}


async def _wave_dice(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    agreed = await _draws(db, settings).dice(given["number"], given["by"], given["throws"])
    return {"lines": [["staff.dice_agreed" if agreed else "staff.dice_kept", {}]]}


def _draws(db: BaseDBAsyncClient, settings: Settings) -> Any:
    from bot.draws import Draws  # noqa: PLC0415 - loads numpy
    from bot.gateways.beacon import Drand  # noqa: PLC0415

    return Draws(db, _programme(settings), Drand(settings.drand_urls.split()), settings.draws_dir, clock.now)


async def _import(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file{Path(given['file']['name']).suffix.lower()}"
        path.write_bytes(await _content(settings, given))
        refuse_bombs(path)
        refuse_formulas(path)
        bad = Path(folder) / "bad.csv"
        try:
            if given["what"] == "catalogue":
                from bot.catalogue_import import import_catalogue  # noqa: PLC0415

                report: Any = await import_catalogue(path, bad, clock.now)
            else:
                from bot.lists import import_list  # noqa: PLC0415 - loads numpy

                person_list = await PersonList.get(code=given["what"].removeprefix("list_"))
                report = await import_list(db, person_list, path, clock.day_of(clock.now()), bad)
        except MemoryError:
            raise DomainError("staff.file_too_big") from None
        except ValueError as error:
            raise DomainError("staff.import_refused", reason=str(error).replace(str(folder), "")[:300]) from None
        async with writing():
            await audit.record(
                given["by"],
                "imported",
                given["what"],
                now=clock.now(),
                after=sha256_of(path).hex(),
                words=str(report)[:400],
            )
        files = (
            [await keep(settings, bad.read_bytes(), "bad-lines.csv", Permission.IMPORT)]
            if report.refused and bad.exists()
            else []
        )
        return {"lines": [["staff.imported", {"report": str(report)}]], "files": files}


async def _content(settings: Settings, given: Mapping[str, Any]) -> bytes:
    file = given["file"]
    if "id" in file:
        return await MediaFolder(settings.media_dir).load(file["id"])
    from bot.channels.staff_telegram import fetch  # noqa: PLC0415 - loads the platform's client

    return await fetch(settings, file["file_id"])


def refuse_bombs(path: Path) -> None:
    """A spreadsheet is a zip: one that says it is far larger inside than any list is not opened."""
    if path.suffix == ".xlsx":
        try:
            with ZipFile(path) as archive:
                size = sum(each.file_size for each in archive.infolist())
        except (BadZipFile, OSError, ValueError):
            raise DomainError("staff.file_unreadable") from None
        if size > MOST_INSIDE:
            raise DomainError("staff.file_too_big")


def refuse_formulas(path: Path) -> None:
    """A sheet computes nothing here: one with formulas shows something else to whoever opens it than is imported."""
    try:
        if _sheet_formulas(path) if path.suffix == ".xlsx" else _text_formulas(path):
            raise DomainError("staff.file_formulas")
    except (InvalidFileException, BadZipFile, KeyError, ValueError, OSError, csv.Error):
        raise DomainError("staff.file_unreadable") from None


def _sheet_formulas(path: Path) -> bool:
    from openpyxl import load_workbook  # noqa: PLC0415

    book = load_workbook(path, read_only=True, data_only=False)
    return any(cell.data_type == "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def _text_formulas(path: Path) -> bool:
    """What a spreadsheet would take for one in a CSV file; in JSON there are none."""
    if path.suffix in {".json", ".jsonl"}:
        return False
    with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
        head = file.readline()
        file.seek(0)
        separator = max(",;\t", key=head.count)
        return any(_is_formula(cell) for row in csv.reader(file, delimiter=separator) for cell in row)


def _is_formula(cell: str) -> bool:
    """Numbers and phone numbers may begin with a sign; what else does is a formula to a spreadsheet."""
    text = cell.lstrip(" '\"")
    return text[:1] in {"=", "@"} or (text[:1] in {"+", "-"} and not re.fullmatch(r"[+-][\d\s.,()%/-]*", text))


async def keep(settings: Settings, content: bytes, name: str, needs: Permission) -> dict[str, str]:
    """Keep a file, sealed, for whoever asked for it, as long as they may see it."""
    number = secrets.token_hex(16)
    await note_file(number, clock.now())
    await MediaFolder(settings.media_dir).save(number, content)
    return {"kind": "kept", "id": number, "name": name, "needs": needs.value}


Do: TypeAlias = Callable[[BaseDBAsyncClient, Settings, Mapping[str, Any]], Awaitable[Result]]

KINDS: dict[str, Do] = {
    "audit_verify": _audit_verify,
    "audit_export": _audit_export,
    "broadcast_report": _broadcast_report,
    "payouts_prepare": _payouts_prepare,
    "payouts_check": _payouts_check,
    "payouts_approve": _payouts_approve,
    "payouts_reconcile": _payouts_reconcile,
    "wave_freeze": _wave_freeze,
    "wave_draw": _wave_draw,
    "wave_dice": _wave_dice,
    "import": _import,
}


def limit_this_process() -> None:
    """Whatever a file makes a parser do, it ends with this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


async def do(db: BaseDBAsyncClient, settings: Settings, number: int) -> Result:
    """Do one task; what it refuses is part of what comes of it."""
    task = await StaffTask.get(id=number)
    member = await StaffMember.get(id=task.member_id)
    permissions = permissions_of(members.roles_of(member), members.regions_of(member))
    if member.revoked_at is not None or NEEDS[task.kind] not in permissions:  # changed between asking and doing
        return {"error": "staff.not_allowed"}
    try:
        return await KINDS[task.kind](db, settings, json.loads(task.arguments))
    except DomainError as error:
        return {"error": error.code, "params": error.params}
    except (BeaconUnavailableError, GatewayUnavailableError) as error:
        return {"error": "staff.outside_unavailable", "params": {"reason": type(error).__name__}}
