"""The command line: ``comlnviz lab | run | course | export | reproduce | profile | bench | …``."""

import argparse
import dataclasses
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from .book import BookError, copy_book, has_display, lab_command
from .cache import cache_environment, cache_folder


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one sentence in place of the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 when done, 1 when `doctor` found a problem, 2 when it failed."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except BookError as error:
        print(f"comlnviz {options.name}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        print(f"comlnviz {options.name}: {error.filename}: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="comlnviz", description="See and touch continuous-time meta-learning.")
    parser.add_argument("--version", action="version", version=f"comlnviz {version('comlnviz')}")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    lab = commands.add_parser("lab", help="copy the book into a folder and open it in JupyterLab")
    lab.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("comlnviz-book"),
                     help="where the book is, or goes (default: %(default)s)")  # fmt: skip
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument(
        "--port", type=_port, help="the port to serve on (default: a free one from 8888)"
    )
    lab.set_defaults(command=_lab)

    run = commands.add_parser("run", help="execute notebooks in place")
    run.add_argument("notebooks", metavar="NOTEBOOK", nargs="+", type=Path)
    run.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=600,
                     help="how long one cell may take (default: %(default)s)")  # fmt: skip
    run.set_defaults(command=_run)

    course = commands.add_parser("course", help="copy the course, or check an assignment")
    actions = course.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="copy the course, with solutions, for a teacher")
    new.add_argument("folder", metavar="DIR", type=Path)
    check = actions.add_parser("check", help="run an assignment's visible tests")
    check.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    check.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=30,
                       help="how long one cell may take (default: %(default)s)")  # fmt: skip
    course.set_defaults(command=_course)

    export = commands.add_parser("export", help="write every live figure to files")
    export.add_argument("folder", metavar="DIR", type=Path)
    export.set_defaults(command=_export)

    doctor = commands.add_parser("doctor", help="check this installation and say what is wrong")
    doctor.set_defaults(command=_doctor)

    reproduce = commands.add_parser("reproduce", help="run the experiment behind a table or figure")
    reproduce.add_argument("identifier", metavar="ID", nargs="?", help="such as comln-table-2")
    reproduce.add_argument("--all", action="store_true", help="every table and figure there is")
    reproduce.add_argument("--list", action="store_true", help="what there is, needs and costs")
    reproduce.add_argument("--preset", choices=("classroom", "paper"), default="classroom",
                           help="the size (default: %(default)s)")  # fmt: skip
    reproduce.add_argument("--only", metavar="TEXT", default="",
                           help="only cells whose names contain TEXT, such as 'COMLN'")  # fmt: skip
    reproduce.add_argument("--workers", metavar="N", type=int,
                           help="processes that compute, a cell each (default: this one; with "
                           "--all, one for every two cores)")  # fmt: skip
    reproduce.add_argument("--scheduler", metavar="ADDRESS",
                           help="of Dask, whose workers compute: tcp://10.0.0.1:8786")  # fmt: skip
    reproduce.add_argument("--out", metavar="DIR", type=Path, default=Path("results"),
                           help="where the results go (default: %(default)s)")  # fmt: skip
    reproduce.set_defaults(command=_reproduce)

    profile = commands.add_parser("profile", help="say where the time of an experiment goes")
    profile.add_argument("identifier", metavar="ID", help="such as comln-table-2")
    profile.add_argument("--cell", metavar="TEXT", default="",
                         help="the first cell with TEXT in its name, such as COMLN")  # fmt: skip
    profile.add_argument("--preset", choices=("classroom", "paper"), default="classroom",
                         help="the size (default: %(default)s)")  # fmt: skip
    profile.add_argument("--seconds", metavar="S", type=_seconds, default=2,
                         help="how long to watch (default: %(default)s)")  # fmt: skip
    profile.add_argument("--out", metavar="DIR", type=Path, default=Path("profile"),
                         help="where the trace goes (default: %(default)s)")  # fmt: skip
    profile.set_defaults(command=_profile)

    bench = commands.add_parser("bench", help="measure what a meta-gradient costs on this machine")
    bench.add_argument("what", choices=("curves",), help="memory and run time against the length")
    bench.add_argument("--backbone", default="features",
                       help="features, conv-4, resnet-12 or cos-mixture")  # fmt: skip
    bench.add_argument("--ways", metavar="N", type=int, help="classes (default: 5)")
    bench.add_argument("--shots", metavar="N", type=int,
                       help="examples a class (default: 1; 100 of cos-mixture)")  # fmt: skip
    bench.add_argument("--d", metavar="N", type=int, help="size of the features (default: 1600)")
    bench.add_argument("--methods", metavar="NAME", nargs="+", help="some only, by name")
    bench.add_argument("--longest", metavar="STEPS", type=float, default=1e8,
                       help="powers of ten up to it (default: %(default)g)")  # fmt: skip
    bench.add_argument("--memory", metavar="GB", type=float, default=8.0,
                       help="what needs more is not run (default: %(default)g)")  # fmt: skip
    bench.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=120,
                       help="for one measurement (default: %(default)s)")  # fmt: skip
    bench.add_argument("--repeats", metavar="N", type=int, default=5, help="timed calls")
    bench.add_argument("--device", help="cpu or gpu (default: the one that JAX uses)")
    bench.add_argument("--again", action="store_true",
                       help="measure also what the file has; on a quiet machine, say")  # fmt: skip
    bench.add_argument("--out", metavar="DIR", type=Path, default=Path("results/curves"),
                       help="where the results go (default: %(default)s)")  # fmt: skip
    bench.set_defaults(command=_bench)

    data = commands.add_parser("data", help="list, download and check datasets")
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="what there is, and what of it is here")
    get = actions.add_parser("get", help="download a dataset")
    get.add_argument("dataset", metavar="NAME")
    verify = actions.add_parser("verify", help="read all of a dataset and check it")
    verify.add_argument("dataset", metavar="NAME")
    verify.add_argument(
        "--data", metavar="PATH", type=Path, help="the folder or archive with its files"
    )
    path = actions.add_parser("path", help="print where datasets are kept, or where one is")
    path.add_argument("dataset", metavar="NAME", nargs="?")
    data.set_defaults(command=_data)
    return parser


