"""The programme's rules as data, read once from programme.toml."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

from domain.questions import FOLDER, Survey, load_surveys
from models.enums import Channel, Employment, Institution, Layer

DEFAULT = Path(__file__).with_name("programme.toml")
GENERAL = "general"  # the stratum of everybody


class _Dated(Protocol):
    @property
    def since(self) -> date: ...


Rule = TypeVar("Rule", bound=_Dated)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Who may register from a date on: ages in whole years, both included; work that is shut out; recipients that a
    family card may have (0: any number).
    """

    since: date
    min_age: int
    max_age: int
    refused_employment: frozenset[Employment] = frozenset()
    household_seats: int = 0


@dataclass(frozen=True, slots=True)
class LayerRules:
    """Layers of verification from a date on, in the order people see them; ``optional`` ones hold nobody up.

    ``liveness`` asks for a second selfie; ``kyc`` lets a partner's statement take the place of all photos.
    """

    since: date
    ask: tuple[Layer, ...]
    optional: frozenset[Layer] = frozenset()
    liveness: bool = False
    kyc: bool = False


@dataclass(frozen=True, slots=True)
class CodeRules:
    """How codes that prove an address are given out. ``tries`` are wrong codes of one chat, ``tries_everywhere`` of all
    chats together for one number.
    """

    minutes: int
    tries: int
    tries_everywhere: int
    wait_minutes: int
    per_hour: int


@dataclass(frozen=True, slots=True)
class FaceRules:
    """Thresholds of cosine similarity (``turned`` in eye distances), and how many selfies a person may try."""

    same: float
    accept: float
    review: float
    tries: int
    duplicate: float
    turned: float
    turned_same: float
    same_picture: float


@dataclass(frozen=True, slots=True)
class KycRules:
    """How long a reference that is given to a partner is good for."""

    days: int


@dataclass(frozen=True, slots=True)
class Stratum:
    """People who are drawn ahead of the others, for this share of a wave's seats."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class WaveRules:
    """Quota, clocks and strata of a wave; reminders are days before a place lapses, the longest first."""

    quota: int
    open_days: int
    freeze_hours: int
    notice_hours: int
    dice_days: int
    accept_days: int
    reminder_days: tuple[int, ...]
    strata: tuple[Stratum, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """Rupiah that the programme may spend, authorised on a day."""

    since: date
    amount: int


@dataclass(frozen=True, slots=True)
class MoneyRules:
    """What people get, from a date on, in rupiah.

    ``held_by`` says where a training balance lies: "account", credited to the participant's own for restricted use, or
    "ledger", kept here. ``balance_ends`` is month and day on which what is left of it expires. The incentive is paid
    ``incentive_times``, each ``incentive_months`` after the one before.
    """

    since: date
    training_balance: int
    held_by: str
    balance_ends: tuple[int, int]
    incentive: int
    incentive_times: int
    incentive_months: int
    survey_incentive: int

    def whole(self, surveys: int) -> int:
        """All that one place may cost."""
        return self.training_balance + self.incentive * self.incentive_times + self.survey_incentive * surveys


@dataclass(frozen=True, slots=True)
class AccountRules:
    """Where people may be paid, and how long after taking an account out another can be linked."""

    institutions: tuple[Institution, ...]
    cooling_days: int
    inquiries_a_day: int


@dataclass(frozen=True, slots=True)
class PayoutRules:
    """Limits in rupiah that stop a batch before anybody approves it."""

    most_each: int
    most_provider: int
    most_batch: int


@dataclass(frozen=True, slots=True)
class TrainingRules:
    """The catalogue and what may be done with a purchase.

    ``rating_weight``: so many average reviews stand beside a training's own, so that one review does not win.
    ``certificate_tries``: photos of a certificate that one purchase may send.
    """

    rating_weight: int
    edit_days: int
    certificate_tries: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days each kind of data is kept (domain.privacy.retention says from when)."""

    photos: int
    drafts: int
    messages: int
    notices: int
    talks: int
    staff_files: int
    tasks: int
    codes: int
    failures: int


@dataclass(frozen=True, slots=True)
class EvaluationRules:
    """When figures propose a warning or a suspension of a provider; shares from 0 to 1.

    ``survey`` and the names after it say which answers of which survey are about the training.
    """

    least_participants: int
    completion_days: int
    completion_warn: float
    completion_suspend: float
    rating_warn: float
    rating_suspend: float
    complaints_warn: float
    doubtful_warn: float
    survey: str
    useful: str
    recommend: str
    trouble: str
    asked_money: str


@dataclass(frozen=True, slots=True)
class Partner:
    """A bank or wallet that vouches for its customers; ``keys`` are its public keys as JWK."""

    id: str
    name: str
    keys: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """What it takes to reach people, from the settings: messages a second by channel, rupiah a part of an SMS, people a
    day whom WhatsApp lets us write to first (0: any number), and the hours between which people are written to.
    """

    pace: Mapping[str, float] = field(default_factory=dict)
    sms_price: int = 0
    whatsapp_daily: int = 0
    hours: tuple[int, int] = (8, 20)


