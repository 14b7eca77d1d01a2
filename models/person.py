"""Registered people, their photos and what comparing the faces came to."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.conversation import Conversation
from models.enums import TaskStatus
from models.fields import EncryptedText
from models.trace import LENGTH, current


class Person(Model):
    """An applicant. A NIK may stand on several rows: one place per NIK is enforced at a wave's freeze.

    ``withdrawn_at``: they took their consent back and nothing is done with their data until they give it again.
    ``erased_at``: what names them is gone, and the row holds the ledger together.
    """

    id = fields.BigIntField(primary_key=True)
    nik = EncryptedText("person.nik")
    nik_index = fields.BinaryField()
    kk = EncryptedText("person.kk")
    kk_index = fields.BinaryField()
    name = EncryptedText("person.name")
    birth_date = EncryptedText("person.birth_date")
    sex = fields.CharField(max_length=8)
    phone = EncryptedText("person.phone")
    phone_index = fields.BinaryField()
    email = EncryptedText("person.email", null=True)
    email_index = fields.BinaryField(null=True)
    region_code = fields.CharField(max_length=13)
    address = EncryptedText("person.address")
    education = fields.CharField(max_length=16)
    employment = fields.CharField(max_length=16)
    interest = fields.CharField(max_length=16)
    card_photo_id = fields.CharField(max_length=32, null=True)
    selfie_photo_id = fields.CharField(max_length=32, null=True)
    turned_photo_id = fields.CharField(max_length=32, null=True)
    kyc_reference_id = fields.BigIntField(null=True)
    warnings = fields.CharField(max_length=200, default="")
    declared_at = fields.DatetimeField()
    created_at = fields.DatetimeField()
    withdrawn_at = fields.DatetimeField(null=True)
    erased_at = fields.DatetimeField(null=True)

    class Meta:
        table = "person"
        indexes = (
            Index(fields=("nik_index",)),
            Index(fields=("kk_index",)),
            Index(fields=("phone_index",)),
            Index(fields=("card_photo_id",)),
            Index(fields=("withdrawn_at",)),
        )


class Photo(Model):
    """A photo as it is kept: re-encoded JPEG without metadata, encrypted, in the media folder under its id.

    ``facts`` is JSON of what the detector saw (see domain.ports.FaceFacts); it holds no picture and no vector.
    ``conversation_id``: whose it is. ``destroyed_at``: the file is gone; the row tells by its hash when the same
    picture comes again.
    """

    id = fields.CharField(primary_key=True, max_length=32)
    conversation_id = fields.BigIntField(null=True)
    sha256 = fields.BinaryField()
    width = fields.IntField()
    height = fields.IntField()
    facts = fields.TextField()
    stored_at = fields.DatetimeField()
    destroyed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "photo"
        indexes = (
            Index(fields=("sha256",)),
            Index(fields=("conversation_id",)),
            Index(fields=("destroyed_at", "stored_at")),
        )


class PhotoTask(Model):
    """A photo to fetch from its platform, to look at, or to compare, outside any turn.

    ``remote`` is the platform's file id where the photo is still there; ``photo_id`` once it is here. A selfie is
    compared with ``card_photo_id``, a turned head with ``selfie_photo_id``; ``asked`` is where it should turn to.
    """

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="photo_tasks", on_delete=fields.RESTRICT
    )
    conversation_id: int
    kind = fields.CharField(max_length=8)
    channel = fields.CharField(max_length=16)
    remote = EncryptedText("photo_task.remote", null=True)
    photo_id = fields.CharField(max_length=32, null=True)
    card_photo_id = fields.CharField(max_length=32, null=True)
    selfie_photo_id = fields.CharField(max_length=32, null=True)
    asked = fields.CharField(max_length=8, null=True)
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    attempts = fields.SmallIntField(default=0)
    lease_until = fields.DatetimeField()
    created_at = fields.DatetimeField()
    trace = fields.CharField(max_length=LENGTH, default=current, db_default="")

    class Meta:
        table = "photo_task"
        indexes = (Index(fields=("status", "lease_until")), Index(fields=("conversation_id",)))


class FaceCheck(Model):
    """One comparison of a selfie with the card's portrait: engine, hash of its model, score and verdict.

    ``score`` is None where the card shows no portrait to compare with.
    """

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="face_checks", on_delete=fields.RESTRICT
    )
    conversation_id: int
    card_photo_id = fields.CharField(max_length=32)
    selfie_photo_id = fields.CharField(max_length=32)
    engine = fields.CharField(max_length=32)
    model_sha256 = fields.BinaryField()
    score = fields.FloatField(null=True)
    verdict = fields.CharField(max_length=16)
    checked_at = fields.DatetimeField()

    class Meta:
        table = "face_check"
        indexes = (Index(fields=("conversation_id",)),)


class TurnCheck(Model):
    """A second selfie with the head turned, compared with the first: where it was asked to turn and what was seen."""

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="turn_checks", on_delete=fields.RESTRICT
    )
    conversation_id: int
    selfie_photo_id = fields.CharField(max_length=32)
    turned_photo_id = fields.CharField(max_length=32)
    asked = fields.CharField(max_length=8)
    turn = fields.FloatField()
    score = fields.FloatField()
    verdict = fields.CharField(max_length=16)
    checked_at = fields.DatetimeField()

    class Meta:
        table = "turn_check"
        indexes = (Index(fields=("conversation_id",)),)
