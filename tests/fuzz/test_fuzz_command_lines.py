import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fashion.cli import run_command_line

WORDS = st.one_of(
    st.sampled_from(
        ["--help", "--json", "--logs", "--weights", "--output", "--seeds", "--epochs", "--check", "--", "-", "-h"]
    ),
    st.sampled_from(
        ["v1", "fast", "{folder}", "{file}", "{folder}/none", "0-4", "-1", "nan", "1e9", "", ".", "list", "/"]
    ),
    st.text(max_size=12),
)
# `run` would train, and `report` would write: of these, what comes before they begin.
COMMANDS = {
    "list": ["--logs", "{folder}"],
    "compare": ["v1", "--logs", "{folder}"],
    "show": ["v1", "--logs", "{folder}"],
    "predict": ["--weights", "{file}"],
    "export": ["--weights", "{file}"],
    "run": ["--help"],
    "report": ["--help"],
    "": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("folder")
    (path / "file").write_text("nothing")
    return path


@settings(max_examples=250)
@given(st.sampled_from(sorted(COMMANDS)), st.lists(WORDS, max_size=4))
@example("list", ["\0"])
@example("predict", ["\0"])
@example("predict", ["x" * 300])
@example("predict", ["two\nlines"])
@example("compare", ["x" * 300])
@example("list", ["--logs", "x" * 5000])
@example("export", ["--output", "\0"])
def test_a_command_line_ends_well_or_in_a_line(folder, command, words):
    given_first = COMMANDS[command]
    arguments = [command] * bool(command) + given_first + words
    if command == "" and words and words[0] in ("list", "run", "report", "export"):
        arguments.append("--help")
    arguments = [each.replace("{folder}", str(folder)).replace("{file}", str(folder / "file")) for each in arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("fashion.inference.export.export_onnx", lambda *_: 0.0)
        assert run_command_line(arguments) in (0, 1, 2)