def _lab(options: argparse.Namespace) -> int:
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


def _run(options: argparse.Namespace) -> int:
    _require("nbclient")
    from .execute import execute

    for path in options.notebooks:
        execute(path, timeout=options.timeout, environment=cache_environment())
    return 0


def _course(options: argparse.Namespace) -> int:
    _require("nbformat")
    from .course import commands

    lines, passed = (
        commands.new(options.folder)
        if options.action == "new"
        else commands.check(options.notebook, options.timeout)
    )
    print(*lines, sep="\n")
    return 0 if passed else 1


def _export(options: argparse.Namespace) -> int:
    _require("ipywidgets")
    from .apps.export import export

    for path in export(options.folder):
        print(path, flush=True)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine

    examination = examine()
    for line in examination.notes:
        print(line)
    for problem in examination.problems:
        print(f"Problem: {problem}")
    return 1 if examination.problems else 0


def _reproduce(options: argparse.Namespace) -> int:
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


def _profile(options: argparse.Namespace) -> int:
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


def _bench(options: argparse.Namespace) -> int:
    from .measure import COS_MIXTURE, METHODS, Problem
    from .measure.curves import LENGTHS, sweep

    # A GPU's memory is for the child processes that are measured, not for this one.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        given = {name: getattr(options, name) for name in ("ways", "shots", "d")}
        base = COS_MIXTURE if options.backbone == "cos-mixture" else Problem(options.backbone)
        problem = dataclasses.replace(base, **{k: v for k, v in given.items() if v is not None})
        path = sweep(
            options.out,
            problem,
            methods=options.methods or METHODS,
            lengths=[length for length in LENGTHS if length <= options.longest],
            memory_limit=options.memory * 1e9,
            timeout=options.timeout,
            repeats=options.repeats,
            device=options.device,
            again=options.again,
            say=lambda sentence: print(sentence, flush=True),
        )
    except (ValueError, RuntimeError) as error:
        raise BookError(str(error)) from None
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", flush=True)
        raise
    print(path)
    return 0


def _data(options: argparse.Namespace) -> int:
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


def _port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to 65535")
    return int(text)


def _seconds(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time limit; give whole seconds, 1 or more"
        )
    return int(text)
