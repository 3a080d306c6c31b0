"""Turn executed notebooks into a website that needs neither Jupyter nor a kernel.

    python tools/static_book.py notebooks _book

Every page is one HTML file with its pictures inside; ``index.html`` lists them. Formulas are drawn
by MathJax, which the reader's browser fetches; without a network they stay readable as TeX.
"""

import html
import re
import sys
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter

# nbconvert's own template drops the alternative text that an output's metadata hold.
PAGE = """{% extends "lab/index.html.j2" %}
{% block data_png scoped %}
<div class="jp-RenderedImage jp-OutputArea-output">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
alt="{{ output | get_metadata('alt', 'image/png') | escape_html }}">
</div>
{% endblock data_png %}
"""

INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>comlnviz</title>
<style>
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #eee; }}
  a {{ color: #56b4e9; }}
}}
</style>
</head>
<body>
<h1>comlnviz</h1>
<p>Continuous-time meta-learning, page by page. The figures stand still here; they move when the
notebooks run in Jupyter.</p>
<ol>
{pages}
</ol>
</body>
</html>
"""


def main(source: Path, destination: Path) -> None:
    """Convert each notebook of ``source``, with its subfolders, into ``destination``."""
    paths = sorted(p for p in source.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise SystemExit(f"{source} holds no notebooks; give the folder of the book.")
    exporter = HTMLExporter(extra_loaders=[DictLoader({"page": PAGE})], template_file="page")
    entries = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        if missing := not_executed(notebook):
            raise SystemExit(f"{path} has {missing} cells not executed; run make notebooks first.")
        if missing := without_alternative(notebook):
            raise SystemExit(f"{path} has {missing} pictures without alternative text; add it.")
        page = path.relative_to(source).with_suffix(".html")
        heading = title(notebook) or path.stem
        body, _ = exporter.from_notebook_node(
            link_pages(notebook),
            resources={"metadata": {"name": heading, "path": str(path.parent)}},
        )
        (destination / page).parent.mkdir(parents=True, exist_ok=True)
        (destination / page).write_text(body, encoding="utf-8")
        entries.append(f'<li><a href="{page.as_posix()}">{html.escape(heading)}</a></li>')
        print(destination / page)
    (destination / "index.html").write_text(
        INDEX.format(pages="\n".join(entries)), encoding="utf-8"
    )


def not_executed(notebook: nbformat.NotebookNode) -> int:
    """Count the code cells that have not been executed."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return sum(cell.execution_count is None for cell in code)


def without_alternative(notebook: nbformat.NotebookNode) -> int:
    """Count the stored pictures that a blind reader could not follow."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    pictures = (output.metadata for output in outputs if "image/png" in output.get("data", {}))
    return sum(not metadata.get("image/png", {}).get("alt") for metadata in pictures)


def title(notebook: nbformat.NotebookNode) -> str | None:
    """Return the notebook's first heading."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (heading := re.search(r"^# +(.+)", cell.source, re.M)):
            return heading[1].strip()
    return None


def link_pages(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Let links between notebooks lead to their pages."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"(\]\((?![a-z]+:)[^)#\s]+)\.ipynb(?=[)#])", r"\1.html", cell.source
            )
    return notebook


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("Give two folders: python tools/static_book.py NOTEBOOKS DESTINATION")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
