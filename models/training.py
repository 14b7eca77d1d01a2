"""The catalogue of trainings, what is bought from it, and what participants say of it."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from models.enums import PurchaseStatus, TaskStatus, TrainingStatus
from models.fields import EncryptedText
from models.person import Person


class Platform(Model):
    """Who sells trainings."""

    id = fields.BigIntField(primary_key=True)
    code = fields.CharField(max_length=32, unique=True)
    name = fields.CharField(max_length=120)

    class Meta:
        table = "platform"


class Provider(Model):
    """Who teaches (lembaga pelatihan). A suspended one's trainings vanish from the menus."""

    id = fields.BigIntField(primary_key=True)
    code = fields.CharField(max_length=32, unique=True)
    name = fields.CharField(max_length=120)
    status = fields.CharField(max_length=16, default=TrainingStatus.ACTIVE.value)

    class Meta:
        table = "provider"


class ProviderKey(Model):
    """A key with which a provider signs its calls. Several may be good at once while one is replaced."""

    id = fields.BigIntField(primary_key=True)
    provider: fields.ForeignKeyRelation[Provider] = fields.ForeignKeyField(
        "models.Provider", related_name="keys", on_delete=fields.RESTRICT
    )
    provider_id: int
    client_code = fields.CharField(max_length=64)
    key = EncryptedText("provider_key.key")
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)

    class Meta:
        table = "provider_key"
        indexes = (Index(fields=("client_code",)),)


class Training(Model):
    """A training as it stands now. ``code`` is the provider's own id, the price is in rupiah, ``hours`` are taught.

    ``seats`` None: any number. ``stars`` is the sum of all ``reviews``' stars. ``changed_at``: when anything of it that
    the menus show changed last. ``digest`` is the SHA-256 of its content, which tells whether a line changes anything.
    """

    id = fields.BigIntField(primary_key=True)
    provider: fields.ForeignKeyRelation[Provider] = fields.ForeignKeyField(
        "models.Provider", related_name="trainings", on_delete=fields.RESTRICT
    )
    provider_id: int
    platform: fields.ForeignKeyRelation[Platform] = fields.ForeignKeyField(
        "models.Platform", related_name="trainings", on_delete=fields.RESTRICT
    )
    platform_id: int
    code = fields.CharField(max_length=64)
    title = fields.CharField(max_length=120)
    description = fields.TextField()
    category = fields.CharField(max_length=16)
    skills = fields.CharField(max_length=300)
    price = fields.IntField()
    language = fields.CharField(max_length=8)
    mode = fields.CharField(max_length=8)
    schedule = fields.CharField(max_length=200)
    starts_on = fields.DateField(null=True)
    region_code = fields.CharField(max_length=13)
    venue = fields.CharField(max_length=200)
    latitude = fields.FloatField(null=True)
    longitude = fields.FloatField(null=True)
    hours = fields.IntField()
    seats = fields.IntField(null=True)
    seats_taken = fields.IntField(default=0)
    certificate = fields.BooleanField()
    status = fields.CharField(max_length=16, default=TrainingStatus.ACTIVE.value)
    suspended = fields.BooleanField(default=False)
    sample = fields.BooleanField(default=False)
    version = fields.IntField(default=1)
    digest = fields.BinaryField()
    reviews = fields.IntField(default=0)
    stars = fields.IntField(default=0)
    listed_at = fields.DatetimeField()
    changed_at = fields.DatetimeField()

    class Meta:
        table = "training"
        unique_together = (("provider_id", "code"),)
        indexes = (Index(fields=("changed_at",)),)
        constraints = (
            CheckConstraint(check="price > 0", name="training_price"),
            CheckConstraint(check="seats IS NULL OR seats_taken <= seats", name="training_seats"),
        )


class TrainingVersion(Model):
    """What a training said from a moment on (JSON), and the file or the member of staff it came from. Only added."""

    id = fields.BigIntField(primary_key=True)
    training_id = fields.BigIntField()
    version = fields.IntField()
    content = fields.TextField()
    source = fields.CharField(max_length=80)
    at = fields.DatetimeField()

    class Meta:
        table = "training_version"
        unique_together = (("training_id", "version"),)