@dataclass(frozen=True, slots=True)
class Programme:
    """All rules that are data. ``version`` is the beginning of the file's SHA-256; outcomes are kept with it.
    ``partners`` come from a file of their own (setting GELOMBANG_KYC_PARTNERS), ``chat_url``, where the browser chat is
    found, from GELOMBANG_PUBLIC_URL; ``site_url`` is the same or, without one, the server's own; ``staff_bot`` is
    the name of the bot for staff, ``unsent`` are channels by which no code can be sent.
    """

    version: str
    eligibility: tuple[Eligibility, ...]
    layers: tuple[LayerRules, ...]
    codes: CodeRules
    face: FaceRules
    kyc: KycRules
    waves: WaveRules
    budget: tuple[Budget, ...]
    money: tuple[MoneyRules, ...]
    accounts: AccountRules
    payouts: PayoutRules
    trainings: TrainingRules
    evaluation: EvaluationRules
    retention: Retention
    surveys: tuple[Survey, ...] = ()
    partners: tuple[Partner, ...] = ()
    sending: Sending = field(default_factory=Sending)
    site_url: str = ""
    staff_bot: str = ""
    unsent: frozenset[Channel] = frozenset()
    chat_url: str = ""

    def eligibility_on(self, day: date) -> Eligibility:
        """The rule in force on a day; the first one where the day lies before all of them."""
        return _in_force(self.eligibility, day)

    def layers_on(self, day: date) -> LayerRules:
        """The layers a wave that opens on a day asks for."""
        return _in_force(self.layers, day)

    def money_on(self, day: date) -> MoneyRules:
        """The amounts in force on a day."""
        return _in_force(self.money, day)

    def budget_until(self, day: date) -> tuple[Budget, ...]:
        """What has been authorised by a day; at least the first."""
        return tuple(each for each in self.budget if each.since <= day) or self.budget[:1]


def _in_force(rules: tuple[Rule, ...], day: date) -> Rule:
    begun = [rule for rule in rules if rule.since <= day]
    return begun[-1] if begun else rules[0]


def load(path: Path = DEFAULT, surveys: Path = FOLDER) -> Programme:
    """Read programme.toml and the folder of surveys; raises ValueError naming the file and what is wrong in it."""
    try:
        content = path.read_bytes()
        data: dict[str, Any] = tomllib.loads(content.decode())
        return Programme(
            version=hashlib.sha256(content).hexdigest()[:12],
            eligibility=tuple(Eligibility(**_converted(rule)) for rule in _dated(data["eligibility"])),
            layers=tuple(LayerRules(**_converted(rule)) for rule in _dated(data["layers"])),
            codes=CodeRules(**data["codes"]),
            face=FaceRules(**data["face"]),
            kyc=KycRules(**data["kyc"]),
            waves=_waves(data["waves"]),
            budget=tuple(Budget(each["from"], each["amount"]) for each in data["budget"]),
            money=tuple(_money(rule) for rule in _dated(data["money"])),
            accounts=AccountRules(**_converted(data["accounts"])),
            payouts=PayoutRules(**data["payouts"]),
            trainings=TrainingRules(**data["trainings"]),
            evaluation=EvaluationRules(**data["evaluation"]),
            retention=_retention(data["retention"]),
            surveys=load_surveys(surveys),
        )
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: {error!r}") from error


def kept_in_ledger(programme: Programme) -> Programme:
    """The same programme with training balances that are kept here instead of in people's accounts."""
    return replace(programme, money=tuple(replace(each, held_by="ledger") for each in programme.money))


def load_partners(path: Path) -> tuple[Partner, ...]:
    """Read the KYC partners; raises ValueError naming the file and what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        partners = tuple(Partner(each["id"], each["name"], tuple(each["keys"])) for each in data["partners"])
        if len({partner.id for partner in partners}) != len(partners) or not all(partner.keys for partner in partners):
            raise ValueError("every partner needs an id of its own and a key")
        return partners
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: {error!r}") from error


def _dated(rules: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Rules by their date, each with what it does not say taken from the one before."""
    if not rules:
        raise ValueError("a list of dated rules is empty")
    said: dict[str, Any] = {}
    for rule in sorted(rules, key=lambda each: each["from"]):
        said = {**said, **rule}
        yield {"since" if name == "from" else name: value for name, value in said.items()}


HELD_BY = ("account", "ledger")


def _money(rule: dict[str, Any]) -> MoneyRules:
    month, _, day = rule["balance_ends"].partition("-")
    ends = date(2000, int(month), int(day))  # raises ValueError for what is no day; of a leap year
    if rule["held_by"] not in HELD_BY:
        raise ValueError(f"held_by is one of {', '.join(HELD_BY)}")
    return MoneyRules(**{**rule, "balance_ends": (ends.month, ends.day)})


def _retention(days: dict[str, int]) -> Retention:
    if min(days.values()) < 1:
        raise ValueError("retention is in days, one at least")
    return Retention(**days)


def _waves(rules: dict[str, Any]) -> WaveRules:
    strata = tuple(Stratum(**each) for each in rules.get("strata", ()))
    if sum(stratum.share for stratum in strata) > 1 or any(stratum.name == GENERAL for stratum in strata):
        raise ValueError(f"strata take more than all seats, or one is called {GENERAL!r}")
    if rules["notice_hours"] < 24:
        raise ValueError("the randomness of a draw has to be announced a day ahead (notice_hours)")
    days = tuple(sorted(rules["reminder_days"], reverse=True))
    return WaveRules(**{**rules, "strata": strata, "reminder_days": days})


def _converted(rule: dict[str, Any]) -> dict[str, Any]:
    made = dict(rule)
    if "refused_employment" in rule:
        made["refused_employment"] = frozenset(Employment(name) for name in rule["refused_employment"])
    if "ask" in rule:
        made["ask"] = tuple(Layer(name) for name in rule["ask"])
    if "optional" in rule:
        made["optional"] = frozenset(Layer(name) for name in rule["optional"])
    if "institutions" in rule:
        made["institutions"] = tuple(Institution(name) for name in rule["institutions"])
    return made
