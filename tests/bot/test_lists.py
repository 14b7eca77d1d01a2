"""Lists as people send them: every encoding, separator and heading, broken lines, and files that are none."""

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.lists import Report, import_list
from domain import regions
from domain.errors import DomainError
from domain.registration.rules import read_nik
from domain.verification.actions import lists
from domain.verification.actions.lists import ListTerms
from domain.verification.rules.lists import kk_problem, nik_problem
from models import crypto
from models import lists as digests
from models.enums import ListKind
from models.verification import ListVersion
from tests.handlers.talk import NOON

GOOD = ["3171011508900001", "3276065508910002", "6404011508900003"]
DTKS = ListTerms("dtks", ListKind.EXCLUDED, "Kemensos", "Penerima bantuan sosial.", "Receives social aid.")
SERVED = ListTerms("served", ListKind.SERVED, "Program", "Penerima lama.", "Earlier recipient.")


async def brought_in(db: BaseDBAsyncClient, path: Path, terms: ListTerms = DTKS) -> tuple[Report, list[list[str]]]:
    """Import a file; gives the report and its lines."""
    report_path = path.with_suffix(".report")
    report = await import_list(db, await lists.define(terms), path, date(2026, 11, 1), report_path)
    lines = report_path.read_text().splitlines() if report.changed else []
    return report, [line.split(",") for line in lines[1:]]


async def excluded(db: BaseDBAsyncClient, nik: str) -> str:
    return await lists.excluded_by(db, crypto.ring().index("nik", nik))


