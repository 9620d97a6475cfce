"""What all commands share: usage errors, config files, the environment, standard output, completion."""

import io
import json
import os
import subprocess
import sys

import pytest
from conftest import DATA
from typer.testing import CliRunner

import tsmfeat.workflows.scoring
from tsmfeat.errors import ConfigurationError, OutputError
from tsmfeat_cli.common import (
    command_line,
    parse_number_or_word,
    parse_numbers,
    parse_switch,
    parse_whole_or_auto,
    require_choice,
)
from tsmfeat_cli.lazy import COMMANDS
from tsmfeat_cli.main import app
from tsmfeat_cli.stdout import write_data

GOLDEN = DATA / "evaluation"
SCORE = ["score", str(GOLDEN / "pred_binego_like.json"), "--annotations", str(GOLDEN / "gt_binego_like.json")]


def call(*words, env=None):
    return CliRunner().invoke(app, [str(word) for word in words], env=env)


def failure(*words, code, env=None):
    """Return the error and the hint of a command that must fail: the last two lines, and no data."""
    done = call(*words, env=env)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return error.removeprefix("error: "), hint.removeprefix("hint: ")


def test_the_version_is_printed():
    done = call("--version")
    assert done.exit_code == 0
    assert done.stdout == "tsmfeat 0.1.0\n"


def test_no_words_at_all_show_the_help():
    done = call()
    assert done.exit_code == 2
    assert all(name in done.output for name in COMMANDS)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_an_example_that_names_it(name, flag):
    done = call(name, flag)
    assert done.exit_code == 0
    assert f"Example: tsmfeat {name}" in done.stdout
    for option in ("--json", "--quiet", "--verbose", "--debug", "--config"):
        assert option in done.stdout


def test_the_list_of_commands_says_the_table():
    done = call("-h")
    assert done.exit_code == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("│ ") and line[2] != " "][
        -len(COMMANDS) :
    ] == [*COMMANDS]


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["scor"], "there is no command 'scor'", "did you mean 'score'?"),
        (
            ["zzz"],
            "there is no command 'zzz'",
            "commands are " + ", ".join(COMMANDS),
        ),
        (["--versoin"], "tsmfeat has no option '--versoin'", "did you mean '--version'?"),
        (
            ["score", "x", "--annotatons", "y"],
            "tsmfeat score has no option '--annotatons'",
            "did you mean '--annotations'?",
        ),
        (["score", "--zzzzzz"], "tsmfeat score has no option '--zzzzzz'", "tsmfeat score --help lists them"),
        (["score", "x"], "missing option '--annotations'", "tsmfeat score --help shows how it is used"),
        (["score", "--annotations", "x"], "missing argument 'sources'", "tsmfeat score --help shows how it is used"),
        (["demo", "x"], "got unexpected extra argument", "tsmfeat demo --help shows how it is used"),
    ],
)
def test_words_that_do_not_fit_are_refused_in_the_one_style(words, error, hint):
    found, advice = failure(*words, code=2)
    assert found.startswith(error)
    assert advice == hint


