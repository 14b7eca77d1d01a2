"""What fuzzing found, each with the smallest input that shows it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openpyxl import Workbook

from bot import catalogue_import
from bot.channels import browser, telegram, whatsapp
from bot.chat_api import ApiError
from bot.gateways.civil_registry import CsvRegistry
from bot.gateways.payouts import bank_file, sandbox, xendit
from bot.web import application, guarded
from domain import regions
from domain.ports import CardLine
from domain.programme import DEFAULT, load
from domain.registration import rules
from domain.trainings.rules import LineError, read_line
from domain.verification.rules.card import read_card
from fuzz.forms import twilio
from fuzz.pages import browser as pages
from fuzz.telegrams import staff_telegram
from models.enums import PaymentOutcome, Role
from models.message import FailedTurn
from tests.conftest import empty_database
from tests.e2e.server import ROOT
from tests.handlers.talk import Clock, engine_on
from tests.handlers.test_trainings import selected
from tests.staff.office import officer

DEEP = b"[" * 20_000
MARKS = "a" + "\u0301" * 15_000 + "\u0323" * 15_000  # folding takes their number squared: a second for these


def test_json_that_is_nested_too_deep_is_no_json() -> None:
    """RecursionError: a 500 for anybody who posted this to the chat's page."""
    pages(b'\x00{"z":' + DEEP)
    with pytest.raises(ApiError):
        browser._place(DEEP.decode())
    assert xendit.read_callback("t", "t", b'{"z":' + DEEP) is None


def test_broken_letters_in_a_banks_json_are_no_json() -> None:
    """UnicodeDecodeError is none of msgspec's errors."""
    assert xendit.read_callback("t", "t", b'{"event":"\xff"}') is None
    assert sandbox.SandboxGateway._read("r", 200, b'{"id":"\xff"}').outcome == PaymentOutcome.UNKNOWN
    assert sandbox.SandboxGateway._read("r", 500, DEEP).reason == "unreadable"


def test_a_form_of_half_letters_is_not_signed() -> None:
    """UnicodeEncodeError while the signature was reckoned: a 500 for anybody."""
    twilio(b"\x02a=\\ud800")


def test_a_form_in_a_transfer_encoding_that_there_is_not() -> None:
    """RuntimeError of aiohttp: a 500 for anybody."""
    head = b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: x\r\n\r\n'
    twilio(b"\x03--b\r\n" + head + b"1\r\n--b--\r\n")


@pytest.mark.parametrize("message", [
    {"date": 1e20, "text": "x"}, {"date": -(10**18), "text": "x"}, {"date": 1, "text": {"a": 1}},
    {"date": 1, "document": {"file_id": "f", "file_unique_id": "u", "file_size": 2.5}},
])  # fmt: skip
def test_an_update_that_python_telegram_bot_does_not_check(message: dict[str, Any]) -> None:
    """OverflowError and OSError for its time; a text that is none went on into the conversation."""
    chat = {"id": 7, "type": "private"}
    update = {"update_id": 1, "message": {"message_id": 1, "chat": chat, **message}}
    staff_telegram(json.dumps(update).encode())


def test_half_a_letter_in_an_update() -> None:
    """json lets it through; nothing could be kept of it."""
    chat = {"id": 7, "type": "private"}
    update = {"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": chat, "text": "\ud800"}}
    staff_telegram(json.dumps(update).encode())


