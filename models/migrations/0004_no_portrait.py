from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0003_list_digest')]

    initial = False

    operations = [
        ops.AlterField(
            model_name='FaceCheck',
            name='score',
            field=fields.FloatField(null=True),
        ),
    ]
