"""The draw: keys, ranking and who gets which seat. Pure, and the same everywhere for the same input.

The protocol is told in docs/draw.md; ``check_draw.py`` beside this file computes the same on its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.waves.keys import TAG_DIGITS, keyed

KEY_BYTES = 8  # of a ticket's key are compared first; the whole key decides where they are equal
SLICE = 65_536

Bytes = npt.NDArray[np.uint8]


@dataclass
class Entrants:
    """Frozen rows as columns; ``tickets`` are the letters of equally long tickets, a row each.

    ``keys`` are the first bytes of each ticket's key as a number. ``strata`` are numbers into the wave's strata.
    """

    tickets: Bytes
    keys: npt.NDArray[np.uint64]
    households: npt.NDArray[np.uint64]
    used: Bytes
    strata: Bytes

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def room_for(cls, count: int, width: int) -> "Entrants":
        """Columns of so many rows, to be filled by ``put``: the whole list stands in memory once."""
        return cls(
            np.zeros((count, width), np.uint8),
            np.zeros(count, np.uint64),
            np.zeros(count, np.uint64),
            np.zeros(count, np.uint8),
            np.zeros(count, np.uint8),
        )

    def put(self, at: int, part: "Entrants") -> int:
        """Fill in the next rows; gives where the following ones begin. Raises ValueError where they do not fit."""
        end = at + len(part)
        self.tickets[at:end], self.keys[at:end] = part.tickets, part.keys
        self.households[at:end], self.used[at:end], self.strata[at:end] = part.households, part.used, part.strata
        return end

    def ticket(self, at: int) -> str:
        """The ticket of one row."""
        return str(self.tickets[at].tobytes(), "ascii")


def parse(block: bytes, strata: Sequence[str], seed: bytes) -> Entrants:
    """Rows of entrants.csv; raises ValueError for what is none."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ValueError("a block of entrants that is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    width = block.index(b",")
    used_at = width + 1 + TAG_DIGITS + 1
    head = data[starts[:, None] + np.arange(used_at + 2)]
    if not (head[:, [width, width + 1 + TAG_DIGITS, used_at + 1]] == ord(",")).all():
        raise ValueError("a row of entrants that is none")
    tickets = np.ascontiguousarray(head[:, :width])
    return Entrants(
        tickets,
        _keys(tickets, seed),
        _numbers(head[:, width + 1 : width + 1 + TAG_DIGITS]),
        head[:, used_at] - ord("0"),
        _strata(data, starts + used_at + 2, ends, strata),
    )


def _keys(tickets: Bytes, seed: bytes) -> npt.NDArray[np.uint64]:
    key, width, letters = keyed(seed), tickets.shape[1], tickets.tobytes()
    heads = b"".join([key(letters[at : at + width])[:KEY_BYTES] for at in range(0, len(letters), width)])
    return np.frombuffer(heads, ">u8").astype(np.uint64)


def _numbers(digits: Bytes) -> npt.NDArray[np.uint64]:
    """Sixteen hex digits a row as one number."""
    packed = bytes.fromhex(np.ascontiguousarray(digits).tobytes().decode())
    return np.frombuffer(packed, ">u8").astype(np.uint64)


def _strata(data: Bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], names: Sequence[str]) -> Bytes:
    found = np.full(len(starts), len(names), np.uint8)
    for number, name in enumerate(names):
        word = np.frombuffer(name.encode(), np.uint8)
        fits = np.flatnonzero(ends - starts == len(word))
        same = (data[starts[fits][:, None] + np.arange(len(word))] == word).all(axis=1)
        found[fits[same]] = number
    if (found == len(names)).any():
        raise ValueError("a row of entrants names an unknown stratum")
    return found


def ranking(entrants: Entrants, seed: bytes) -> npt.NDArray[np.int64]:
    """Rows in the order of their keys."""
    order: npt.NDArray[np.int64] = np.argsort(entrants.keys, kind="stable")
    keys = entrants.keys[order]
    equal = np.flatnonzero(keys[1:] == keys[:-1])
    if len(equal):  # a matter of one draw in millions, but then it has to be right as well
        key = keyed(seed)
        for at in equal:
            low, high = np.searchsorted(keys, keys[at], "left"), np.searchsorted(keys, keys[at], "right")
            order[low:high] = sorted(order[low:high], key=lambda row: key(entrants.tickets[row].tobytes()))
    return order


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat that went to somebody: their rank from 1, their row, and the number of the stratum whose seat it is."""

    rank: int
    row: int
    stratum: int


def select(
    strata: Bytes,
    households: npt.NDArray[np.uint64],
    used: Bytes,
    order: npt.NDArray[np.int64],
    seats: Sequence[int],
    cap: int,
) -> list[Seat]:
    """Who gets a seat. Strata in their order fill their own seats down the ranking, skipping households that have
    ``cap`` (0: no limit); what they leave goes to the last one, which is everybody's.
    """
    taken: dict[int, int] = {}
    chosen: list[Seat] = []
    has_seat = np.zeros(len(order), bool)  # by rank
    ranked, left = strata[order], 0
    for number, own in enumerate(seats):
        last = number == len(seats) - 1
        wanted = own + left if last else own
        candidates = np.flatnonzero(~has_seat if last else ranked == number)
        before = len(chosen)
        for rank, row, household, had in _columns(candidates, order, households, used):
            if len(chosen) - before == wanted:
                break
            if cap:
                now = taken.get(household, had)
                if now >= cap:
                    continue
                taken[household] = now + 1
            has_seat[rank] = True
            chosen.append(Seat(rank + 1, row, number))
        left += own - (len(chosen) - before)
    return sorted(chosen, key=lambda seat: seat.rank)


def _columns(
    ranks: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    households: npt.NDArray[np.uint64],
    used: Bytes,
) -> Iterator[tuple[int, int, int, int]]:
    """Rank, row, household and seats had before, by slices: most are never come to."""
    for start in range(0, len(ranks), SLICE):
        some = ranks[start : start + SLICE]
        rows = order[some]
        yield from zip(some.tolist(), rows.tolist(), households[rows].tolist(), used[rows].tolist(), strict=True)


def cut_offs(chosen: Iterable[Seat], strata: int) -> list[int]:
    """The last rank that got a seat of each stratum; 0 where none did."""
    last = [0] * strata
    for seat in chosen:
        last[seat.stratum] = max(last[seat.stratum], seat.rank)
    return last
