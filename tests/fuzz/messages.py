"""What platforms send, with anything in place of anything: strategies for hypothesis."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.fuzz.site import CHAT

ODD_TEXTS = ["", "\x00", "²" * 16, "٣" * 16, "a\u0301\u0323" * 40, "\u202e", "9" * 5_000, "t" + "9" * 5_000, "😀" * 50]
WORDS = ["halo", "setuju", "ya", "081234567890", "123456", "3171010101990001", "17 agustus 1990", "/start", "menu", "1"]
TEXTS = st.sampled_from([*ODD_TEXTS, *WORDS]) | st.text(max_size=80)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**63, -(2**63), 1e308])
ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=6,
)


def some(**fields: Any) -> Any:
    """An object with these fields: each as it should be, left out, or anything else."""
    kinds = {name: st.one_of(kind, kind, kind, ANYTHING) for name, kind in fields.items()}
    return st.fixed_dictionaries({}, optional=kinds) | st.fixed_dictionaries(kinds)


CHATS = some(id=st.integers(1, 3), type=st.just("private"))
PEOPLE = some(id=st.integers(1, 3), is_bot=st.just(value=False), first_name=TEXTS)
FILES = some(file_id=TEXTS, file_unique_id=TEXTS, width=NUMBERS, height=NUMBERS, file_size=NUMBERS, mime_type=TEXTS)
MESSAGES = some(
    message_id=st.integers(1, 99),
    date=NUMBERS | st.just(1),
    chat=CHATS,
    **{"from": PEOPLE},
    text=TEXTS,
    photo=st.lists(FILES, max_size=2),
    document=FILES,
    contact=some(phone_number=TEXTS, first_name=TEXTS, user_id=st.integers(1, 3)),
    location=some(latitude=NUMBERS, longitude=NUMBERS),
)
PRESSES = some(id=TEXTS, **{"from": PEOPLE}, chat_instance=TEXTS, data=TEXTS, message=MESSAGES)
MEMBERS = some(chat=CHATS, new_chat_member=some(status=st.sampled_from(["kicked", "member", "left"]), user=PEOPLE))
UPDATES = some(update_id=st.integers(1), message=MESSAGES, callback_query=PRESSES, my_chat_member=MEMBERS)
POSTED = some(chat=st.just(CHAT), id=TEXTS | st.uuids().map(str), text=TEXTS, choice=TEXTS, contact=TEXTS,
              location=some(lat=NUMBERS, lon=NUMBERS))  # fmt: skip
CALLBACKS = some(
    event=st.just("payout.succeeded") | TEXTS,
    data=some(id=TEXTS, reference_id=TEXTS, status=st.sampled_from(["SUCCEEDED", "FAILED", "REVERSED"]) | TEXTS,
              amount=NUMBERS, failure_code=TEXTS | st.none()),
)  # fmt: skip
FORMS = st.dictionaries(
    st.sampled_from(["From", "MessageSid", "Body", "NumMedia", "MediaContentType0", "MediaUrl0", "ButtonPayload",
                     "ListId", "Latitude", "Longitude", "MessageStatus", "ErrorCode"]),
    TEXTS | st.sampled_from(["nan", "inf", "-1e400", "1", "0", "delivered", "failed", "63016", "image/jpeg"]),
)  # fmt: skip
SENDERS = st.fixed_dictionaries({"From": st.just("whatsapp:+6281234567890"), "MessageSid": st.uuids().map(str)})
SIGNED_FORMS: Any = FORMS | st.tuples(FORMS, SENDERS).map(lambda both: {**both[0], **both[1]})


def form_body(form: dict[str, str]) -> bytes:
    """A form as it is posted."""
    return urlencode(form, errors="surrogatepass").encode()
