"""Every import of the package is read here, and each room held to its law."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from itertools import pairwise

import pytest

from fashion import EXPERIMENTS
from fashion.models import MODELS
from fashion.settings import ROOT

PACKAGE = ROOT / "fashion"
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}

# From the top floor down: a module imports from its own floor and from those below it.
FLOORS = [
    ("__main__",),
    ("cli",),
    ("commands",),
    ("study", "inference"),
    ("plotting",),
    ("runs",),
    ("training",),
    ("hardware",),
    ("optimisation",),
    ("models",),
    ("changes",),
    ("augment",),
    ("data",),
    ("experiments",),
    ("estimates", "history", "recipes"),
    ("settings",),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def tree(path):
    return ast.parse(path.read_text())


def imports(path):
    """Yield (module, name) of each import in a file, wherever in it; the name is None where a module is imported."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((each.name, None) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                yield (inner, None) if inner in MODULES or f"{inner}.__init__" in MODULES else (node.module, each.name)


def strings(path):
    """Return the string constants of a file's code, those of its docstrings left out."""
    parsed = tree(path)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(parsed) if isinstance(node, documented)}
    constants = (node.value for node in ast.walk(parsed) if isinstance(node, ast.Constant))
    return [value for value in constants if isinstance(value, str) and value not in docstrings]


def room(module):
    return module.split(".")[1]


def in_room(name):
    return {module: path for module, path in MODULES.items() if room(module) == name}


def test_every_module_has_a_floor():
    assert {room(module) for module in MODULES} - {"__init__"} == set(FLOOR)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"fashion.__init__"}))
def test_imports_go_down(module):
    up = [
        imported
        for imported, _ in imports(MODULES[module])
        if imported.startswith("fashion.") and FLOOR[room(imported)] < FLOOR[room(module)]
    ]
    assert up == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: {imported for imported, _ in imports(path)} & set(MODULES) for module, path in MODULES.items()}
    graph["fashion.runs.consistency"].remove("fashion.runs.record")  # for an annotation alone
    TopologicalSorter(graph).prepare()


def test_the_package_never_imports_the_benchmarks():
    assert not [module for module, path in MODULES.items() if "benchmarks" in {name for name, _ in imports(path)}]


def test_what_computes_knows_no_network_and_no_experiment_by_name():
    names = set(MODELS) | set(EXPERIMENTS)
    for module, path in in_room("hardware").items():
        assert not names & set(strings(path)), module
    for name in ("training", "optimisation", "data", "augment", "runs"):
        for module, path in in_room(name).items():
            if module != "fashion.runs.serialisation":  # which understands what older records called a network
                assert not {"resnet18", "final"} & set(strings(path)), module


def test_only_the_room_of_runs_opens_their_files():
    files = ("run.json", "history.csv", "predictions.bin", "outputs.npy")
    for module, path in MODULES.items():
        if room(module) != "runs":
            assert not [text for text in strings(path) if any(name in text for name in files)], module


def test_one_module_of_the_study_loads_runs():
    given = {"Run", "Record", "short_name"}
    for module, path in in_room("study").items():
        taken = {name for imported, name in imports(path) if imported.startswith("fashion.runs")}
        assert taken <= given or module == "fashion.study.loading", module


def imported_by(code):
    """Return which of the slow packages a program imports."""
    slow = ["torch", "torchvision", "pandas", "scipy", "matplotlib", "submitit", "tensorboard", "gradio"]
    program = f"import sys\n{code}\nprint(*sorted(set({slow}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


RUN = "from fashion.cli import run_command_line\nrun_command_line({})"


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import fashion", []),
        ("import fashion.runs.record", []),
        ("from fashion import recorded", []),
        (RUN.format(["--help"]), []),
        (RUN.format(["run", "--help"]), []),
        (RUN.format(["run", "v2"]), []),
        (RUN.format(["sweep", "--help"]), []),
        (RUN.format(["demo", "--help"]), []),
        (RUN.format(["sweep", "v2"]), []),
        (RUN.format(["run", "v1", "--seeds", "one"]), []),
        (RUN.format(["rnu"]), []),
        (RUN.format(["list"]), ["scipy"]),
    ],
)
def test_what_shows_at_once_imports_nothing_slow(code, allowed):
    assert imported_by(code) == allowed


def unsafe(code):
    """Return what code does that would run what a file from elsewhere says: names of calls, options and imports."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {each.name.split(".")[0] for each in node.names} | {
                (getattr(node, "module", "") or "").split(".")[0]
            }
            found += sorted(names & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"})
        elif isinstance(node, ast.Call):
            called, options = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
            if called in ("eval", "exec"):
                found.append(called)
            if called.endswith("torch.load") and options.get("weights_only") != "True":
                found.append("torch.load")
            found += [name for name, value in (("allow_pickle", "False"), ("weights_only", "True"))
                      if options.get(name, value) != value]  # fmt: skip
    return found


def test_no_file_that_is_read_can_run_code():
    paths = [*MODULES.values(), *(ROOT / "benchmarks").rglob("*.py")]
    assert {path.name: found for path in paths if (found := unsafe(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", ["pickle"]),
        ("def f():\n    from pickle import loads", ["pickle"]),
        ("np.load(path, allow_pickle=True)", ["allow_pickle"]),
        ("np.load(path, allow_pickle=False)", []),
        ("torch.load(path)", ["torch.load"]),
        ("torch.load(path, weights_only=False)", ["torch.load", "weights_only"]),
        ("torch.load(path, weights_only=True)", []),
        ("hub.load_state_dict_from_url(url, weights_only=False)", ["weights_only"]),
        ("eval(text)\nexec(text)", ["eval", "exec"]),
        ("network.eval()", []),
    ],
)
def test_the_look_for_unsafe_code_finds_it(code, found):
    assert unsafe(code) == found


def test_modules_are_short():
    tables = {"experiments", "models", "augment", "optimisation"}  # to which a user adds
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert not [module for module, length in lengths.items() if length > 300 and room(module) not in tables]


def lines(function):
    """Count the lines of a function below its docstring."""
    body = function.body[1:] if ast.get_docstring(function) and function.body[1:] else function.body
    return function.end_lineno - body[0].lineno + 1


def test_functions_fit_on_a_screen():
    found = {
        f"{module}.{node.name}": lines(node)
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(found) > 300 and {name: number for name, number in found.items() if number > 60} == {}


def test_the_floors_are_the_order_of_the_list():
    assert all(FLOOR[upper[0]] < FLOOR[lower[0]] for upper, lower in pairwise(FLOORS))
