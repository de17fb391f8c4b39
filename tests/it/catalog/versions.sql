-- case generated virtual (since 18)
create table @.t (a int);
-- change
alter table @.t add column b int generated always as (a + 1) virtual;
-- undo
alter table @.t drop column b;

-- case generated virtual or stored (since 18)
create table @.t (a int, b int generated always as (a + 1) virtual);
-- change
alter table @.t drop column b; alter table @.t add column b int generated always as (a + 1) stored;
-- undo
alter table @.t drop column b; alter table @.t add column b int generated always as (a + 1) virtual;

-- case generated expression changed in place (since 17)
create table @.t (a int, b int generated always as (a + 1) stored);
-- change
alter table @.t alter column b set expression as (a + 2);
-- undo
alter table @.t alter column b set expression as (a + 1);

-- case not null with a name (since 18)
create table @.t (a int);
-- change
alter table @.t add constraint filled not null a;
-- undo
alter table @.t drop constraint filled;

-- case not null under another name (since 18)
create table @.t (a int not null);
-- change
alter table @.t rename constraint t_a_not_null to filled;
-- undo
alter table @.t rename constraint filled to t_a_not_null;

-- case not null not valid (since 18)
create table @.t (a int);
-- change
alter table @.t add constraint t_a_not_null not null a not valid;
-- undo
alter table @.t validate constraint t_a_not_null;

-- case not null not inherited (since 18)
create table @.t (a int);
-- change
alter table @.t add constraint t_a_not_null not null a no inherit;
-- undo
alter table @.t drop constraint t_a_not_null; alter table @.t alter column a set not null;

-- case not null inherited becomes own (since 18)
create table @.p (a int not null); create table @.t () inherits (@.p);
-- change
alter table @.t alter column a set not null;

-- case not null comment (since 18)
create table @.t (a int not null);
-- change
comment on constraint t_a_not_null on @.t is 'always there';
-- undo
comment on constraint t_a_not_null on @.t is null;

-- case foreign key not enforced (since 18)
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t alter constraint fk not enforced;
-- undo
alter table @.t alter constraint fk enforced;

-- case check not enforced (since 18)
create table @.t (a int, constraint ck check (a > 0));
-- change
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a > 0) not enforced;
-- undo
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a > 0);

-- case unique without overlaps (since 18)
create table @.t (a int4range, b int4range, constraint uq unique (b, a));
-- change
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (b, a without overlaps);
-- undo
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (b, a);

-- case publication of generated columns (since 18)
create publication @_pub;
-- change
alter publication @_pub set (publish_generated_columns = stored);
-- undo
alter publication @_pub set (publish_generated_columns = none);

-- case default privileges on large objects (since 18)
do 'begin create role @_role; exception when others then null; end';
-- change
alter default privileges for role @_role grant select on large objects to cat_reader;
-- undo
alter default privileges for role @_role revoke select on large objects from cat_reader;

-- case collation builtin (since 17)
create collation @.co (provider = builtin, locale = 'C');
-- change
drop collation @.co; create collation @.co (provider = builtin, locale = 'C.UTF-8');
-- undo
drop collation @.co; create collation @.co (provider = builtin, locale = 'C');

-- case privilege to maintain (since 17)
create table @.t (a int);
-- change
grant maintain on @.t to cat_reader;
-- undo
revoke maintain on @.t from cat_reader;

-- case subscription origin (since 16)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (origin = none);
-- undo
alter subscription @_sub set (origin = any);

-- case subscription runs as its owner (since 16)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (run_as_owner = true);
-- undo
alter subscription @_sub set (run_as_owner = false);

-- case subscription needs a password (since 16)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (password_required = false);
-- undo
alter subscription @_sub set (password_required = true);

-- case subscription survives a failover (since 17)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false, slot_name = none);
-- change
drop subscription @_sub; create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false, slot_name = none, failover = true);
-- undo
drop subscription @_sub; create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false, slot_name = none);

-- case collation rules (since 16) (icu)
create collation @.co (provider = icu, locale = 'und');
-- change
drop collation @.co; create collation @.co (provider = icu, locale = 'und', rules = '&a < b');
-- undo
drop collation @.co; create collation @.co (provider = icu, locale = 'und');

-- case partitioned table access method (since 17)
create access method @_am type table handler heap_tableam_handler; create table @.t (a int) partition by list (a);
-- change
alter table @.t set access method @_am;
-- undo
alter table @.t set access method default;

-- case partitioned identity (since 17)
create table @.t (a int generated always as identity, b int) partition by list (b); create table @.t1 partition of @.t for values in (1);
-- change
alter table @.t alter column a set generated by default;
-- undo
alter table @.t alter column a set generated always;
