"""The message catalogues: complete, used, with the same placeholders in every language."""

import ast
import re
import string
from pathlib import Path

import pytest

from bot.staff_work import KINDS as TASKS
from domain.alarms import AlarmKind
from domain.money.paying import KINDS as PAYOUT_KINDS
from domain.notices.rules import KINDS, SAMPLES, SMS_SEPTETS, sms_septets, words_key
from domain.privacy import own_data
from domain.privacy.rules import Hold
from domain.staff.figures import FUNNEL
from domain.staff.segments import FIELDS, STAGES
from domain.trainings.rules import LANGUAGES
from handlers import i18n
from handlers.charts import KINDS as CHARTS
from handlers.conversations import registration
from handlers.conversations.staff import AREAS, payouts, people, review, talks, waves
from models.enums import (
    AccountVerdict,
    BatchStatus,
    BroadcastStatus,
    Channel,
    Decision,
    DueKind,
    Education,
    Employment,
    FaceVerdict,
    Institution,
    Interest,
    Layer,
    LayerState,
    RequestKind,
    RequestStatus,
    Role,
    Sex,
    TurnVerdict,
    WaveStatus,
)
from tests.domain.test_layers import every_reason

ROOT = Path(__file__).parents[2]
KEY = re.compile(
    r"(staff|registration|privacy|code|photo|card|kyc|layer|review|education|employment|interest|home|help|common|waves|draw|telegram|notice|link|limits|trainings|surveys|money|account)\.[a-z_]*[a-z]"
)
MADE = (
    {f"education.{v}" for v in Education}
    | {f"employment.{v}" for v in Employment}
    | {f"interest.{v}" for v in Interest}
    | {f"layer.name_{v}" for v in Layer}
    | {f"trainings.stars_{number}" for number in range(1, 6)}
    | {f"trainings.language_{language}" for language in LANGUAGES}
    | {f"account.{name}" for name in Institution}
)
LINES = (
    {f"account.{name}" for name in AccountVerdict if name != AccountVerdict.GOOD}
    | {f"money.{kind}" for kind in (DueKind.INCENTIVE, DueKind.SURVEY)}
    | {f"privacy.section_{name}" for name in own_data.COLUMNS}
    | {f"privacy.field_{name}" for columns in own_data.COLUMNS.values() for name in columns}
    | {f"privacy.kind_{kind}" for kind in RequestKind}
    | {f"privacy.status_{status}" for status in RequestStatus}
    | {f"privacy.hold_{hold}" for hold in Hold}
    | {f"privacy.page_{name}" for name in ("title", "made", "nothing", "photo")}
    | {f"money.missing_{name}" for name in ("finish", "certificate", "review", "account")}
)
NOTICES = {f"notice.name_{kind}" for kind in KINDS} | {
    words_key(kind, channel)
    for kind, rules in KINDS.items()
    for channel in (Channel.TELEGRAM, *([Channel.SMS] if rules.sms else []))
}
SCREENS = (
    {
        f"staff.{name}"
        for name in (
            "home",
            "figures",
            "broadcasts",
            "case",
            "certificate",
            "colleagues",
            "one_colleague",
            "imports",
            "log",
            "payouts",
            "batch",
            "person",
            "talks",
            "talk",
            "wave",
            "waves",
            "segment_value",
            "rights",
            "right",
        )
    }
    | {"account.shown", "privacy.withdrawn", "registration.summary", "home.menu", "surveys.question"}
    | {
        f"trainings.{name}"
        for name in ("list", "sort", "filter", "value", "card", "saved", "confirm", "mine", "purchase", "cancel")
    }
)


