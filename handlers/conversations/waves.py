"""Waves as a person sees them: joining, how they stand, and the proof of the draw."""

from typing import Any

from tortoise import connections

from domain.waves.actions import join
from domain.waves.rules import last_day
from domain.waves.standing import Standing, standing_of
from handlers.conversation import Act, Choice, Done, Draft, Go, Say, Stay, Turn
from models.enums import PlaceStatus, WaveStatus

Line = list[Any]
# Why somebody was left out, where it is no layer that failed (those are in STATUS, each with its reason).
LEFT_OUT = {
    "waiting": "draw.out_waiting",
    "carried": "draw.out_waiting",
    "had_place": "draw.out_had_place",
    "same_nik": "draw.out_same_nik",
    "household": "draw.out_household",
    "lists": "draw.out_lists",
    "age": "draw.out_age",
    "employment": "draw.out_employment",
    "withdrawn": "draw.out_withdrawn",
}


async def join_wave(turn: Turn, person_id: int, draft: Draft, said: str = "waves.joined") -> Go:
    """Join the open wave and show the ticket, in the words of ``said``; refused with waves.none_open."""
    wave, entry = await join(person_id, turn.now)
    params = {"wave": wave.number, "ticket": entry.ticket, "closes_time": wave.closes_at.isoformat()}
    kept = {**draft, "ticket": entry.ticket, "wave": wave.number}
    return Go("home.menu", kept, (Say(said, params),))


async def status_lines(person_id: int) -> list[Line]:
    """How a person stands in their wave, in lines."""
    standing = await standing_of(connections.get("default"), person_id)
    if standing is None:
        return [["waves.status_none", {}]]
    wave, entry = standing.wave, standing.entry
    joined: Line = ["waves.status_joined", {"wave": wave.number, "ticket": entry.ticket}]
    if standing.public:
        return [joined, *_result(standing)]
    if wave.status == WaveStatus.OPEN:
        return [joined, ["waves.status_open", {"closes_time": wave.closes_at.isoformat()}]]
    if wave.draws_at is not None and wave.status != WaveStatus.DRAWN:
        return [joined, ["waves.status_frozen", {"draws_time": wave.draws_at.isoformat()}]]
    drawn = wave.status == WaveStatus.DRAWN
    return [joined, ["waves.status_drawn" if drawn else "waves.status_closed", {}]]


def _result(standing: Standing) -> list[Line]:
    place, rank = standing.place, standing.rank
    if place is not None and place.due_at is not None:
        key = {PlaceStatus.ACCEPTED: "waves.status_accepted", PlaceStatus.LAPSED: "waves.status_lapsed"}.get(
            PlaceStatus(place.status), "waves.status_selected"
        )
        return [[key, {"deadline_date": last_day(place.due_at)}]]
    if rank is not None:
        return [["waves.status_reserve", _numbers(standing)]]
    return [[_left_out(standing), {}]]


def _left_out(standing: Standing) -> str:
    return LEFT_OUT.get(standing.entry.reason or "", "draw.out_layer")


def _numbers(standing: Standing) -> dict[str, Any]:
    assert standing.rank is not None
    rank = standing.rank
    return {"rank_number": rank.rank, "entrants_number": rank.entrants, "cut_number": rank.cut_off}


def check(turn: Turn) -> Act:
    """CEK: ticket, rank, cut-off, and how to compute them."""

    async def action() -> Done:
        standing = None
        if turn.person_id is not None:
            standing = await standing_of(connections.get("default"), turn.person_id)
        say = Say("draw.no_ticket") if standing is None else _proof(standing, turn.programme.chat_url)
        return Stay((Say(say.key, say.params, choices=(Choice("!resume", "help.resume"),)),))

    return Act(action)


def _proof(standing: Standing, url: str) -> Say:
    wave, entry = standing.wave, standing.entry
    about: dict[str, Any] = {"wave": wave.number, "ticket": entry.ticket, "link": f"{url}/draws/{wave.number}/"}
    if not standing.public:
        if wave.draws_at is None or wave.commitment is None:
            return Say("draw.not_frozen", {"wave": wave.number, "ticket": entry.ticket})
        if entry.reason:
            return Say("draw.left_out", {**about, "reason_label": _left_out(standing)})
        how = {"draws_time": wave.draws_at.isoformat(), "commitment": bytes(wave.commitment).hex()}
        return Say("draw.not_drawn", {**about, **how})
    if standing.rank is None:
        return Say("draw.left_out", {**about, "reason_label": _left_out(standing)})
    place = standing.place
    if place is not None and place.status == PlaceStatus.LAPSED:
        outcome = "draw.lapsed"
    elif place is not None:
        outcome = "draw.from_reserve" if place.reserve else "draw.selected"
    else:
        below = standing.rank.rank > standing.rank.cut_off
        outcome = "draw.not_selected" if below else "draw.household_full"
    stratum = {"general": "draw.stratum_general", "priority": "draw.stratum_priority"}.get(
        entry.stratum, "draw.stratum_other"
    )
    proof = {"seed": standing.rank.seed, "key": standing.rank.key}
    return Say(
        "draw.result", {**about, **_numbers(standing), **proof, "outcome_label": outcome, "stratum_label": stratum}
    )
