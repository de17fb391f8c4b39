# case an enum type outlives its table
# expect failed re-upgrade: type "@kind" already exists
# cause sa.Enum(name='@kind').drop(op.get_bind())
def upgrade():
    op.create_table("@t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("k", sa.Enum("a", "b", name="@kind")))
def downgrade():
    op.drop_table("@t")

# case an enum type made by itself outlives its table
# expect failed re-upgrade: type "@kind" already exists
# cause sa.Enum(name='@kind').drop(op.get_bind())
def upgrade():
    op.execute("create type @kind as enum ('a', 'b')")
    op.execute("create table @t (k @kind)")
def downgrade():
    op.drop_table("@t")

# case an enum type outlives its column and comes back by IF NOT EXISTS
# given create table @t (id int)
# expect schema-differs downgrade: type public.@kind
# cause DROP TYPE public.@kind
def upgrade():
    op.execute("do $$ begin create type @kind as enum ('a', 'b'); exception when duplicate_object then null; end $$")
    op.execute("alter table @t add k @kind")
def downgrade():
    op.execute("alter table @t drop column k")

# case an enum value stays
# given create type @kind as enum ('a')
# expect schema-differs downgrade: type public.@kind
def upgrade():
    op.execute("alter type @kind add value if not exists 'b'")
def downgrade():
    op.execute("select 1")

# case an enum value comes back at another place
# given create type @kind as enum ('a', 'b', 'c')
# expect schema-differs downgrade: type public.@kind
def upgrade():
    op.execute("alter type @kind rename to @old")
    op.execute("create type @kind as enum ('a', 'c')")
    op.execute("drop type @old")
def downgrade():
    op.execute("alter type @kind add value 'b'")

# case an enum value is used in the transaction that adds it
# given create type @kind as enum ('a')
# expect failed upgrade: unsafe use of new value
# cause autocommit_block
# branch
def upgrade():
    op.execute("alter type @kind add value 'b'")
    op.execute("create table @t as select 'b'::@kind as k")
def downgrade():
    op.execute("drop table @t")

# case an enum without a name
# expect failed upgrade: name
# cause sa.Enum
# branch
def upgrade():
    op.create_table("@t", sa.Column("k", sa.Enum("a", "b")))
def downgrade():
    op.drop_table("@t")

# case a domain outlives its table
# expect failed re-upgrade: "@d" already exists
# cause DROP DOMAIN @d
def upgrade():
    op.execute("create domain @d as int check (value > 0)")
    op.execute("create table @t (n @d)")
def downgrade():
    op.execute("drop table @t")

# case a domain loses its constraint
# given create domain @d as int constraint positive check (value > 0)
# expect schema-differs downgrade: constraint public.@d.positive
def upgrade():
    op.execute("alter domain @d drop constraint if exists positive")
def downgrade():
    op.execute("alter domain @d set not null; alter domain @d drop not null")

# case a domain keeps another default
# given create domain @d as int default 1
# expect schema-differs downgrade: domain public.@d
def upgrade():
    op.execute("alter domain @d set default 2")
def downgrade():
    op.execute("alter domain @d drop default")

# case a composite type stays
# expect failed re-upgrade: type "@c" already exists
def upgrade():
    op.execute("create type @c as (x int, y int)")
def downgrade():
    op.execute("select 1")

# case a composite type keeps its new attribute
# given create type @c as (x int)
# expect failed re-upgrade: "y"
def upgrade():
    op.execute("alter type @c add attribute y int")
def downgrade():
    op.execute("select 1")

# case a range type stays
# expect schema-differs downgrade: type public.@r
def upgrade():
    op.execute("do $$ begin create type @r as range (subtype = float8); exception when duplicate_object then null; end $$")
def downgrade():
    op.execute("select 1")

# case an enum made and dropped
# expect reversible
def upgrade():
    op.create_table("@t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("k", sa.Enum("a", "b", name="@kind")))
def downgrade():
    op.drop_table("@t")
    sa.Enum(name="@kind").drop(op.get_bind())

# case an enum value added outside the transaction, and the type rebuilt
# given create type @kind as enum ('a'); create table @t (k @kind)
# expect reversible
def upgrade():
    with op.get_context().autocommit_block():
        op.execute("alter type @kind add value 'b'")
def downgrade():
    op.execute("alter type @kind rename to @old")
    op.execute("create type @kind as enum ('a')")
    op.execute("alter table @t alter k type @kind using k::text::@kind")
    op.execute("drop type @old")