def utf8(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


FILES: list[tuple[str, Callable[[str], bytes]]] = [
    ("comma", lambda text: text.encode()),
    ("semicolon, with a mark", lambda text: text.replace(",", ";").encode("utf-8-sig")),
    ("tab, UTF-16", lambda text: text.replace(",", "\t").encode("utf-16")),
    ("Windows-1252", lambda text: text.replace("Ani", "Andr\u00e9").encode("cp1252")),
    ("lines of Windows", lambda text: text.replace("\n", "\r\n").encode()),
]


@pytest.mark.parametrize(("label", "encode"), FILES, ids=[each[0] for each in FILES])
async def test_good_lines_go_in_whatever_the_file_is_written_like(
    db: BaseDBAsyncClient, tmp_path: Path, label: str, encode: Callable[[str], bytes]
) -> None:
    path = tmp_path / "dtks.csv"
    text = f"Nama,NO. KTP\nAni,{GOOD[0]}\nBudi,'{GOOD[1][:4]} {GOOD[1][4:]}\nCici,{GOOD[2]}\n"
    path.write_bytes(encode(text))
    report, bad = await brought_in(db, path)
    assert (report.taken, bad) == (3, [])
    assert [await excluded(db, nik) for nik in GOOD] == ["dtks"] * 3
    assert await excluded(db, "3171011508900009") == ""


async def test_bad_lines_are_reported_by_number_and_reason_only(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "dtks.csv"
    rows = ["nik,nama", GOOD[0], "123", "9971011508900001", "3171013013900001", "3171011508900000", "", GOOD[0],
            "317101150890000A", '"', GOOD[1]]  # fmt: skip
    utf8(path, "\n".join(rows))
    report, bad = await brought_in(db, path)
    assert bad == [["3", "length"], ["4", "region"], ["5", "date"], ["6", "serial"], ["9", "not_digits"],
                   ["10", "not_digits"]]  # fmt: skip
    assert str(report) == "2 taken, 1 repeated, 6 refused (date 1, length 1, not_digits 2, region 1, serial 1)"


async def test_the_same_file_again_changes_nothing_and_another_replaces_it(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    utf8(first, f"nik\n{GOOD[0]}\n")
    utf8(second, f"nik\n{GOOD[1]}\n")
    await brought_in(db, first)
    assert not (await brought_in(db, first))[0].changed
    assert await ListVersion.all().count() == 1
    await brought_in(db, second)
    assert [await excluded(db, nik) for nik in GOOD[:2]] == ["", "dtks"]
    left = await db.execute_query_dict("SELECT COUNT(*) AS lines FROM list_digest")
    assert left[0]["lines"] == 1


async def test_an_import_that_broke_off_goes_on(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "dtks.csv"
    utf8(path, f"nik\n{GOOD[0]}\n{GOOD[1]}\n")
    person_list = await lists.define(DTKS)
    sha256 = hashlib.sha256(path.read_bytes()).digest()
    begun = await lists.start_version(person_list, sha256, date(2026, 11, 1), NOON)
    await digests.add(db, begun.id, crypto.ring().index("nik", GOOD[0]), 1)
    assert await excluded(db, GOOD[0]) == ""  # half a list counts for nobody
    report, _ = await brought_in(db, path)
    assert report.taken == 2
    assert await ListVersion.all().count() == 1
    assert await excluded(db, GOOD[0]) == "dtks"


async def test_a_spreadsheet(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "dtks.xlsx"
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["Nama", "Nomor Induk Kependudukan"],
        ["Ani", GOOD[0]],
        [],
        ["Budi", 3276065508910002.0],
        ["Cici", GOOD[2]],
    ):
        sheet.append(row)
    book.save(path)
    report, bad = await brought_in(db, path)
    assert (report.taken, bad) == (2, [["4", "kept_as_number"]])


async def test_households_are_counted(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "served.csv"
    utf8(path, "kk\n3171010101990001\n3171010101990001\n3171010101990002\n")
    await brought_in(db, path, SERVED)
    index = crypto.ring().indexer("kk")
    assert [await lists.served(db, index(f"317101010199000{n}")) for n in (1, 2, 3)] == [2, 1, 0]


@pytest.mark.parametrize("name", ["wrong.csv", "empty.csv", "not.xlsx"])
async def test_files_that_are_no_list(db: BaseDBAsyncClient, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("" if name == "empty.csv" else "nama,alamat\nAni,Jalan\n")
    with pytest.raises(ValueError, match=name):
        await brought_in(db, path)
    assert await ListVersion.all().count() == 0


async def test_a_new_list_says_what_it_is(db: BaseDBAsyncClient) -> None:
    with pytest.raises(DomainError, match="list_incomplete"):
        await lists.define(ListTerms("x", None, "", "", ""))


DIGITS = st.text("0123456789", min_size=15, max_size=17)
LIKELY = st.builds(
    "{}{:02}{:02}{:02}{:02}{:02}{:04}".format,
    st.sampled_from(["31", "32", "64", "91", "99", "00"]),
    st.integers(0, 99), st.integers(0, 99), st.integers(0, 75), st.integers(0, 14), st.integers(0, 99),
    st.integers(0, 9999),
)  # fmt: skip


@given(DIGITS | LIKELY | st.text(max_size=18))
def test_a_line_is_good_exactly_when_a_person_may_type_it(number: str) -> None:
    try:
        read_nik(number, regions.provinces())
        typed = True
    except DomainError:
        typed = False
    if number.isascii() and number.isdigit():
        assert (nik_problem(number, regions.provinces()) == "") == typed
    else:
        assert nik_problem(number, regions.provinces()) == "not_digits"
        assert kk_problem(number, regions.provinces()) == "not_digits"


@given(st.text(min_size=1))
def test_the_quick_index_is_the_index(value: str) -> None:
    assert crypto.ring().indexer("nik")(value) == crypto.ring().index("nik", value)


async def test_a_file_without_a_good_line_leaves_the_list_as_it_was(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    utf8(path, f"nik\n{GOOD[0]}\n")
    await brought_in(db, path)
    for text in ("nik\n1,23E+15\n", "nik\n"):
        utf8(path, text)
        with pytest.raises(ValueError, match="stays as it was"):
            await brought_in(db, path)
        assert await excluded(db, GOOD[0]) == "dtks"


async def test_odd_beginnings_tabs_and_a_line_without_end(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    utf8(path, f'sep=;\n\nnama;nik\n"{"x" * 200_000}";1\nA;{GOOD[0]}\t\n')
    report, bad = await brought_in(db, path)
    assert (report.taken, report.refused) == (1, 1)
    assert bad[-1][0] == "4"
