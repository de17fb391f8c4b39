-- case view
create table @.t (a int);
-- change
create view @.v as select a from @.t;
-- undo
drop view @.v;

-- case view definition
create table @.t (a int, b int); create view @.v as select a from @.t;
-- change
create or replace view @.v as select a, b from @.t;
-- undo
drop view @.v; create view @.v as select a from @.t;

-- case view condition
create table @.t (a int); create view @.v as select a from @.t;
-- change
create or replace view @.v as select a from @.t where a > 0;
-- undo
create or replace view @.v as select a from @.t;

-- case view options
create table @.t (a int); create view @.v as select a from @.t;
-- change
alter view @.v set (security_barrier = true);
-- undo
alter view @.v reset (security_barrier);

-- case view check option
create table @.t (a int); create view @.v as select a from @.t where a > 0;
-- change
create or replace view @.v as select a from @.t where a > 0 with local check option;
-- undo
create or replace view @.v as select a from @.t where a > 0;

-- case view comment and owner
create table @.t (a int); create view @.v as select a from @.t;
-- change
comment on view @.v is 'x'; alter view @.v owner to cat_writer;
-- undo
comment on view @.v is null; alter view @.v owner to postgres;

-- case view instead of a table
create table @.t (a int); create table @.v (a int);
-- change
drop table @.v; create view @.v as select a from @.t;
-- undo
drop view @.v; create table @.v (a int);

-- case materialized view
create table @.t (a int);
-- change
create materialized view @.v as select a from @.t;
-- undo
drop materialized view @.v;

-- case materialized view options
create table @.t (a int); create materialized view @.v as select a from @.t;
-- change
alter materialized view @.v set (fillfactor = 60); alter materialized view @.v alter column a set statistics 70;
-- undo
alter materialized view @.v reset (fillfactor); alter materialized view @.v alter column a set statistics -1;

-- case materialized view comment
create table @.t (a int); create materialized view @.v as select a from @.t;
-- change
comment on materialized view @.v is 'kept';
-- undo
comment on materialized view @.v is null;

-- case recursive view
create table @.t (a int, up int);
-- change
create recursive view @.v (a) as select a from @.t union all select t.a from @.t t join v on v.a = t.up;
-- undo
drop view @.v;

-- case function
-- change
create function @.f(a int) returns int language sql as 'select a';
-- undo
drop function @.f(int);

-- case function body
create function @.f() returns int language sql as 'select 1';
-- change
create or replace function @.f() returns int language sql as 'select 2';
-- undo
create or replace function @.f() returns int language sql as 'select 1';

-- case function body white space
create function @.f() returns int language sql as 'select 1';
-- change
create or replace function @.f() returns int language sql as 'select  1';

-- case function body comment
create function @.f() returns int language sql as 'select 1';
-- change
create or replace function @.f() returns int language sql as '-- one
select 1';

-- case function sql body
create function @.f() returns int language sql begin atomic select 1; end;
-- change
create or replace function @.f() returns int language sql begin atomic select 2; end;
-- undo
create or replace function @.f() returns int language sql begin atomic select 1; end;

-- case function overload
create function @.f(a int) returns int language sql as 'select 1';
-- change
create function @.f(a text) returns int language sql as 'select 1';
-- undo
drop function @.f(text);

-- case function argument name
create function @.f(a int) returns int language sql as 'select 1';
-- change
drop function @.f(int); create function @.f(b int) returns int language sql as 'select 1';
-- undo
drop function @.f(int); create function @.f(a int) returns int language sql as 'select 1';

-- case function argument default
create function @.f(a int) returns int language sql as 'select 1';
-- change
create or replace function @.f(a int default 5) returns int language sql as 'select 1';
-- undo
drop function @.f(int); create function @.f(a int) returns int language sql as 'select 1';

