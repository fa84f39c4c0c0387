import json
import re
import subprocess
import sys

import pytest
import yaml

from fashion import CLASSES, settings
from fashion.study import notebooks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = settings.ROOT
READMES = ("README.md", "notebooks/README.md", "benchmarks/README.md", "data/FashionMNIST/README.md")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
README = (ROOT / "README.md").read_text()
OPEN = re.sub(r"<details>.*?</details>", "", README, flags=re.DOTALL)  # what is not folded
COMMANDS = ("pip install -e . && fashion run v1 v1_fixed", 'pip install -e ".[dev]" && pytest')
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    *conda, last = environment["dependencies"]
    assert last == {"pip": ["-e .[dev]"]}
    names = {"pytorch": "torch"}
    conda = dict(entry.partition(" ")[::2] for entry in conda)
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda.pop("pip") == ""
    assert sorted(names.get(name, name) + version for name, version in conda.items()) == sorted(PROJECT["dependencies"])


def test_the_first_screen_of_the_readme_has_the_findings_one_figure_and_the_two_commands():
    screen = "\n".join(README.splitlines()[:40])
    assert re.findall(r"!\[[^\]]*\]\(([^)]*)\)", screen) == ["model_logs/figures/results.png"]
    assert "<!-- findings: " in screen and "<!-- /findings -->" in screen
    for command in COMMANDS:
        assert screen.count(command) == README.count(f"```sh\n{command}\n```") == 1
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readme_is_short_where_nothing_is_folded():
    assert README.count("<details>") == README.count("</details>") > 0
    assert len(OPEN.splitlines()) <= 300


def cells(row):
    """The text of a table's row as it is shown, by cell: links by their text, pictures left out."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"!\[[^\]]*\]\([^)]*\)", "", row))
    return [cell.strip() for cell in shown.strip("|").split("|")]


def test_tables_fit_a_narrow_page():
    rows = [line for line in OPEN.splitlines() if line.startswith("|") and not line.startswith(("|:", "|-"))]
    assert rows
    assert [row for row in rows if sum(map(len, cells(row))) > 100] == []


def anchors(document):
    """What the headings of a document are called in links to them."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(document):
    """The text of a document, or of the cells of a notebook that are text."""
    if document.suffix != ".ipynb":
        return document.read_text()
    cells = json.loads(document.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("name", [*READMES, *(f"notebooks/{path.name}" for path in NOTEBOOKS)])
def test_links_lead_somewhere(name):
    document = ROOT / name
    targets = re.findall(r"(?:\]\(|src=\")([^)\"]+)", prose(document))
    local = [target.partition("#") for target in targets if "://" not in target]
    lost = [file for file, _, _ in local if not (document.parent / file).exists()]
    lost += [place for file, _, place in local
             if place and place not in anchors(document.parent / file if file else document)]  # fmt: skip
    assert lost == [] and (local or name.startswith(("benchmarks", "data")))


@pytest.mark.parametrize("name", [*READMES, ".ci/run", ".ci/lowest", ".github/workflows/ci.yml"])
def test_commands_name_files_that_exist(name):
    named = re.findall(r"(?<![\w/.-])(?:benchmarks|fashion|notebooks|tests)/[\w/.]*\w", (ROOT / name).read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_notebook_opens_with_a_way_back_and_on():
    for before, path, after in zip([None, *NOTEBOOKS], NOTEBOOKS, [*NOTEBOOKS[1:], None], strict=False):
        around = {"previous": before, "next": after}
        links = [f"{where}: [{each.stem}]({each.name})" for where, each in around.items() if each]
        opening = prose(path).split("\n\n")[1]  # below the title
        assert opening == " · ".join(["[All notebooks](README.md)", *links])


def test_every_notebook_is_listed_with_how_long_it_runs():
    names = [path.stem for path in NOTEBOOKS]
    assert list(notebooks.QUESTIONS) == names
    seconds = json.loads((ROOT / "notebooks" / "durations.json").read_text())["seconds"]
    assert set(seconds) <= set(names) and min(seconds.values()) > 0
    rows = re.findall(r"^\| \[(\w+)\]\(\1\.ipynb\) ", (ROOT / "notebooks" / "README.md").read_text(), re.MULTILINE)
    assert rows == names


def test_vscode_offers_the_environment_that_the_readme_installs():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    recommended = json.loads((ROOT / ".vscode" / "extensions.json").read_text())
    assert set(container) == {"name", "image", "postCreateCommand", "customizations"}
    assert container["customizations"] == {"vscode": {"extensions": recommended["recommendations"]}}
    assert recommended == {"recommendations": ["ms-python.python", "ms-toolsai.jupyter"]}
    image, python = container["image"].split(":")
    assert image == "mcr.microsoft.com/devcontainers/python"
    assert int(python.split(".")[1]) >= int(PROJECT["requires-python"].removeprefix(">=3."))
    assert container["postCreateCommand"] == COMMANDS[1].removesuffix(" && pytest")


def test_git_hides_nothing_that_vscode_reads():
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", ".devcontainer/devcontainer.json", ".vscode/extensions.json"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (ignored.returncode, ignored.stdout) == (1, "")


def test_nothing_names_a_place_on_one_machine():
    files = [*(ROOT / name for name in READMES), *NOTEBOOKS, *(ROOT / "fashion").rglob("*.py")]
    assert len(files) > 30
    assert [path.name for path in files if re.search(r"/(work|tmp|home|root)/", path.read_text())] == []


def test_the_dataset_has_its_licence():
    text = (ROOT / "data" / "FashionMNIST" / "README.md").read_text()
    assert "Zalando SE" in text and "8d4fb7e6c68d591d4c3dfef9ec88bf0d" in text
    assert len(CLASSES) == 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_may_be_told_is_tagged(path):
    """Papermill puts its own values after the cell that has this tag, or else before all others."""
    for cell in json.loads(path.read_text())["cells"]:
        tagged = "parameters" in cell["metadata"].get("tags", [])
        assert tagged == (cell["cell_type"] == "code" and "retrain = False" in "".join(cell["source"]))
