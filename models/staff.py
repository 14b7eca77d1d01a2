"""Members of staff, their chats, what they did, and the work they ask for."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import TaskStatus
from models.fields import EncryptedText


class StaffMember(Model):
    """Somebody who runs the programme. ``roles`` and ``regions`` (province codes, none: all) are comma-separated.

    ``totp_used`` is the time step of the last code that was taken: none counts twice. ``totp_tries`` counts wrong
    ones in a row. ``daily`` asks for the summary of each day.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=40, unique=True)
    roles = fields.CharField(max_length=200)
    regions = fields.CharField(max_length=200, default="")
    totp_secret = EncryptedText("staff_member.totp_secret", null=True)
    totp_used = fields.BigIntField(default=0)
    totp_tries = fields.SmallIntField(default=0)
    locked_until = fields.DatetimeField(null=True)
    daily = fields.BooleanField(default=True)
    invited_by = fields.CharField(max_length=64)
    created_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "staff_member"


class StaffInvite(Model):
    """A link that lets a member in once. Only the token's keyed hash is kept."""

    id = fields.BigIntField(primary_key=True)
    member: fields.ForeignKeyRelation[StaffMember] = fields.ForeignKeyField(
        "models.StaffMember", related_name="invites", on_delete=fields.RESTRICT
    )
    member_id: int
    token_index = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "staff_invite"
        unique_together = (("token_index",),)


class StaffChat(Model):
    """A conversation in which a member works. ``ends_at``: until then they are signed in, ``proven_at``: their last
    code, ``told_on``: the day of the last summary.
    """

    id = fields.BigIntField(primary_key=True)
    member: fields.ForeignKeyRelation[StaffMember] = fields.ForeignKeyField(
        "models.StaffMember", related_name="chats", on_delete=fields.RESTRICT
    )
    member_id: int
    conversation_id = fields.BigIntField(unique=True)
    ends_at = fields.DatetimeField(null=True)
    proven_at = fields.DatetimeField(null=True)
    told_on = fields.DateField(null=True)
    entered_at = fields.DatetimeField()

    class Meta:
        table = "staff_chat"


class AuditEntry(Model):
    """Something a member of staff did. Rows are only added, and each carries the hash of the one before.

    ``before`` and ``after`` are keyed digests of what was changed, ``words`` is what staff said about it.
    ``hash`` is SHA-256 over everything else (domain.audit.hash_of).
    """

    number = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    by = fields.CharField(max_length=64)
    action = fields.CharField(max_length=48)
    subject = fields.CharField(max_length=80)
    before = fields.BinaryField(null=True)
    after = fields.BinaryField(null=True)
    words = EncryptedText("audit_entry.words")
    previous = fields.BinaryField()
    hash = fields.BinaryField()

    class Meta:
        table = "audit_entry"
        indexes = (Index(fields=("by", "number")), Index(fields=("subject", "number")))


class AuditHead(Model):
    """The end of the audit log on a day, as it was published: whoever keeps it can prove a later change."""

    id = fields.BigIntField(primary_key=True)
    day = fields.DateField(unique=True)
    number = fields.BigIntField()
    hash = fields.BinaryField()
    published_at = fields.DatetimeField()

    class Meta:
        table = "audit_head"


class StaffTask(Model):
    """Slow work that a member of staff asked for, done outside any turn and told in their chat.

    ``arguments`` is sealed JSON, ``result`` what came of it (sealed, too).
    """

    id = fields.BigIntField(primary_key=True)
    member_id = fields.BigIntField()
    conversation_id = fields.BigIntField()
    kind = fields.CharField(max_length=24)
    arguments = EncryptedText("staff_task.arguments")
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    attempts = fields.SmallIntField(default=0)
    result = EncryptedText("staff_task.result", null=True)
    lease_until = fields.DatetimeField(null=True)
    asked_at = fields.DatetimeField()
    done_at = fields.DatetimeField(null=True)

    class Meta:
        table = "staff_task"
        indexes = (Index(fields=("status", "lease_until")),)


class StaffFile(Model):
    """A file that staff sent in, or that was made for them: sealed, in the media folder, under its id."""

    id = fields.CharField(primary_key=True, max_length=32)
    stored_at = fields.DatetimeField()
    destroyed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "staff_file"
        indexes = (Index(fields=("destroyed_at", "stored_at")),)


class Figures(Model):
    """The programme in figures at one moment, counted in the background. ``body`` is JSON (domain.staff.figures)."""

    id = fields.BigIntField(primary_key=True)
    taken_at = fields.DatetimeField()
    seconds = fields.FloatField()
    body = fields.TextField()

    class Meta:
        table = "figures"
        indexes = (Index(fields=("taken_at",)),)


class Assisted(Model):
    """A registration that staff typed in for somebody without a phone of their own, with that person's consent.

    ``consent`` says how it was given.
    """

    id = fields.BigIntField(primary_key=True)
    conversation_id = fields.BigIntField(unique=True)
    by = fields.CharField(max_length=64)
    consent = EncryptedText("assisted.consent")
    started_at = fields.DatetimeField()

    class Meta:
        table = "assisted"
