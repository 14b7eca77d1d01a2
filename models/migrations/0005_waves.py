from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0004_notices')]

    initial = False

    operations = [
        ops.CreateModel(
            name='DiceThrow',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('wave_id', fields.BigIntField()),
                ('staff', fields.CharField(max_length=64)),
                ('throws', fields.CharField(max_length=400)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'dice_throw', 'app': 'models', 'unique_together': (('wave_id', 'staff'),), 'pk_attr': 'id', 'table_description': 'Dice that one member of staff typed in. Two who agree make a beacon.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='FrozenBlock',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('wave_id', fields.BigIntField()),
                ('number', fields.IntField()),
                ('rows', fields.BinaryField()),
            ],
            options={'table': 'frozen_block', 'app': 'models', 'unique_together': (('wave_id', 'number'),), 'pk_attr': 'id', 'table_description': "Some rows of a wave's entrants.csv, byte for byte as they are published, in the order of the tickets."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Place',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('wave', fields.ForeignKeyField('models.Wave', source_field='wave_id', db_constraint=True, to_field='id', related_name='places', on_delete=OnDelete.RESTRICT)),
                ('person', fields.ForeignKeyField('models.Person', source_field='person_id', db_constraint=True, to_field='id', related_name='places', on_delete=OnDelete.RESTRICT)),
                ('ticket', fields.CharField(unique=True, max_length=16)),
                ('rank', fields.IntField()),
                ('seat', fields.CharField(max_length=32)),
                ('reserve', fields.BooleanField()),
                ('status', fields.CharField(default='selected', max_length=16)),
                ('selected_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('due_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('reminded', fields.SmallIntField(null=True)),
            ],
            options={'table': 'place', 'app': 'models', 'indexes': [Index(fields=['person_id']), Index(fields=['wave_id', 'status', 'due_at'])], 'pk_attr': 'id', 'table_description': "A place of a wave and the person it went to. ``seat`` is the stratum whose seat it is, ``rank`` the person's own."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PlaceEvent',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('place_id', fields.BigIntField()),
                ('status', fields.CharField(max_length=16)),
                ('reason', fields.CharField(max_length=48)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'place_event', 'app': 'models', 'indexes': [Index(fields=['place_id'])], 'pk_attr': 'id', 'table_description': 'A place changed its status, and why. Rows are only added.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='RankBlock',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('wave_id', fields.BigIntField()),
                ('first_rank', fields.IntField()),
                ('first_key', fields.BinaryField()),
                ('tickets', fields.TextField(unique=False)),
            ],
            options={'table': 'rank_block', 'app': 'models', 'unique_together': (('wave_id', 'first_rank'),), 'indexes': [Index(fields=['wave_id', 'first_key'])], 'pk_attr': 'id', 'table_description': "Tickets in the order of their rank, one after the other: the first one's rank (from 1) and key."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='WaveEvent',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('wave', fields.ForeignKeyField('models.Wave', source_field='wave_id', db_constraint=True, to_field='id', related_name='events', on_delete=OnDelete.RESTRICT)),
                ('status', fields.CharField(max_length=16)),
                ('by', fields.CharField(max_length=64)),
                ('reason', fields.CharField(default='', max_length=200)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'wave_event', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A wave changed its status: when, by whom and why. Rows are only added.'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Entry',
            name='carried',
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name='Entry',
            name='household',
            field=fields.CharField(default='', db_default='', max_length=16),
        ),
        ops.AddField(
            model_name='Entry',
            name='reason',
            field=fields.CharField(null=True, max_length=16),
        ),
        ops.AddField(
            model_name='Entry',
            name='stratum',
            field=fields.CharField(default='', db_default='', max_length=32),
        ),
        ops.AddField(
            model_name='Entry',
            name='used',
            field=fields.SmallIntField(default=0, db_default=0),
        ),
        ops.AddIndex(
            model_name='Entry',
            index=Index(fields=['person_id']),
        ),
        ops.AddIndex(
            model_name='Entry',
            index=Index(fields=['wave_id', 'reason', 'stratum']),
        ),
        ops.AddField(
            model_name='Wave',
            name='announced_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='beacon',
            field=fields.BinaryField(null=True),
        ),
        ops.AddField(
            model_name='Wave',
            name='commitment',
            field=fields.BinaryField(null=True),
        ),
        ops.AddField(
            model_name='Wave',
            name='cut_offs',
            field=fields.CharField(default='{}', db_default='{}', max_length=400),
        ),
        ops.AddField(
            model_name='Wave',
            name='drawn_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='draws_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='entrants',
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name='Wave',
            name='freezes_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='frozen_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='household_cap',
            field=fields.IntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name='Wave',
            name='layers',
            field=fields.CharField(default='', db_default='', max_length=200),
        ),
        ops.AddField(
            model_name='Wave',
            name='lease_until',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='lists',
            field=fields.CharField(default='*', db_default='*', max_length=200),
        ),
        ops.AddField(
            model_name='Wave',
            name='published_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='randomness',
            field=fields.CharField(default='drand', db_default='drand', max_length=8),
        ),
        ops.AddField(
            model_name='Wave',
            name='reserve_from',
            field=fields.IntField(default=1, db_default=1),
        ),
        ops.AddField(
            model_name='Wave',
            name='round',
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name='Wave',
            name='rules',
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name='Wave',
            name='screened_to',
            field=fields.BigIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name='Wave',
            name='seed',
            field=fields.BinaryField(null=True),
        ),
        ops.AddField(
            model_name='Wave',
            name='strata',
            field=fields.CharField(default='[]', db_default='[]', max_length=400),
        ),
        ops.AddField(
            model_name='Wave',
            name='told_to',
            field=fields.BigIntField(default=0, db_default=0),
        ),
    ]
