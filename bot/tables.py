"""Reading tables that people made: spreadsheets, and text in whatever encoding."""

import codecs
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

SHEETS = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def sheet_rows(path: Path, cell: Callable[[Any], str]) -> Iterator[tuple[int, list[str]]]:
    """Row numbers and cells of a spreadsheet's first sheet; ValueError where it is none that can be read."""
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - only for spreadsheets

    try:
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    except CalamineError as error:
        raise ValueError(f"{path.name}: no spreadsheet that can be read ({type(error).__name__})") from None
    rows = tqdm(sheet.iter_rows(), total=sheet.total_height, unit="line", unit_scale=True, desc="reading", disable=None)
    for number, row in enumerate(rows, start=1):
        if any(each != "" for each in row):
            yield number, [cell(each) for each in row]


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, whoever wrote it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def encoding_of(path: Path) -> str:
    """By its mark, else UTF-8 where that fits the beginning, else Windows-1252, which spreadsheets still write."""
    with path.open("rb") as file:
        head = file.read(1 << 20)
    for mark, name in ENCODINGS:
        if head.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def sha256_of(path: Path) -> bytes:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
