"""What people ask about their data, what was destroyed, and what looks like somebody trying identities."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import RequestStatus
from models.fields import EncryptedText


class DataRequest(Model):
    """A right that somebody used in chat, with its clock: it is answered by ``due_at`` (domain.privacy.rules.CLOCK).

    ``acts_at``: until then a deletion can be called off. ``holds`` names what a member of staff has to see to first
    (domain.privacy.rules.Hold, comma-separated), ``words`` is what the person wrote, ``answer`` what they were told.
    ``by`` closed it, empty for the system.
    """

    id = fields.BigIntField(primary_key=True)
    conversation_id = fields.BigIntField()
    person_id = fields.BigIntField(null=True)
    kind = fields.CharField(max_length=12)
    status = fields.CharField(max_length=12, default=RequestStatus.OPEN.value)
    opened_at = fields.DatetimeField()
    due_at = fields.DatetimeField()
    acts_at = fields.DatetimeField(null=True)
    holds = fields.CharField(max_length=80, default="")
    words = EncryptedText("data_request.words", null=True)
    answer = EncryptedText("data_request.answer", null=True)
    closed_at = fields.DatetimeField(null=True)
    by = fields.CharField(max_length=64, default="")

    class Meta:
        table = "data_request"
        indexes = (Index(fields=("conversation_id", "id")), Index(fields=("status", "due_at")))


class DataLink(Model):
    """A link to the file of somebody's own data. Only the token's keyed hash is kept.

    ``tries`` counts wrong birth dates, ``taken`` how often the file was fetched.
    """

    id = fields.BigIntField(primary_key=True)
    token_index = fields.BinaryField()
    person_id = fields.BigIntField()
    language = fields.CharField(max_length=8)
    tries = fields.SmallIntField(default=0)
    taken = fields.SmallIntField(default=0)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "data_link"
        unique_together = (("token_index",),)


class Destruction(Model):
    """Some data that were destroyed together: of which kind, how many, kept until when. Rows are only added.

    ``ids`` are those of photos and files, comma-separated, so that it can be verified that they are gone; empty for
    rows. ``verified_at``: somebody has looked since.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=24)
    count = fields.IntField()
    older_than = fields.DatetimeField(null=True)
    ids = fields.TextField(default="")
    at = fields.DatetimeField()
    verified_at = fields.DatetimeField(null=True)

    class Meta:
        table = "destruction"
        indexes = (Index(fields=("kind", "id")),)


class IdentityTry(Model):
    """A NIK that was sent off for checking, kept for a day to see who tries many: blind indexes only.

    ``prefix_index`` is of its first twelve digits, which everybody born on a day in a district shares.
    """

    id = fields.BigIntField(primary_key=True)
    conversation_id = fields.BigIntField()
    nik_index = fields.BinaryField()
    prefix_index = fields.BinaryField()
    at = fields.DatetimeField()

    class Meta:
        table = "identity_try"
        indexes = (Index(fields=("conversation_id", "at")), Index(fields=("prefix_index", "at")), Index(fields=("at",)))


class Alarm(Model):
    """Something that looks like an attack. The same ``kind`` and ``subject`` within a day are one row, counted.

    ``subject`` says nothing about a person: a keyed digest, a conversation's number, or the edge where it happened.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=32)
    subject = fields.CharField(max_length=64)
    day = fields.DateField()
    count = fields.IntField(default=1)
    first_at = fields.DatetimeField()
    last_at = fields.DatetimeField()
    told_at = fields.DatetimeField(null=True)

    class Meta:
        table = "alarm"
        unique_together = (("kind", "subject", "day"),)
