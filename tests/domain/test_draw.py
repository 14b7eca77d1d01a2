"""The draw's rules: against a plain way of saying the same, and the properties that the protocol promises."""

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from typing import Any

import drand_verify
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.waves import check_draw
from domain.waves.draw import Entrants, Seat, cut_offs, parse, ranking, select
from domain.waves.keys import keyed, row, seed_of

STRATA = ["priority", "aid", "general"]


@dataclass(frozen=True)
class Case:
    """A list of entrants (household, seats it had, stratum), seats and a cap."""

    rows: list[tuple[int, int, int]]
    seats: list[int]
    cap: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    had = draw(st.lists(st.integers(0, 2), min_size=1, max_size=6))  # by household: all its rows say the same
    households = st.integers(0, len(had) - 1)
    rows = draw(st.lists(st.tuples(households, st.integers(0, 2)), max_size=60))
    seats = draw(st.lists(st.integers(0, 20), min_size=3, max_size=3))
    return Case([(home, had[home], stratum) for home, stratum in rows], seats, draw(st.integers(0, 3)))


def ticket(number: int) -> str:
    return f"G7-{number:04}-XXXX"


def block_of(case: Case) -> bytes:
    lines = [row(ticket(at), f"{home:016x}", had, STRATA[s]) for at, (home, had, s) in enumerate(case.rows)]
    return "".join(lines).encode()


def selected(case: Case, seed: bytes) -> tuple[Entrants | None, Any, list[Seat]]:
    if not case.rows:
        return None, [], []
    found = parse(block_of(case), STRATA, seed)
    order = ranking(found, seed)
    return found, order, select(found.strata, found.households, found.used, order, case.seats, case.cap)


@given(cases(), st.binary(min_size=32, max_size=32))
def test_it_selects_what_the_published_script_selects(case: Case, seed: bytes) -> None:
    seats = selected(case, seed)[2]
    entrants = {ticket(at): (f"{home:016x}", had, STRATA[s]) for at, (home, had, s) in enumerate(case.rows)}
    ranked = check_draw.rank(list(entrants), seed)
    told = check_draw.select(ranked, entrants, list(zip(STRATA, case.seats, strict=True)), case.cap)
    assert {ranked[seat.rank - 1]: STRATA[seat.stratum] for seat in seats} == told


@given(cases(), st.binary(min_size=32, max_size=32))
def test_no_seat_and_no_household_goes_beyond_its_limit_and_nothing_is_left_that_somebody_could_have(
    case: Case, seed: bytes
) -> None:
    found, _, seats = selected(case, seed)
    if found is None:
        return
    taken = Counter(int(found.households[seat.row]) for seat in seats)
    had = {home: before for home, before, _ in case.rows}
    assert len({seat.row for seat in seats}) == len(seats) <= sum(case.seats)
    if case.cap:
        assert all(had[home] + number <= max(case.cap, had[home]) for home, number in taken.items())
    own = Counter(seat.stratum for seat in seats)
    assert all(own[number] <= case.seats[number] for number in (0, 1))
    assert all(found.strata[seat.row] == seat.stratum for seat in seats if seat.stratum < 2)
    if len(seats) < sum(case.seats):  # then everybody left belongs to a household that has its seats
        left = set(range(len(case.rows))) - {seat.row for seat in seats}
        assert case.cap or not left
        assert all(had[case.rows[at][0]] + taken[case.rows[at][0]] >= case.cap for at in left)
    assert cut_offs(seats, 3) == [max((s.rank for s in seats if s.stratum == n), default=0) for n in range(3)]


@given(cases(), st.binary(min_size=32, max_size=32))
def test_who_ranks_better_in_a_stratum_never_loses_to_who_ranks_worse_but_by_the_household(
    case: Case, seed: bytes
) -> None:
    found, order, seats = selected(Case(case.rows, case.seats, 0), seed)
    if found is None:
        return
    by_rank = {seat.rank for seat in seats}
    for stratum in range(3):
        ranks = [at + 1 for at, line in enumerate(order) if found.strata[line] == stratum]
        with_seat = [rank in by_rank for rank in ranks]
        assert with_seat == sorted(with_seat, reverse=True)


def test_the_key_is_hmac_sha256_and_the_seed_sha256_of_both() -> None:
    commitment, beacon = b"c" * 32, b"b" * 48
    seed = seed_of(commitment, beacon)
    assert seed == hashlib.sha256(commitment + beacon).digest()
    assert keyed(seed)(b"G3-7KQ4-M2XD") == hmac.digest(seed, b"G3-7KQ4-M2XD", "sha256")


def test_equal_beginnings_of_keys_are_ordered_by_the_whole_key() -> None:
    seed = b"s" * 32
    found = parse(block_of(Case([(0, 0, 2)] * 50, [0, 0, 5], 0)), STRATA, seed)
    usual = ranking(found, seed)
    found.keys[:] = found.keys // np.uint64(1 << 62)  # only two bits of each are left
    assert ranking(found, seed).tolist() == usual.tolist()


def test_blocks_put_together_are_the_list() -> None:
    seed, case = b"s" * 32, Case([(n % 3, n % 2, n % 3) for n in range(9)], [1, 1, 1], 2)
    whole = parse(block_of(case), STRATA, seed)
    lines = block_of(case).splitlines(keepends=True)
    parts = Entrants.room_for(9, len(ticket(0)))
    at = parts.put(0, parse(b"".join(lines[:4]), STRATA, seed))
    assert parts.put(at, parse(b"".join(lines[4:]), STRATA, seed)) == 9
    with pytest.raises(ValueError, match="broadcast"):
        parts.put(7, parse(b"".join(lines[4:]), STRATA, seed))
    for name in ("tickets", "keys", "households", "used", "strata"):
        assert getattr(parts, name).tolist() == getattr(whole, name).tolist()
    assert [whole.ticket(at) for at in (0, 8)] == [ticket(0), ticket(8)]


@pytest.mark.parametrize(
    "block",
    [
        b"G7-0000-XXXX,0000000000000000,0,gene",
        b"G7-0000-XXXX,0000000000000000,0,nobody\n",
        b"G7-0000-XXXX;0000000000000000;0;general\n,",
        b"G7-0000-XXXX,0000000000000000,0,general\nG7-00001-XXXX,0000000000000000,0,general\n",
    ],
)
def test_a_broken_block_is_refused(block: bytes) -> None:
    with pytest.raises(ValueError, match=r"row|block|not found"):
        parse(block, STRATA, b"s" * 32)


def test_a_round_of_drand_is_genuine_under_its_own_number_only() -> None:
    signature = "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
    assert drand_verify.verify_quicknet(657413, signature) == hashlib.sha256(bytes.fromhex(signature)).hexdigest()
    with pytest.raises(ValueError, match=r".+"):
        drand_verify.verify_quicknet(657414, signature)
