"""What the ORM peer of bench-lists stores."""

from tortoise import fields
from tortoise.models import Model


class Row(Model):
    """A digest in a row of its own."""

    id = fields.BigIntField(primary_key=True)
    digest = fields.BinaryField()

    class Meta:
        table = "row"
        unique_together = (("digest",),)
