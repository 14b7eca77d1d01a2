"""domain.ports.PayoutGateway by files, for programmes that upload to a bank's portal (docs/payouts.md, "Bank file").

A batch's file grows as NAME.part and gets its name and its trailer when everything of the batch is in it. What came of
the payments is read from the bank's statement, which staff import.
"""

import csv
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path

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
        """Append payments, each once; they are on disk when this returns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self.path(batch, part=True)
        known = set(self._references(path))
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", newline="") as file:
            content = file.read()
            file.seek(len(content[: content.rfind("\n") + 1].encode()))  # a line that a crash cut off
            file.truncate()
            for order in orders:
                if order.reference not in known:
                    file.write(self._line(order) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return [PaymentAnswer(order.reference, PaymentOutcome.ACCEPTED, order.amount) for order in orders]

    def _line(self, order: PaymentOrder) -> str:
        way = "collect" if order.collect else "restricted" if order.restricted else "pay"
        holder = " ".join(str(safe_cell(order.holder)).split())
        cells = (order.reference, way, order.institution, order.number, holder, str(order.amount))
        if self._layout == "fixed":
            made = [cell[:width].ljust(width) for cell, width in zip(cells[:-1], WIDTHS[:-1], strict=True)]
            return "".join(made) + cells[-1].rjust(WIDTHS[-1], "0")
        return ",".join(f'"{cell.replace(chr(34), chr(39))}"' for cell in cells)

    def _references(self, path: Path) -> Iterator[str]:
        if not path.exists():
            return
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield line[: WIDTHS[0]].strip() if self._layout == "fixed" else next(csv.reader([line]))[0]

    async def find(self, reference: str) -> PaymentAnswer:
        """Whether a payment stands in a file."""
        for path in sorted(self._folder.glob("*")):
            if path.suffix in (".part", ".csv", ".txt") and reference in self._references(path):
                return PaymentAnswer(reference, PaymentOutcome.ACCEPTED)
        return PaymentAnswer(reference, PaymentOutcome.ABSENT)

    async def finish(self, batch: str) -> None:
        """Give the file its name, with a heading or a trailer of how many lines and how much."""
        part, path = self.path(batch, part=True), self.path(batch)
        if not part.exists():
            return
        number = 1
        while path.exists():  # it may have been uploaded by now: what comes later is a file of its own
            number += 1
            path = self.path(f"{batch} {number}")
        lines = [line for line in part.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        made = part.with_suffix(".new")
        owner_only = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(owner_only, "w", encoding="utf-8", newline="") as file:
            if self._layout == "csv":
                file.write(",".join(COLUMNS) + "\n")
            file.writelines(lines)
            if self._layout == "fixed":
                total = sum(int(line[-1 - WIDTHS[-1] :]) for line in lines)
                file.write(f"TOTAL{len(lines):>19}{total:>101}\n")
            file.flush()
            os.fsync(file.fileno())
        made.rename(path)
        part.unlink()

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

    Raises BadLineError at the first line that can't be read: a statement is taken whole or not at all.
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


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    if path.suffix.lower() in SHEETS:
        yield from sheet_rows(path, lambda cell: str(int(cell)) if isinstance(cell, float) else str(cell))
        return
    with path.open(encoding=encoding_of(path), newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if any(row):
                yield number, row
