# case the wrong signature
# expect failed downgrade: positional argument
# cause take what env.py passes
def upgrade():
    pass
def downgrade(engine):
    pass

# case an exception of the script's own
# expect failed downgrade: ValueError
def upgrade():
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")
    raise ValueError("no way back today")

# case an exception on the way up
# expect failed upgrade: KeyError
# branch
def upgrade():
    {}["gone"]
def downgrade():
    pass

# case an exception only the second time in one process
# expect reversible
# process
# note passes in a process of its own
import builtins
def upgrade():
    builtins.at_times = getattr(builtins, "at_times", 0) + 1
    if builtins.at_times > 1:
        raise RuntimeError("once is enough")
def downgrade():
    pass

# case an import that is gone
# expect failed downgrade: no_such_module_at_all
def upgrade():
    pass
def downgrade():
    import no_such_module_at_all

# case a swallowed error
# given create table @t (id int)
# expect failed downgrade: swallowed
# cause the script swallows an error
def upgrade():
    op.execute("alter table @t add n int")
def downgrade():
    try:
        op.execute("drop table @nothing")
    except Exception:
        pass
    op.execute("alter table @t drop n")

# case declared irreversible by NotImplementedError
# expect irreversible: the old keys are gone
def upgrade():
    op.execute("create table @t (id int)")
def downgrade():
    raise NotImplementedError("the old keys are gone")

# case declared irreversible by a word
# expect irreversible: irreversible = True
irreversible = True
def upgrade():
    op.execute("create table @t (id int)")
def downgrade():
    pass

# case declared irreversible by a comment
# expect irreversible: the old names were thrown away
def upgrade():
    op.execute("create table @t (id int)")
def downgrade():
    # irreversible: the old names were thrown away
    pass

# case no downgrade at all
# expect irreversible: no downgrade()
def upgrade():
    op.execute("create table @t (id int)")

# case NotImplementedError after half of the work
# expect irreversible: half
def upgrade():
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")
    raise NotImplementedError("half")

# case the process ends by os._exit on the way down
# expect failed downgrade: process ended
# process
def upgrade():
    op.execute("create table @t (id int)")
def downgrade():
    import os
    os._exit(3)

# case the process ends by os._exit on the way up again
# expect failed re-upgrade: process ended
# process
def upgrade():
    if sa.inspect(op.get_bind()).has_table("@mark"):
        import os
        os._exit(0)
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")
    op.execute("create table @mark (id int)")

# case the process kills itself
# expect failed downgrade: process ended
# process
def upgrade():
    pass
def downgrade():
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)

# case sys.exit on the way down
# expect failed downgrade: status 5
# process
def upgrade():
    pass
def downgrade():
    import sys
    sys.exit(5)

# case a question
# expect failed downgrade: Really?
# process
def upgrade():
    pass
def downgrade():
    input("Really? ")

# case prints on every stream
# expect reversible
# process
def upgrade():
    import os, sys
    print("{\"event\": \"done\"}")
    print("to stderr", file=sys.stderr)
    os.write(1, b"raw\n")
    sys.__stdout__.write("older\n")
    op.execute("create table @t (id int)")
def downgrade():
    print("\xe4\u2603" * 2000)
    op.execute("drop table @t")

# case another working directory
# expect reversible
# process
def upgrade():
    import os
    os.chdir("/")
    op.execute("create table @t (id int)")
def downgrade():
    import os
    assert os.path.exists("alembic.ini"), os.getcwd()
    op.execute("drop table @t")

# case a thread left running
# expect reversible
# process
def upgrade():
    import threading, time
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")

# case signal handlers
# expect reversible
# process
def upgrade():
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")

# case a child process left running
# expect reversible
# process
def upgrade():
    import subprocess
    subprocess.Popen(["sleep", "600"])
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")

# case a log configuration of its own
# expect reversible
# process
def upgrade():
    import logging
    logging.disable(logging.CRITICAL)
    logging.basicConfig(level=0, force=True)
    op.execute("create table @t (id int)")
def downgrade():
    op.execute("drop table @t")

# case a session setting that stays
# given create table @t (id int)
# expect reversible
# process
def upgrade():
    op.execute("set search_path = pg_catalog, public")
    op.execute("alter table public.@t add n int")
def downgrade():
    op.execute("alter table public.@t drop n")
    op.execute("set search_path = public")

# case an empty downgrade of an empty upgrade
# expect reversible
def upgrade():
    pass
def downgrade():
    pass

# case an ORM session
# given create table @t (id int primary key, n int); insert into @t values (1, 1)
# expect reversible
def upgrade():
    from sqlalchemy.orm import Session
    session = Session(bind=op.get_bind())
    session.execute(sa.text("update @t set n = 2"))
    session.flush()
def downgrade():
    op.execute("update @t set n = 1")

# case a savepoint round an error
# given create table @t (id int)
# expect reversible
def upgrade():
    try:
        with op.get_bind().begin_nested():
            op.execute("drop table @nothing")
    except Exception:
        op.execute("alter table @t add n int")
def downgrade():
    op.execute("alter table @t drop n")

# case the downgrade commits by itself
# given create table @t (id int)
# expect reversible
def upgrade():
    op.execute("alter table @t add n int")
def downgrade():
    with op.get_context().autocommit_block():
        op.execute("alter table @t drop n")
