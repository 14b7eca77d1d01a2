"""Tables for spreadsheets: CSV, or XLSX where the name ends so."""

import csv
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.tables import safe_cell


async def export(
    path: Path, columns: Sequence[str], rows: AsyncIterator[Sequence[Any]], total: int | None = None
) -> int:
    """Write rows as they come; gives how many. A cell that looks like a formula is not one."""
    count = 0
    with tqdm(total=total, unit="line", desc="exporting", disable=None) as bar:
        if path.suffix.lower() == ".xlsx":
            from openpyxl import Workbook  # noqa: PLC0415 - only for spreadsheets

            book = Workbook(write_only=True)
            sheet = book.create_sheet()
            sheet.append(list(columns))
            async for row in rows:
                sheet.append([safe_cell(cell) for cell in row])
                bar.update()
                count += 1
            book.save(path)
            return count
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            async for row in rows:
                writer.writerow([safe_cell(cell) for cell in row])
                bar.update()
                count += 1
    return count


async def each(rows: Iterable[Sequence[Any]]) -> AsyncIterator[Sequence[Any]]:
    """Rows that are at hand."""
    for row in rows:
        yield row
