"""Messages in and out. The hot path writes these tables with its own SQL (models.turns, models.outbox)."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.conversation import Conversation


class Inbound(Model):
    """A message that was taken: its unique row makes a repeat recognisable."""

    id = fields.BigIntField(primary_key=True)
    channel = fields.CharField(max_length=16)
    external_id = fields.CharField(max_length=160)
    received_at = fields.DatetimeField()

    class Meta:
        table = "inbound"
        unique_together = (("channel", "external_id"),)


class Outbox(Model):
    """A message to a person: key, parameters and buttons (sealed in ``body``), worded when it is sent.

    ``lease_until``: until then the process that is attempting it owns it; afterwards a worker may take it over.
    ``inbound_id``: the message it answers, 0 for none. ``notice_id``: the notice of
    which it is a rung. ``address_id``: 0 where ``body`` names the recipient itself.

    Two more indices are made by a migration, since the ORM has no words for them: ``outbox_mailbox`` over
    (conversation_id, id) of what is fetched by its reader, and ``outbox_block`` over (id >> 10, conversation_id) of
    everything (models.outbox).
    """

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="messages", on_delete=fields.RESTRICT
    )
    conversation_id: int
    address_id = fields.BigIntField()
    channel = fields.CharField(max_length=16)
    inbound_id = fields.BigIntField()
    position = fields.SmallIntField()
    key = fields.CharField(max_length=80)
    step = fields.CharField(max_length=64)
    language = fields.CharField(max_length=8)
    body = fields.BinaryField()
    status = fields.CharField(max_length=16)
    attempts = fields.SmallIntField(default=0, db_default=0)
    lease_until = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    sent_at = fields.DatetimeField(null=True)
    provider_id = fields.CharField(max_length=64, null=True)
    error = fields.CharField(max_length=64, null=True)
    notice_id = fields.BigIntField(null=True)

    class Meta:
        table = "outbox"
        indexes = (
            Index(fields=("inbound_id",)),
            Index(fields=("status", "lease_until")),
        )


class FailedTurn(Model):
    """A message whose step raised an unexpected error, kept (sealed) so that somebody can look and replay it."""

    id = fields.BigIntField(primary_key=True)
    inbound_id = fields.BigIntField()
    step = fields.CharField(max_length=64)
    error = fields.CharField(max_length=200)
    body = fields.BinaryField()
    failed_at = fields.DatetimeField()

    class Meta:
        table = "failed_turn"
