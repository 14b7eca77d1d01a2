"""Files that people hand over, read from disk: tables, statements, catalogues and the programme's own settings."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from bot import catalogue_import, lists, tables
from bot.gateways.civil_registry import CsvRegistry
from bot.gateways.payouts import bank_file
from domain.programme import DEFAULT, load, load_partners
from domain.questions import FOLDER, load_surveys
from domain.trainings.rules import HEADINGS, NEEDED, LineError, read_line
from tests.fuzz.budget import tries
from tests.fuzz.messages import ANYTHING, TEXTS

# A reader gives what it read, or raises a ValueError that says what is wrong with the file.
READERS: dict[str, Callable[[Path], Any]] = {
    "statement": lambda path: list(bank_file.read_statement(path)),
    "catalogue": lambda path: list(catalogue_import._rows(path)),
    "people": lambda path: list(lists._cells(path, "nik")),
    "encoding": tables.encoding_of,
    "registry": CsvRegistry,
    "programme": load,
    "partners": load_partners,
}
HEADS = ["line,reference,outcome,amount", ",".join(NEEDED), "nik;kk", "sep=;", "[[partners]]", "nik,kk,name,birth_date"]
LINES = st.lists(st.sampled_from(HEADS) | st.lists(TEXTS, max_size=8).map(",".join), max_size=6).map("\n".join)
ENCODINGS = st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "cp1252"])
CONTENTS = st.binary(max_size=300) | st.tuples(LINES, ENCODINGS).map(lambda both: both[0].encode(both[1], "replace"))
SUFFIXES = st.sampled_from([".csv", ".xlsx", ".xls", ".ods", ".json", ".toml", ""])
HUGE = [
    b'"' + b"a" * 200_000,
    b"[" * 100_000,
    b"a" * (1 << 20) + b"\xff",
    b"\xff\xfe\x00",
    b"line,amount\n" + b'"\r' * 999,
]


def read(name: str, path: Path) -> Any:
    """What a reader makes of a file; None where it says that it can't."""
    try:
        return READERS[name](path)
    except ValueError:
        return None


@pytest.mark.parametrize("name", READERS)
@tries(40, at_most=4_000)
@given(content=CONTENTS, suffix=SUFFIXES)
def test_a_file_is_read_or_refused(name: str, content: bytes, suffix: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / f"handed-over{suffix}"
    path.write_bytes(content)
    read(name, path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("suffix", [".csv", ".json", ".xlsx"])
def test_files_that_broke_a_reader_somewhere(name: str, suffix: str, tmp_path: Path) -> None:
    for content in (*HUGE, b"", b"\x00", b"\xef\xbb\xbf", _sheet([["amount"], [float(10**300)]]), _bomb()):
        path = tmp_path / f"handed-over{suffix}"
        path.write_bytes(content)
        read(name, path)


def _sheet(rows: list[list[Any]]) -> bytes:
    book, kept = Workbook(), io.BytesIO()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(kept)
    return kept.getvalue()


def _bomb() -> bytes:
    """A spreadsheet whose one part is 20 MB of spaces."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 20_000_000)
    return kept.getvalue()


CELLS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats() | st.dates() | st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=20
)  # fmt: skip
ROWS = st.lists(st.lists(CELLS, max_size=5), max_size=4)


@tries(25, at_most=1_000)
@given(head=st.sampled_from(HEADS), rows=ROWS)
def test_a_spreadsheet_of_anything_is_read_or_refused(head: str, rows: list[list[Any]], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "sheet.xlsx"
    path.write_bytes(_sheet([head.split(","), *rows]))
    for name in ("statement", "catalogue", "people"):
        read(name, path)


@tries(60)
@given(data=ANYTHING | st.lists(st.dictionaries(st.sampled_from([*HEADINGS]), ANYTHING, max_size=9), max_size=3))
def test_a_catalogue_in_json_is_read_or_refused(data: Any, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "catalogue.json"
    path.write_text(json.dumps(data))
    for _, cells in read("catalogue", path) or ():
        with suppress(LineError):
            assert read_line(cells).title


@tries(60)
@given(cells=st.lists(TEXTS, min_size=1, max_size=6))
def test_a_line_of_a_list_is_split_as_csv_has_it(cells: list[str]) -> None:
    kept = io.StringIO()
    csv.writer(kept, lineterminator="").writerow(cells)
    line = kept.getvalue()
    assert len(line.splitlines()) > 1 or not line or lists._split(line, ",") == cells


TOML = DEFAULT.read_text()
SURVEY = next(FOLDER.glob("*.toml")).read_text()


@tries(60)
@given(
    at=st.integers(0, 10_000), text=st.sampled_from(["", "=", '"', "-1", "[[x]]\n", "\x00", "1979-05-27", "true", "{}"])
)
def test_a_programme_that_was_edited_badly_says_what_is_wrong(at: int, text: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "programme.toml"
    lines = TOML.splitlines()
    name, _, value = lines[at % len(lines)].partition("=")
    lines[at % len(lines)] = f"{name}={text}" if value else text
    path.write_text("\n".join(lines))
    read("programme", path)
    (folder / "surveys").mkdir(exist_ok=True)
    (folder / "surveys" / "1-x.toml").write_text(SURVEY[: at % len(SURVEY)] + text + SURVEY[at % len(SURVEY) :])
    with suppress(ValueError):
        assert load_surveys(folder / "surveys")


@tries(60)
@given(day=st.dates(), text=TEXTS)
def test_a_cell_that_a_spreadsheet_would_reckon_with_is_made_harmless(day: date, text: str) -> None:
    assert str(tables.safe_cell(text))[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert tables.safe_cell(day) == day
