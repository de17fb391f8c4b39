-- case table added
-- change
create table @.t (a int);
-- undo
drop table @.t;

-- case table removed
create table @.t (a int primary key, b text);
-- change
drop table @.t;
-- undo
create table @.t (a int primary key, b text);

-- case table renamed
create table @.t (a int primary key);
-- change
alter table @.t rename to u;
-- undo
alter table @.u rename to t;

-- case table to another schema
create table @.t (a int); create schema @_b;
-- change
alter table @.t set schema @_b;
-- undo
alter table @_b.t set schema @;

-- case table unlogged
create table @.t (a int);
-- change
alter table @.t set unlogged;
-- undo
alter table @.t set logged;

-- case table owner
create table @.t (a int);
-- change
alter table @.t owner to cat_writer;
-- undo
alter table @.t owner to postgres;

-- case table options
create table @.t (a int);
-- change
alter table @.t set (fillfactor = 70, autovacuum_enabled = false);
-- undo
alter table @.t reset (autovacuum_enabled, fillfactor);

-- case table options toast
create table @.t (a text);
-- change
alter table @.t set (toast.autovacuum_enabled = false);
-- undo
alter table @.t reset (toast.autovacuum_enabled);

-- case table comment
create table @.t (a int);
-- change
comment on table @.t is 'about @';
-- undo
comment on table @.t is null;

-- case table comment changed
create table @.t (a int); comment on table @.t is 'one';
-- change
comment on table @.t is 'two';
-- undo
comment on table @.t is 'one';

-- case row security
create table @.t (a int);
-- change
alter table @.t enable row level security;
-- undo
alter table @.t disable row level security;

-- case row security forced
create table @.t (a int); alter table @.t enable row level security;
-- change
alter table @.t force row level security;
-- undo
alter table @.t no force row level security;

-- case replica identity full
create table @.t (a int primary key);
-- change
alter table @.t replica identity full;
-- undo
alter table @.t replica identity default;

-- case replica identity by index
create table @.t (a int not null); create unique index t_a on @.t (a); create unique index t_a2 on @.t (a);
-- change
alter table @.t replica identity using index t_a;
-- undo
alter table @.t replica identity default;

-- case replica identity by another index
create table @.t (a int not null); create unique index t_a on @.t (a); create unique index t_a2 on @.t (a);
alter table @.t replica identity using index t_a;
-- change
alter table @.t replica identity using index t_a2;
-- undo
alter table @.t replica identity using index t_a;

-- case replica identity by constraint
create table @.t (a int primary key);
-- change
alter table @.t replica identity using index t_pkey;
-- undo
alter table @.t replica identity default;

-- case replica identity nothing
create table @.t (a int);
-- change
alter table @.t replica identity nothing;
-- undo
alter table @.t replica identity default;

-- case table tablespace
create table @.t (a int);
-- change
alter table @.t set tablespace cat_space;
-- undo
alter table @.t set tablespace pg_default;

-- case index tablespace
create table @.t (a int); create index t_a on @.t (a);
-- change
alter index @.t_a set tablespace cat_space;
-- undo
alter index @.t_a set tablespace pg_default;

-- case constraint index tablespace
create table @.t (a int primary key);
-- change
alter index @.t_pkey set tablespace cat_space;
-- undo
alter index @.t_pkey set tablespace pg_default;

-- case table of a type
create type @.ty as (a int, b text); create table @.t (a int, b text);
-- change
alter table @.t of @.ty;
-- undo
alter table @.t not of;

-- case inheritance added
create table @.p (a int); create table @.t (a int);
-- change
alter table @.t inherit @.p;
-- undo
alter table @.t no inherit @.p;

-- case inheritance from the start
create table @.p (a int); create table @.t (b int) inherits (@.p);
-- change
alter table @.t no inherit @.p;
-- undo
alter table @.t inherit @.p;

-- case inheritance from two in order
create table @.p (a int); create table @.q (b int); create table @.t (a int, b int);
alter table @.t inherit @.p; alter table @.t inherit @.q;
-- change
alter table @.t no inherit @.p; alter table @.t inherit @.p;
-- undo
alter table @.t no inherit @.q; alter table @.t inherit @.q; alter table @.t no inherit @.q; alter table @.t inherit @.q;

-- case column of a parent
create table @.p (a int); create table @.t (b int) inherits (@.p);
-- change
alter table @.p add column c text default 'x';
-- undo
alter table @.p drop column c;

-- case column of a child only
create table @.p (a int); create table @.t (a int) inherits (@.p);
-- change
alter table @.t alter column a set default 5;
-- undo
alter table @.t alter column a drop default;

-- case check of a parent
create table @.p (a int); create table @.t () inherits (@.p);
-- change
alter table @.p add constraint pc check (a > 0);
-- undo
alter table @.p drop constraint pc;

-- case check of a parent not inherited
create table @.p (a int); create table @.t () inherits (@.p); alter table @.p add constraint pc check (a > 0) no inherit;
-- change
alter table @.p drop constraint pc; alter table @.p add constraint pc check (a > 0);
-- undo
alter table @.p drop constraint pc; alter table @.p add constraint pc check (a > 0) no inherit;

