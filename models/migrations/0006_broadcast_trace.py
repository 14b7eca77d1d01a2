from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0005_outbox_by_block')]

    initial = False

    operations = [
        ops.AddField(
            model_name='Broadcast',
            name='trace',
            field=fields.CharField(default='', db_default='', max_length=12),
        ),
    ]
