"""Notices: what a person has to be told whether they write or not. Written by models.notices in sets."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import NoticeStatus
from models.fields import EncryptedText
from models.trace import LENGTH, current

TRIED_LENGTH = 400


class Notice(Model):
    """One piece of news for one person: the same kind, subject and person are the same news.

    ``channel`` and ``address_id`` name the rung of the ladder it stands on, ``tried`` those it has left (channel and
    address, comma-separated); every rung that was sent is a row of the outbox with its reason. ``address_id`` 0 is the
    person's number itself. ``params`` is sealed msgpack of what the words need.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=32)
    subject_id = fields.BigIntField()
    person_id = fields.BigIntField()
    params = fields.BinaryField()
    priority = fields.SmallIntField()
    status = fields.CharField(max_length=16, default=NoticeStatus.NEW.value)
    channel = fields.CharField(max_length=16, default="")
    address_id = fields.BigIntField(default=0)
    template = fields.BooleanField(default=False)
    tried = fields.CharField(max_length=TRIED_LENGTH, default="")
    reason = fields.CharField(max_length=64, default="")
    due_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    told_at = fields.DatetimeField(null=True)
    trace = fields.CharField(max_length=LENGTH, default=current, db_default="")

    class Meta:
        table = "notice"
        unique_together = (("person_id", "kind", "subject_id"),)  # in this order it also finds a person's own
        indexes = (Index(fields=("status", "channel", "priority", "due_at")),)


class SenderState(Model):
    """What all processes must know of one sender: until when it is paused, and when its next bulk message may leave."""

    name = fields.CharField(primary_key=True, max_length=64)
    paused_until = fields.DatetimeField(null=True)
    next_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sender_state"


class ContinueLink(Model):
    """A link that opens the browser chat once, for whoever proves the phone. Only the token's keyed hash is kept."""

    id = fields.BigIntField(primary_key=True)
    token_index = fields.BinaryField()
    phone = EncryptedText("continue_link.phone")
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "continue_link"
        unique_together = (("token_index",),)


class MessageTemplate(Model):
    """A content made at the provider: the words of a kind of notice in one language, or buttons and lists.

    ``sha256`` is of what was declared, so that changed words make a new one. ``status`` is the platform's approval.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=32)
    language = fields.CharField(max_length=8)
    sha256 = fields.BinaryField()
    sid = fields.CharField(max_length=64)
    status = fields.CharField(max_length=32)
    made_at = fields.DatetimeField()

    class Meta:
        table = "message_template"
        unique_together = (("name", "language"),)
