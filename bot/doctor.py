"""``gelombang doctor``: what is configured, what is missing and what would not work."""

import importlib.util
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from bot.channels.mail import MailSender
from bot.gateways.civil_registry import CsvRegistry
from bot.gateways.faces.chosen import chosen
from bot.gateways.payouts.chosen import chosen as chosen_gateway
from bot.platforms import twilio_account
from bot.settings import Settings
from domain import clock
from domain.programme import DEFAULT, load, load_partners
from models.database import database, pending_migrations

MARKS = {"ok": "✓", "note": "·", "bad": "✗"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``level`` is ok, note or bad."""

    level: str
    text: str


async def examine(settings: Settings, *, deep: bool = False) -> int:
    """Print the findings; 1 where something would not work. ``deep``: then also try everything."""
    findings = [*_keys(settings), *await _database(settings), *_files(settings)]
    findings += [await _faces(settings), _cards(), *_outside(settings), *_payouts(settings)]
    findings += _channels(settings)
    for finding in findings:
        print(f"{MARKS[finding.level]} {finding.text}")
    if deep and not any(finding.level == "bad" for finding in findings):
        from bot.deep_doctor import tried  # noqa: PLC0415 - loads what only it needs

        print("\ntried:")
        async for finding in tried(settings):
            print(f"{MARKS[finding.level]} {finding.text}", flush=True)
            findings.append(finding)
    elif deep:
        print("\nnothing was tried: mend this first")
    return int(any(finding.level == "bad" for finding in findings))


def _keys(settings: Settings) -> Iterator[Finding]:
    try:
        settings.use_keys()
    except (ValueError, OSError) as error:
        yield Finding("bad", f"keys: {error}")
        return
    if settings.secret_keys.get_secret_value():
        yield Finding("ok", "keys: from the environment")
    else:
        yield Finding("note", f"keys: in {settings.key_file} (back it up: without it nothing can be read again)")


async def _database(settings: Settings) -> list[Finding]:
    kind = settings.database_url.partition("://")[0]
    if kind != "sqlite" and importlib.util.find_spec("asyncpg") is None:
        return [Finding("bad", "database: PostgreSQL needs the extra: pip install gelombang[postgres]")]
    try:
        async with database(settings.database_url) as db:
            missing = await pending_migrations(db)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding; the URL may hold a password
        return [Finding("bad", f"database ({kind}): can't be opened: {type(error).__name__}")]
    if missing:
        return [Finding("bad", f"database ({kind}): run `gelombang migrate`; missing: {', '.join(missing)}")]
    return [Finding("ok", f"database ({kind}): open, tables up to date")]


def _files(settings: Settings) -> Iterator[Finding]:
    try:
        load(settings.programme or DEFAULT)
        yield Finding("ok", f"programme: {settings.programme or 'the built-in one'}")
    except ValueError as error:
        yield Finding("bad", f"programme: {error}")
    try:
        settings.media_dir.mkdir(parents=True, exist_ok=True)
        (settings.media_dir / ".probe").write_bytes(b"")
        (settings.media_dir / ".probe").unlink()
        yield Finding("ok", f"photos: encrypted in {settings.media_dir}")
    except OSError as error:
        yield Finding("bad", f"photos: {settings.media_dir} can't be written: {error.strerror}")


async def _faces(settings: Settings) -> Finding:
    try:
        if settings.face_engine != "opencv":
            return Finding("ok", f"faces: {await _started(settings)}")
        from bot.gateways.faces.opencv import check_models  # noqa: PLC0415 - loads OpenCV

        return Finding("ok", f"faces: {', '.join(check_models(settings.face_models))}")
    except (OSError, ValueError, ImportError) as error:
        return Finding("bad", f"faces: {error}")


def _cards() -> Finding:
    from bot.gateways.cards import check_models  # noqa: PLC0415 - loads OpenCV and onnxruntime

    try:
        return Finding("ok", f"cards: {', '.join(check_models())}")
    except (OSError, ValueError) as error:
        return Finding("bad", f"cards: {error}")


def _payouts(settings: Settings) -> Iterator[Finding]:
    try:
        gateway = chosen_gateway(settings)
    except ValueError as error:
        yield Finding("bad", f"payouts: {error}")
        return
    if gateway.name == "sandbox":
        yield Finding("note", "payouts: the sandbox bank, so no money moves (GELOMBANG_PAYOUT_GATEWAY)")
        return
    yield Finding("ok", f"payouts: {gateway.name}")
    if not settings.account_inquiry_url:
        yield Finding("bad", "payouts: nobody can link an account without GELOMBANG_ACCOUNT_INQUIRY_URL")
    held_by = load(settings.programme or DEFAULT).money_on(clock.day_of(clock.now())).held_by
    if held_by == "account" and not gateway.restricts:
        words = f"payouts: {gateway.name} can't credit balances for restricted use"
        yield Finding("bad", f'{words}: set held_by = "ledger" in programme.toml')


def _outside(settings: Settings) -> Iterator[Finding]:
    try:
        if settings.smtp_url.get_secret_value():
            MailSender(settings.smtp_url.get_secret_value(), settings.mail_from, "")
            yield Finding("ok", "mail: by SMTP")
        else:
            shown = "are shown beside the browser chat" if settings.shows_codes() else "go nowhere"
            yield Finding("note", f"mail: no server (GELOMBANG_SMTP_URL); mails {shown}")
        if settings.registry_url:
            yield Finding("ok", "civil registry: over HTTP")
        elif settings.registry_csv:
            CsvRegistry(settings.registry_csv)
            yield Finding("note", f"civil registry: the file {settings.registry_csv}")
        else:
            yield Finding("note", "civil registry: none; that layer waits for everybody (GELOMBANG_REGISTRY_URL)")
        if settings.kyc_partners:
            names = [partner.name for partner in load_partners(settings.kyc_partners)]
            yield Finding("ok", f"KYC partners: {', '.join(names)}")
        else:
            yield Finding("note", "KYC partners: none (GELOMBANG_KYC_PARTNERS)")
    except (OSError, ValueError) as error:
        yield Finding("bad", str(error))


async def _started(settings: Settings) -> str:
    """What the engine says of itself; it is started in its environment, which is the only way to know."""
    faces, _ = chosen(settings)
    try:
        return f"{await faces.start()}, in {settings.facenet_python}"
    finally:
        await faces.close()


def _channels(settings: Settings) -> Iterator[Finding]:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        in_use = settings.port and probe.connect_ex((settings.host, settings.port)) == 0
    address = f"http://{settings.host}:{settings.port}"
    yield Finding("note" if in_use else "ok", f"browser chat: {address}" + (" (already served)" if in_use else ""))
    if not settings.telegram_token.get_secret_value():
        yield Finding("note", "Telegram: off (set GELOMBANG_TELEGRAM_TOKEN)")
    elif settings.telegram_mode == "polling":
        yield Finding("ok", "Telegram: long polling")
    elif not settings.public_url.startswith("https://"):
        yield Finding("bad", "Telegram: webhook mode needs GELOMBANG_PUBLIC_URL, beginning with https://")
    elif not settings.telegram_secret.get_secret_value():
        yield Finding("bad", "Telegram: webhook mode needs GELOMBANG_TELEGRAM_SECRET (1-256 of A-Z a-z 0-9 _ -)")
    else:
        yield Finding("ok", f"Telegram: webhook at {settings.public_url.rstrip('/')}/webhooks/telegram")
    if not settings.staff_telegram_token.get_secret_value():
        yield Finding("note", f"staff: the page {address}/staff only (set GELOMBANG_STAFF_TELEGRAM_TOKEN for a bot)")
    elif settings.staff_telegram_token == settings.telegram_token:
        yield Finding("bad", "staff: their bot must not be the applicants' bot")
    elif settings.telegram_mode == "webhook" and not settings.staff_telegram_secret.get_secret_value():
        yield Finding("bad", "staff: webhook mode needs GELOMBANG_STAFF_TELEGRAM_SECRET")
    else:
        yield Finding("ok", f"staff: their bot by {settings.telegram_mode}, and the page {address}/staff")
    yield from _twilio(settings)


def _twilio(settings: Settings) -> Iterator[Finding]:
    try:
        account = twilio_account(settings)
    except ValueError as error:
        yield Finding("bad", f"Twilio: {error}")
        return
    if account is None:
        yield Finding("note", "WhatsApp: off (set GELOMBANG_TWILIO_ACCOUNT_SID)")
    elif settings.twilio_whatsapp_from:
        yield Finding("ok", f"WhatsApp: webhook at {account.public_url}/webhooks/twilio/whatsapp")
    else:
        yield Finding("note", "WhatsApp: off (set GELOMBANG_TWILIO_WHATSAPP_FROM)")
    if account and (settings.twilio_sms_from or settings.twilio_messaging_service_sid):
        yield Finding("ok", "SMS: by Twilio")
        return
    yield Finding(
        "note", "SMS: no provider; codes are shown beside the browser chat. For trying out only:"
        " nobody's phone is really proven this way" if settings.shows_codes() else
        "SMS: no provider; no codes go out, and who needs one is told so (GELOMBANG_TWILIO_ACCOUNT_SID)"
    )  # fmt: skip