-- case partition added
create table @.t (a int, b text) partition by range (a);
-- change
create table @.t1 partition of @.t for values from (1) to (10);
-- undo
drop table @.t1;

-- case partition detached
create table @.t (a int, b text) partition by list (a); create table @.t1 partition of @.t for values in (1);
-- change
alter table @.t detach partition @.t1;
-- undo
alter table @.t attach partition @.t1 for values in (1);

-- case partition bound
create table @.t (a int) partition by hash (a); create table @.t1 partition of @.t for values with (modulus 4, remainder 0);
-- change
alter table @.t detach partition @.t1; alter table @.t attach partition @.t1 for values with (modulus 4, remainder 1);
-- undo
alter table @.t detach partition @.t1; alter table @.t attach partition @.t1 for values with (modulus 4, remainder 0);

-- case partition default
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
-- change
create table @.td partition of @.t default;
-- undo
drop table @.td;

-- case partition key
create table @.t (a int, b int) partition by range (a);
-- change
drop table @.t; create table @.t (a int, b int) partition by range (b, a);
-- undo
drop table @.t; create table @.t (a int, b int) partition by range (a);

-- case partitioned index
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
-- change
create index t_a on @.t (a);
-- undo
drop index @.t_a;

-- case partitioned index attached
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
create index t_a on only @.t (a); create index t1_a on @.t1 (a);
-- change
alter index @.t_a attach partition @.t1_a;

-- case partitioned primary key
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
-- change
alter table @.t add primary key (a);
-- undo
alter table @.t drop constraint t_pkey; alter table @.t alter column a drop not null;

-- case partitioned foreign key
create table @.k (a int primary key); create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
-- change
alter table @.t add constraint tk foreign key (a) references @.k;
-- undo
alter table @.t drop constraint tk;

-- case partitioned trigger
create function @.f() returns trigger language plpgsql as 'begin return new; end';
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
-- change
create trigger tr before insert on @.t for each row execute function @.f();
-- undo
drop trigger tr on @.t;

-- case partitioned trigger disabled on one partition
create function @.f() returns trigger language plpgsql as 'begin return new; end';
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1);
create trigger tr before insert on @.t for each row execute function @.f();
-- change
alter table @.t1 disable trigger tr;
-- undo
alter table @.t1 enable trigger tr;

-- case access method of a table (since 15)
create access method @_am type table handler heap_tableam_handler; create table @.t (a int);
-- change
alter table @.t set access method @_am;
-- undo
alter table @.t set access method heap;

-- case clustered on an index
create table @.t (a int); create index t_a on @.t (a);
-- change
alter table @.t cluster on t_a;
-- undo
alter table @.t set without cluster;

-- case clustered on a primary key
create table @.t (a int primary key);
-- change
alter table @.t cluster on t_pkey;
-- undo
alter table @.t set without cluster;

-- case name that needs quotes
create table @."Weird.Name" ("a.b" int);
-- change
alter table @."Weird.Name" rename column "a.b" to "A ""quoted"" one";
-- undo
alter table @."Weird.Name" rename column "A ""quoted"" one" to "a.b";

-- case many things at once that cancel
create table @.t (a int primary key, b text not null default 'x'); create index t_b on @.t (b);
-- change
drop index @.t_b; alter table @.t alter column b drop not null, alter column b drop default; alter table @.t rename to u;
-- undo
alter table @.u rename to t; alter table @.t alter column b set default 'x', alter column b set not null; create index t_b on @.t (b);

-- case values of a partition of a partition
create table @.t (a int, b int) partition by range (a);
create table @.t1 partition of @.t for values from (0) to (10) partition by list (b);
create table @.t11 partition of @.t1 for values in (1, 2);
-- change
alter table @.t1 detach partition @.t11; alter table @.t1 attach partition @.t11 for values in (1);
-- undo
alter table @.t1 detach partition @.t11; alter table @.t1 attach partition @.t11 for values in (1, 2);

-- case partition of a partition by default
create table @.t (a int, b int) partition by range (a);
create table @.t1 partition of @.t for values from (0) to (10) partition by list (b);
create table @.t11 partition of @.t1 for values in (1);
-- change
alter table @.t1 detach partition @.t11; alter table @.t1 attach partition @.t11 default;
-- undo
alter table @.t1 detach partition @.t11; alter table @.t1 attach partition @.t11 for values in (1);

-- case materialized view filled (more than pg_dump)
create materialized view @.mv as select 1 as a with no data;
-- change
refresh materialized view @.mv;
-- undo
refresh materialized view @.mv with no data;

-- case index of a materialized view
create materialized view @.mv as select 1 as a; create unique index mvi on @.mv (a);
-- change
drop index @.mvi; create index mvi on @.mv (a);
-- undo
drop index @.mvi; create unique index mvi on @.mv (a);

-- case materialized view made again without its index
create materialized view @.mv as select 1 as a; create index mvi on @.mv (a);
-- change
drop materialized view @.mv; create materialized view @.mv as select 1 as a;
-- undo
create index mvi on @.mv (a);
