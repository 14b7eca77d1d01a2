"""Settings from the environment (prefix GELOMBANG_) or a .env file; docs/settings.md explains each."""

import base64
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from models import crypto
from models.crypto import Keyring, KeyringError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _matching(pattern: str, words: str) -> Callable[[SecretStr], SecretStr]:
    """A validator that never quotes the secret."""

    def check(value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not re.fullmatch(pattern, value.get_secret_value(), re.ASCII):
            raise ValueError(f"must be {words}")
        return value

    return check


class Settings(BaseSettings):
    """All settings; every field is documented in docs/settings.md (a test compares them)."""

    model_config = SettingsConfigDict(env_prefix="GELOMBANG_", env_file=".env", extra="ignore")

    database_url: str = "sqlite://var/gelombang.db"
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str = ""
    proxies: int = Field(0, ge=0, le=8)
    requests_a_minute: int = Field(3_000, ge=1)
    new_chats_an_hour: int = Field(500, ge=1)
    trying_out: bool = False
    secret_keys: SecretStr = SecretStr("")
    index_key: SecretStr = SecretStr("")
    key_file: Path = Path("var/keys")
    media_dir: Path = Path("var/media")
    draws_dir: Path = Path("var/draws")
    drand_urls: str = "https://api.drand.sh https://api2.drand.sh https://api3.drand.sh https://drand.cloudflare.com"
    programme: Path | None = None
    telegram_token: Annotated[SecretStr, AfterValidator(_matching(r"\d+:\S+", "a token of BotFather, 123:abc"))] = (
        SecretStr("")
    )
    telegram_api_url: str = "https://api.telegram.org"
    telegram_mode: Literal["polling", "webhook"] = "polling"
    telegram_secret: Annotated[SecretStr, AfterValidator(_matching(r"[\w-]{1,256}", "1-256 of A-Z a-z 0-9 _ -"))] = (
        SecretStr("")
    )
    telegram_reply_in_webhook: bool = False
    telegram_pace: float = Field(30.0, gt=0)
    staff_telegram_token: Annotated[
        SecretStr, AfterValidator(_matching(r"\d+:\S+", "a token of BotFather, 123:abc"))
    ] = SecretStr("")
    staff_telegram_name: str = ""
    staff_telegram_secret: Annotated[
        SecretStr, AfterValidator(_matching(r"[\w-]{1,256}", "1-256 of A-Z a-z 0-9 _ -"))
    ] = SecretStr("")
    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_api_url: str = "https://api.twilio.com"
    twilio_content_url: str = "https://content.twilio.com"
    twilio_whatsapp_from: str = ""
    twilio_sms_from: str = ""
    twilio_messaging_service_sid: str = ""
    whatsapp_pace: float = Field(80.0, gt=0)
    sms_pace: float = Field(10.0, gt=0)
    sms_from_hour: int = Field(8, ge=0, le=23)
    sms_until_hour: int = Field(20, ge=1, le=24)
    sms_price: int = Field(350, ge=0)
    whatsapp_daily_limit: int = Field(1_000, ge=0)
    smtp_url: SecretStr = SecretStr("")
    mail_from: str = "Gelombang <noreply@localhost>"
    registry_url: str = ""
    registry_token: SecretStr = SecretStr("")
    registry_csv: Path | None = None
    kyc_partners: Path | None = None
    face_engine: Literal["opencv", "facenet"] = "opencv"
    face_models: Path | None = None
    facenet_python: Path = Path(".venv-facenet/bin/python")
    facenet_weights: Path | None = None
    photo_workers: int = Field(1, ge=1, le=64)
    payout_gateway: Literal["sandbox", "xendit", "file"] = "sandbox"
    payout_side_by_side: int = Field(50, ge=1, le=500)
    payout_pace: float = Field(0.0, ge=0)
    sandbox_bank_url: str = "http://127.0.0.1:8070"
    sandbox_bank_secret: SecretStr = SecretStr("")
    xendit_key: SecretStr = SecretStr("")
    xendit_callback_token: SecretStr = SecretStr("")
    xendit_url: str = "https://api.xendit.co"
    bank_files_dir: Path = Path("var/bank-files")
    bank_file_layout: Literal["csv", "fixed"] = "csv"
    account_inquiry_url: str = ""
    account_inquiry_token: SecretStr = SecretStr("")
    daily_summary_hour: int = Field(17, ge=0, le=23)
    redis_url: SecretStr = SecretStr("")
    drain_seconds: float = Field(0.0, ge=0, le=8)
    metrics_token: SecretStr = SecretStr("")
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def keyring(self) -> Keyring:
        """The keys that are set; without any, those in ``key_file``, which is made at the first start."""
        secret_keys, index_key = self.secret_keys.get_secret_value(), self.index_key.get_secret_value()
        if bool(secret_keys) != bool(index_key):
            raise KeyringError("GELOMBANG_SECRET_KEYS and GELOMBANG_INDEX_KEY are set together or not at all")
        if not secret_keys:
            secret_keys, index_key = _keys_from(self.key_file)
        return Keyring.parse(secret_keys, index_key)

    def shows_codes(self) -> bool:
        """Whether the page may show what would have gone out by SMS and mail: on this machine only, or where asked for.
        To anybody else it would hand out the codes that prove somebody's number.
        """
        world = urlsplit(self.public_url).hostname if self.public_url else self.host
        return self.trying_out or (world in LOOPBACK and not self.proxies)  # a proxy is there for others

    def use_keys(self) -> None:
        """Let this process seal and open with the keys that are set; a file's are read anew when one is added."""
        crypto.use(self.keyring(), None if self.secret_keys.get_secret_value() else self.keyring)

    def bank_secret(self) -> str:
        """What the sandbox bank and the server know of each other; without a setting it follows from the keys."""
        return self.sandbox_bank_secret.get_secret_value() or self.keyring().index("sandbox bank", "secret").hex()


def new_key() -> str:
    """A random key, base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _keys_from(path: Path) -> tuple[str, str]:
    """Keys of a key file (two lines: secret keys, index key); it is made, for the owner only, where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and linked, so that of two processes that start together both read the same keys.
        partial = _written_aside(path, f"1:{new_key()}", new_key())
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    lines = path.read_text().split()
    if len(lines) != 2:
        raise KeyringError(f"{path}: expected two lines, the secret keys and the index key")
    return lines[0], lines[1]


def _written_aside(path: Path, secret_keys: str, index_key: str) -> Path:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{secret_keys}\n{index_key}\n")
        file.flush()
        os.fsync(file.fileno())
    return partial


def add_key(path: Path) -> int:
    """Put a new key before the others of a key file, in one step; gives its number."""
    secret_keys, index_key = _keys_from(path)
    known = [int(item.partition(":")[0]) for item in secret_keys.split(",")]
    number = next(each % 256 for each in range(max(known) + 1, max(known) + 257) if each % 256 not in known)
    _written_aside(path, f"{number}:{new_key()},{secret_keys}", index_key).replace(path)
    return number


def drop_keys(path: Path) -> int:
    """Leave only the newest key in a key file; gives how many were dropped."""
    secret_keys, index_key = _keys_from(path)
    first, *others = secret_keys.split(",")
    _written_aside(path, first, index_key).replace(path)
    return len(others)
