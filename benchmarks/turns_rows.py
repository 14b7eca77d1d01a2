"""The table in which the peer aiogram + Tortoise keeps its state."""

from typing import Any

from tortoise import fields
from tortoise.models import Model


class Row(Model):
    """State and data of one sender."""

    id = fields.BigIntField(primary_key=True)
    bot_id = fields.BigIntField()
    chat_id = fields.BigIntField()
    user_id = fields.BigIntField()
    state = fields.CharField(max_length=64, null=True)
    data: Any = fields.JSONField(default=dict)

    class Meta:
        table = "fsm"
        unique_together = (("bot_id", "chat_id", "user_id"),)