def test_a_broken_head_of_a_part_is_neither_logged_nor_kept() -> None:
    """Python keeps the text of each warning it shows: memory without end for whoever sends each head but once."""
    script = """
import aiohttp.multipart
from fuzz.pages import browser
for number in range(20):
    browser(b"\\x80--b\\r\\nContent-Disposition: \\xff%d\\r\\n\\r\\nx\\r\\n--b--\\r\\n" % number)
print(len(getattr(aiohttp.multipart, "__warningregistry__", {})) < 3)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


async def test_a_date_that_never_comes_is_a_bad_request(tmp_path: Path) -> None:
    """OverflowError where aiohttp compares it with a file's: it hung up without an answer."""
    (tmp_path / "a.txt").write_text("a")

    async def page(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(tmp_path / "a.txt")

    site = application()
    site.router.add_get("/", guarded(page))
    late = "Sun, 06 Nov 99999999999 08:49:37 GMT"
    async with TestClient(TestServer(site)) as client:
        for name in ("If-Modified-Since", "If-Unmodified-Since", "If-Range"):
            async with client.get("/", headers={name: late, "Range": "bytes=0-0"}) as answer:
                assert answer.status == 400


@pytest.mark.parametrize("place", [("nan", "1"), ("inf", "1"), ("91", "1"), ("1", "-180.1")])
def test_a_place_that_is_nowhere(place: tuple[str, str]) -> None:
    """The way to it can't be reckoned: ValueError in the list of trainings."""
    form = {"From": "whatsapp:+62812", "MessageSid": "S", "Latitude": place[0], "Longitude": place[1]}
    inbound = whatsapp.parse(form)
    assert inbound is not None
    assert (inbound.location, inbound.other) == (None, "location")
    chat = {"id": 7, "type": "private"}
    far = {"update_id": 1, "message": {"chat": chat, "location": {"latitude": 91, "longitude": 0}}}
    sent = telegram.parse(telegram._decoder.decode(json.dumps(far)), "42")
    assert sent is not None
    assert (sent.location, sent.other) == (None, "location")


def test_digits_that_only_python_takes_for_digits_are_none_on_a_card() -> None:
    """ValueError of int()."""
    print_ = ["NIK : ²²²²²²²²²²²²²²²²", "Nama : A", "Alamat : B", "Agama : C", "Pekerjaan : D", "Kecamatan : E"]
    lines = [CardLine(text, 1.0, 0.0, at / 10, 1.0, at / 10 + 0.05) for at, text in enumerate(print_)]
    assert read_card(lines).nik == ""


@pytest.mark.parametrize("content", [b'"' + b"a" * 131_073, b"\xff\xfe\x00", b"a" * (1 << 20) + b"\xff"])
def test_a_statement_that_is_no_table(content: bytes, tmp_path: Path) -> None:
    """csv.Error and UnicodeDecodeError, where a line that can't be read was promised."""
    path = tmp_path / "statement.csv"
    path.write_bytes(content)
    with pytest.raises(bank_file.BadLineError):
        list(bank_file.read_statement(path))
    with pytest.raises(ValueError, match=r"statement|codec"):
        CsvRegistry(path)


@pytest.mark.parametrize("amount", [1e400, 1.5])
def test_an_amount_in_a_spreadsheet_that_is_no_whole_number(amount: float, tmp_path: Path) -> None:
    """OverflowError of int() for infinity; and half a rupiah was rounded off without a word."""
    book, path = Workbook(), tmp_path / "statement.xlsx"
    assert book.active is not None
    book.active.append(["line", "reference", "outcome", "amount"])
    book.active.append(["1", "r", "paid", amount])
    book.save(path)
    with pytest.raises(bank_file.BadLineError):
        list(bank_file.read_statement(path))


def test_a_programme_with_a_number_where_words_belong(tmp_path: Path) -> None:
    """AttributeError, where a ValueError that names the file was promised."""
    path = tmp_path / "programme.toml"
    path.write_text(re.sub('balance_ends = ".*?"', "balance_ends = -1", DEFAULT.read_text()))
    with pytest.raises(ValueError, match=r"programme\.toml"):
        load(path)


def test_a_catalogue_that_is_nested_too_deep(tmp_path: Path) -> None:
    """RecursionError of json."""
    path = tmp_path / "catalogue.json"
    path.write_bytes(DEEP)
    with pytest.raises(ValueError, match="no JSON"):
        list(catalogue_import._rows(path))


@pytest.mark.parametrize("reader", [
    rules.clean, lambda text: read_line({"title": text * 3}),
    lambda text: regions.find(" ".join(text[at : at + 6] for at in range(0, 12_000, 6))),
])  # fmt: skip
def test_a_text_of_nothing_but_marks_takes_no_time(reader: Callable[[str], Any]) -> None:
    """A second of the whole server for a contact of 64 KB, eight for a cell of a table, two for a district."""
    began = time.perf_counter()
    with suppress(LineError):
        reader(MARKS)
    assert time.perf_counter() - began < 0.4


async def test_a_button_whose_number_is_longer_than_any(migrated_file: Path, tmp_path: Path) -> None:
    """ValueError of int() over 4,300 digits: the step failed."""
    async with empty_database(migrated_file, tmp_path) as db, selected(db) as (person, _):
        await person.say("pelatihan")
        assert await person.send(choice="t" + "9" * 5_000) == ["trainings.list"]
        assert await FailedTurn.all().count() == 0


STAFF_SAYS = [
    ("/petugas", "b" * 41),
    ("/gelombang", "plan", "31-12-9999 23.59"),
    ("/gelombang", "plan", "24-12-2026 09.00 " + "9" * 30),
]


@pytest.mark.parametrize("said", STAFF_SAYS, ids=lambda said: said[-1][:20])
async def test_what_staff_type_beyond_all_bounds(said: tuple[str, ...], migrated_file: Path, tmp_path: Path) -> None:
    """A name longer than its column, a day after the last there is, more places than a database can count."""
    regions.load()
    clock = Clock()
    async with empty_database(migrated_file, tmp_path) as db, engine_on(db, clock) as engine:
        member = await officer(engine, clock, "sari", list(Role))
        for text in said:
            heard = await (member.press(text) if text == "plan" else member.say(text))
            if member.step == "staff.code":
                heard = await member.prove()
        assert heard in (["staff.no_member"], ["staff.wave_dates"], ["staff.plan_unreadable"])
        assert await FailedTurn.all().count() == 0