class Purchase(Model):
    """A training that somebody bought. ``live`` is None once it is cancelled: one live purchase a training and person.

    ``code`` is the redeem code, found by its blind index. ``progress`` in percent, ``score`` from 0 to 100 as the
    provider reports them. ``certified_at``: a certificate is there.
    """

    id = fields.BigIntField(primary_key=True)
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="purchases", on_delete=fields.RESTRICT
    )
    person_id: int
    training: fields.ForeignKeyRelation[Training] = fields.ForeignKeyField(
        "models.Training", related_name="purchases", on_delete=fields.RESTRICT
    )
    training_id: int
    training_version = fields.IntField()
    provider_id = fields.BigIntField()
    price = fields.IntField()
    status = fields.CharField(max_length=16, default=PurchaseStatus.BOUGHT.value)
    live = fields.BooleanField(null=True, default=True)
    code = EncryptedText("purchase.code")
    code_index = fields.BinaryField()
    progress = fields.SmallIntField(default=0)
    score = fields.FloatField(null=True)
    certificate_number = EncryptedText("purchase.certificate_number", null=True)
    bought_at = fields.DatetimeField()
    redeemed_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    certified_at = fields.DatetimeField(null=True)

    class Meta:
        table = "purchase"
        unique_together = (("person_id", "training_id", "live"), ("code_index",))
        indexes = (Index(fields=("training_id", "status")), Index(fields=("provider_id", "bought_at")))


class PurchaseEvent(Model):
    """Something happened to a purchase: what, through whom. ``sequence`` is the session of an attendance, else 0."""

    id = fields.BigIntField(primary_key=True)
    purchase_id = fields.BigIntField()
    what = fields.CharField(max_length=24)
    sequence = fields.IntField(default=0)
    by = fields.CharField(max_length=64)
    at = fields.DatetimeField()

    class Meta:
        table = "purchase_event"
        indexes = (Index(fields=("purchase_id", "what", "sequence")),)


class CertificateCheck(Model):
    """A photo of a certificate that staff look at. ``accepted`` is None until somebody has."""

    id = fields.BigIntField(primary_key=True)
    purchase: fields.ForeignKeyRelation[Purchase] = fields.ForeignKeyField(
        "models.Purchase", related_name="certificate_checks", on_delete=fields.RESTRICT
    )
    purchase_id: int
    photo_id = fields.CharField(max_length=32)
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    accepted = fields.BooleanField(null=True)
    words = fields.CharField(max_length=300, default="")
    by = fields.CharField(max_length=64, default="")
    sent_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)

    class Meta:
        table = "certificate_check"
        indexes = (Index(fields=("status", "sent_at")), Index(fields=("purchase_id",)))


class Review(Model):
    """A participant's stars (1 to 5) and words about a training they took.

    ``edited_at`` once they changed it; ``hidden``: staff took the words out of what others see.
    """

    id = fields.BigIntField(primary_key=True)
    purchase: fields.OneToOneRelation[Purchase] = fields.OneToOneField(
        "models.Purchase", related_name="review", on_delete=fields.RESTRICT
    )
    purchase_id: int
    training_id = fields.BigIntField()
    provider_id = fields.BigIntField()
    stars = fields.SmallIntField()
    words = fields.CharField(max_length=500)
    hidden = fields.BooleanField(default=False)
    written_at = fields.DatetimeField()
    edited_at = fields.DatetimeField(null=True)

    class Meta:
        table = "review"
        indexes = (Index(fields=("training_id", "written_at")), Index(fields=("provider_id", "written_at")))
        constraints = (CheckConstraint(check="stars BETWEEN 1 AND 5", name="review_stars"),)


class EvaluationStep(Model):
    """A warning or suspension that figures propose for a provider or a training, and what staff decided."""

    id = fields.BigIntField(primary_key=True)
    provider_id = fields.BigIntField()
    training_id = fields.BigIntField(default=0)
    period = fields.CharField(max_length=24)
    what = fields.CharField(max_length=16)
    reasons = fields.CharField(max_length=300)
    proposed_at = fields.DatetimeField()
    agreed = fields.BooleanField(null=True)
    by = fields.CharField(max_length=64, default="")
    decided_at = fields.DatetimeField(null=True)

    class Meta:
        table = "evaluation_step"
        unique_together = (("provider_id", "training_id", "period", "what"),)
