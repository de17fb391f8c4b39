# case a sequence stays
# expect failed re-upgrade: relation "@s" already exists
def upgrade():
    op.execute("create sequence @s")
def downgrade():
    pass

# case a sequence's parameters stay
# given create sequence @s
# expect schema-differs downgrade: sequence public.@s
def upgrade():
    op.execute("alter sequence @s increment by 10")
def downgrade():
    pass

# case a sequence loses its owner
# given create table @t (id int); create sequence @s owned by @t.id
# expect schema-differs downgrade: sequence public.@s
def upgrade():
    op.execute("alter sequence @s owned by none")
def downgrade():
    pass

# case a function stays
# expect schema-differs downgrade: function public.@f(integer)
def upgrade():
    op.execute("create or replace function @f(int) returns int language sql as 'select $1'")
def downgrade():
    pass

# case a function's body is not put back
# given create function @f() returns int language sql as 'select 1'
# expect schema-differs downgrade: function public.@f()
def upgrade():
    op.execute("create or replace function @f() returns int language sql as 'select 2'")
def downgrade():
    op.execute("create or replace function @f() returns int language sql as 'select 3'")

# case a function's volatility stays
# given create function @f() returns int language sql as 'select 1'
# expect schema-differs downgrade: function public.@f()
def upgrade():
    op.execute("alter function @f() immutable")
def downgrade():
    pass

# case a procedure stays
# expect schema-differs downgrade: procedure public.@p()
def upgrade():
    op.execute("create or replace procedure @p() language sql as 'select 1'")
def downgrade():
    pass

# case an aggregate stays
# expect schema-differs downgrade: aggregate public.@a(integer)
def upgrade():
    op.execute("create or replace aggregate @a(int) (sfunc = int4pl, stype = int)")
def downgrade():
    pass

# case an operator stays
# expect failed re-upgrade: already exists
def upgrade():
    op.execute("create operator public.<+++> (function = int4pl, leftarg = int, rightarg = int)")
def downgrade():
    pass

# case a cast stays
# given create type @c as (x int)
# expect failed re-upgrade: already exists
def upgrade():
    op.execute("create cast (@c as text) with inout")
def downgrade():
    pass

# case a trigger stays
# given create table @t (n int); create function @f() returns trigger language plpgsql as 'begin return new; end'
# expect failed re-upgrade: trigger "@g" for relation "@t" already exists
def upgrade():
    op.execute("create trigger @g before insert on @t for each row execute function @f()")
def downgrade():
    pass

# case a trigger comes back for other events
# given create table @t (n int); create function @f() returns trigger language plpgsql as 'begin return new; end'; create trigger @g before insert or update on @t for each row execute function @f()
# expect schema-differs downgrade: trigger public.@t.@g
def upgrade():
    op.execute("drop trigger @g on @t")
def downgrade():
    op.execute("create trigger @g before insert on @t for each row execute function @f()")

# case a trigger stays disabled
# given create table @t (n int); create function @f() returns trigger language plpgsql as 'begin return new; end'; create trigger @g before insert on @t for each row execute function @f()
# expect schema-differs downgrade: trigger public.@t.@g
def upgrade():
    op.execute("alter table @t disable trigger @g")
def downgrade():
    pass

# case an event trigger stays
# undo drop event trigger if exists @e; drop function @f
# given create function @f() returns event_trigger language plpgsql as 'begin end'
# expect failed re-upgrade: event trigger "@e" already exists
def upgrade():
    op.execute("create event trigger @e on sql_drop when tag in ('DROP CAST') execute function @f()")
def downgrade():
    pass

# case a rule stays
# given create table @t (n int)
# expect schema-differs downgrade: rule public.@t.@r
def upgrade():
    op.execute("create or replace rule @r as on delete to @t do instead nothing")
def downgrade():
    pass

# case a view is not put back as it was
# given create table @t (a int, b int); create view @v as select a, b from @t
# expect schema-differs downgrade: view public.@v
def upgrade():
    op.execute("create or replace view @v as select a, b from @t where a > 0")
def downgrade():
    op.execute("create or replace view @v as select a, b from @t where a > 1")

