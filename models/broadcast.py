"""Broadcasts: one text to a segment, frozen before it is approved."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import BroadcastStatus, RecipientStatus
from models.trace import LENGTH


class Broadcast(Model):
    """One text, in each language, to a segment of people.

    ``segment`` and ``texts`` are JSON (domain.staff.segments, texts by language), ``digest`` is of both and of the
    recipients, as they were approved. ``shares`` is JSON of (channel, language, number), counted when the recipients
    were frozen. ``frozen_to`` is how far recipients were looked for. ``spread`` seconds is over
    how long it goes out from ``starts_at`` on. ``released`` counts recipients whose notices were made. ``sms``: whether
    people without a chat get it by SMS. ``trace`` is of the message that started it (models.trace).
    """

    id = fields.BigIntField(primary_key=True)
    status = fields.CharField(max_length=16, default=BroadcastStatus.DRAFT.value)
    segment = fields.TextField()
    texts = fields.TextField()
    sms = fields.BooleanField(default=False)
    frozen_to = fields.BigIntField(default=0)
    count = fields.IntField(default=0)
    left_out = fields.IntField(default=0)
    released = fields.IntField(default=0)
    digest = fields.BinaryField(null=True)
    shares = fields.TextField(default="[]", db_default="[]")
    prepared_by = fields.CharField(max_length=64)
    prepared_at = fields.DatetimeField()
    approved_by = fields.CharField(max_length=64, default="")
    starts_at = fields.DatetimeField(null=True)
    spread = fields.IntField(default=0)
    started_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)
    trace = fields.CharField(max_length=LENGTH, default="", db_default="")

    class Meta:
        table = "broadcast"
        indexes = (Index(fields=("status",)),)


class BroadcastRecipient(Model):
    """One person a broadcast is for, once. ``notice_id`` is the notice that tells them, once it is on its way.

    ``channel`` is the one they used last when the list was frozen, for the estimate.
    """

    id = fields.BigIntField(primary_key=True)
    broadcast: fields.ForeignKeyRelation[Broadcast] = fields.ForeignKeyField(
        "models.Broadcast", related_name="recipients", on_delete=fields.RESTRICT
    )
    broadcast_id: int
    person_id = fields.BigIntField()
    channel = fields.CharField(max_length=16)
    language = fields.CharField(max_length=8)
    status = fields.CharField(max_length=12, default=RecipientStatus.FROZEN.value)
    reason = fields.CharField(max_length=64, default="")
    notice_id = fields.BigIntField(null=True)

    class Meta:
        table = "broadcast_recipient"
        unique_together = (("broadcast", "person_id"),)
        indexes = (Index(fields=("broadcast_id", "status", "id")), Index(fields=("notice_id",)))
