# case a table stays behind an empty downgrade
# expect failed re-upgrade: relation "@t" already exists
# cause downgrade() does nothing
def upgrade():
    op.create_table("@t", sa.Column("id", sa.Integer, primary_key=True))
def downgrade():
    pass

# case a table stays and is made only if it is not there
# expect schema-differs downgrade: table public.@t
# cause downgrade() does nothing
def upgrade():
    op.execute("create table if not exists @t (id int)")
def downgrade():
    pass

# case the second of two tables stays
# expect failed re-upgrade: relation "@b" already exists
def upgrade():
    op.execute("create table @a (id int)")
    op.execute("create table @b (id int)")
def downgrade():
    op.execute("drop table @a")

# case a table is not put back
# given create table @t (id int)
# expect failed re-upgrade: "@t" does not exist
# cause the downgrade does not put @t back
def upgrade():
    op.execute("drop table @t")
def downgrade():
    op.execute("select 1")

# case a dropped table comes back without its constraint
# given create table @t (id int constraint @pk primary key, n int)
# expect schema-differs downgrade: constraint public.@t.@pk + column public.@t.id
def upgrade():
    op.execute("drop table @t")
def downgrade():
    op.execute("create table @t (id int, n int)")

# case a table is renamed and not named back
# given create table @t (id int)
# expect failed re-upgrade: "@t" does not exist
def upgrade():
    op.rename_table("@t", "@u")
def downgrade():
    pass

# case dropped in the wrong order
# expect failed downgrade: cannot drop table @a
# cause constraint @b_a_id_fkey on table @b
def upgrade():
    op.execute("create table @a (id int primary key)")
    op.execute("create table @b (a_id int references @a)")
def downgrade():
    op.drop_table("@a")
    op.drop_table("@b")

# case a view stands on the table that is dropped
# expect failed downgrade: cannot drop table @t
# cause view @v
def upgrade():
    op.execute("create table @t (id int)")
    op.execute("create view @v as select id from @t")
def downgrade():
    op.drop_table("@t")

# case a cascade takes somebody else's view along
# given create table @t (id int, n int); create view @v as select id, n from @t
# expect schema-differs downgrade: view public.@v
def upgrade():
    op.execute("comment on column @t.n is 'x'")
def downgrade():
    op.execute("alter table @t drop column n cascade")
    op.execute("alter table @t add n int")

# case storage parameters stay
# given create table @t (id int)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("alter table @t set (fillfactor = 70)")
def downgrade():
    op.execute("select 1")

# case row security stays on
# given create table @t (id int)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("alter table @t enable row level security")
def downgrade():
    pass

# case a table's comment is not put back
# given create table @t (id int); comment on table @t is 'old'
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("comment on table @t is 'new'")
def downgrade():
    op.execute("comment on table @t is null")

# case a table stays unlogged
# given create table @t (id int)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("alter table @t set unlogged")
def downgrade():
    pass

# case replica identity stays
# given create table @t (id int primary key)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("alter table @t replica identity full")
def downgrade():
    pass

# case a partition stays
# given create table @t (id int) partition by range (id)
# expect failed re-upgrade: relation "@p" already exists
def upgrade():
    op.execute("create table @p partition of @t for values from (0) to (10)")
def downgrade():
    op.execute("alter table @t detach partition @p")

# case a partition is attached with other bounds
# given create table @t (id int) partition by range (id); create table @p partition of @t for values from (0) to (10)
# expect schema-differs downgrade: table public.@p
def upgrade():
    op.execute("alter table @t detach partition @p")
def downgrade():
    op.execute("alter table @t attach partition @p for values from (0) to (20)")

# case inheritance is not undone
# given create table @a (id int); create table @b (id int)
# expect schema-differs downgrade: table public.@b
def upgrade():
    op.execute("do $$ begin alter table @b inherit @a; exception when duplicate_table then null; end $$")
def downgrade():
    pass

# case a foreign table stays
# expect schema-differs downgrade: foreign table public.@f
# undo drop server if exists @s cascade; drop foreign data wrapper if exists @w
# given create foreign data wrapper @w; create server @s foreign data wrapper @w
def upgrade():
    op.execute("create foreign table if not exists @f (id int) server @s")
def downgrade():
    pass

# case a schema stays
# expect schema-differs downgrade: schema @s
def upgrade():
    op.execute("create schema if not exists @s")
def downgrade():
    pass

# case a table moves to another schema and stays there
# given create schema @s; create table @t (id int)
# expect failed re-upgrade: "@t" does not exist
def upgrade():
    op.execute("alter table @t set schema @s")
def downgrade():
    pass

# case two tables, an index and a view, made and dropped
# expect reversible
def upgrade():
    op.create_table("@a", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Text, index=True))
    op.create_table("@b", sa.Column("a_id", sa.Integer, sa.ForeignKey("@a.id")))
    op.execute("create view @v as select n from @a")
def downgrade():
    op.execute("drop view @v")
    op.drop_table("@b")
    op.drop_table("@a")

# case a table renamed and named back
# given create table @t (id serial primary key)
# expect reversible
def upgrade():
    op.rename_table("@t", "@u")
def downgrade():
    op.rename_table("@u", "@t")

# case a partitioned table with partitions, made and dropped
# expect reversible
def upgrade():
    op.execute("create table @t (id int) partition by list (id)")
    op.execute("create table @p partition of @t for values in (1)")
def downgrade():
    op.execute("drop table @t")

# case a table on a module-level MetaData
# expect reversible
meta = sa.MetaData()
def upgrade():
    sa.Table("@t", meta, sa.Column("id", sa.Integer)).create(op.get_bind())
def downgrade():
    op.drop_table("@t")
