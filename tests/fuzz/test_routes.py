"""Every route of the whole server under requests that are malformed, oversized, mistyped, broken off or made up."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from tests.fuzz.budget import tries
from tests.fuzz.edges import FORM, JSON, request, thrown_at
from tests.fuzz.messages import CALLBACKS, POSTED, SIGNED_FORMS, UPDATES, form_body
from tests.fuzz.site import Site, twilios_signature, whole_site

MOST_GROWTH = 250  # megabytes; aiogram, which loads at the first press of a button, takes 150 of them
FAILED = re.compile(
    r"(?:(?:GET|POST|HEAD) .*|step \S+) failed:|could not be recorded|not taken|Traceback|BadContent|Warning:"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for this module; what it logs and holds in memory is looked at after each test."""
    with whole_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(autouse=True)
def sound(site: Site) -> Iterator[None]:
    """The server is well when a test is over, and nothing failed inside behind a friendly answer."""
    before = site.memory()
    yield
    assert site.send(request("GET", "/health")) == 200
    assert site.memory() - before < MOST_GROWTH
    assert [line for line in site.log.splitlines() if FAILED.search(line)] == []


def test_whatever_is_thrown_at_a_route_is_answered_without_a_5xx(site: Site) -> None:
    wrong = []
    for method, path in site.routes:
        for thrown in thrown_at(method, path):
            status = site.send(thrown.content, whole=thrown.whole)
            if thrown.whole and not 100 <= status < 500:
                wrong.append((status, thrown.label))
    assert wrong == []


def answered(site: Site, path: str, body: bytes, kind: str = JSON, *, later: bool = False, **headers: str) -> None:
    """``later``: 503 is an answer too, for what can't be asked about now and is to be sent again."""
    status = site.send(request("POST", path, body, Content_Type=kind, **headers))
    assert 200 <= status < 500 or (later and status == 503), (status, site.log[-2_000:])


@tries(120)
@given(update=UPDATES)
def test_updates_of_telegram_with_anything_in_them(site: Site, update: Any) -> None:
    answered(site, "/webhooks/telegram", json.dumps(update).encode())


@tries(120)
@given(update=UPDATES)
def test_updates_of_the_staffs_telegram_with_anything_in_them(site: Site, update: Any) -> None:
    answered(site, "/webhooks/staff", json.dumps(update).encode())


@tries(120)
@given(posted=POSTED)
def test_posts_of_the_chat_pages_with_anything_in_them(site: Site, posted: Any) -> None:
    body = json.dumps(posted).encode()
    answered(site, "/chat/api/messages", body)
    answered(site, "/staff/api/messages", body)


@tries(60)
@given(event=CALLBACKS)
def test_callbacks_of_xendit_with_anything_in_them(site: Site, event: Any) -> None:
    # A failure is believed only when Xendit, which nobody plays here, says so too.
    answered(site, "/webhooks/xendit", json.dumps(event).encode(), later=True)


@tries(120)
@given(form=SIGNED_FORMS)
def test_signed_forms_of_twilio_with_anything_in_them(site: Site, form: dict[str, str]) -> None:
    for path in ("/webhooks/twilio/whatsapp", "/webhooks/twilio/status?message=1"):
        answered(site, path, form_body(form), FORM, X_Twilio_Signature=twilios_signature(path, form))
