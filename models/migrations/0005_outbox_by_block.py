"""Messages of one conversation are found by a cheaper index (see models.message.Outbox).

``outbox_block`` fills up at its end, where the messages of the moment are; the one before changed a page somewhere in
the middle for every message. Mailboxes that are read again and again keep the old one, for the channels that have them.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

MAILBOX = (
    'CREATE INDEX "outbox_mailbox" ON "outbox" ("conversation_id", "id") '
    "WHERE channel = 'browser' OR channel = 'staff_browser' OR channel = 'terminal' OR address_id = 0"
)
BLOCK = 'CREATE INDEX "outbox_block" ON "outbox" ((id >> 10), "conversation_id")'


class Migration(migrations.Migration):
    dependencies = [('models', '0004_log_only_added')]

    initial = False

    operations = [
        ops.RunSQL([MAILBOX, BLOCK], ['DROP INDEX "outbox_mailbox"', 'DROP INDEX "outbox_block"']),
        ops.RemoveIndex("Outbox", fields=["conversation_id", "id"]),
    ]
