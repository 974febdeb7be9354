"""How a session imports submitted code: from source, from its own folders, and nothing else of ours."""

import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import CodeType
from typing import NoReturn

# The project's own packages: even if it is installed among the site-packages, a
# submission sees one of these only when the session was given it.
_WITHHELD = frozenset({"grader", "reference", "student", "tests", "data_scripts"})


class _FromSource(SourceFileLoader):
    """Compiles the file that was scanned; a .pyc lying beside it may hold anything."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Submission(MetaPathFinder):
    """Finds the modules and packages that a session was given by name."""

    def __init__(
        self,
        files: dict[str, str],
        packages: dict[str, str],
        forbidden: Sequence[str],
        refuse: Callable[[str], NoReturn],
    ) -> None:
        self.files, self.packages = files, packages
        self._forbidden, self._refuse = frozenset(forbidden), refuse

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname in self.files:
            file = self.files[fullname]
            return importlib.util.spec_from_file_location(fullname, file, loader=_FromSource(fullname, file))
        if fullname in self.packages:
            return self._package(fullname)
        if fullname in self._forbidden:
            self._refuse(fullname)
        if fullname in _WITHHELD:
            raise ModuleNotFoundError(f"No module named {fullname!r} for a submission", name=fullname)
        return None

    def _package(self, name: str) -> ModuleSpec:
        folder = self.packages[name]
        init = os.path.join(folder, "__init__.py")
        if os.path.isfile(init):
            return importlib.util.spec_from_file_location(
                name, init, loader=_FromSource(name, init), submodule_search_locations=[folder]
            )
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [folder]
        return spec


def install(
    files: dict[str, str], packages: dict[str, str], forbidden: Sequence[str], refuse: Callable[[str], NoReturn]
) -> list[str]:
    """Make a submission importable in this process.

    Args:
        files: module name -> its file. Other files of the same folder can be imported too.
        packages: top-level package name -> its folder.
        forbidden: dotted names of modules that cannot be imported, by whomever.
        refuse: is told the name of one of them, and raises.

    Returns:
        The folders that hold submitted code.
    """
    beside = list(dict.fromkeys(os.path.dirname(file) for file in files.values()))
    roots = list(dict.fromkeys([*beside, *packages.values()]))

    def source_only(folder: str) -> FileFinder:
        if not _lies_in(folder, roots):
            raise ImportError("not a folder of the submission", path=folder)
        return FileFinder(folder, (_FromSource, importlib.machinery.SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, source_only)
    sys.meta_path.insert(0, _Submission(files, packages, forbidden, refuse))
    sys.path[:0] = beside
    return roots


def folders_of(modules: Sequence[str]) -> list[str]:
    """Where packages among `modules` lie, to be hidden where there is a wall for it."""
    places = [os.path.join(folder, *name.split(".")) for folder in sys.path for name in modules]
    return [place for place in places if os.path.isdir(place)]


def preload_owners(functions: Sequence[str]) -> None:
    """Import the modules of `functions`: numpy loads `numpy.fft` only when it is asked for."""
    for owner in dict.fromkeys(full.rpartition(".")[0] for full in functions):
        with contextlib.suppress(ImportError):
            importlib.import_module(owner)


def replace(functions: Sequence[str], refuse: Callable[[str], NoReturn]) -> None:
    """Have functions of imported modules raise; under another name they may be found all the same.

    Args:
        functions: dotted names; what is not there is left out.
        refuse: is told the name, and raises.
    """
    for full in functions:
        owner, _, name = full.rpartition(".")
        module = sys.modules.get(owner)  # imported by `preload_owners`
        if module is not None and hasattr(module, name):
            setattr(module, name, lambda *args, full=full, **kwargs: refuse(full))


def _lies_in(folder: str, roots: Sequence[str]) -> bool:
    return any(folder == root or folder.startswith(os.path.join(root, "")) for root in roots)
