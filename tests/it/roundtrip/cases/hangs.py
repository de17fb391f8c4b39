# case a second connection waits for the first
# given create table @t (id int)
# expect failed downgrade: Blocked by
# cause second connection
def upgrade():
    op.execute("alter table @t add n int")
def downgrade():
    op.execute("lock table @t")
    engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)
    with engine.begin() as second:
        second.execute(sa.text("alter table @t drop n"))

# case a step that sleeps in the database
# expect failed downgrade: does not end
def upgrade():
    pass
def downgrade():
    op.execute("select pg_sleep(600)")

# case a step that never ends in Python
# expect failed re-upgrade: does not end
def upgrade():
    if sa.inspect(op.get_bind()).has_table("@mark"):
        import time
        time.sleep(600)
def downgrade():
    op.execute("create table @mark (id int)")