# case a view stays
# expect schema-differs downgrade: view public.@v
def upgrade():
    op.execute("create or replace view @v as select 1 as one")
def downgrade():
    pass

# case a materialized view stays
# expect schema-differs downgrade: materialized view public.@m
def upgrade():
    op.execute("create materialized view if not exists @m as select 1 as one")
def downgrade():
    pass

# case a materialized view loses its index
# given create materialized view @m as select 1 as one; create unique index @i on @m (one)
# undo drop materialized view @m
# expect schema-differs downgrade: index public.@i
def upgrade():
    op.execute("drop materialized view @m")
def downgrade():
    op.execute("create materialized view @m as select 1 as one")

# case a policy stays
# given create table @t (n int)
# expect failed re-upgrade: policy "@p" for table "@t" already exists
def upgrade():
    op.execute("create policy @p on @t using (n > 0)")
def downgrade():
    pass

# case a policy comes back for everybody
# given create table @t (n int); create policy @p on @t to pg_monitor using (n > 0)
# expect schema-differs downgrade: policy public.@t.@p
def upgrade():
    op.execute("drop policy @p on @t")
def downgrade():
    op.execute("create policy @p on @t using (n > 0)")

# case an extension stays
# expect schema-differs downgrade: extension pg_trgm
def upgrade():
    op.execute("create extension if not exists pg_trgm")
def downgrade():
    pass

# case statistics stay
# given create table @t (a int, b int)
# expect schema-differs downgrade: statistics public.@s
def upgrade():
    op.execute("create statistics if not exists @s on a, b from @t")
def downgrade():
    pass

# case a publication stays
# given create table @t (a int)
# expect failed re-upgrade: publication "@p" already exists
def upgrade():
    op.execute("create publication @p for table @t")
def downgrade():
    pass

# case a collation stays
# expect schema-differs downgrade: collation public.@c
def upgrade():
    op.execute("create collation if not exists @c from \"C\"")
def downgrade():
    pass

# case a grant stays
# given create table @t (n int)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("grant select on @t to pg_monitor")
def downgrade():
    pass

# case a grant on a column stays
# given create table @t (n int)
# expect schema-differs downgrade: column public.@t.n
def upgrade():
    op.execute("grant update (n) on @t to pg_monitor")
def downgrade():
    pass

# case an owner stays
# given create table @t (n int)
# expect schema-differs downgrade: table public.@t
def upgrade():
    op.execute("alter table @t owner to pg_monitor")
def downgrade():
    pass

# case default privileges stay
# given create schema @s
# expect schema-differs downgrade: schema @s
def upgrade():
    op.execute("grant usage on schema @s to pg_monitor")
def downgrade():
    pass

# case a text search configuration stays
# expect failed re-upgrade: already exists
def upgrade():
    op.execute("create text search configuration @c (copy = simple)")
def downgrade():
    pass

# case a server stays
# undo drop server if exists @s; drop foreign data wrapper @w
# given create foreign data wrapper @w
# expect schema-differs downgrade: server @s
def upgrade():
    op.execute("create server if not exists @s foreign data wrapper @w")
def downgrade():
    pass

# case a function, a trigger, a view and a policy, made and dropped
# given create table @t (n int)
# expect reversible
def upgrade():
    op.execute("create function @f() returns trigger language plpgsql as 'begin return new; end'")
    op.execute("create trigger @g before insert on @t for each row execute function @f()")
    op.execute("create view @v as select n from @t")
    op.execute("create policy @p on @t using (n > 0)")
    op.execute("create sequence @s")
    op.execute("create statistics @x on n, (n + 1) from @t")
def downgrade():
    op.execute("drop statistics @x; drop sequence @s; drop policy @p on @t; drop view @v; drop trigger @g on @t; drop function @f()")

# case a function replaced and put back
# given create function @f() returns int language sql as 'select 1'
# expect reversible
def upgrade():
    op.execute("create or replace function @f() returns int language sql as 'select 2'")
def downgrade():
    op.execute("create or replace function @f() returns int language sql as 'select 1'")

# case a grant given and taken
# given create table @t (n int)
# expect reversible
def upgrade():
    op.execute("grant select on @t to pg_monitor")
def downgrade():
    op.execute("revoke select on @t from pg_monitor")
