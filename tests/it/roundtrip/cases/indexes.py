# case an index stays
# given create table @t (n int)
# expect failed re-upgrade: relation "@i" already exists
def upgrade():
    op.create_index("@i", "@t", ["n"])
def downgrade():
    pass

# case an index stays and is made only if it is not there
# given create table @t (n int)
# expect schema-differs downgrade: index public.@i
# cause left behind
def upgrade():
    op.execute("create index if not exists @i on @t (n)")
def downgrade():
    op.execute("select 1")

# case an index is not put back
# given create table @t (n int); create index @i on @t (n)
# expect failed re-upgrade: index "@i" does not exist
def upgrade():
    op.drop_index("@i")
def downgrade():
    pass

# case a unique index comes back not unique
# given create table @t (n int); create unique index @i on @t (n)
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.drop_index("@i")
def downgrade():
    op.create_index("@i", "@t", ["n"])

# case a partial index loses its condition
# given create table @t (n int); create index @i on @t (n) where n > 0
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.drop_index("@i")
def downgrade():
    op.create_index("@i", "@t", ["n"])

# case an index comes back with another method
# given create table @t (n int); create index @i on @t using hash (n)
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.drop_index("@i")
def downgrade():
    op.create_index("@i", "@t", ["n"])

# case an index comes back under another name
# given create table @t (n int); create index @i on @t (n)
# expect schema-differs downgrade: index public.@i + index public.@ix
# cause came back under another name
def upgrade():
    op.execute("drop index if exists @i; drop index if exists @ix")
def downgrade():
    op.create_index("@ix", "@t", ["n"])

# case dropped under a name that the index never had
# given create table @t (n int)
# expect failed downgrade: index "@wrong" does not exist
def upgrade():
    op.create_index("@i", "@t", ["n"])
def downgrade():
    op.drop_index("@wrong")

# case an index made concurrently, made and dropped
# given create table @t (n int)
# expect reversible
def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("@i", "@t", ["n"], postgresql_concurrently=True)
def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("@i", postgresql_concurrently=True)

# case concurrently within a transaction
# given create table @t (n int)
# expect failed upgrade: cannot run inside a transaction block
# branch
def upgrade():
    op.create_index("@i", "@t", ["n"], postgresql_concurrently=True)
def downgrade():
    op.drop_index("@i")

# case an index made concurrently is left invalid
# given create table @t (n int); insert into @t values (1), (1)
# expect failed upgrade: could not create unique index
# branch
def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("@i", "@t", ["n"], unique=True, postgresql_concurrently=True)
def downgrade():
    op.drop_index("@i")

# case half of the downgrade is committed and the rest fails
# given create table @t (n int)
# expect failed downgrade: "@nothing" does not exist
def upgrade():
    op.create_index("@i", "@t", ["n"])
def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("@i")
    op.execute("drop table @nothing")

# case indexes of several kinds, made and dropped
# given create table @t (n int, d text)
# expect reversible
def upgrade():
    op.create_index("@i", "@t", ["n"], unique=True)
    op.create_index("@j", "@t", [sa.text("lower(d)")], postgresql_where=sa.text("n > 0"))
    op.execute("create index @k on @t using gin (to_tsvector('simple', d))")
def downgrade():
    op.drop_index("@k")
    op.drop_index("@j")
    op.drop_index("@i")
