"""domain.ports.PayoutGateway by files, for programmes that upload to a bank's portal (docs/payouts.md, "Bank file").

A batch's file grows as NAME.part and gets its name and its trailer when everything of the batch is in it. What came of
the payments is read from the bank's statement, which staff import.
"""

import csv
import fcntl
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from bot.gateways.payouts.inquiry import HttpInquiry
from bot.tables import SHEETS, encoding_of, safe_cell, sheet_rows
from domain.ports import AccountAnswer, AccountQuestion, PaymentAnswer, PaymentOrder
from models.enums import PaymentOutcome

COLUMNS = ("reference", "way", "institution", "number", "holder", "amount")
WIDTHS = (24, 10, 16, 20, 40, 15)  # letters of a fixed-width line's columns; the amount stands at its right end
WAYS = {"paid": PaymentOutcome.PAID, "returned": PaymentOutcome.BOUNCED, "rejected": PaymentOutcome.FAILED}


class BankFileGateway:
    """Writes payments to files. Nobody can be asked; a payment stands in the file or it does not."""

    name = "file"
    portion = 2_000
    restricts = True
    asks_after: float | None = None

    def __init__(self, folder: Path, layout: str, inquiry: HttpInquiry) -> None:
        self._folder, self._layout, self._inquiry = folder, layout, inquiry

    async def inquire(self, question: AccountQuestion) -> AccountAnswer:
        """Whose an account is; raises GatewayUnavailableError."""
        return await self._inquiry.ask(question)

    def path(self, batch: str, *, part: bool = False) -> Path:
        """Where a batch's file is."""
        name = re.sub(r"[^a-z0-9]+", "-", batch.lower()).strip("-")
        return self._folder / f"{name}.{'txt' if self._layout == 'fixed' else 'csv'}{'.part' * part}"

    async def send(self, batch: str, orders: Sequence[PaymentOrder]) -> list[PaymentAnswer]:
        """Append payments, each once; they are on disk when this returns. One process at a time has the file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self.path(batch, part=True)
        with self._locked(path) as file:
            content = self._whole(file.read())
            known = {self._reference(line) for line in content.splitlines()}
            # Nor what stands in a finished one: a process that stood still may come to it when all is done.
            named = self.path(batch)
            for pattern in (named.name, f"{named.stem}-[0-9]*{named.suffix}"):
                for done in self._folder.glob(pattern):
                    known.update(self._references(done))
            file.seek(len(content.encode()))
            file.truncate()
            if not content and self._layout == "csv":
                file.write(",".join(COLUMNS) + "\n")
            for order in orders:
                if order.reference not in known:
                    file.write(self._line(order) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return [PaymentAnswer(order.reference, PaymentOutcome.ACCEPTED, order.amount) for order in orders]

    @staticmethod
    @contextmanager
    def _locked(path: Path) -> Iterator[TextIO]:
        """The file of this name, made where there is none, for one process at a time."""
        while True:
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", newline="") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return  # else it was given its final name while we waited for it

    @staticmethod
    def _whole(content: str) -> str:
        """Without a line that a crash cut off, and without the last line of a file that was finished."""
        lines = content[: content.rfind("\n") + 1].splitlines(keepends=True)
        return "".join(lines[:-1] if lines and lines[-1].startswith("TOTAL") else lines)

    def _line(self, order: PaymentOrder) -> str:
        way = "collect" if order.collect else "restricted" if order.restricted else "pay"
        holder = " ".join(str(safe_cell(order.holder)).split())
        cells = (order.reference, way, order.institution, order.number, holder, str(order.amount))
        if self._layout == "fixed":
            made = [cell[:width].ljust(width) for cell, width in zip(cells[:-1], WIDTHS[:-1], strict=True)]
            return "".join(made) + cells[-1].rjust(WIDTHS[-1], "0")
        return ",".join(f'"{cell.replace(chr(34), chr(39))}"' for cell in cells)

    def _reference(self, line: str) -> str:
        return line[: WIDTHS[0]].strip() if self._layout == "fixed" else next(csv.reader([line]))[0]

    def _references(self, path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield self._reference(line)

    async def find(self, reference: str) -> PaymentAnswer:
        """Whether a payment stands in a file."""
        for path in sorted(self._folder.glob("*")):
            if path.suffix in (".part", ".csv", ".txt") and reference in self._references(path):
                return PaymentAnswer(reference, PaymentOutcome.ACCEPTED)
        return PaymentAnswer(reference, PaymentOutcome.ABSENT)

    async def finish(self, batch: str) -> None:
        """Give the file its name, which is one step: a batch stands in one file, whatever dies. One of fixed width gets
        a last line of how many lines and how much.
        """
        part, path = self.path(batch, part=True), self.path(batch)
        if not part.exists():
            return
        with self._locked(part) as file:
            content = self._whole(file.read())
            lines = content.splitlines()
            if not lines or (self._layout == "csv" and len(lines) == 1):  # all of it stood in another file already
                part.unlink()
                return
            if self._layout == "fixed":
                total = sum(int(line[-WIDTHS[-1] :]) for line in lines)
                file.seek(len(content.encode()))
                file.write(f"TOTAL{len(lines):>19}{total:>101}\n")
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            number = 1
            while path.exists():  # it may have been uploaded by now: what comes later is a file of its own
                number += 1
                path = self.path(f"{batch} {number}")
            part.rename(path)

    async def statement(self, since: datetime) -> AsyncIterator[PaymentAnswer]:
        """Nothing by itself: the bank's statement is a file that staff import (``read_statement``)."""
        nothing: tuple[PaymentAnswer, ...] = ()
        for line in nothing:
            yield line

    async def close(self) -> None:
        """Give the connection back."""
        await self._inquiry.close()


class BadLineError(ValueError):
    """A line of a statement that can't be read; its text says which and why."""


def read_statement(path: Path) -> Iterator[PaymentAnswer]:
    """Lines of a bank's statement, CSV or XLSX: line, reference, outcome (paid, returned, rejected), amount, reason.

    Raises BadLineError at the first line that can't be read: a statement is taken whole or not at all. ValueError where
    the file can't be read at all.
    """
    rows = _rows(path)
    _, head = next(rows, (1, []))
    names = [name.strip().lower() for name in head]
    for number, row in rows:
        cells = dict(zip(names, (cell.strip() for cell in row), strict=False))
        try:
            amount = cells["amount"]
            if not (amount.isascii() and amount.isdigit() and len(amount) <= 15):
                raise ValueError("amount")
            yield PaymentAnswer(
                reference=cells["reference"],
                outcome=WAYS[cells["outcome"].lower()],
                amount=int(amount),
                reason=cells.get("reason", "")[:48],
                line=cells["line"][:80],
            )
        except (KeyError, ValueError) as error:
            raise BadLineError(f"{path.name}, line {number}: {error} is missing or can't be read") from None


def _cell(value: object) -> str:
    """Spreadsheets keep whole numbers as others; half a rupiah and infinity stay what they are, and are refused."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    if path.suffix.lower() in SHEETS:
        yield from sheet_rows(path, _cell)
        return
    with path.open(encoding=encoding_of(path), newline="") as file:
        reader = csv.reader(file)
        try:
            for number, row in enumerate(reader, 1):
                if any(row):
                    yield number, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadLineError(f"{path.name}, line {reader.line_num + 1}: {type(error).__name__}") from None