BROADCAST_BUTTONS = (
    "preview", "submit", "rewrite", "cancel", "approve", "start", "later", "spread", "pause", "resume", "report",
)  # fmt: skip
STAFF = (
    {f"staff.role_{role}" for role in Role}
    | {f"staff.{name}_button" for name in AREAS}
    | {f"staff.broadcast_{status}" for status in BroadcastStatus}
    | {f"staff.batch_{status}" for status in BatchStatus}
    | {f"staff.wave_{status}" for status in WaveStatus}
    | {f"staff.due_{kind}" for kind in DueKind}
    | {f"staff.state_{state}" for state in LayerState}
    | {f"staff.verdict_{verdict}" for verdict in (*FaceVerdict, *TurnVerdict) if verdict != "none"}
    | {f"staff.sex_{sex}" for sex in Sex}
    | {f"staff.alarm_{kind}" for kind in AlarmKind}
    | {f"staff.right_{name}_button" for name in ("person", "carry_out", "done", "refuse")}
    | {f"staff.why_{name}" for name in (*Layer, *review.WHY)}
    | {f"staff.decision_{decision}" for decision in Decision}
    | {f"staff.decide_{name}" for name in (*Decision, "pass")}
    | {f"review.words_{name}" for name in review.CANNED}
    | {f"{area}.canned_{name}" for name in talks.CANNED for area in ("help", "staff")}
    | {f"staff.task_{kind}" for kind in TASKS}
    | {f"staff.chart_{name}" for name in CHARTS}
    | {f"staff.stage_{name}" for name in FUNNEL}
    | {f"staff.channel_{name}" for name in ("browser", "terminal", "telegram", "whatsapp", "sms", "none")}
    | {f"staff.legend_{name}" for name in ("told", "waiting", "unreached")}
    | {f"staff.language_{language}" for language in i18n.LANGUAGES}
    | {f"staff.{what}_{name}" for name in FIELDS for what in ("field", "hint")}
    | {f"staff.segment_stage_{name}" for name in STAGES}
    | {f"staff.broadcast_{name}_button" for name in BROADCAST_BUTTONS}
    | {f"staff.batch_{name}_button" for names in payouts._BUTTONS.values() for name in names}
    | {f"staff.wave_{name}_button" for names in waves._BUTTONS.values() for name in names}
    | {waves._stage(name) for name in waves._STAGES}
    | {f"staff.payouts_new_{kind}" for kind in PAYOUT_KINDS}
    | {f"staff.assist_{name}" for name in people.FORM}
    | {f"staff.step_{step.name.partition('.')[2]}" for step in registration.FLOW.steps}
    | {f"staff.audit_{kind}" for kind in ("changed", "missing", "out_of_order", "not_as_published", "cut", "sealed")}
    | {f"staff.ask_{how}" for how in ("later", "spread")}
)


def keys_in_code() -> set[str]:
    """Every string in the code that looks like a message key."""
    found = MADE | LINES | NOTICES | STAFF | set(every_reason())
    for folder in ("bot", "handlers", "domain"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
                    found.add(node.value)
    from handlers.conversations.registration import CORRECTABLE  # noqa: PLC0415
    from handlers.flows import STEPS  # noqa: PLC0415

    # Some screens are called like their step.
    found -= {"money.html", "staff.html", "staff.css", "staff.js"}  # pages
    return (found | {f"registration.fix_{name}" for name in CORRECTABLE}) - set(STEPS) | SCREENS


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_key_in_the_code_has_words_and_every_entry_is_used() -> None:
    assert keys_in_code() == set(i18n.catalogue("id"))


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_language_is_complete_with_the_same_placeholders(language: str) -> None:
    ours, first = i18n.catalogue(language), i18n.catalogue("id")
    assert set(ours) == set(first)
    differing = [key for key in first if placeholders(ours[key]) != placeholders(first[key])]
    assert differing == []


def test_labels_fit_a_small_screen() -> None:
    labels = MADE | {"registration.summary_join", "registration.consent_agree"}
    too_long = [key for key in labels for language in i18n.LANGUAGES if len(i18n.text(language, key)) > 28]
    assert too_long == []


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_notice_by_sms_is_one_gsm_segment(language: str) -> None:
    keys = [words_key(kind, Channel.SMS) for kind, rules in KINDS.items() if rules.sms]
    texts = {key: i18n.text(language, key, dict(SAMPLES)) for key in keys}
    lengths = {key: sms_septets(text) for key, text in texts.items()}
    assert [key for key, length in lengths.items() if length is None or length > SMS_SEPTETS] == []
    assert all(text.startswith("GELOMBANG: ") for text in texts.values())


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_template_neither_begins_nor_ends_with_a_variable(language: str) -> None:
    for kind in KINDS:
        words = i18n.catalogue(language)[words_key(kind, Channel.WHATSAPP)]
        assert not words.startswith("{")
        assert not words.endswith("}")
        assert "}{" not in words.replace(" ", "")
        assert len(words) <= 1024


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_notices_are_worded_with_the_parameters_they_take(language: str) -> None:
    for kind, rules in KINDS.items():
        for channel in (Channel.TELEGRAM, *([Channel.SMS] if rules.sms else [])):
            words = i18n.catalogue(language)[words_key(kind, channel)]
            added = {"check_code", "link"} if channel == Channel.SMS else {"check_code"}
            assert placeholders(words) <= {*rules.params, *added}, words
            assert "check_code" in placeholders(words)
        assert set(rules.params) <= set(SAMPLES)
