# case a unique constraint stays
# given create table @t (id int, n int)
# expect failed re-upgrade: relation "@u" already exists
def upgrade():
    op.create_unique_constraint("@u", "@t", ["n"])
def downgrade():
    op.execute("select 1")

# case a unique constraint is not put back
# given create table @t (id int, n int constraint @u unique)
# expect failed re-upgrade: constraint "@u" of relation "@t" does not exist
def upgrade():
    op.drop_constraint("@u", "@t")
def downgrade():
    pass

# case a unique constraint comes back under another name
# given create table @t (id int, n int constraint @u unique)
# expect schema-differs downgrade: constraint public.@t.@u + constraint public.@t.@uq
# cause came back under another name
def upgrade():
    op.execute("alter table @t drop constraint if exists @u, drop constraint if exists @uq")
def downgrade():
    op.create_unique_constraint("@uq", "@t", ["n"])

# case a unique constraint comes back as an index
# given create table @t (id int, n int constraint @u unique)
# expect failed re-upgrade: constraint "@u" of relation "@t" does not exist
def upgrade():
    op.drop_constraint("@u", "@t")
def downgrade():
    op.create_index("@u", "@t", ["n"], unique=True)

# case a constraint without a name
# given create table @t (id int primary key, p int)
# expect failed downgrade: name
# cause the constraint has no name
def upgrade():
    op.create_foreign_key(None, "@t", "@t", ["p"], ["id"])
def downgrade():
    op.drop_constraint(None, "@t", type_="foreignkey")

# case dropped under a name that it never had
# given create table @t (id int, n int)
# expect failed downgrade: constraint "@t_n_unique" of relation "@t" does not exist
# cause perhaps made under another name
def upgrade():
    op.execute("alter table @t add unique (n)")
def downgrade():
    op.drop_constraint("@t_n_unique", "@t")

# case a foreign key loses ON DELETE
# given create table @a (id int primary key); create table @b (a int constraint @fk references @a on delete cascade)
# expect schema-differs downgrade: constraint public.@b.@fk
def upgrade():
    op.drop_constraint("@fk", "@b")
def downgrade():
    op.create_foreign_key("@fk", "@b", "@a", ["a"], ["id"])

# case a foreign key stays
# given create table @a (id int primary key); create table @b (a int)
# expect failed re-upgrade: constraint "@fk" for relation "@b" already exists
def upgrade():
    op.create_foreign_key("@fk", "@b", "@a", ["a"], ["id"])
def downgrade():
    pass

# case a foreign key comes back not validated
# given create table @a (id int primary key); create table @b (a int constraint @fk references @a)
# expect schema-differs downgrade: constraint public.@b.@fk
def upgrade():
    op.drop_constraint("@fk", "@b")
def downgrade():
    op.execute("alter table @b add constraint @fk foreign key (a) references @a not valid")

# case a constraint stays deferrable
# given create table @a (id int primary key); create table @b (a int constraint @fk references @a)
# expect schema-differs downgrade: constraint public.@b.@fk
def upgrade():
    op.execute("alter table @b alter constraint @fk deferrable initially deferred")
def downgrade():
    op.execute("alter table @b alter constraint @fk deferrable initially immediate")

# case a check is not the same check
# given create table @t (n int constraint @c check (n > 0))
# expect schema-differs downgrade: constraint public.@t.@c
def upgrade():
    op.drop_constraint("@c", "@t")
def downgrade():
    op.create_check_constraint("@c", "@t", "n >= 0")

# case a primary key comes back under another name
# given create table @t (id int constraint @pk primary key)
# expect schema-differs downgrade: constraint public.@t.@pk + constraint public.@t.@t_pkey
# cause came back under another name
def upgrade():
    op.execute("alter table @t drop constraint if exists @pk, drop constraint if exists @t_pkey")
def downgrade():
    op.execute("alter table @t add primary key (id)")

# case an exclusion constraint stays
# given create table @t (r int4range)
# expect failed re-upgrade: relation "@x" already exists
def upgrade():
    op.execute("alter table @t add constraint @x exclude using gist (r with &&)")
def downgrade():
    pass

# case the upgrade's constraint cannot hold the rows
# given create table @t (n int); insert into @t values (1), (1)
# expect failed upgrade: could not create unique index
# branch
def upgrade():
    op.create_unique_constraint("@u", "@t", ["n"])
def downgrade():
    op.drop_constraint("@u", "@t")

# case the downgrade's foreign key cannot hold the rows
# given create table @a (id int primary key); create table @b (a int constraint @fk references @a)
# expect failed downgrade: violates foreign key constraint
def upgrade():
    op.drop_constraint("@fk", "@b")
    op.execute("insert into @b values (9)")
def downgrade():
    op.create_foreign_key("@fk", "@b", "@a", ["a"], ["id"])

# case constraints of every kind, made and dropped
# given create table @a (id int primary key); create table @b (a int, n int)
# expect reversible
def upgrade():
    op.create_foreign_key("@fk", "@b", "@a", ["a"], ["id"], ondelete="CASCADE")
    op.create_unique_constraint("@u", "@b", ["n"])
    op.create_check_constraint("@c", "@b", "n > 0")
def downgrade():
    op.drop_constraint("@c", "@b")
    op.drop_constraint("@u", "@b")
    op.drop_constraint("@fk", "@b")

# case a constraint renamed and named back
# given create table @t (n int constraint @u unique)
# expect reversible
def upgrade():
    op.execute("alter table @t rename constraint @u to @w")
def downgrade():
    op.execute("alter table @t rename constraint @w to @u")

# case a naming convention that is put before a name twice
# given create table @t (n int constraint ck_@t_positive check (n > 0))
# expect failed re-upgrade: constraint "ck_@t_positive" of relation "@t" does not exist
# cause op.f('ck_@t_positive')
def upgrade():
    op.execute("alter table @t drop constraint ck_@t_positive")
def downgrade():
    convention = {"ck": "ck_%(table_name)s_%(constraint_name)s"}
    table = sa.Table("@t", sa.MetaData(naming_convention=convention), sa.Column("n", sa.Integer))
    check = sa.CheckConstraint("n > 0", name="ck_@t_positive")
    table.append_constraint(check)
    op.execute(sa.schema.AddConstraint(check))

# case a long name that a naming convention is put before, and PostgreSQL's limit
# given create table @t (n int constraint ck_@t_is_either_positive_or_it_is_nothing_at_all check (n > 0))
# expect failed re-upgrade: constraint "ck_@t_is_either_positive_or_it_is_nothing_at_all" of relation "@t" does not exist
# cause the downgrade gives @t the constraint ck_@t_ck_@t_is_either_positive_or_it_is_nothi
def upgrade():
    op.execute("alter table @t drop constraint ck_@t_is_either_positive_or_it_is_nothing_at_all")
def downgrade():
    op.execute("alter table @t add constraint ck_@t_ck_@t_is_either_positive_or_it_is_nothing_at_all_of_it check (n > 0)")
