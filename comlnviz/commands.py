"""What the commands of the command line do; each imports what it needs when it is called."""

import argparse
import dataclasses
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .book import BookError, copy_book, has_display, lab_command
from .cache import cache_environment, cache_folder


def lab(options: argparse.Namespace) -> int:
    """Copy the book and open it."""
    _require("jupyterlab")
    for kept in copy_book(options.folder):
        print(
            f"Kept your {kept}, which differs from the book's; rename it to get the book's as well."
        )
    browser = has_display() and not options.no_browser
    if not browser:
        print("JupyterLab is starting; open the address it prints in a browser.")
    sys.stdout.flush()
    command = lab_command(options.folder, browser=browser, port=options.port)
    environment = {**os.environ, **cache_environment()}
    if os.name == "posix":
        os.execve(command[0], command, environment)  # so that Ctrl-C is JupyterLab's alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command, env=environment)


def run(options: argparse.Namespace) -> int:
    """Execute notebooks in place."""
    _require("nbclient")
    from .execute import execute

    for path in options.notebooks:
        execute(path, timeout=options.timeout, environment=cache_environment())
    return 0


def course(options: argparse.Namespace) -> int:
    """Copy the course, or check an assignment."""
    _require("nbformat")
    from .course import commands

    lines, passed = (
        commands.new(options.folder)
        if options.action == "new"
        else commands.check(options.notebook, options.timeout)
    )
    print(*lines, sep="\n")
    return 0 if passed else 1


