-- case primary key
create table @.t (a int not null);
-- change
alter table @.t add primary key (a);
-- undo
alter table @.t drop constraint t_pkey;

-- case primary key under another name
create table @.t (a int primary key);
-- change
alter table @.t rename constraint t_pkey to pk_t;
-- undo
alter table @.t rename constraint pk_t to t_pkey;

-- case primary key of other columns
create table @.t (a int not null, b int not null, constraint pk primary key (a));
-- change
alter table @.t drop constraint pk; alter table @.t add constraint pk primary key (a, b);
-- undo
alter table @.t drop constraint pk; alter table @.t add constraint pk primary key (a);

-- case primary key in another order
create table @.t (a int not null, b int not null, constraint pk primary key (a, b));
-- change
alter table @.t drop constraint pk; alter table @.t add constraint pk primary key (b, a);
-- undo
alter table @.t drop constraint pk; alter table @.t add constraint pk primary key (a, b);

-- case unique
create table @.t (a int);
-- change
alter table @.t add constraint uq unique (a);
-- undo
alter table @.t drop constraint uq;

-- case unique as index instead
create table @.t (a int, constraint uq unique (a));
-- change
alter table @.t drop constraint uq; create unique index uq on @.t (a);
-- undo
drop index @.uq; alter table @.t add constraint uq unique (a);

-- case unique from an index
create table @.t (a int); create unique index uq on @.t (a);
-- change
alter table @.t add constraint uq unique using index uq;
-- undo
alter table @.t drop constraint uq; create unique index uq on @.t (a);

-- case unique with included columns
create table @.t (a int, b int, constraint uq unique (a));
-- change
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (a) include (b);
-- undo
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (a);

-- case unique nulls (since 15)
create table @.t (a int, constraint uq unique (a));
-- change
alter table @.t drop constraint uq; alter table @.t add constraint uq unique nulls not distinct (a);
-- undo
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (a);

-- case unique deferrable
create table @.t (a int, constraint uq unique (a));
-- change
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (a) deferrable initially deferred;
-- undo
alter table @.t drop constraint uq; alter table @.t add constraint uq unique (a);

-- case unique with fillfactor
create table @.t (a int, constraint uq unique (a));
-- change
alter index @.uq set (fillfactor = 50);
-- undo
alter index @.uq reset (fillfactor);

-- case unique index comment
create table @.t (a int, constraint uq unique (a));
-- change
comment on index @.uq is 'index of @';
-- undo
comment on index @.uq is null;

-- case constraint comment
create table @.t (a int, constraint uq unique (a));
-- change
comment on constraint uq on @.t is 'constraint of @';
-- undo
comment on constraint uq on @.t is null;

-- case check
create table @.t (a int);
-- change
alter table @.t add constraint ck check (a > 0);
-- undo
alter table @.t drop constraint ck;

-- case check expression
create table @.t (a int, constraint ck check (a > 0));
-- change
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a >= 0);
-- undo
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a > 0);

-- case check not valid
create table @.t (a int);
alter table @.t add constraint ck check (a > 0) not valid;
-- change
alter table @.t validate constraint ck;
-- undo
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a > 0) not valid;

-- case check not inherited
create table @.t (a int, constraint ck check (a > 0));
-- change
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a > 0) no inherit;
-- undo
alter table @.t drop constraint ck; alter table @.t add constraint ck check (a > 0);

-- case foreign key
create table @.k (a int primary key); create table @.t (a int);
-- change
alter table @.t add constraint fk foreign key (a) references @.k;
-- undo
alter table @.t drop constraint fk;

-- case foreign key on delete
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k on delete cascade;
-- undo
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k;

-- case foreign key on update
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k on update cascade);
-- change
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k on update set null;
-- undo
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k on update cascade;

-- case foreign key set null columns (since 15)
create table @.k (a int, b int, primary key (a, b)); create table @.t (a int, b int, constraint fk foreign key (a, b) references @.k on delete set null);
-- change
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a, b) references @.k on delete set null (b);
-- undo
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a, b) references @.k on delete set null;

-- case foreign key match full
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k match full;
-- undo
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k;

-- case foreign key deferrable
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t alter constraint fk deferrable;
-- undo
alter table @.t alter constraint fk not deferrable;

-- case foreign key initially deferred
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k deferrable);
-- change
alter table @.t alter constraint fk deferrable initially deferred;
-- undo
alter table @.t alter constraint fk deferrable initially immediate;

-- case foreign key not valid
create table @.k (a int primary key); create table @.t (a int);
alter table @.t add constraint fk foreign key (a) references @.k not valid;
-- change
alter table @.t validate constraint fk;
-- undo
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k not valid;

