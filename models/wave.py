"""Waves and who joined them."""

from tortoise import fields
from tortoise.models import Model

from models.person import Person


class Wave(Model):
    """One round of admission with its quota of places."""

    id = fields.BigIntField(primary_key=True)
    number = fields.IntField(unique=True)
    status = fields.CharField(max_length=16)
    quota = fields.IntField()
    opens_at = fields.DatetimeField()
    closes_at = fields.DatetimeField()

    class Meta:
        table = "wave"


class Entry(Model):
    """A person in a wave. ``ticket`` is random and tells nothing about the person."""

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

    class Meta:
        table = "entry"
        unique_together = (("wave_id", "person_id"),)
