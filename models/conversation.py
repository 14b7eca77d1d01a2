"""Conversations, the addresses they are held at, and what a person agreed to or asked for in them."""

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import TaskStatus
from models.fields import EncryptedText

if TYPE_CHECKING:
    from models.person import Person


class Conversation(Model):
    """One person's talk with the programme, whatever chats it is held in.

    ``draft`` is sealed msgpack (see models.turns). ``version`` counts the screens shown, which tells an old button.
    ``origin`` is the lookup of the address that began it. ``phone_index`` is set once the phone is proven.
    ``heard_at``: when the person last wrote, at ``last_address_id``.
    """

    id = fields.BigIntField(primary_key=True)
    origin = fields.BinaryField()
    language = fields.CharField(max_length=8)
    step = fields.CharField(max_length=64)
    version = fields.IntField()
    draft = fields.BinaryField()
    phone_index = fields.BinaryField(null=True)
    person: fields.ForeignKeyNullableRelation["Person"] = fields.ForeignKeyField(
        "models.Person", null=True, related_name="conversations", on_delete=fields.RESTRICT
    )
    person_id: int | None
    last_address_id = fields.BigIntField(null=True)
    heard_at = fields.DatetimeField(null=True)
    paused = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "conversation"
        indexes = (Index(fields=("phone_index",)), Index(fields=("person_id",)))
        unique_together = (("origin",),)


class Address(Model):
    """One chat or number a conversation is held at. ``lookup`` is its blind index over channel and value."""

    id = fields.BigIntField(primary_key=True)
    channel = fields.CharField(max_length=16)
    lookup = fields.BinaryField()
    value = EncryptedText("address.value")
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="addresses", on_delete=fields.RESTRICT
    )
    conversation_id: int
    reachable = fields.BooleanField(default=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "address"
        indexes = (Index(fields=("conversation_id",)),)
        unique_together = (("lookup",),)


class Consent(Model):
    """What was agreed to: version and SHA-256 of the text as it was read, when and where."""

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="consents", on_delete=fields.RESTRICT
    )
    conversation_id: int
    subject = fields.CharField(max_length=32)
    text_version = fields.CharField(max_length=16)
    text_sha256 = fields.BinaryField()
    language = fields.CharField(max_length=8)
    channel = fields.CharField(max_length=16)
    given_at = fields.DatetimeField()

    class Meta:
        table = "consent"
        indexes = (Index(fields=("conversation_id",)),)


class AddressCode(Model):
    """A six-digit code that proves a phone or an e-mail address. Only its keyed hash is kept."""

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="codes", on_delete=fields.RESTRICT
    )
    conversation_id: int
    channel = fields.CharField(max_length=16)
    target_index = fields.BinaryField()
    code_hash = fields.BinaryField()
    tries = fields.IntField(default=0)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "address_code"
        indexes = (
            Index(fields=("target_index", "created_at")),
            Index(fields=("conversation_id", "created_at")),
        )


class HelpRequest(Model):
    """Somebody asked to talk to a person. ``taken_by`` is who talks with them, ``rating`` 1 to 5 what they thought of
    it.
    """

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="help_requests", on_delete=fields.RESTRICT
    )
    conversation_id: int
    step = fields.CharField(max_length=64)
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)
    taken_by = fields.CharField(max_length=64, default="", db_default="")
    taken_in = fields.BigIntField(null=True)
    taken_at = fields.DatetimeField(null=True)
    rating = fields.SmallIntField(null=True)

    class Meta:
        table = "help_request"
        indexes = (Index(fields=("status", "opened_at")), Index(fields=("conversation_id",)))


class HelpMessage(Model):
    """What was said in a talk between a person and a member of staff, ``by`` is empty for the person."""

    id = fields.BigIntField(primary_key=True)
    request: fields.ForeignKeyRelation[HelpRequest] = fields.ForeignKeyField(
        "models.HelpRequest", related_name="messages", on_delete=fields.RESTRICT
    )
    request_id: int
    by = fields.CharField(max_length=64)
    text = EncryptedText("help_message.text")
    said_at = fields.DatetimeField()

    class Meta:
        table = "help_message"
        indexes = (Index(fields=("request_id",)),)
