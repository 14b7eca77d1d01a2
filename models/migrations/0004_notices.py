from tortoise import migrations
from tortoise.migrations import operations as ops
from models.fields import EncryptedText
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0003_list_digest')]

    initial = False

    operations = [
        ops.CreateModel(
            name='ContinueLink',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('token_index', fields.BinaryField()),
                ('phone', EncryptedText(context='continue_link.phone')),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'continue_link', 'app': 'models', 'unique_together': (('token_index',),), 'pk_attr': 'id', 'table_description': "A link that opens the browser chat once, for whoever proves the phone. Only the token's keyed hash is kept."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='MessageTemplate',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(max_length=32)),
                ('language', fields.CharField(max_length=8)),
                ('sha256', fields.BinaryField()),
                ('sid', fields.CharField(max_length=64)),
                ('status', fields.CharField(max_length=32)),
                ('made_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'message_template', 'app': 'models', 'unique_together': (('name', 'language'),), 'pk_attr': 'id', 'table_description': 'A content made at the provider: the words of a kind of notice in one language, or buttons and lists.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Notice',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('kind', fields.CharField(max_length=32)),
                ('subject_id', fields.BigIntField()),
                ('person_id', fields.BigIntField()),
                ('params', fields.BinaryField()),
                ('priority', fields.SmallIntField()),
                ('status', fields.CharField(default='new', max_length=16)),
                ('channel', fields.CharField(default='', max_length=16)),
                ('address_id', fields.BigIntField(default=0)),
                ('template', fields.BooleanField(default=False)),
                ('tried', fields.CharField(default='', max_length=400)),
                ('reason', fields.CharField(default='', max_length=64)),
                ('due_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('told_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'notice', 'app': 'models', 'unique_together': (('person_id', 'kind', 'subject_id'),), 'indexes': [Index(fields=['status', 'channel', 'priority', 'due_at'])], 'pk_attr': 'id', 'table_description': 'One piece of news for one person: the same kind, subject and person are the same news.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SenderState',
            fields=[
                ('name', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ('paused_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('next_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'sender_state', 'app': 'models', 'pk_attr': 'name', 'table_description': 'What all processes must know of one sender: until when it is paused, and when its next bulk message may leave.'},
            bases=['Model'],
        ),
        ops.AddIndex(
            model_name='Address',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddField(
            model_name='CardReading',
            name='nik_index',
            field=fields.BinaryField(null=True),
        ),
        ops.AddField(
            model_name='CardReading',
            name='sex',
            field=fields.CharField(default='', max_length=8),
        ),
        ops.AddField(
            model_name='Conversation',
            name='heard_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddIndex(
            model_name='Conversation',
            index=Index(fields=['person_id']),
        ),
        ops.AlterField(
            model_name='FaceCheck',
            name='score',
            field=fields.FloatField(null=True),
        ),
        ops.AddField(
            model_name='Outbox',
            name='notice_id',
            field=fields.BigIntField(null=True),
        ),
    ]
