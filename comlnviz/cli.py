"""The command line: ``comlnviz lab | run | course | export | reproduce | profile | bench | …``."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from . import commands
from .book import BookError


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
    names = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    lab = names.add_parser("lab", help="copy the book into a folder and open it in JupyterLab")
    lab.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("comlnviz-book"),
                     help="where the book is, or goes (default: %(default)s)")  # fmt: skip
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument(
        "--port", type=_port, help="the port to serve on (default: a free one from 8888)"
    )
    lab.set_defaults(command=commands.lab)

    run = names.add_parser("run", help="execute notebooks in place")
    run.add_argument("notebooks", metavar="NOTEBOOK", nargs="+", type=Path)
    run.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=600,
                     help="how long one cell may take (default: %(default)s)")  # fmt: skip
    run.set_defaults(command=commands.run)

    course = names.add_parser("course", help="copy the course, or check an assignment")
    actions = course.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="copy the course, with solutions, for a teacher")
    new.add_argument("folder", metavar="DIR", type=Path)
    check = actions.add_parser("check", help="run an assignment's visible tests")
    check.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    check.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=30,
                       help="how long one cell may take (default: %(default)s)")  # fmt: skip
    course.set_defaults(command=commands.course)

    export = names.add_parser("export", help="write every live figure to files")
    export.add_argument("folder", metavar="DIR", type=Path)
    export.set_defaults(command=commands.export)

    doctor = names.add_parser("doctor", help="check this installation and say what is wrong")
    doctor.set_defaults(command=commands.doctor)

    reproduce = names.add_parser("reproduce", help="run the experiment behind a table or figure")
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
    reproduce.set_defaults(command=commands.reproduce)

    profile = names.add_parser("profile", help="say where the time of an experiment goes")
    profile.add_argument("identifier", metavar="ID", help="such as comln-table-2")
    profile.add_argument("--cell", metavar="TEXT", default="",
                         help="the first cell with TEXT in its name, such as COMLN")  # fmt: skip
    profile.add_argument("--preset", choices=("classroom", "paper"), default="classroom",
                         help="the size (default: %(default)s)")  # fmt: skip
    profile.add_argument("--seconds", metavar="S", type=_seconds, default=2,
                         help="how long to watch (default: %(default)s)")  # fmt: skip
    profile.add_argument("--out", metavar="DIR", type=Path, default=Path("profile"),
                         help="where the trace goes (default: %(default)s)")  # fmt: skip
    profile.set_defaults(command=commands.profile)

    bench = names.add_parser("bench", help="measure what a meta-gradient costs on this machine")
    bench.add_argument("what", choices=("curves",), help="memory and run time against the length")
    bench.add_argument("--backbone", metavar="NAME", nargs="+", default=["features"],
                       help="features, conv-4, resnet-12 or cos-mixture, or some")  # fmt: skip
    bench.add_argument("--ways", metavar="N", type=int, help="classes (default: 5)")
    bench.add_argument("--shots", metavar="N", type=int, nargs="+",
                       help="examples a class (default: 1; 100 of cos-mixture)")  # fmt: skip
    bench.add_argument("--d", metavar="N", type=int, help="size of the features (default: 1600)")
    bench.add_argument("--methods", metavar="NAME", nargs="+", help="some only, by name")
    bench.add_argument("--solver", metavar="NAME",
                       help="Dopri5, Tsit5, Dopri8, Bosh3 or Heun, for methods that follow a flow "
                       "(default: Dopri5)")  # fmt: skip
    bench.add_argument("--tolerance", metavar="X", type=float,
                       help="of its steps (default: 1e-6 for COMLN, 1e-4 for A-MAML)")  # fmt: skip
    bench.add_argument("--longest", metavar="STEPS", type=float, default=1e8,
                       help="powers of ten up to it (default: %(default)g)")  # fmt: skip
    bench.add_argument("--memory", metavar="GB", type=float, default=8.0,
                       help="what needs more is not run (default: %(default)g)")  # fmt: skip
    bench.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=120,
                       help="for one measurement (default: %(default)s)")  # fmt: skip
    bench.add_argument("--repeats", metavar="N", type=int, default=5, help="timed calls")
    bench.add_argument("--jobs", metavar="N", type=int, default=1,
                       help="measurements at once; they compile side by side, and stop while one "
                       "is timed (default: %(default)s)")  # fmt: skip
    bench.add_argument(
        "--no-errors",
        action="store_true",
        help="compare with no reference, which may take longer than all else",
    )
    bench.add_argument("--device", help="cpu or gpu (default: the one that JAX uses)")
    bench.add_argument("--again", action="store_true",
                       help="measure also what the file has; on a quiet machine, say")  # fmt: skip
    bench.add_argument("--out", metavar="DIR", type=Path, default=Path("results/curves"),
                       help="where the results go (default: %(default)s)")  # fmt: skip
    bench.set_defaults(command=commands.bench)

    data = names.add_parser("data", help="list, download and check datasets")
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
    data.set_defaults(command=commands.data)
    return parser


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
