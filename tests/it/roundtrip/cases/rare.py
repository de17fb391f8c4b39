# case a partition comes back without its own index
# given create table @t (id int) partition by range (id); create table @p partition of @t for values from (0) to (10); create index @i on @p (id)
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.execute("drop table @p")
def downgrade():
    op.execute("create table @p partition of @t for values from (0) to (10)")

# case a publication's table comes back with fewer columns
# given create table @t (id int primary key, n int); create publication @pub for table @t
# undo drop publication @pub
# expect schema-differs downgrade: publication @pub
def upgrade():
    op.execute("alter publication @pub drop table @t")
def downgrade():
    op.execute("alter publication @pub add table @t (id)")

# case a policy comes back as restrictive
# given create table @t (id int); create policy @p on @t using (id > 0)
# expect schema-differs downgrade: policy public.@t.@p
def upgrade():
    op.execute("drop policy @p on @t")
def downgrade():
    op.execute("create policy @p on @t as restrictive using (id > 0)")

# case statistics come back of fewer kinds
# given create table @t (a int, b int); create statistics @s on a, b from @t
# expect schema-differs downgrade: statistics public.@s
def upgrade():
    op.execute("drop statistics @s")
def downgrade():
    op.execute("create statistics @s (ndistinct) on a, b from @t")

# case the comment of a constraint is lost
# given create table @t (id int, constraint @c check (id > 0)); comment on constraint @c on @t is 'why'
# expect schema-differs downgrade: constraint public.@t.@c
def upgrade():
    op.drop_constraint("@c", "@t")
def downgrade():
    op.create_check_constraint("@c", "@t", "id > 0")

# case the comment of an index is lost
# given create table @t (id int); create index @i on @t (id); comment on index @i is 'why'
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.drop_index("@i")
def downgrade():
    op.create_index("@i", "@t", ["id"])

# case a domain's constraint comes back not validated
# given create domain @d as int constraint @c check (value > 0)
# expect schema-differs downgrade: constraint public.@d.@c
def upgrade():
    op.execute("alter domain @d drop constraint @c")
def downgrade():
    op.execute("alter domain @d add constraint @c check (value > 0) not valid")

# case a composite type's attribute keeps another type
# given create type @c as (a int)
# expect schema-differs downgrade: attribute public.@c.a
def upgrade():
    op.execute("alter type @c alter attribute a type bigint")
def downgrade():
    pass

# case a sequence is given to another column
# given create sequence @s; create table @t (a int, b int); alter sequence @s owned by @t.a
# expect schema-differs downgrade: sequence public.@s
def upgrade():
    op.execute("alter sequence @s owned by none")
def downgrade():
    op.execute("alter sequence @s owned by @t.b")

# case the sequence of an identity keeps its step
# given create table @t (id int generated always as identity)
# expect schema-differs downgrade: sequence public.@t_id_seq
def upgrade():
    op.execute("alter table @t alter id set increment by 5")
def downgrade():
    pass

# case a trigger fires on replicas only
# given create table @t (id int); create function @f() returns trigger language plpgsql as $$ begin return new; end $$; create trigger @g before insert on @t for each row execute function @f()
# expect schema-differs downgrade: trigger public.@t.@g
def upgrade():
    op.execute("alter table @t disable trigger @g")
def downgrade():
    op.execute("alter table @t enable replica trigger @g")

# case a rule stays disabled
# given create table @t (id int); create rule @r as on delete to @t do instead nothing
# expect schema-differs downgrade: rule public.@t.@r
def upgrade():
    op.execute("alter table @t disable rule @r")
def downgrade():
    pass

# case replica identity by an index is not put back
# given create table @t (id int not null); create unique index @i on @t (id); alter table @t replica identity using index @i
# expect schema-differs downgrade: table public.@t + index public.@i
def upgrade():
    op.execute("alter table @t replica identity default")
def downgrade():
    pass

# case settings of the toast table stay
# given create table @t (a text)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("alter table @t set (toast.autovacuum_enabled = false)")
def downgrade():
    pass

# case a compression stays
# given create table @t (a text)
# expect schema-differs downgrade: column public.@t.a
def upgrade():
    op.execute("alter table @t alter a set compression pglz")
def downgrade():
    pass

# case a column's options stay
# given create table @t (a int)
# expect schema-differs downgrade: column public.@t.a
def upgrade():
    op.execute("alter table @t alter a set (n_distinct = 5)")
def downgrade():
    pass

# case a view loses that it is a barrier
# given create table @t (id int); create view @v with (security_barrier) as select id from @t
# undo drop view if exists @v
# expect schema-differs downgrade: view public.@v
def upgrade():
    op.execute("drop view @v")
def downgrade():
    op.execute("create view @v as select id from @t")

# case a view loses its check option
# given create table @t (id int); create view @v as select id from @t where id > 0 with local check option
# undo drop view if exists @v
# expect schema-differs downgrade: view public.@v
def upgrade():
    op.execute("alter view @v reset (check_option)")
def downgrade():
    pass

