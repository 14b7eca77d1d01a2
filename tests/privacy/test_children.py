"""What reads strangers' files has neither our keys nor all the memory there is."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from bot import staff_work
from bot.gateways.child import Children, harmless
from bot.gateways.faces.decode import MAX_SCANS, decode
from domain.errors import DomainError
from domain.ports import PhotoError


async def test_a_child_sees_no_key_token_or_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GELOMBANG_SECRET_KEYS", "1:a-secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://a-secret")
    children = Children("index")
    try:
        assert await children.call(int, "count", "opencv") == 0
        [process] = children._running
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()  # noqa: ASYNC240 - a file of the kernel's
        limits = Path(f"/proc/{process.pid}/limits").read_text()  # noqa: ASYNC240
    finally:
        await children.close()
    assert b"a-secret" not in environment
    assert b"PATH=" in environment
    assert "Max core file size        0" in limits
    assert "4294967296" in next(line for line in limits.splitlines() if line.startswith("Max address space"))


def test_the_environment_that_is_passed_on_is_listed_not_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING_NEW", "x")
    assert "SOMETHING_NEW" not in harmless()


def test_a_picture_that_is_decoded_over_and_over_is_none() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((400, 400), 50).convert("RGB").save(buffer, "JPEG", progressive=True)
    good = buffer.getvalue()
    assert decode(good).size == (400, 400)
    at = good.index(b"\xff\xda")
    bomb = good[:at] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * (MAX_SCANS + 1) + good[at:]
    with pytest.raises(PhotoError, match=r"photo\.broken"):
        decode(bomb)


def test_a_spreadsheet_that_is_huge_inside_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff_work, "MOST_INSIDE", 10_000_000)
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", bytes(10_000_001))
    assert path.stat().st_size < 20_000
    with pytest.raises(DomainError, match=r"staff\.file_too_big"):
        staff_work.refuse_bombs(path)
    path.write_bytes(b"PK no zip")
    with pytest.raises(DomainError, match=r"staff\.file_unreadable"):
        staff_work.refuse_bombs(path)
