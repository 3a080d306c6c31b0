"""Every Equinox module is abstract or final."""

import importlib
import inspect
import pkgutil

import equinox as eqx

import comlnviz


def all_modules():
    for info in pkgutil.walk_packages(comlnviz.__path__, "comlnviz."):
        if not info.name.endswith("__main__") and ".notebooks" not in info.name:
            importlib.import_module(info.name)
    found, todo = set(), [eqx.Module]
    while todo:
        for cls in todo.pop().__subclasses__():
            if cls not in found:
                found.add(cls)
                todo.append(cls)
    return {cls for cls in found if cls.__module__.split(".")[0] == "comlnviz"}


def test_every_module_is_abstract_or_final():
    classes = all_modules()
    assert len(classes) > 15
    for cls in classes:
        for base in cls.__mro__[1:]:
            if base in classes:
                assert base.__name__.startswith("Abstract"), f"{cls} inherits from {base}"
        assert cls.__name__.startswith("Abstract") or not inspect.isabstract(cls), cls


def test_no_method_overrides_one_that_is_implemented():
    for cls in all_modules():
        for base in cls.__mro__[1:]:
            if base.__module__.split(".")[0] != "comlnviz":
                continue
            for name, method in vars(base).items():
                if name.startswith("__") or not callable(method):
                    continue
                free = getattr(method, "is_default", getattr(method, "__isabstractmethod__", False))
                if not free:
                    assert name not in vars(cls), f"{cls}.{name} overrides {base}.{name}"