# case a view's default stays
# given create table @t (id int); create view @v as select id from @t
# undo drop view if exists @v
# expect schema-differs downgrade: column public.@v.id
def upgrade():
    op.execute("alter view @v alter id set default 7")
def downgrade():
    pass

# case a materialized view comes back without its rows
# given create table @t (id int); insert into @t values (1); create materialized view @m as select id from @t
# undo drop materialized view if exists @m
# expect schema-differs downgrade: materialized view public.@m
def upgrade():
    op.execute("drop materialized view @m")
def downgrade():
    op.execute("create materialized view @m as select id from @t with no data")

# case a function comes back with the caller's rights
# given create function @f() returns int language sql security definer set search_path = pg_catalog as $$ select 1 $$
# expect schema-differs downgrade: function public.@f()
def upgrade():
    op.execute("drop function @f()")
def downgrade():
    op.execute("create function @f() returns int language sql as $$ select 1 $$")

# case a function's cost and parallel safety stay
# given create function @f() returns int language sql as $$ select 1 $$
# expect schema-differs downgrade: function public.@f()
def upgrade():
    op.execute("alter function @f() parallel safe cost 7")
def downgrade():
    op.execute("alter function @f() cost 100")

# case an argument's default is lost
# given create function @f(a int, b int default 7) returns int language sql as $$ select a + b $$
# expect schema-differs downgrade: function public.@f(integer, integer)
def upgrade():
    op.execute("drop function @f(int, int)")
def downgrade():
    op.execute("create function @f(a int, b int) returns int language sql as $$ select a + b $$")

# case default privileges in a schema stay
# given create schema @s
# expect schema-differs downgrade: default privileges for postgres in @s on functions
def upgrade():
    op.execute("alter default privileges in schema @s revoke execute on functions from public; alter default privileges in schema @s grant execute on functions to pg_monitor")
def downgrade():
    pass

# case an update that sets nothing fires a trigger that does
# given create table @t (id int primary key, seen int not null default 0); create function @f() returns trigger language plpgsql as $$ begin new.seen = old.seen + 1; return new; end $$; create trigger @g before update on @t for each row execute function @f(); insert into @t values (1)
# expect data-differs downgrade: public.@t.seen
def upgrade():
    op.add_column("@t", sa.Column("n", sa.Integer))
def downgrade():
    op.execute("update @t set id = id")
    op.drop_column("@t", "n")

# case an index on which the table was clustered is only an index
# given create table @t (id int); create index @i on @t (id); alter table @t cluster on @i
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.execute("alter table @t set without cluster")
def downgrade():
    pass

# case NULLs are distinct again
# given create table @t (id int); create unique index @i on @t (id) nulls not distinct
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.drop_index("@i")
def downgrade():
    op.create_index("@i", "@t", ["id"], unique=True)

# case an index loses what it includes
# given create table @t (id int, n int); create index @i on @t (id) include (n)
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.drop_index("@i")
def downgrade():
    op.create_index("@i", "@t", ["id"])

# case a table is of a type no more
# given create type @k as (id int); create table @t of @k
# undo drop table if exists @t
# expect failed re-upgrade: is not a typed table
def upgrade():
    op.execute("alter table @t not of")
def downgrade():
    pass

# case a large object stays
# expect data-differs downgrade: pg_catalog.pg_largeobject
def upgrade():
    op.execute("select lo_from_bytea(0, 'x')")
def downgrade():
    op.execute("select 1")

# case numbers lose the zeros that stood after the point
# given create table @t (id int, n numeric); insert into @t values (1, 1.50)
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type float")
def downgrade():
    op.execute("alter table @t alter n type numeric")

# case days become hours
# given create table @t (id int, n interval); insert into @t values (1, '30 days')
# expect data-differs downgrade: public.@t.n
def upgrade():
    op.execute("alter table @t alter n type float using extract(epoch from n)")
def downgrade():
    op.execute("alter table @t alter n type interval using make_interval(secs => n)")

# case a JSON text loses a key that was there twice
# given create table @t (id int, j json); insert into @t values (1, '{"a": 1, "a": 2}')
# expect data-differs downgrade: public.@t.j
def upgrade():
    op.execute("alter table @t alter j type jsonb")
def downgrade():
    op.execute("alter table @t alter j type json")

# case empty texts become NULL
# given create table @t (id int, a text); insert into @t values (1, ''), (2, 'x')
# expect data-lost downgrade: public.@t.a
def upgrade():
    op.execute("alter table @t add b text; update @t set b = a")
def downgrade():
    op.execute("update @t set a = nullif(b, ''); alter table @t drop b")

# case things made again just as they were, comments and options too
# given create table @t (id int, a text); create view @v with (security_barrier) as select id from @t; comment on view @v is 'why'
# undo drop view if exists @v
# expect reversible
def upgrade():
    op.execute("drop view @v; alter table @t alter a set compression pglz, alter a set (n_distinct = 5)")
def downgrade():
    op.execute("alter table @t alter a set compression default, alter a reset (n_distinct)")
    op.execute("create view @v with (security_barrier) as select id from @t; comment on view @v is 'why'")
