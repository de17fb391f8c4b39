# case a dropped column comes back empty
# given create table @t (id int, n text); insert into @t values (1, 'x'), (2, 'y')
# expect data-lost downgrade: public.@t.n
def upgrade():
    op.drop_column("@t", "n")
def downgrade():
    op.add_column("@t", sa.Column("n", sa.Text))

# case a dropped table comes back empty
# given create table @t (id int); insert into @t values (1), (2), (3)
# expect data-lost downgrade: public.@t
def upgrade():
    op.execute("drop table @t")
def downgrade():
    op.execute("create table @t (id int)")

# case rows deleted and not put back
# given create table @t (id int); insert into @t values (1), (2), (3)
# expect data-lost downgrade: public.@t
def upgrade():
    op.execute("delete from @t where id > 1")
def downgrade():
    pass

# case inserted rows stay
# given create table @t (id int)
# expect data-differs downgrade: public.@t
def upgrade():
    op.execute("insert into @t values (1)")
def downgrade():
    pass

# case inserted rows stay and their key is unique
# given create table @t (id int primary key)
# expect failed re-upgrade: duplicate key value
# cause let it delete them
def upgrade():
    op.execute("insert into @t values (1)")
def downgrade():
    pass

# case the downgrade deletes more than the upgrade inserted
# given create table @t (id int); insert into @t values (1), (2)
# expect data-lost downgrade: public.@t
def upgrade():
    op.execute("insert into @t values (3)")
def downgrade():
    op.execute("delete from @t")

# case values are changed and not put back
# given create table @t (id int, n text); insert into @t values (1, 'A'), (2, 'b')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("update @t set n = lower(n)")
def downgrade():
    pass

# case a type change loses leading zeros
# given create table @t (n text); insert into @t values ('007'), ('8')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type int using n::int")
def downgrade():
    op.execute("alter table @t alter n type text using n::text")

# case a type change cuts
# given create table @t (n text); insert into @t values ('abcdef')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type varchar(3) using left(n, 3)")
def downgrade():
    op.execute("alter table @t alter n type text")

# case a number loses its scale
# given create table @t (n numeric); insert into @t values (1.55)
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type int using n::int")
def downgrade():
    op.execute("alter table @t alter n type numeric")

# case a time loses its fraction
# given create table @t (n timestamptz); insert into @t values ('2024-01-02 03:04:05.678+00')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type timestamptz(0)")
def downgrade():
    op.execute("alter table @t alter n type timestamptz")

# case NULLs become a value
# given create table @t (n int); insert into @t values (null), (1)
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("update @t set n = 0 where n is null")
    op.alter_column("@t", "n", nullable=False)
def downgrade():
    op.alter_column("@t", "n", nullable=True)

# case two columns made one
# given create table @t (a text, b text); insert into @t values ('x', 'y')
# expect data-lost downgrade: public.@t.a + public.@t.b
def upgrade():
    op.execute("alter table @t add c text; update @t set c = a || b; alter table @t drop a, drop b")
def downgrade():
    op.execute("alter table @t add a text, add b text; update @t set a = c; alter table @t drop c")

# case an enum's value is merged into another
# given create type @k as enum ('a', 'b'); create table @t (k @k); insert into @t values ('a'), ('b')
# expect data-differs downgrade: public.@t.k
def upgrade():
    op.execute("update @t set k = 'a'")
def downgrade():
    op.execute("update @t set k = 'a'")

# case half of the rows go with a join table
# given create table @t (id int); create table @j (t int); insert into @j values (1), (2)
# expect data-lost downgrade: public.@j
def upgrade():
    op.execute("alter table @t add j int; truncate @j")
def downgrade():
    op.execute("alter table @t drop j")

# case a JSON key is dropped
# given create table @t (n jsonb); insert into @t values ('{"a": 1, "b": 2}')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("update @t set n = n - 'a'")
def downgrade():
    op.execute("update @t set n = n || '{\"a\": 2}'")

# case bytes are encoded twice
# given create table @t (n bytea); insert into @t values ('\x00ff')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type text using encode(n, 'hex')")
def downgrade():
    op.execute("alter table @t alter n type bytea using n::bytea")

# case values moved there and back
# given create table @t (id int, n text); insert into @t values (1, 'x'), (2, null)
# expect reversible
def upgrade():
    op.execute("create table @u as select id, n from @t")
    op.drop_column("@t", "n")
def downgrade():
    op.add_column("@t", sa.Column("n", sa.Text))
    op.execute("update @t set n = u.n from @u u where u.id = @t.id")
    op.drop_table("@u")

# case rows inserted and deleted
# given create table @t (id int); insert into @t values (1)
# expect reversible
def upgrade():
    op.execute("insert into @t values (2)")
def downgrade():
    op.execute("delete from @t where id = 2")

# case rows with new values in each upgrade
# expect reversible
# note new in each upgrade
def upgrade():
    op.execute("create table @t (id uuid default gen_random_uuid(), at timestamptz default clock_timestamp())")
    op.execute("insert into @t default values")
def downgrade():
    op.drop_table("@t")

# case rows in another order
# given create table @t (id int, n int); insert into @t values (1, 1), (2, 2), (3, 3)
# expect reversible
def upgrade():
    op.execute("update @t set n = n + 1 where id = 1")
def downgrade():
    op.execute("update @t set n = n - 1 where id = 1")

# case a bulk insert
# expect reversible
def upgrade():
    t = op.create_table("@t", sa.Column("id", sa.Integer), sa.Column("n", sa.Text))
    op.bulk_insert(t, [{"id": 1, "n": "a"}, {"id": 2, "n": "b"}])
def downgrade():
    op.drop_table("@t")

# case a sequence that ran on
# given create table @t (id serial, n int)
# expect reversible
def upgrade():
    op.execute("insert into @t (n) values (1)")
def downgrade():
    op.execute("delete from @t")

# case a sequence begins anew under rows that stay
# given create table @t (id serial primary key, n int); insert into @t (n) values (1), (2), (3)
# expect reversible
# note sequence public.@t_id_seq went back from 3 to its start
def upgrade():
    op.execute("alter table @t alter id drop default; drop sequence @t_id_seq")
def downgrade():
    op.execute("create sequence @t_id_seq as int owned by @t.id")
    op.execute("alter table @t alter id set default nextval('@t_id_seq')")