def test_a_number_that_is_none_is_refused():
    error, _ = failure(*SCORE, "--max-gap", "half", code=2)
    assert error.startswith("invalid value for '--max-gap'")


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["--tiou", "0.5;0.7"], "--tiou '0.5;0.7': not a comma list of numbers", "for example --tiou 0.5,0.75"),
        (["--tiou", "0.5,"], "--tiou '0.5,': not a comma list of numbers", "for example --tiou 0.5,0.75"),
        (["--tiou", "50"], "tIoU threshold 50.0", "50 % is 0.5"),
        (["--localize", "argmx"], "localize 'argmx' is not one of", "did you mean 'argmax'?"),
        (["--weights", "eqal"], "--weights 'eqal': neither equal, validation, learned nor", "did you mean 'equal'?"),
        (["--weights", "1;2"], "--weights '1;2': neither", "for example --weights 0.6,0.4"),
        (["--gamma", "x"], "gamma 'x': it is a number, 0 or more, or 'auto'", "use for example --gamma 0.25"),
        (
            ["--class-threshold", "walk=x"],
            "--class-threshold 'walk=x': not a name",
            "for example --class-threshold walk=0.4",
        ),
        (["--protocol", "papr"], "unknown protocol 'papr'", "did you mean 'paper'?"),
        (["--subset", "tst"], "subset 'tst' does not occur", "did you mean 'test'?"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_a_remedy(words, error, hint):
    found, advice = failure(*SCORE, *words, code=2)
    assert found.startswith(error)
    assert advice == hint


@pytest.mark.parametrize("said", ["Unable to allocate 9 TiB", ""])
def test_memory_that_runs_out_is_no_bug_but_a_lack_of_the_machine(monkeypatch, said):
    def fail(*_):
        raise MemoryError(said)

    monkeypatch.setattr(tsmfeat.workflows.scoring, "score", fail)
    error, hint = failure(*SCORE, code=5)
    assert error.startswith(f"memory ran out ({said or 'while the input was read'}); the work does not fit")
    assert hint.startswith("end other programs")


def test_a_bug_ends_with_code_one_and_asks_for_a_report(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr(tsmfeat.workflows.scoring, "score", fail)
    error, hint = failure(*SCORE, code=1)
    assert error == "unexpected ZeroDivisionError: by accident; this is a bug of tsmfeat's"
    assert "--debug" in hint


@pytest.mark.parametrize("debug", [True, False])
def test_a_traceback_is_shown_on_demand_only(debug):
    done = call("score", "nowhere.json", "--annotations", "nowhere.json", *(["--debug"] if debug else []))
    assert done.exit_code == 4
    assert ("Traceback" in done.stderr) == debug
    assert done.stderr.splitlines()[-2].startswith("error: nowhere.json")


# Precedence: option > environment > --config file > default.


def thresholds(*words, env=None):
    done = call(*SCORE, "--json", *words, env=env)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["tiou_thresholds"]


def write_config(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_options_win_over_environment_over_file_over_default(tmp_path):
    config = write_config(tmp_path, '[score]\ntiou = "0.1,0.2"\n')
    env = {"TSMFEAT_TIOU": "0.3"}
    assert thresholds() == [0.5, 0.75, 0.95]
    assert thresholds("--config", config) == [0.1, 0.2]
    assert thresholds("--config", config, env=env) == [0.3]
    assert thresholds("--config", config, "--tiou", "0.4", env=env) == [0.4]


def test_the_file_itself_can_be_named_in_the_environment(tmp_path):
    config = write_config(tmp_path, "[score]\ntiou = 0.25\n")
    assert thresholds(env={"TSMFEAT_CONFIG": str(config)}) == [0.25]


@pytest.mark.parametrize("value", ["[0.1, 0.2]", '"0.1,0.2"'])
def test_a_list_may_be_written_as_one(tmp_path, value):
    assert thresholds("--config", write_config(tmp_path, f"[score]\ntiou = {value}\n")) == [0.1, 0.2]


@pytest.mark.parametrize("value", ['["walk=0.4"]', '"walk=0.4"', "{walk = 0.4}"])
def test_one_of_several_may_be_written_alone_or_as_a_table(tmp_path, value):
    config = write_config(tmp_path, f"[score]\nclass-threshold = {value}\nlocalize = 'threshold'\n")
    done = call(*SCORE, "--config", config, "--json")
    assert json.loads(done.stdout)["options"]["localization"]["class_thresholds"] == [["walk", 0.4]]


def test_the_file_speaks_of_flags_names_with_dashes_and_required_options(tmp_path):
    text = (
        f"[score]\nsources = ['{SCORE[1]}']\nannotations = '{SCORE[3]}'\njson = true\nfusion-tiou = 0.25\nmax_gap = 2\n"
    )
    done = call("score", "--config", write_config(tmp_path, text))
    assert done.exit_code == 0, done.output
    options = json.loads(done.stdout)["options"]
    assert options["fusion"]["fusion_tiou"] == 0.25
    assert options["localization"]["max_gap"] == 2


def test_tables_of_other_commands_are_left_alone(tmp_path):
    assert thresholds("--config", write_config(tmp_path, "[fit-heads]\nlr = 0.1\n")) == [0.5, 0.75, 0.95]


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("[score]\ntious = 0.5\n", "[score] has an unknown option 'tious'", "did you mean 'tiou'?"),
        ("[scor]\ntiou = 0.5\n", "there is no command 'scor'", "did you mean 'score'?"),
        ("score = 5\n", "score is not a table", "write [score] on a line of its own"),
        ("[score\n", "not a readable TOML file", "check --config"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, text, error, hint):
    found, advice = failure(*SCORE, "--config", write_config(tmp_path, text), code=2)
    assert found.startswith(str(tmp_path))
    assert error in found
    assert advice == hint


def test_a_missing_file_is_refused(tmp_path):
    found, _ = failure(*SCORE, "--config", tmp_path / "nowhere.toml", code=2)
    assert "nowhere.toml" in found


def test_a_wrong_type_in_the_file_is_refused(tmp_path):
    found, _ = failure(*SCORE, "--config", write_config(tmp_path, "[score]\nmax-gap = 'wide'\n"), code=2)
    assert "--max-gap" in found


# Words into values.


def test_words_become_values():
    assert parse_numbers("0.5, 1e-3", "--x") == (0.5, 0.001)
    assert parse_whole_or_auto("12", "--workers") == 12
    assert parse_switch("off", "--x") is False
    assert require_choice("a", ("a", "b"), "--x") == "a"


@pytest.mark.parametrize("text", ["-1", "1.5", "", "many", "١"])
def test_a_count_is_a_whole_number(text):
    with pytest.raises(ConfigurationError, match="--workers"):
        parse_whole_or_auto(text, "--workers")


def test_a_printed_command_is_quoted_for_the_shell():
    assert command_line("score", "a b.json", "--tiou", 0.5) == "tsmfeat score 'a b.json' --tiou 0.5"


# Standard output and completion, as a shell sees them.


def run(*words, env=None, **keywords):
    return subprocess.run(
        [sys.executable, "-m", "tsmfeat_cli", *words],
        env={**os.environ, **(env or {})},
        capture_output=not keywords,
        text=True,
        timeout=60,
        **keywords,
    )


def test_a_full_disk_behind_standard_output_is_an_output_error():
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = run(*SCORE, "--json", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == OutputError.exit_code
    assert "error: standard output cannot be written" in done.stderr
    assert "Exception" not in done.stderr


def test_a_reader_that_leaves_early_is_no_error_to_talk_about():
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*SCORE, "--subset", "test", "--json", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.returncode == OutputError.exit_code
    assert "error" not in done.stderr.lower()


def test_data_goes_to_standard_output(capsys):
    write_data("{}")
    assert capsys.readouterr() == ("{}\n", "")


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", "é ×\\udcff\n"), ("ascii", "\\xe9 \\xd7\\udcff\n")])
def test_what_standard_output_cannot_show_is_escaped(monkeypatch, encoding, expected):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding))
    write_data("é ×\udcff")
    assert shown.getvalue().decode(encoding) == expected


@pytest.mark.parametrize(
    ("words", "number", "expected"),
    [
        ("tsmfeat s", 1, ["score"]),
        ("tsmfeat score --fusion-m", 2, ["--fusion-min-score", "--fusion-max-segments"]),
        ("tsmfeat --ver", 1, ["--version"]),
    ],
)
def test_the_shell_completes_commands_and_options(words, number, expected):
    env = {"_TSMFEAT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    assert run(env=env).stdout.split() == expected


def test_the_module_is_the_command():
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "tsmfeat 0.1.0\n", "")


def test_a_list_where_one_number_is_wanted_is_refused():
    with pytest.raises(ConfigurationError, match="one number, or balanced"):
        parse_number_or_word("0.5,9", "balanced", "--background-weight")
    with pytest.raises(ConfigurationError, match=r"'none': one number, or all \(hint: use for example --r 0\.5\)"):
        parse_number_or_word("none", "all", "--r")
