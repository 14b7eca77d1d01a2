"""The ledger: accounts, and postings that move whole rupiah from one to another. Written by models.ledger only."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model


class LedgerAccount(Model):
    """An account (models.enums.AccountKind) of one subject, 0 for none.

    The ``balance`` in rupiah is the sum of the account's postings, kept so that the database itself can refuse an
    overdraft.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=24)
    subject_id = fields.BigIntField(default=0)
    balance = fields.BigIntField(default=0)

    class Meta:
        table = "ledger_account"
        unique_together = (("kind", "subject_id"),)
        constraints = (CheckConstraint(check="balance >= 0 OR kind = 'treasury'", name="ledger_account_not_overdrawn"),)


class Posting(Model):
    """One movement: credits ``source_id``, debits ``target_id``, so that all accounts always add up to nothing.

    ``key`` is the business event, such as "purchase:42": posting it again changes nothing. Rows are only added.
    """

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=96, unique=True)
    source_id = fields.BigIntField()
    target_id = fields.BigIntField()
    amount = fields.BigIntField()
    at = fields.DatetimeField()

    class Meta:
        table = "posting"
        indexes = (Index(fields=("source_id", "id")), Index(fields=("target_id", "id")))
        constraints = (CheckConstraint(check="amount > 0 AND source_id <> target_id", name="posting_amount"),)
