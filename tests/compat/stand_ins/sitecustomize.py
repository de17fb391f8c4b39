"""Stands in for every module that a migration script imports and that is not installed: histories are read here without the
packages that they belong to. Python imports this file by itself where its folder is on the path.
"""
import importlib.abc
import importlib.machinery
import sys
import types


def attribute(name):
    """What a module or a class that is stood in for has under this name."""
    if name.startswith("__") and name not in ("__table__", "__mapper__"):
        raise AttributeError(name)
    if name.endswith("Warning"):
        return UserWarning
    if name.endswith("_BRANCH"):  # the names of Neutron's labels, which scripts take from a module
        return name
    return Exception if name.endswith(("Error", "Exception")) else Whatever(name)


class Whatever(type):
    """What is stood in for is a class: it can be called, subclassed, iterated and added, has every attribute and every item, and
    all of that comes to another such class. As a text it is the name that it was asked by.
    """

    def __new__(meta, name, bases=(), namespace=None, **options):
        return super().__new__(meta, name, bases, namespace or {})

    def __init__(cls, name, bases=(), namespace=None, **options):
        super().__init__(name, bases, namespace or {})

    def __call__(cls, *args, **kwargs):
        return Whatever("")

    def __getattr__(cls, name):
        return attribute(name)

    def __getitem__(cls, key):
        return Whatever("")

    def __add__(cls, other):
        return Whatever("")

    __or__ = __mod__ = __add__

    def __radd__(cls, other):
        return other

    def __lt__(cls, other):
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __iter__(cls):
        return iter(())

    def __len__(cls):
        return 0

    def __enter__(cls):
        return cls

    def __exit__(cls, *error):
        return False

    def __str__(cls):
        return cls.__name__

    __fspath__ = __str__


class _Module(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        return attribute(name)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last, when nobody else has the module; or first, and then Python's own and Alembic stay."""

    STAY = {*sys.stdlib_module_names, "alembic"}

    def find_spec(self, name, path, target=None):
        top = name.split(".")[0]
        if top in self.STAY and top not in ("imp", "distutils"):  # which Python has no more
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(Finder())
