import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


PROGRAMS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_examples_run(capsys):
    differentiate, train = PROGRAMS
    exec(differentiate, {"__name__": "readme"})
    assert capsys.readouterr().out.startswith("(5, 64) -0.")
    exec(train, {"__name__": "readme"})
    assert 40 < float(capsys.readouterr().out.split()[0].rstrip("%")) < 90  # chance is 20


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_within_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


def test_every_notebook_is_listed():
    listed = set(re.findall(r"\(notebooks/([^)]+)\)", README))
    assert listed == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    import comlnviz

    assert citation["version"] == comlnviz.__version__
    assert len(citation["references"]) == 5
