"""Templates at WhatsApp: the words of notices that may leave the 24-hour window, and contents for buttons and lists.

Declared once, by the kinds of notices and the catalogues. ``gelombang templates sync`` makes what is missing or worded
anew and submits it for approval; ``check`` asks how far that is.
"""

import hashlib
import json
import logging
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.channels.whatsapp import MAX_BUTTONS
from bot.gateways.twilio import Twilio
from bot.tasks import again_and_again
from domain.notices.rules import KINDS, SAMPLES, words_key
from handlers import i18n
from models.enums import Channel
from models.notice import MessageTemplate

log = logging.getLogger(__name__)

CATEGORY = "UTILITY"
APPROVED, SESSION, PENDING = "approved", "session", "pending"
MAX_LIST = 10
REFRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Declared:
    """A content as the Content API takes it; one of a ``session`` needs no approval."""

    name: str
    language: str
    types: dict[str, Any]
    variables: dict[str, str]
    session: bool

    @property
    def sha256(self) -> bytes:
        """Of everything that would make it another content."""
        return hashlib.sha256(json.dumps([self.types, self.variables], sort_keys=True).encode()).digest()

    @property
    def friendly_name(self) -> str:
        """As it stands in the provider's console, and as its approval is asked for."""
        return f"gelombang_{self.name}_{self.language}_{self.sha256.hex()[:8]}"


def declared() -> Iterator[Declared]:
    """Every content that there should be."""
    for kind in KINDS:
        for language in i18n.LANGUAGES:
            words = i18n.catalogue(language)[words_key(kind, Channel.WHATSAPP)]
            names = [name for _, name, _, _ in string.Formatter().parse(words) if name]
            body = words.format_map({name: "{{" + name + "}}" for name in names})
            samples = i18n.formatted(language, {name: SAMPLES[name] for name in names})
            yield Declared(kind, language, {"twilio/text": {"body": body}}, samples, session=False)
    for count in range(1, MAX_LIST + 1):
        yield _choices(count)
        yield _choices(count, detailed=True)


def _choices(count: int, *, detailed: bool = False) -> Declared:
    few = count <= MAX_BUTTONS and not detailed
    variables = {"text": "Pilih:"}
    entries = []
    for at in range(1, count + 1):
        variables |= {f"label{at}": f"Pilihan {at}", f"id{at}": str(at)}
        label, value = "{{" + f"label{at}" + "}}", "{{" + f"id{at}" + "}}"
        detail = "{{" + f"detail{at}" + "}}" if detailed else ""
        if detailed:
            variables[f"detail{at}"] = f"Keterangan {at}"
        entries.append({"title": label, "id": value} if few else {"item": label, "id": value, "description": detail})
    body: dict[str, Any] = {"body": "{{text}}", "actions": entries}
    if not few:
        body = {"body": "{{text}}", "button": i18n.text(i18n.DEFAULT_LANGUAGE, "common.open_list"), "items": entries}
    kind = "twilio/quick-reply" if few else "twilio/list-picker"
    name = f"buttons_{count}" if few else f"{'details' if detailed else 'list'}_{count}"
    return Declared(name, i18n.DEFAULT_LANGUAGE, {kind: body}, variables, session=True)


async def sync(account: Twilio, now: datetime) -> Iterator[str]:
    """Make what is missing or worded anew; gives a line for each that was made. The old words stay until then."""
    known = {(row.name, row.language): row for row in await MessageTemplate.all()}
    made = []
    for each in declared():
        row = known.get((each.name, each.language))
        if row is not None and bytes(row.sha256) == each.sha256:
            continue
        content = await account.content(
            "POST",
            "",
            {
                "friendly_name": each.friendly_name,
                "language": each.language,
                "variables": each.variables,
                "types": each.types,
            },
        )
        status = SESSION
        if not each.session:
            asked = {"name": each.friendly_name, "category": CATEGORY}
            await account.content("POST", f"/{content['sid']}/ApprovalRequests/whatsapp", asked)
            status = PENDING
        await MessageTemplate.update_or_create(
            name=each.name,
            language=each.language,
            defaults={"sha256": each.sha256, "sid": content["sid"], "status": status, "made_at": now},
        )
        made.append(f"{each.name} ({each.language}): {status}")
    return iter(made)


async def check(account: Twilio) -> Iterator[str]:
    """Ask how far approvals are; gives a line for each that is not approved or not made."""
    known = {(row.name, row.language): row for row in await MessageTemplate.all()}
    lines = []
    for each in declared():
        row = known.get((each.name, each.language))
        if row is None or bytes(row.sha256) != each.sha256:
            lines.append(f"{each.name} ({each.language}): not made: gelombang templates sync")
            continue
        if not each.session:
            found = await account.content("GET", f"/{row.sid}/ApprovalRequests")
            row.status = str(found.get("whatsapp", {}).get("status", PENDING))
            await row.save(update_fields=["status"])
        if row.status not in {APPROVED, SESSION}:
            lines.append(f"{each.name} ({each.language}): {row.status}")
    return iter(lines)


class Templates:
    """What is approved now, for whoever sends; read anew every minute."""

    def __init__(self) -> None:
        self._approved: dict[str, dict[str, str]] = {}
        self.contents: dict[str, str] = {}

    def approved(self) -> dict[str, dict[str, str]]:
        """Ids of approved templates, by language and kind."""
        return self._approved

    async def run(self) -> None:
        """Keep up with what is approved until cancelled."""
        await again_and_again("templates", self.refresh, lambda: REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Read what is approved."""
        approved: dict[str, dict[str, str]] = {}
        for row in await MessageTemplate.filter(status__in=[APPROVED, SESSION]):
            if row.status == SESSION:
                self.contents[row.name] = row.sid
            else:
                approved.setdefault(row.language, {})[row.name] = row.sid
        self._approved = approved
