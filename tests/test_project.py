import re
import sys

import yaml

from fashion import CLASSES, settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = settings.ROOT
README = (ROOT / "README.md").read_text()
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


def test_the_readme_opens_with_the_results_and_then_the_two_commands():
    assert README.index("figures/results.png") < README.index("<!-- results") < README.index("## Installation")
    commands = ["pip install -e . && fashion run v1 v1_fixed", 'pip install -e ".[dev]" && pytest']
    installation = README.partition("## Installation")[2].partition("##")[0]
    assert [installation.count(f"```sh\n{command}\n```") for command in commands] == [1, 1]
    assert commands[1] in (ROOT / ".ci" / "run").read_text()


def test_the_dataset_has_its_licence():
    text = (ROOT / "data" / "FashionMNIST" / "README.md").read_text()
    assert "Zalando SE" in text and "8d4fb7e6c68d591d4c3dfef9ec88bf0d" in text
    assert len(CLASSES) == 10


def test_links_in_the_readme_lead_somewhere():
    targets = re.findall(r"(?:\]\(|src=\")([^)\"#]+)", README)
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []
