"""Alembic's config as its command line makes it, parsed options included: some env.py ask for them."""

import functools
import inspect
import os

from alembic.config import CommandLine, Config


@functools.lru_cache(maxsize=None)
def parser():
    """Alembic's own, with all its commands. A warm Python has made it: for each that is forked from it 3 ms of CPU less."""
    return CommandLine(prog="alembic").parser


def alembic_config(launch):
    """`launch` names the config, what the command line would be given besides, and the folder of the project."""
    words = ["-c", launch["config"], *launch["options"], "upgrade", "heads"]
    options = parser().parse_args(words)
    ini, toml = launch["config"], os.path.join(launch["project"], "pyproject.toml")
    if os.path.basename(ini) == "pyproject.toml":
        ini, toml = os.path.join(os.path.dirname(ini), "alembic.ini"), ini
    extra = {}
    if "toml_file" in inspect.signature(Config.__init__).parameters:
        extra["toml_file"] = toml
    config = Config(file_=ini, ini_section=options.name, cmd_opts=options, **extra)
    if launch["script_location"]:
        config.set_main_option("script_location", launch["script_location"].replace("%", "%%"))
        enter_application()
    return config


def enter_application():
    """Where no config says where the scripts are, the layout is Flask-Migrate's, and env.py asks for the application that
    `flask db` would have loaded."""
    try:
        from flask.cli import ScriptInfo, load_dotenv
        from flask.helpers import get_load_dotenv
    except ImportError:
        return
    # The files .env and .flaskenv, and FLASK_APP, which may stand in them, are read by `flask` itself, not by its classes.
    if get_load_dotenv():
        load_dotenv()
    ScriptInfo(os.environ.get("FLASK_APP")).load_app().app_context().push()


def revision_options(launch, command):
    """What `alembic revision` has parsed: hooks of the project ask whether it is to autogenerate."""
    words = ["-c", launch["config"], *launch["options"], "revision", "--message=%s" % (command["message"] or "")]
    words += ["--autogenerate"] if command["autogenerate"] else []
    words += ["--rev-id=%s" % command["rev_id"]] if command["rev_id"] else []
    words += ["--head=%s" % command["head"]] if command["head"] else []
    words += ["--splice"] if command["splice"] else []
    words += ["--depends-on=%s" % revision for revision in command["depends_on"]]
    return parser().parse_args(words)
