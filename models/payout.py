"""Accounts that people are paid on, what they are due, and the batches and payments that bring it to them."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.enums import BatchStatus, DueStatus, PaymentStatus, TaskStatus
from models.fields import EncryptedText
from models.trace import LENGTH, current


class PayeeAccount(Model):
    """An account of a person or a provider. One of them is ``live`` (true, else None), and an account has one owner.

    ``checked_at``: its institution last said that it exists and is this payee's. ``refused``: why a payment to it
    failed for good.
    """

    id = fields.BigIntField(primary_key=True)
    payee = fields.CharField(max_length=8)
    payee_id = fields.BigIntField()
    institution = fields.CharField(max_length=16)
    number = EncryptedText("payee_account.number")
    number_index = fields.BinaryField()
    holder = EncryptedText("payee_account.holder")
    live = fields.BooleanField(null=True)
    checked_at = fields.DatetimeField()
    linked_at = fields.DatetimeField()
    unlinked_at = fields.DatetimeField(null=True)
    refused = fields.CharField(max_length=32, default="")

    class Meta:
        table = "payee_account"
        unique_together = (("payee", "payee_id", "live"), ("number_index", "live"))


class AccountInquiry(Model):
    """An account to ask its institution about, outside any turn. ``verdict`` is what that came to (AccountVerdict)."""

    id = fields.BigIntField(primary_key=True)
    conversation_id = fields.BigIntField()
    person_id = fields.BigIntField()
    institution = fields.CharField(max_length=16)
    number = EncryptedText("account_inquiry.number")
    status = fields.CharField(max_length=16, default=TaskStatus.PENDING.value)
    verdict = fields.CharField(max_length=16, default="")
    attempts = fields.SmallIntField(default=0)
    lease_until = fields.DatetimeField()
    asked_at = fields.DatetimeField()
    trace = fields.CharField(max_length=LENGTH, default=current, db_default="")

    class Meta:
        table = "account_inquiry"
        indexes = (Index(fields=("status", "lease_until")), Index(fields=("person_id", "asked_at")))


class Due(Model):
    """Something that somebody is to be paid, once for ever: ``key`` is its business event, such as "survey:1:42".

    ``wave_id`` is whose fund it comes from, 0 for none. ``due_at``: it is not paid before.
    """

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=96, unique=True)
    kind = fields.CharField(max_length=16)
    payee = fields.CharField(max_length=8)
    payee_id = fields.BigIntField()
    wave_id = fields.BigIntField(default=0)
    amount = fields.BigIntField()
    status = fields.CharField(max_length=8, default=DueStatus.OPEN.value)
    due_at = fields.DatetimeField()
    made_at = fields.DatetimeField()
    paid_at = fields.DatetimeField(null=True)

    class Meta:
        table = "due"
        indexes = (Index(fields=("payee", "payee_id")), Index(fields=("kind", "status", "due_at")))


class PayoutBatch(Model):
    """Payments that are approved and sent together. ``name`` says of what, such as "balance wave 3", and is unique.

    ``count`` and ``amount`` (rupiah) are of what was checked, ``digest`` the SHA-256 over it: what is approved and sent
    is what was checked. ``lease_until``: the process ``lease_by`` is sending it until then, unless it died.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=64, unique=True)
    kinds = fields.CharField(max_length=64)
    wave_id = fields.BigIntField(default=0)
    until = fields.DatetimeField()
    gateway = fields.CharField(max_length=16)
    status = fields.CharField(max_length=16, default=BatchStatus.PREPARED.value)
    prepared_by = fields.CharField(max_length=64)
    approved_by = fields.CharField(max_length=64, default="")
    count = fields.IntField(default=0)
    amount = fields.BigIntField(default=0)
    digest = fields.BinaryField(null=True)
    prepared_at = fields.DatetimeField()
    started_at = fields.DatetimeField(null=True)
    lease_until = fields.DatetimeField(null=True)
    lease_by = fields.CharField(max_length=32, default="")

    class Meta:
        table = "payout_batch"


class BatchEvent(Model):
    """A batch changed its status: when, by whom and why. Rows are only added."""

    id = fields.BigIntField(primary_key=True)
    batch_id = fields.BigIntField()
    status = fields.CharField(max_length=16)
    by = fields.CharField(max_length=64)
    words = fields.CharField(max_length=200, default="")
    at = fields.DatetimeField()

    class Meta:
        table = "batch_event"
        indexes = (Index(fields=("batch_id",)),)


class Payment(Model):
    """One attempt to pay a due. The database takes one ``live`` (true, else None) attempt of a due and no second.

    ``reference`` is random, made before anything is sent, and the idempotency key of every try. ``gateway_id`` is the
    gateway's own number, ``reason`` why it failed, ``settled_by`` who said what came of it: callback, inquiry or
    statement. ``statement_line`` is the line of the bank's statement that shows it. ``lease_until``: somebody is
    sending or asking until then.
    """

    id = fields.BigIntField(primary_key=True)
    due_id = fields.BigIntField()
    batch_id = fields.BigIntField()
    live = fields.BooleanField(null=True, default=True)
    reference = fields.CharField(max_length=40, unique=True)
    account_id = fields.BigIntField()
    amount = fields.BigIntField()
    status = fields.CharField(max_length=16, default=PaymentStatus.PREPARED.value)
    gateway_id = fields.CharField(max_length=64, default="")
    reason = fields.CharField(max_length=48, default="")
    lease_until = fields.DatetimeField(null=True)
    sent_at = fields.DatetimeField(null=True)
    settled_at = fields.DatetimeField(null=True)
    settled_by = fields.CharField(max_length=16, default="")
    statement_line = fields.CharField(max_length=80, default="")

    class Meta:
        table = "payment"
        unique_together = (("due_id", "live"),)
        indexes = (Index(fields=("batch_id", "status", "id")), Index(fields=("account_id",)))


class Difference(Model):
    """Our books and a gateway's do not agree. It is never adjusted away: staff say what it was, in ``words``.

    ``ours`` and ``theirs`` in rupiah, None where there is nothing. ``what`` names it (models.enums.DifferenceKind).
    """

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=120, unique=True)
    what = fields.CharField(max_length=24)
    batch_id = fields.BigIntField(null=True)
    reference = fields.CharField(max_length=80)
    ours = fields.BigIntField(null=True)
    theirs = fields.BigIntField(null=True)
    found_at = fields.DatetimeField()
    words = fields.CharField(max_length=200, default="")
    explained_by = fields.CharField(max_length=64, default="")
    explained_at = fields.DatetimeField(null=True)

    class Meta:
        table = "difference"
        indexes = (Index(fields=("batch_id",)), Index(fields=("reference",)), Index(fields=("explained_at",)))


class SettlementLine(Model):
    """A redeemed training and the due of its provider that it is part of. Each is part of one, for ever."""

    id = fields.BigIntField(primary_key=True)
    purchase_id = fields.BigIntField(unique=True)
    due_id = fields.BigIntField()

    class Meta:
        table = "settlement_line"
        indexes = (Index(fields=("due_id",)),)