-- case function out arguments
create function @.f(out a int, out b text) language sql as 'select 1, null::text';
-- change
drop function @.f(); create function @.f(out a int, out c text) language sql as 'select 1, null::text';
-- undo
drop function @.f(); create function @.f(out a int, out b text) language sql as 'select 1, null::text';

-- case function variadic
create function @.f(a int[]) returns int language sql as 'select 1';
-- change
drop function @.f(int[]); create function @.f(variadic a int[]) returns int language sql as 'select 1';
-- undo
drop function @.f(int[]); create function @.f(a int[]) returns int language sql as 'select 1';

-- case function result
create function @.f() returns int language sql as 'select 1';
-- change
drop function @.f(); create function @.f() returns setof int language sql as 'select 1';
-- undo
drop function @.f(); create function @.f() returns int language sql as 'select 1';

-- case function result table
create function @.f() returns table (a int) language sql as 'select 1';
-- change
drop function @.f(); create function @.f() returns table (b int) language sql as 'select 1';
-- undo
drop function @.f(); create function @.f() returns table (a int) language sql as 'select 1';

-- case function volatility
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() immutable;
-- undo
alter function @.f() volatile;

-- case function strict
create function @.f(a int) returns int language sql as 'select 1';
-- change
alter function @.f(int) strict;
-- undo
alter function @.f(int) called on null input;

-- case function security
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() security definer;
-- undo
alter function @.f() security invoker;

-- case function leakproof
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() leakproof;
-- undo
alter function @.f() not leakproof;

-- case function parallel
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() parallel safe;
-- undo
alter function @.f() parallel unsafe;

-- case function cost
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() cost 7;
-- undo
alter function @.f() cost 100;

-- case function rows
create function @.f() returns setof int language sql as 'select 1';
-- change
alter function @.f() rows 7;
-- undo
alter function @.f() rows 1000;

-- case function settings
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() set search_path = pg_catalog; alter function @.f() set work_mem = '1MB';
-- undo
alter function @.f() reset all;

-- case function support
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() support pg_catalog.generate_series_int4_support;

-- case function language
create function @.f() returns int language sql as 'select 1;';
-- change
create or replace function @.f() returns int language plpgsql as 'begin return 1; end';
-- undo
create or replace function @.f() returns int language sql as 'select 1;';

-- case function owner
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() owner to cat_writer;
-- undo
alter function @.f() owner to postgres;

-- case function comment
create function @.f() returns int language sql as 'select 1';
-- change
comment on function @.f() is 'one';
-- undo
comment on function @.f() is null;

-- case function privileges
create function @.f() returns int language sql as 'select 1';
-- change
revoke execute on function @.f() from public; grant execute on function @.f() to cat_reader;
-- undo
grant execute on function @.f() to public; revoke execute on function @.f() from cat_reader;

-- case function renamed
create function @.f() returns int language sql as 'select 1';
-- change
alter function @.f() rename to g;
-- undo
alter function @.g() rename to f;

-- case function in c
-- change
create function @.f(cstring) returns int language internal immutable strict as 'int4in';
-- undo
drop function @.f(cstring);

-- case function with a transform
create function @.from_sql(internal) returns internal language internal immutable as 'varbit_support';
create type @.ty as (a int); create language @_lang handler plpgsql_call_handler;
-- change
create transform for @.ty language @_lang (from sql with function @.from_sql(internal));
-- undo
drop transform for @.ty language @_lang;

-- case window function
-- change
create function @.w() returns bigint language internal window immutable as 'window_row_number';
-- undo
drop function @.w();

-- case function to procedure
create function @.f() returns void language sql as '';
-- change
drop function @.f(); create procedure @.f() language sql as '';
-- undo
drop procedure @.f(); create function @.f() returns void language sql as '';

-- case procedure arguments
create procedure @.p(a int) language sql as '';
-- change
drop procedure @.p(int); create procedure @.p(inout a int) language sql as 'select 1';
-- undo
drop procedure @.p(inout int); create procedure @.p(a int) language sql as '';

