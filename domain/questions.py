"""Surveys as data: their questions, which of them somebody is asked, and what an answer may be. Pure."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from domain.errors import DomainError
from domain.plain_words import names_somebody, readable

FOLDER = Path(__file__).with_name("surveys")
LANGUAGES = ("id", "en")
MAX_TEXT = 500
REVIEWED = "reviewed"  # opens a survey: the first training is finished and reviewed
INCENTIVE = "incentive"  # opens a survey: the first incentive was paid

Answers: TypeAlias = Mapping[str, Any]
Words: TypeAlias = Mapping[str, str]


class Kind(StrEnum):
    """How a question is answered."""

    CHOICE = "choice"
    MULTI = "multi"
    SCALE = "scale"  # 1 to 5
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose."""

    id: str
    text: Words


@dataclass(frozen=True, slots=True)
class Question:
    """``only_if``: asked only of those who answered an earlier question (its id) with one of these."""

    id: str
    kind: Kind
    text: Words
    options: tuple[Option, ...] = ()
    least: int = 0
    most: int = 0
    only_if: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """``after`` opens it: "reviewed", "incentive", or the code of the survey before it.

    That is ``wait_days`` later, for ``open_days``.

    ``version`` is the beginning of the file's SHA-256; answers are kept with it.
    """

    code: str
    version: str
    title: Words
    after: str
    wait_days: int
    open_days: int
    questions: tuple[Question, ...]

    def question(self, answers: Answers) -> Question | None:
        """The first question that is to be asked and not answered yet; None at the end."""
        for question in self.questions:
            if question.id not in answers and asked(question, answers):
                return question
        return None

    def counted(self, answers: Answers) -> dict[str, Any]:
        """The answers to questions that are asked: those behind a branch that was left are not."""
        kept: dict[str, Any] = {}
        for question in self.questions:
            if question.id in answers and asked(question, kept):
                kept[question.id] = answers[question.id]
        return kept


def asked(question: Question, answers: Answers) -> bool:
    """Whether what was answered before leads to this question."""
    if question.only_if is None:
        return True
    name, values = question.only_if
    given = answers.get(name)
    return bool(set(map(str, given if isinstance(given, list) else [given])) & set(values))


def read_answer(question: Question, choice: str | None, text: str) -> Any:
    """An answer as it is kept; refused with what is needed."""
    match question.kind:
        case Kind.CHOICE:
            if choice not in [option.id for option in question.options]:
                raise DomainError("common.choose")
            return choice
        case Kind.SCALE | Kind.NUMBER:
            typed = (choice or text).strip().replace(".", "")
            least, most = (1, 5) if question.kind == Kind.SCALE else (question.least, question.most)
            if not typed.isascii() or not typed.isdigit() or len(typed) > 12 or not least <= int(typed) <= most:
                raise DomainError("surveys.need_number", least_number=least, most_number=most)
            return int(typed)
        case Kind.TEXT:
            words = readable(text)
            if not words or len(words) > MAX_TEXT:
                raise DomainError("surveys.need_text", most=MAX_TEXT)
            if names_somebody(words):
                raise DomainError("surveys.personal")
            return words
    raise DomainError("common.choose")


def load_surveys(folder: Path = FOLDER) -> tuple[Survey, ...]:
    """Every survey of a folder in the order of their codes; ValueError naming the file and what is wrong in it."""
    surveys: list[Survey] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            surveys.append(_survey(path.stem, path.read_bytes(), [each.code for each in surveys]))
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path}: {error!r}") from error
    return tuple(surveys)


def _survey(code: str, content: bytes, before: list[str]) -> Survey:
    data = tomllib.loads(content.decode())
    if data["after"] not in {REVIEWED, INCENTIVE, *before}:
        raise ValueError(f"after: {data['after']!r} is no survey before this one")
    questions: list[Question] = []
    for each in data["questions"]:
        questions.append(_question(each, questions))
    return Survey(
        code=code,
        version=hashlib.sha256(content).hexdigest()[:12],
        title=_words(data["title"]),
        after=data["after"],
        wait_days=data["wait_days"],
        open_days=data["open_days"],
        questions=tuple(questions),
    )


def _words(said: Mapping[str, str]) -> Words:
    if missing := [language for language in LANGUAGES if not said.get(language)]:
        raise ValueError(f"no words in {', '.join(missing)}: {dict(said)}")
    return dict(said)


def _question(data: Mapping[str, Any], before: list[Question]) -> Question:
    known = {question.id: question for question in before}
    kind = Kind(data["kind"])
    options = tuple(Option(each["id"], _words(each["text"])) for each in data.get("options", ()))
    if data["id"] in known or len({option.id for option in options}) != len(options):
        raise ValueError(f"question {data['id']}: an id stands twice")
    if bool(options) != (kind in (Kind.CHOICE, Kind.MULTI)):
        raise ValueError(f"question {data['id']}: options belong to choice and multi")
    only_if = None
    if "only_if" in data:
        name, values = data["only_if"]["question"], tuple(data["only_if"]["is"])
        given = [option.id for option in known[name].options] or [str(number) for number in range(1, 6)]
        if not set(values) <= set(given):
            raise ValueError(f"question {data['id']}: only_if names what {name} can't be answered with")
        only_if = (name, values)
    least, most = data.get("least", 0), data.get("most", 0)
    if kind == Kind.NUMBER and least >= most:
        raise ValueError(f"question {data['id']}: a number needs least and most")
    return Question(data["id"], kind, _words(data["text"]), options, least, most, only_if)
