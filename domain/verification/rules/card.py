"""What an identity card (KTP-el) says, from the lines of print on its photo."""

from collections.abc import Sequence

import msgspec

from domain.ports import CardLine

FIELDS = ("nik", "name", "birth_date", "region", "address")


class CardReading(msgspec.Struct, frozen=True, omit_defaults=True):
    found: bool = False
    nik: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    address: str = ""
    region: str = ""


def read_card(lines: Sequence[CardLine]) -> CardReading:
    return CardReading()