-- case aggregate
-- change
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- undo
drop aggregate @.agg(int);

-- case aggregate initial value
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int, initcond = '0');
-- undo
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate function
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
create or replace aggregate @.agg(int) (sfunc = int4mi, stype = int);
-- undo
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate parallel and combine
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int, combinefunc = int4pl, parallel = safe);
-- undo
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate sort operator
create aggregate @.agg(int) (sfunc = int4larger, stype = int);
-- change
create or replace aggregate @.agg(int) (sfunc = int4larger, stype = int, sortop = operator(pg_catalog.>));
-- undo
create or replace aggregate @.agg(int) (sfunc = int4larger, stype = int);

-- case aggregate moving
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);
-- undo
create or replace aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate comment
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
comment on aggregate @.agg(int) is 'sum';
-- undo
comment on aggregate @.agg(int) is null;

-- case trigger
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
-- change
create trigger tr before insert on @.t for each row execute function @.f();
-- undo
drop trigger tr on @.t;

-- case trigger event
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on @.t for each row execute function @.f();
-- change
create or replace trigger tr before insert or update on @.t for each row execute function @.f();
-- undo
create or replace trigger tr before insert on @.t for each row execute function @.f();

-- case trigger timing
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on @.t for each row execute function @.f();
-- change
create or replace trigger tr after insert on @.t for each row execute function @.f();
-- undo
create or replace trigger tr before insert on @.t for each row execute function @.f();

