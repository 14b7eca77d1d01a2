"""Surveys in chat: a question a screen, resumable at any time, sent off as a whole."""

from datetime import datetime
from typing import Any

from domain.errors import DomainError
from domain.questions import Kind, Question, Survey, read_answer
from domain.surveys.actions import finish, open_due, open_for, survey_called
from handlers.conversation import Act, Choice, Done, Draft, Go, Outcome, Reply, Say, Stay, Step, Turn, pressed, without

SCALE = range(1, 6)


def kept_of(turn: Turn) -> dict[str, Any]:
    """What somebody has answered so far."""
    kept: dict[str, Any] = turn.draft.get("survey", {})
    return kept


def survey_button(turn: Turn) -> list[Choice]:
    """The way to a survey that was opened or begun, for other screens."""
    return [Choice("!survey", "surveys.open_button")] if {"survey", "survey_open"} & turn.draft.keys() else []


def _survey(turn: Turn) -> Survey | None:
    return survey_called(turn.programme, str(kept_of(turn).get("code", "")))


def _question(turn: Turn) -> Question | None:
    survey = _survey(turn)
    return survey.question(kept_of(turn).get("answers", {})) if survey else None


def come_in(turn: Turn) -> Act:
    """SURVEI: to the first question that is not answered, of the survey that is open."""

    async def action() -> Done:
        assert turn.person_id is not None
        kept = kept_of(turn)
        begun = (str(kept["code"]), datetime.fromisoformat(kept["started"])) if kept else None
        await open_due(turn.person_id, turn.programme, turn.now)
        survey = await open_for(turn.person_id, turn.programme, turn.now, begun)
        if survey is None:
            none = Say("surveys.none", choices=(Choice("!resume", "help.resume"),))
            return Stay((none,), draft=without(turn.draft, "survey", "survey_open"))
        if kept.get("code") == survey.code and survey.question(kept.get("answers", {})) is not None:
            return Go("surveys.question", turn.draft)
        fresh = {"code": survey.code, "answers": {}, "started": turn.now.isoformat()}
        amount = turn.programme.money_on(turn.today).survey_incentive
        params = {"title": survey.title[turn.language], "count": len(survey.questions), "amount_number": amount}
        return Go("surveys.question", {**turn.draft, "survey": fresh}, (Say("surveys.begin", params),))

    return Act(action)


def ask_question(turn: Turn) -> Say:
    """The question, with its answers as buttons."""
    survey, question = _survey(turn), _question(turn)
    if survey is None or question is None:
        return Say("surveys.gone", choices=(Choice("home", "trainings.home_button"),))
    kept, words = kept_of(turn), question.text.get(turn.language) or question.text["id"]
    params = {"words": words, "number": len(kept["answers"]) + 1}
    match question.kind:
        case Kind.CHOICE:
            return Say("surveys.question", params, _options(turn, question))
        case Kind.MULTI:
            done = (Choice("done", "surveys.done_button"),) if kept.get("picked") else ()
            return Say("surveys.question", params, (*_options(turn, question), *done))
        case Kind.SCALE:
            choices = tuple(Choice(str(number), "surveys.number", {"number": number}) for number in SCALE)
            return Say("surveys.question", params, choices)
    return Say("surveys.question", params)


def _options(turn: Turn, question: Question) -> tuple[Choice, ...]:
    picked = kept_of(turn).get("picked", [])
    return tuple(
        Choice(
            f"o_{option.id}",
            "surveys.picked" if option.id in picked else "surveys.option",
            {"words": option.text.get(turn.language) or option.text["id"]},
        )
        for option in question.options
    )


def take_answer(turn: Turn) -> Outcome:
    """Keep an answer and ask on; the last one sends the survey off."""
    survey, question = _survey(turn), _question(turn)
    if survey is None or question is None:
        return Go("home.menu", without(turn.draft, "survey"))
    choice = pressed(turn)
    option = choice[2:] if choice and choice.startswith("o_") else None
    if question.kind == Kind.MULTI:
        return _take_multi(turn, question, choice, option)
    return _on(turn, question, read_answer(question, option or choice, turn.inbound.text or ""))


def _take_multi(turn: Turn, question: Question, choice: str | None, option: str | None) -> Outcome:
    kept = kept_of(turn)
    picked: list[str] = kept.get("picked", [])
    if choice == "done" and picked:
        return _on(turn, question, picked)
    if option not in [each.id for each in question.options]:
        raise DomainError("common.choose")
    changed = [each for each in picked if each != option] if option in picked else [*picked, option]
    return Go("surveys.question", {**turn.draft, "survey": {**kept, "picked": changed}})


def _on(turn: Turn, question: Question, answer: Any) -> Outcome:
    survey, kept = _survey(turn), kept_of(turn)
    assert survey is not None
    answers = {**kept["answers"], question.id: answer}
    draft: Draft = {**turn.draft, "survey": {**without(kept, "picked"), "answers": answers}}
    if survey.question(answers) is not None:
        return Go("surveys.question", draft)

    async def action() -> Done:
        assert turn.person_id is not None
        started = datetime.fromisoformat(kept["started"])
        try:
            amount = await finish(turn.person_id, survey, answers, turn.language, started, turn.programme, turn.now)
        except DomainError as error:
            return Go("home.menu", without(turn.draft, "survey", "survey_open"), (Say(error.code),))
        said: Reply = Say("surveys.done", {"amount_number": amount}) if amount else Say("surveys.done_before")
        return Go("home.menu", without(turn.draft, "survey", "survey_open"), (said,))

    return Act(action)


def _back(turn: Turn) -> Go:
    """The question before; from the first one to the menu."""
    kept = kept_of(turn)
    answers: dict[str, Any] = kept.get("answers", {})
    if kept.get("picked"):
        return Go("surveys.question", {**turn.draft, "survey": without(kept, "picked")})
    if not answers:
        return Go("home.menu", turn.draft)
    last = list(answers)[-1]
    given = answers[last]
    again = {**kept, "answers": without(answers, last), "picked": given if isinstance(given, list) else []}
    return Go("surveys.question", {**turn.draft, "survey": again})


STEPS = (Step("surveys.question", ask_question, take_answer, needs="surveys.need_answer", back=_back),)
