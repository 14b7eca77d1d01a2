"""Layers of verification: their outcomes, what came from outside, lists, and what staff decide."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.conversation import Conversation
from models.enums import TaskStatus
from models.fields import EncryptedText
from models.person import Person
from models.trace import LENGTH, current


class LayerOutcome(Model):
    """What a layer came to for a person. Rows are only added and the one without ``replaced_at`` holds.

    ``reason`` is the message key of what the person reads, ``detail`` the code of the list that shuts them out.
    ``evidence`` is a keyed digest of what was looked at, ``rules`` the version of the rules that looked.
    """

    id = fields.BigIntField(primary_key=True)
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="outcomes", on_delete=fields.RESTRICT
    )
    person_id: int
    layer = fields.CharField(max_length=16)
    state = fields.CharField(max_length=8)
    reason = fields.CharField(max_length=48)
    detail = fields.CharField(max_length=32, default="")
    rules = fields.CharField(max_length=16)
    evidence = fields.BinaryField()
    decided_at = fields.DatetimeField()
    replaced_at = fields.DatetimeField(null=True)

    class Meta:
        table = "layer_outcome"
        indexes = (Index(fields=("person_id", "replaced_at")),)


class VerificationTask(Model):
    """A person whose layers are to be looked at, outside any turn (one row a person).

    ``asked`` counts what was asked for and ``done`` how far the work has come, so that what changes meanwhile is
    looked at again.
    """

    id = fields.BigIntField(primary_key=True)
    person: fields.OneToOneRelation[Person] = fields.OneToOneField(
        "models.Person", related_name="verification", on_delete=fields.RESTRICT
    )
    person_id: int
    asked = fields.IntField(default=1)
    done = fields.IntField(default=0)
    attempts = fields.SmallIntField(default=0)
    due_at = fields.DatetimeField(null=True)
    trace = fields.CharField(max_length=LENGTH, default=current, db_default="")

    class Meta:
        table = "verification_task"
        indexes = (Index(fields=("due_at",)),)


class RegistryAnswer(Model):
    """What the civil registry said of a person, field by field (``evidence``: what it was asked about)."""

    id = fields.BigIntField(primary_key=True)
    person: fields.OneToOneRelation[Person] = fields.OneToOneField(
        "models.Person", related_name="registry_answer", on_delete=fields.RESTRICT
    )
    person_id: int
    evidence = fields.BinaryField()
    answer = fields.CharField(max_length=200)
    answered_at = fields.DatetimeField()

    class Meta:
        table = "registry_answer"


class CardReading(Model):
    """How well a card was read: names of the fields read, confirmed and corrected, never what they said.

    ``nik_index`` is the blind index of the NIK that was read and ``sex`` the printed one: what is given later must fit.
    """

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="card_readings", on_delete=fields.RESTRICT
    )
    conversation_id: int
    photo_id = fields.CharField(max_length=32, unique=True)
    found = fields.BooleanField()
    was_read = fields.CharField(max_length=80, default="")
    nik_index = fields.BinaryField(null=True)
    sex = fields.CharField(max_length=8, default="")
    confirmed = fields.CharField(max_length=80, default="")
    corrected = fields.CharField(max_length=80, default="")
    seconds = fields.FloatField()
    read_at = fields.DatetimeField()

    class Meta:
        table = "card_reading"
        indexes = (Index(fields=("conversation_id",)),)


class FaceVector(Model):
    """The face on an accepted selfie, for finding the same face again. Vectors of two engines never mix."""

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="face_vectors", on_delete=fields.RESTRICT
    )
    conversation_id: int
    photo_id = fields.CharField(max_length=32, unique=True)
    engine = fields.CharField(max_length=32)
    model_sha256 = fields.BinaryField()
    vector = fields.BinaryField()
    stored_at = fields.DatetimeField()

    class Meta:
        table = "face_vector"
        indexes = (Index(fields=("conversation_id",)),)


class KycReference(Model):
    """A one-time reference that a person gives to a partner, and the partner's statement when it has come."""

    id = fields.BigIntField(primary_key=True)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="kyc_references", on_delete=fields.RESTRICT
    )
    conversation_id: int
    partner = fields.CharField(max_length=32)
    reference_index = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    statement_id = fields.CharField(max_length=64, null=True)
    nik_index = fields.BinaryField(null=True)
    attested_at = fields.DatetimeField(null=True)

    class Meta:
        table = "kyc_reference"
        indexes = (Index(fields=("conversation_id",)),)
        unique_together = (("reference_index",), ("partner", "statement_id"))


class PersonList(Model):
    """A list of people that changes who is admitted: exclusion, priority, or households served before.

    ``version_id`` is the import that counts now, it is switched when an import is complete.
    """

    id = fields.BigIntField(primary_key=True)
    code = fields.CharField(max_length=32, unique=True)
    kind = fields.CharField(max_length=16)
    owner = fields.CharField(max_length=120)
    reason_id = fields.CharField(max_length=200)
    reason_en = fields.CharField(max_length=200)
    version_id = fields.BigIntField(null=True)

    class Meta:
        table = "person_list"


class ListVersion(Model):
    """One import of a list: the file's hash, its date as the owner says it, and what came of its lines."""

    id = fields.BigIntField(primary_key=True)
    list: fields.ForeignKeyRelation[PersonList] = fields.ForeignKeyField(
        "models.PersonList", related_name="versions", on_delete=fields.RESTRICT
    )
    list_id: int
    file_sha256 = fields.BinaryField()
    as_of = fields.DateField()
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    taken = fields.IntField(default=0)
    repeated = fields.IntField(default=0)
    refused = fields.IntField(default=0)
    started_at = fields.DatetimeField()
    finished_at = fields.DatetimeField(null=True)

    class Meta:
        table = "list_version"


class ReviewCase(Model):
    """Something a member of staff has to look at. ``others`` names further people it is about (their ids).

    ``hidden`` cases are signals that no layer shows: nobody may learn from the bot whether a NIK is known.
    ``locked_by`` has it before them until ``locked_until``.
    """

    id = fields.BigIntField(primary_key=True)
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="cases", on_delete=fields.RESTRICT
    )
    person_id: int
    layer = fields.CharField(max_length=16)
    reason = fields.CharField(max_length=48)
    others = fields.CharField(max_length=400, default="")
    evidence = fields.BinaryField()
    appeal = fields.BooleanField(default=False)
    hidden = fields.BooleanField(default=False)
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    decision = fields.CharField(max_length=16, null=True)
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)
    locked_by = fields.CharField(max_length=64, default="", db_default="")
    locked_until = fields.DatetimeField(null=True)

    class Meta:
        table = "review_case"
        unique_together = (("person_id", "layer", "reason", "evidence", "appeal"),)
        indexes = (Index(fields=("status", "id")),)


class ReviewVote(Model):
    """What one member of staff decided on a case, and why, in words the person may read. ``seconds``: how long they
    looked.
    """

    id = fields.BigIntField(primary_key=True)
    case: fields.ForeignKeyRelation[ReviewCase] = fields.ForeignKeyField(
        "models.ReviewCase", related_name="votes", on_delete=fields.RESTRICT
    )
    case_id: int
    staff = fields.CharField(max_length=64)
    decision = fields.CharField(max_length=16)
    words = EncryptedText("review_vote.words")
    voted_at = fields.DatetimeField()
    seconds = fields.IntField(null=True)

    class Meta:
        table = "review_vote"
        unique_together = (("case_id", "staff"),)
