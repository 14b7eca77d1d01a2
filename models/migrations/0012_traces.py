from tortoise import migrations
from tortoise.migrations import operations as ops
from models.trace import current
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0011_log_only_added')]

    initial = False

    operations = [
        ops.AddField(
            model_name='AccountInquiry',
            name='trace',
            field=fields.CharField(default=current, db_default='', max_length=12),
        ),
        ops.AddField(
            model_name='Notice',
            name='trace',
            field=fields.CharField(default=current, db_default='', max_length=12),
        ),
        ops.AddField(
            model_name='PhotoTask',
            name='trace',
            field=fields.CharField(default=current, db_default='', max_length=12),
        ),
        ops.AddField(
            model_name='VerificationTask',
            name='trace',
            field=fields.CharField(default=current, db_default='', max_length=12),
        ),
    ]