def export(options: argparse.Namespace) -> int:
    """Write every live figure to files."""
    _require("ipywidgets")
    from .apps.export import export

    for path in export(options.folder):
        print(path, flush=True)
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Examine this installation; 1 when there is a problem."""
    from .doctor import examine

    examination = examine()
    for line in examination.notes:
        print(line)
    for problem in examination.problems:
        print(f"Problem: {problem}")
    return 1 if examination.problems else 0


def reproduce(options: argparse.Namespace) -> int:
    """Compute one table or figure, or list or compute all."""
    from . import papers
    from .data import DataError

    if options.all and options.identifier:
        raise BookError(f"give either {options.identifier} or --all.")
    if options.list or not (options.all or options.identifier):
        for name, experiment in papers.EXPERIMENTS.items():
            print(f"{name}: {experiment.title}")
            for preset, make in experiment.presets.items():
                made = make()
                print(f"  {preset}: {made.cost}; data: {', '.join(made.data) or 'none'}")
        return 0
    if not options.all:
        _check_identifier(options.identifier)
    say = lambda sentence: print(sentence, flush=True)
    scratch = cache_folder() / "runs"
    try:
        if options.all or options.workers is not None or options.scheduler:
            return _reproduce_together(options, scratch)
        experiment = papers.EXPERIMENTS[options.identifier]
        path = papers.run(experiment, options.preset, options.out, scratch, say, options.only)
    except (DataError, ValueError) as error:
        raise BookError(str(error)) from None
    except KeyboardInterrupt:
        say("Interrupted; the same command goes on from here.")
        raise
    print(path)
    for finding in papers.result(options.identifier, options.preset, options.out).findings:
        print(f"{finding.verdict}: {finding.claim} {finding.why}")
    return 0


def _reproduce_together(options: argparse.Namespace, scratch: Path) -> int:
    """Many tables, or one by many workers, with one display."""
    _require("rich", "sweep")
    os.environ.setdefault("TQDM_DISABLE", "1")  # before tqdm is imported: the display is enough
    # A GPU's memory is for the processes that compute.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from . import papers
    from .papers.sweep import check_names
    from .reproduce import default_workers, reproduce

    chosen = (
        [papers.EXPERIMENTS[options.identifier]]
        if options.identifier
        else papers.EXPERIMENTS.values()
    )
    tables = [papers.Table(experiment, options.preset, options.out) for experiment in chosen]
    check_names(tables, options.only)
    tables = [t for t in tables if any(options.only in cell for cell in t.preset.cells)]
    if options.scheduler and options.workers is not None:
        raise BookError("give either --workers or --scheduler, whose workers are its own.")
    workers = default_workers() if options.workers is None else options.workers
    done = reproduce(
        tables, scratch, only=options.only, workers=workers, scheduler=options.scheduler
    )
    return 0 if done else 2


def _check_identifier(identifier: str) -> None:
    from . import papers

    if identifier not in papers.EXPERIMENTS:
        names = ", ".join(papers.EXPERIMENTS)
        raise BookError(f"there is no {identifier!r}; there are {names}.")


def profile(options: argparse.Namespace) -> int:
    """Say where the time of an experiment goes."""
    from . import papers
    from .data import DataError
    from .measure.profile import profile
    from .papers.sweep import check_names

    _check_identifier(options.identifier)
    table = papers.Table(papers.EXPERIMENTS[options.identifier], options.preset, options.out)
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        check_names([table], options.cell)
        cell = next(name for name in table.preset.cells if options.cell in name)
        with tempfile.TemporaryDirectory() as scratch:  # so that it trains, as from the beginning
            job = table.job(cell, Path(scratch))
            print(f"{job}, watched for {options.seconds} s once it is under way", flush=True)
            found = profile(lambda: job.compute(job.scratch), options.out, seconds=options.seconds)
    except (DataError, ValueError) as error:
        raise BookError(str(error)) from None
    print(f"compiling: {found.compiling:.1f} s of the {found.before:.1f} s before")
    if found.trace is None:
        print("It ended before there was anything to watch.")
        return 0
    print("Of the time that operations took then:")
    for part, share in found.parts.items():
        print(f"  {part:12}{share:6.1%}")
    (file,) = options.out.rglob("*.trace.json.gz")
    print(f"Trace: tensorboard --logdir {options.out}; or open {file} at ui.perfetto.dev")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Measure what meta-gradients cost."""
    from .measure import COS_MIXTURE, METHODS, Problem, Solving
    from .measure.curves import LENGTHS, plan, sweep

    # A GPU's memory is for the child processes that are measured, not for this one.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        problems = []
        for backbone, shots in itertools.product(options.backbone, options.shots or [None]):
            base = COS_MIXTURE if backbone == "cos-mixture" else Problem(backbone)
            given = {"ways": options.ways, "shots": shots, "d": options.d}
            given = {name: value for name, value in given.items() if value is not None}
            problems.append(dataclasses.replace(base, **given))
        lengths = [length for length in LENGTHS if length <= options.longest]
        path = sweep(
            options.out,
            plan(
                problems,
                options.methods or METHODS,
                lengths,
                Solving(options.solver, options.tolerance),
            ),
            memory_limit=options.memory * 1e9,
            timeout=options.timeout,
            repeats=options.repeats,
            device=options.device,
            again=options.again,
            errors=not options.no_errors,
            jobs=options.jobs,
            say=lambda sentence: print(sentence, flush=True),
        )
    except (ValueError, RuntimeError) as error:
        raise BookError(str(error)) from None
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", flush=True)
        raise
    print(path)
    return 0


def data(options: argparse.Namespace) -> int:
    """List, download and check datasets."""
    from .data import DataError, commands

    actions = {
        "list": lambda: commands.listing(),
        "get": lambda: [commands.get(options.dataset)],
        "verify": lambda: commands.verify(options.dataset, options.data),
        "path": lambda: [commands.path(options.dataset)],
    }
    try:
        for line in actions[options.action]():
            print(line)
    except (DataError, ValueError) as error:
        print(f"comlnviz data {options.action}: {error}", file=sys.stderr)
        return 2
    return 0


def _require(module: str, extra: str = "lab") -> None:
    if importlib.util.find_spec(module) is None:
        raise BookError(f'{module} is not installed; pip install "comlnviz[{extra}]" brings it.')