-- case trigger columns
create table @.t (a int, b int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before update on @.t for each row execute function @.f();
-- change
create or replace trigger tr before update of a on @.t for each row execute function @.f();
-- undo
create or replace trigger tr before update on @.t for each row execute function @.f();

-- case trigger condition
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before update on @.t for each row execute function @.f();
-- change
create or replace trigger tr before update on @.t for each row when (old.a is distinct from new.a) execute function @.f();
-- undo
create or replace trigger tr before update on @.t for each row execute function @.f();

-- case trigger arguments
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before update on @.t for each row execute function @.f('x');
-- change
create or replace trigger tr before update on @.t for each row execute function @.f('y');
-- undo
create or replace trigger tr before update on @.t for each row execute function @.f('x');

-- case trigger level and transition tables
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return null; end';
create trigger tr after insert on @.t for each statement execute function @.f();
-- change
create or replace trigger tr after insert on @.t referencing new table as fresh for each statement execute function @.f();
-- undo
create or replace trigger tr after insert on @.t for each statement execute function @.f();

-- case trigger disabled
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on @.t for each row execute function @.f();
-- change
alter table @.t disable trigger tr;
-- undo
alter table @.t enable trigger tr;

-- case trigger always
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on @.t for each row execute function @.f();
-- change
alter table @.t enable always trigger tr;
-- undo
alter table @.t enable replica trigger tr;

-- case trigger renamed
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on @.t for each row execute function @.f();
-- change
alter trigger tr on @.t rename to tr2;
-- undo
alter trigger tr2 on @.t rename to tr;

-- case trigger comment
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on @.t for each row execute function @.f();
-- change
comment on trigger tr on @.t is 'stamps';
-- undo
comment on trigger tr on @.t is null;

-- case constraint trigger
create table @.t (a int); create function @.f() returns trigger language plpgsql as 'begin return new; end';
create constraint trigger tr after insert on @.t for each row execute function @.f();
-- change
drop trigger tr on @.t; create constraint trigger tr after insert on @.t deferrable initially deferred for each row execute function @.f();
-- undo
drop trigger tr on @.t; create constraint trigger tr after insert on @.t for each row execute function @.f();

-- case trigger on a view
create table @.t (a int); create view @.v as select a from @.t;
create function @.f() returns trigger language plpgsql as 'begin return new; end';
-- change
create trigger tr instead of insert on @.v for each row execute function @.f();
-- undo
drop trigger tr on @.v;

-- case event trigger
create function @.f() returns event_trigger language plpgsql as 'begin end';
-- change
create event trigger @_et on ddl_command_end execute function @.f();
-- undo
drop event trigger @_et;

-- case event trigger tags
create function @.f() returns event_trigger language plpgsql as 'begin end';
create event trigger @_et on ddl_command_end execute function @.f();
-- change
drop event trigger @_et; create event trigger @_et on ddl_command_end when tag in ('CREATE CAST') execute function @.f();
-- undo
drop event trigger @_et; create event trigger @_et on ddl_command_end execute function @.f();

-- case event trigger disabled
create function @.f() returns event_trigger language plpgsql as 'begin end';
create event trigger @_et on sql_drop execute function @.f();
-- change
alter event trigger @_et disable;
-- undo
alter event trigger @_et enable;

-- case event trigger owner and comment
create function @.f() returns event_trigger language plpgsql as 'begin end';
create event trigger @_et on sql_drop execute function @.f();
-- change
alter event trigger @_et owner to cat_writer; comment on event trigger @_et is 'x';
-- undo
alter event trigger @_et owner to postgres; comment on event trigger @_et is null;

-- case rule
create table @.t (a int);
-- change
create rule r as on delete to @.t do instead nothing;
-- undo
drop rule r on @.t;

-- case rule action
create table @.t (a int); create rule r as on delete to @.t do instead nothing;
-- change
create or replace rule r as on delete to @.t where old.a > 5 do instead nothing;
-- undo
create or replace rule r as on delete to @.t do instead nothing;

-- case rule disabled
create table @.t (a int); create rule r as on delete to @.t do instead nothing;
-- change
alter table @.t disable rule r;
-- undo
alter table @.t enable rule r;

-- case rule renamed
create table @.t (a int); create rule r as on delete to @.t do instead nothing;
-- change
alter rule r on @.t rename to r2;
-- undo
alter rule r2 on @.t rename to r;

-- case rule comment
create table @.t (a int); create rule r as on delete to @.t do instead nothing;
-- change
comment on rule r on @.t is 'kept';
-- undo
comment on rule r on @.t is null;

-- case rule on a view
create table @.t (a int); create view @.v as select a from @.t;
-- change
create rule r as on insert to @.v do instead insert into @.t values (new.a);
-- undo
drop rule r on @.v;

-- case policy
create table @.t (a int);
-- change
create policy p on @.t;
-- undo
drop policy p on @.t;

-- case policy expression
create table @.t (a int); create policy p on @.t using (a > 0);
-- change
alter policy p on @.t using (a > 1);
-- undo
alter policy p on @.t using (a > 0);

-- case policy with check
create table @.t (a int); create policy p on @.t using (a > 0) with check (a > 1);
-- change
alter policy p on @.t with check (a > 2);
-- undo
alter policy p on @.t with check (a > 1);

-- case policy command
create table @.t (a int); create policy p on @.t for select using (a > 0);
-- change
drop policy p on @.t; create policy p on @.t for delete using (a > 0);
-- undo
drop policy p on @.t; create policy p on @.t for select using (a > 0);

-- case policy restrictive
create table @.t (a int); create policy p on @.t using (a > 0);
-- change
drop policy p on @.t; create policy p on @.t as restrictive using (a > 0);
-- undo
drop policy p on @.t; create policy p on @.t using (a > 0);

-- case policy roles
create table @.t (a int); create policy p on @.t using (a > 0);
-- change
alter policy p on @.t to cat_reader, cat_writer;
-- undo
alter policy p on @.t to public;

-- case policy renamed
create table @.t (a int); create policy p on @.t using (a > 0);
-- change
alter policy p on @.t rename to q;
-- undo
alter policy q on @.t rename to p;

-- case policy comment
create table @.t (a int); create policy p on @.t using (a > 0);
-- change
comment on policy p on @.t is 'x';
-- undo
comment on policy p on @.t is null;