-- case foreign key to another table
create table @.k (a int primary key); create table @.l (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.l;
-- undo
alter table @.t drop constraint fk; alter table @.t add constraint fk foreign key (a) references @.k;

-- case foreign key renamed
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t rename constraint fk to t_a_fkey;
-- undo
alter table @.t rename constraint t_a_fkey to fk;

-- case foreign key twice
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t add constraint fk2 foreign key (a) references @.k;
-- undo
alter table @.t drop constraint fk2;

-- case foreign key triggers disabled (more than pg_dump)
create table @.k (a int primary key); create table @.t (a int, constraint fk foreign key (a) references @.k);
-- change
alter table @.t disable trigger all;
-- undo
alter table @.t enable trigger all;

-- case exclusion
create table @.t (a int4range);
-- change
alter table @.t add constraint ex exclude using gist (a with &&);
-- undo
alter table @.t drop constraint ex;

-- case exclusion where
create table @.t (a int4range, b int, constraint ex exclude using gist (a with &&));
-- change
alter table @.t drop constraint ex; alter table @.t add constraint ex exclude using gist (a with &&) where (b > 0);
-- undo
alter table @.t drop constraint ex; alter table @.t add constraint ex exclude using gist (a with &&);

-- case exclusion operator
create table @.t (a int4range, constraint ex exclude using gist (a with &&));
-- change
alter table @.t drop constraint ex; alter table @.t add constraint ex exclude using gist (a with =);
-- undo
alter table @.t drop constraint ex; alter table @.t add constraint ex exclude using gist (a with &&);

-- case index
create table @.t (a int);
-- change
create index t_a on @.t (a);
-- undo
drop index @.t_a;

-- case index renamed
create table @.t (a int); create index t_a on @.t (a);
-- change
alter index @.t_a rename to ix_t_a;
-- undo
alter index @.ix_t_a rename to t_a;

-- case index unique
create table @.t (a int); create index t_a on @.t (a);
-- change
drop index @.t_a; create unique index t_a on @.t (a);
-- undo
drop index @.t_a; create index t_a on @.t (a);

-- case index columns in another order
create table @.t (a int, b int); create index ix on @.t (a, b);
-- change
drop index @.ix; create index ix on @.t (b, a);
-- undo
drop index @.ix; create index ix on @.t (a, b);

-- case index descending
create table @.t (a int); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (a desc);
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index nulls first
create table @.t (a int); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (a nulls first);
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index where
create table @.t (a int, b int); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (a) where b is null;
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index expression
create table @.t (a text); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (lower(a));
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index operator class
create table @.t (a text); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (a text_pattern_ops);
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index collation
create table @.t (a text); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (a collate "C");
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index method
create table @.t (a int); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t using hash (a);
-- undo
drop index @.ix; create index ix on @.t using btree (a);

-- case index gin options
create table @.t (a jsonb); create index ix on @.t using gin (a);
-- change
drop index @.ix; create index ix on @.t using gin (a jsonb_path_ops) with (fastupdate = off);
-- undo
drop index @.ix; create index ix on @.t using gin (a);

-- case index included columns
create table @.t (a int, b int); create index ix on @.t (a);
-- change
drop index @.ix; create index ix on @.t (a) include (b);
-- undo
drop index @.ix; create index ix on @.t (a);

-- case index nulls not distinct (since 15)
create table @.t (a int); create unique index ix on @.t (a);
-- change
drop index @.ix; create unique index ix on @.t (a) nulls not distinct;
-- undo
drop index @.ix; create unique index ix on @.t (a);

-- case index fillfactor
create table @.t (a int); create index ix on @.t (a);
-- change
alter index @.ix set (fillfactor = 40);
-- undo
alter index @.ix reset (fillfactor);

-- case index statistics
create table @.t (a int); create index ix on @.t ((a + 1));
-- change
alter index @.ix alter column 1 set statistics 200;
-- undo
alter index @.ix alter column 1 set statistics -1;

-- case index comment
create table @.t (a int); create index ix on @.t (a);
-- change
comment on index @.ix is 'quick';
-- undo
comment on index @.ix is null;

-- case index concurrently
create table @.t (a int);
-- change
create index concurrently ix on @.t (a);
-- undo
drop index concurrently @.ix;

-- case index invalid (more than pg_dump)
create table @.t (a int); create index ix on @.t (a);
-- change
update pg_index set indisvalid = false where indexrelid = '@.ix'::regclass;
-- undo
update pg_index set indisvalid = true where indexrelid = '@.ix'::regclass;

-- case index on a materialized view
create table @.t (a int); create materialized view @.v as select a from @.t;
-- change
create unique index v_a on @.v (a);
-- undo
drop index @.v_a;

-- case statistics
create table @.t (a int, b int);
-- change
create statistics @.st (ndistinct, mcv) on a, b from @.t;
-- undo
drop statistics @.st;

-- case statistics kinds
create table @.t (a int, b int); create statistics @.st (ndistinct) on a, b from @.t;
-- change
drop statistics @.st; create statistics @.st (dependencies) on a, b from @.t;
-- undo
drop statistics @.st; create statistics @.st (ndistinct) on a, b from @.t;

-- case statistics expression
create table @.t (a int, b int); create statistics @.st on (a + b) from @.t;
-- change
drop statistics @.st; create statistics @.st on (a - b) from @.t;
-- undo
drop statistics @.st; create statistics @.st on (a + b) from @.t;

-- case statistics target
create table @.t (a int, b int); create statistics @.st on a, b from @.t;
-- change
alter statistics @.st set statistics 50;
-- undo
alter statistics @.st set statistics -1;

-- case statistics owner and comment
create table @.t (a int, b int); create statistics @.st on a, b from @.t;
-- change
alter statistics @.st owner to cat_writer; comment on statistics @.st is 'x';
-- undo
alter statistics @.st owner to postgres; comment on statistics @.st is null;

-- case storage of a brin index
create table @.t (a int); create index ix on @.t using brin (a) with (pages_per_range = 8);
-- change
drop index @.ix; create index ix on @.t using brin (a);
-- undo
drop index @.ix; create index ix on @.t using brin (a) with (pages_per_range = 8);
