"""Waves, who joined them, the frozen list and ranking of a draw, and the places it gave."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import PlaceStatus, Randomness
from models.person import Person


class Wave(Model):
    """One round of admission with its quota of places.

    ``strata`` is JSON, [name, seats] in the order they are filled, general last. ``layers`` and ``lists`` name the
    layers and exclusion lists that apply, comma-separated (``lists`` "*": every one). ``told_to`` is the last person
    who was told that it is open, ``screened_to`` the last entry the freeze has looked at. ``rules`` is the text of
    rules.toml and ``commitment`` its SHA-256; ``beacon`` is what the seed was made of. ``cut_offs`` is JSON, the last
    rank that was selected of each stratum. ``reserve_from``: everybody ranked before it has had a place.
    ``lease_until``: somebody is freezing or drawing until then, unless they died.
    """

    id = fields.BigIntField(primary_key=True)
    number = fields.IntField(unique=True)
    status = fields.CharField(max_length=16)
    quota = fields.IntField()
    opens_at = fields.DatetimeField()
    closes_at = fields.DatetimeField()
    freezes_at = fields.DatetimeField(null=True)
    strata = fields.CharField(max_length=400, default="[]", db_default="[]")
    layers = fields.CharField(max_length=200, default="", db_default="")
    lists = fields.CharField(max_length=200, default="*", db_default="*")
    household_cap = fields.IntField(default=0, db_default=0)
    randomness = fields.CharField(max_length=8, default=Randomness.DRAND.value, db_default=Randomness.DRAND.value)
    told_to = fields.BigIntField(default=0, db_default=0)
    screened_to = fields.BigIntField(default=0, db_default=0)
    frozen_at = fields.DatetimeField(null=True)
    published_at = fields.DatetimeField(null=True)
    entrants = fields.IntField(null=True)
    rules = fields.TextField(null=True)
    commitment = fields.BinaryField(null=True)
    round = fields.BigIntField(null=True)
    draws_at = fields.DatetimeField(null=True)
    beacon = fields.BinaryField(null=True)
    seed = fields.BinaryField(null=True)
    cut_offs = fields.CharField(max_length=400, default="{}", db_default="{}")
    drawn_at = fields.DatetimeField(null=True)
    announced_at = fields.DatetimeField(null=True)
    reserve_from = fields.IntField(default=1, db_default=1)
    lease_until = fields.DatetimeField(null=True)

    class Meta:
        table = "wave"


class WaveEvent(Model):
    """A wave changed its status: when, by whom and why. Rows are only added."""

    id = fields.BigIntField(primary_key=True)
    wave: fields.ForeignKeyRelation[Wave] = fields.ForeignKeyField(
        "models.Wave", related_name="events", on_delete=fields.RESTRICT
    )
    wave_id: int
    status = fields.CharField(max_length=16)
    by = fields.CharField(max_length=64)
    reason = fields.CharField(max_length=200, default="")
    at = fields.DatetimeField()

    class Meta:
        table = "wave_event"


class Entry(Model):
    """A person in a wave. ``ticket`` is random and tells nothing about the person.

    ``reason`` is None until the freeze has looked: then "" for an entrant of the draw, else why they were left out.
    ``household`` is the wave's tag of the family card (16 hex digits), ``used`` the seats it had before.
    """

    id = fields.BigIntField(primary_key=True)
    wave: fields.ForeignKeyRelation[Wave] = fields.ForeignKeyField(
        "models.Wave", related_name="entries", on_delete=fields.RESTRICT
    )
    wave_id: int
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="entries", on_delete=fields.RESTRICT
    )
    person_id: int
    ticket = fields.CharField(max_length=16, unique=True)
    joined_at = fields.DatetimeField()
    carried = fields.BooleanField(default=False, db_default=False)
    reason = fields.CharField(max_length=16, null=True)
    stratum = fields.CharField(max_length=32, default="", db_default="")
    household = fields.CharField(max_length=16, default="", db_default="")
    used = fields.SmallIntField(default=0, db_default=0)

    class Meta:
        table = "entry"
        unique_together = (("wave_id", "person_id"),)
        indexes = (Index(fields=("person_id",)), Index(fields=("wave_id", "reason", "stratum")))


class FrozenBlock(Model):
    """Some rows of a wave's entrants.csv, byte for byte as they are published, in the order of the tickets."""

    id = fields.BigIntField(primary_key=True)
    wave_id = fields.BigIntField()
    number = fields.IntField()
    rows = fields.BinaryField()

    class Meta:
        table = "frozen_block"
        unique_together = (("wave_id", "number"),)


class RankBlock(Model):
    """Tickets in the order of their rank, one after the other: the first one's rank (from 1) and key."""

    id = fields.BigIntField(primary_key=True)
    wave_id = fields.BigIntField()
    first_rank = fields.IntField()
    first_key = fields.BinaryField()
    tickets = fields.TextField()

    class Meta:
        table = "rank_block"
        unique_together = (("wave_id", "first_rank"),)
        indexes = (Index(fields=("wave_id", "first_key")),)


class DiceThrow(Model):
    """Dice that one member of staff typed in. Two who agree make a beacon."""

    id = fields.BigIntField(primary_key=True)
    wave_id = fields.BigIntField()
    staff = fields.CharField(max_length=64)
    throws = fields.CharField(max_length=400)
    at = fields.DatetimeField()

    class Meta:
        table = "dice_throw"
        unique_together = (("wave_id", "staff"),)


class Place(Model):
    """A place of a wave and the person it went to. ``seat`` is the stratum whose seat it is, ``rank`` the person's own.

    ``due_at``: a training has to be chosen until then. ``reminded``: the days of the last reminder.
    """

    id = fields.BigIntField(primary_key=True)
    wave: fields.ForeignKeyRelation[Wave] = fields.ForeignKeyField(
        "models.Wave", related_name="places", on_delete=fields.RESTRICT
    )
    wave_id: int
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="places", on_delete=fields.RESTRICT
    )
    person_id: int
    ticket = fields.CharField(max_length=16, unique=True)
    rank = fields.IntField()
    seat = fields.CharField(max_length=32)
    reserve = fields.BooleanField()
    status = fields.CharField(max_length=16, default=PlaceStatus.SELECTED.value)
    selected_at = fields.DatetimeField()
    due_at = fields.DatetimeField(null=True)
    reminded = fields.SmallIntField(null=True)

    class Meta:
        table = "place"
        indexes = (Index(fields=("person_id",)), Index(fields=("wave_id", "status", "due_at")))


class PlaceEvent(Model):
    """A place changed its status, and why. Rows are only added."""

    id = fields.BigIntField(primary_key=True)
    place_id = fields.BigIntField()
    status = fields.CharField(max_length=16)
    reason = fields.CharField(max_length=48)
    at = fields.DatetimeField()

    class Meta:
        table = "place_event"
        indexes = (Index(fields=("place_id",)),)
