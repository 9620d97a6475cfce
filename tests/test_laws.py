"""Laws 4 and 5 of the house, and its public names; laws 1 to 3 are import-linter's."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

import tsmfeat
import tsmfeat.workflows
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows.ablation_options import AblateOptions
from tsmfeat.workflows.array_options import ArrayOptions
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.merge_options import MergeOptions
from tsmfeat.workflows.options import ConvertOptions, DemoOptions, ExtractOptions, ValidateOptions
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.run_options import RunsOptions
from tsmfeat.workflows.score_options import CeilingOptions, FuseOptions, ScoreOptions, SearchOptions
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat_cli.lazy import COMMANDS
from tsmfeat_cli.main import app

HEAVY = ("torch", "torchvision", "numba", "h5py", "av", "decord", "PIL", "timm", "transformers")
ROOT = Path(tsmfeat.__file__).parent


def loaded_by(statement: str, watched: tuple[str, ...] = HEAVY) -> tuple[set[str], str]:
    """Run a statement in a fresh interpreter; return which of some modules it loaded, and what it printed."""
    listing = f"print('LOADED', *(name for name in {watched!r} if name in sys.modules))"
    code = f"import sys\ntry:\n    {statement}\nexcept SystemExit as end:\n    assert not end.code, end.code\n{listing}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    printed, _, names = done.stdout.rpartition("LOADED")
    return set(names.split()), printed


def test_the_probe_sees_what_is_loaded():
    assert loaded_by("import h5py")[0] == {"h5py"}


def test_importing_the_package_and_its_options_loads_nothing_heavy():
    stages = ", ".join(f"tsmfeat.{path.parent.name}.options" for path in sorted(ROOT.glob("*/options.py")))
    assert stages.count("options") >= 6
    assert loaded_by(f"import tsmfeat, tsmfeat.workflows, {stages}")[0] == set()


def test_scoring_prediction_files_loads_no_torch_and_no_hdf5():
    assert loaded_by("import tsmfeat.workflows.scoring", ("torch", "h5py", "av", "decord"))[0] == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_loads_nothing_heavy(words):
    heavy, printed = loaded_by(f"from tsmfeat_cli.main import app; app({words!r}, prog_name='tsmfeat')")
    assert heavy == set()
    assert "tsmfeat" in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_no_word_of_the_help_is_taken_for_markup(name):
    group = typer.main.get_command(app)
    for option in group.get_command(group.make_context("tsmfeat", [], resilient_parsing=True), name).params:
        text = getattr(option, "help", None) or ""
        assert Text.from_markup(text).plain == text, option.name


def test_the_list_of_commands_loads_no_command():
    commands = tuple(module for module, _ in COMMANDS.values())
    assert loaded_by("import tsmfeat_cli.score", commands)[0] == {"tsmfeat_cli.score"}
    assert loaded_by("from tsmfeat_cli.main import app; app(['--help'], prog_name='tsmfeat')", commands)[0] == set()


# Law 5: with only what is required on the command line, a job is given its options' own defaults.

COMMAND_WORDS = {
    "convert": ["convert", "in.pth", "out.safetensors"],
    "extract": ["extract", "videos", "-o", "out.h5", "--checkpoint", "random:0"],
    "merge": ["merge", "parts", "-o", "merged.h5"],
    "fit-heads": ["fit-heads", "features.h5", "--annotations", "gt.json"],
    "score": ["score", "heads.safetensors", "--annotations", "gt.json"],
    "predict": ["predict", "features.h5", "--heads", "heads.safetensors", "-o", "predictions.json"],
    "fuse": ["fuse", "a.json", "-o", "fused.json"],
    "tune": ["tune", "--scores", "oof.scores", "--annotations", "gt.json"],
    "ablate": ["ablate", "--features", "features.h5", "--annotations", "gt.json"],
    "runs": ["runs"],
    "validate": ["validate", "features.h5"],
    "demo": ["demo"],
    "inspect": ["inspect", "gt.json", "--ceilings"],
}
JOBS = {
    "convert": ("tsmfeat.workflows.conversion", "convert"),
    "extract": ("tsmfeat.workflows.extraction", "extract"),
    "merge": ("tsmfeat.workflows.merging", "merge"),
    "fit-heads": ("tsmfeat.workflows.fitting", "fit_heads"),
    "score": ("tsmfeat.workflows.scoring", "score"),
    "predict": ("tsmfeat.workflows.prediction", "predict"),
    "fuse": ("tsmfeat.workflows.fusing", "fuse"),
    "tune": ("tsmfeat.workflows.tuning", "tune"),
    "ablate": ("tsmfeat.workflows.ablation", "ablate"),
    "runs": ("tsmfeat.workflows.run_listing", "runs"),
    "validate": ("tsmfeat.workflows.validation", "validate"),
    "demo": ("tsmfeat.workflows.demonstration", "render_dataset"),
    "inspect": ("tsmfeat.workflows.ceilings", "measure_ceilings"),
}
DEFAULTS = {
    "convert": ConvertOptions(),
    "extract": ExtractOptions(TrunkOptions(checkpoint="random:0")),
    "merge": MergeOptions(),
    "fit-heads": FitOptions(),
    "score": ScoreOptions(),
    "predict": PredictOptions(),
    "fuse": FuseOptions(),
    "tune": TuneOptions(),
    "ablate": AblateOptions(),
    "runs": RunsOptions(),
    "validate": ValidateOptions(),
    "demo": DemoOptions(),
    "inspect": CeilingOptions(),
}
OTHERS = {
    "convert": (
        "--trunk resnet50 --from csv --to thumos14 --classes c.txt --sample s.csv --pieces join --strict --name vggish "
        "--step 0.96 --num-frames 96 --clip-seconds 2 --view audio --origin AudioSet --id path --against features.h5 "
        "--dtype float32",
        ConvertOptions(
            "resnet50",
            "csv",
            "thumos14",
            "c.txt",
            "s.csv",
            "join",
            True,
            ArrayOptions("vggish", 0.96, 96, 2.0, "audio", "AudioSet", "path", "features.h5", "float32"),
        ),
    ),
    "extract": (
        "-t 0.25 --trunk resnet50 --num-frames 4 --shift off --resize square64 --clip-seconds 2 --precision bf16 "
        "--device cpu --batch-size 7 --workers 3 --allow-partial --max-bad 0.2 --view front --id path --retry-failed "
        "--overwrite --filter reader --decoder decord --reader-memory 2 --reader-timeout 9 "
        "--manifest m.csv --shard 1/3 --compile --engine ray --num-actors 4",
        ExtractOptions(
            TrunkOptions("resnet50", "random:0", 4, "off", precision="bf16", device="cpu", batch_size=7, compile=True),
            VideoOptions("square64", True, 0.2, 3, "reader", "decord", 2.0, 9.0),
            step_seconds=0.25,
            clip_seconds=2.0,
            view="front",
            id_rule="path",
            overwrite=True,
            retry_failed=True,
            manifest="m.csv",
            shard="1/3",
            engine="ray",
            num_actors=4,
        ),
    ),
    "merge": ("--overwrite --dry-run", MergeOptions(True, True)),
    "fit-heads": (
        "--tasks action --epochs 3 --batch-size 5 --lr 0.2 --momentum 0.1 --weight-decay 0.3 --schedule step "
        "--dropout 0.4 --dropout-unit embedding --standardize off --scene-weight 0.6 --background-weight balanced "
        "--min-overlap 0.7 --seed 9 --subset a --classes c --head mlp "
        "--hidden-size 8 --device cpu --views b,a --view-dropout 0.2 --num-layers 3 --smoothing-loss 0.25 --rank 5 "
        "--num-levels 3 --nms-sigma 0.4 "
        "--sweep lr=0.1,0.2 --num-seeds 2 --folds 3 --group g --save-oof oof "
        "--memory ram --pseudo p.json --pseudo-min-score 0.7 --loss focal:2 --label-smoothing 0.1 --targets overlap "
        "--background-ratio 3 --calibrate temperature",
        FitOptions(
            HeadOptions(
                "mlp",
                ("action",),
                3,
                5,
                0.2,
                0.1,
                0.3,
                "step",
                0.4,
                "embedding",
                False,
                0.6,
                "balanced",
                0.7,
                9,
                hidden_size=8,
                device="cpu",
                view_dropout=0.2,
                num_layers=3,
                smoothing_loss=0.25,
                rank=5,
                loss="focal:2",
                label_smoothing=0.1,
                targets="overlap",
                background_ratio=3.0,
                num_levels=3,
                nms_sigma=0.4,
            ),
            "a",
            "",
            "c",
            "lr=0.1,0.2",
            2,
            3,
            "g",
            "oof",
            "p.json",
            0.7,
            ("b", "a"),
            calibrate="temperature",
            memory="ram",
        ),
    ),
    "score": (
        "--localize threshold --threshold 0.3 --max-gap 2 --min-duration 1.5 --tail extend --smooth mean:3 "
        "--refine on --class-threshold run=0.4 --segment-score mean --transitions t.json "
        "--fusion none --fusion-tiou 0.4 --missing present --union sweep --fusion-sigma 0.7 --fusion-min-score 0.1 "
        "--fusion-max-segments 9 --protocol activitynet,epic --preset epic "
        "--tiou 0.1,0.2,0.30000000000000004,0.4,0.5 --subset s --weights 0.6,0.4 --strict --classes c "
        "--compare b.json --bootstrap 50 --split-bootstrap 16 --seed 4 --diagnosis thumos14 "
        "--video-prior scenes --gamma auto --prior-annotations t.json --prior-subset u --folds 3 --compare-fusions "
        "--measures frames,ar --frame-step 0.5 --unit bin10 --blocked no.txt --outside drop",
        ScoreOptions(
            LocalizationOptions("threshold", 0.3, 2, 1.5, "extend", "mean:3", True, (("run", 0.4),), "mean"),
            FusionOptions("none", 0.4, "present", "sweep", 3, 0.7, 0.1, 9),
            "activitynet",
            (0.1, 0.2, 0.30000000000000004, 0.4, 0.5),
            "s",
            (0.6, 0.4),
            True,
            "c",
            StatisticsOptions(50, ("b.json",), 16, 4, "thumos14"),
            PriorOptions("scenes", "auto", "t.json", "u", num_folds=3),
            SearchOptions(3, 4),
            True,
            ("frames", "ar"),
            0.5,
            "t.json",
            "bin10",
            ("epic",),
            "epic",
            "no.txt",
            "drop",
        ),
    ),
    "predict": (
        "--localize threshold --threshold 0.3 --max-gap 2 --min-duration 1.5 --tail extend --smooth mean:3 "
        "--refine on --class-threshold run=0.4 --segment-score mean --transitions t.json "
        "--fusion none --fusion-tiou 0.4 --missing present --union sweep --fusion-sigma 0.7 --fusion-min-score 0.1 "
        "--fusion-max-segments 9 --weights 0.6,0.4 --video a "
        "--format csv --classes c.txt --sample s.csv --checkpoint random:3 --features-out kept.h5 --id path "
        "--device cpu --batch-size 7 "
        "--workers 3 --allow-partial --max-bad 0.2 --decoder decord --reader-memory 2 --reader-timeout 9 "
        "--save-scores a.scores --video-prior p.csv --gamma 0.7 --prior-annotations t.json --prior-subset u "
        "--manifest m.csv",
        PredictOptions(
            LocalizationOptions("threshold", 0.3, 2, 1.5, "extend", "mean:3", True, (("run", 0.4),), "mean"),
            FusionOptions("none", 0.4, "present", "sweep", 3, 0.7, 0.1, 9),
            (0.6, 0.4),
            ("a",),
            "csv",
            "c.txt",
            "s.csv",
            ("random:3",),
            "kept.h5",
            "path",
            "cpu",
            7,
            VideoOptions(
                allow_partial=True,
                max_bad=0.2,
                workers=3,
                decoder="decord",
                reader_memory_gb=2.0,
                reader_timeout_seconds=9.0,
            ),
            ("a.scores",),
            PriorOptions("p.csv", 0.7, "t.json", "u"),
            "t.json",
            "m.csv",
        ),
    ),
    "fuse": (
        "--weights learned --fusion wbf --fusion-tiou 0.4 --missing present --union sweep --decimals 2 "
        "--fusion-sigma 0.7 --fusion-min-score 0.1 --fusion-max-segments 9 --subset s --folds 3 --seed 4 "
        "--protocol activitynet --tiou 0.1,0.2 --format csv --classes c --sample s.csv --strict "
        "--video-prior p.csv --gamma 0.7 --prior-annotations t.json --prior-subset u",
        FuseOptions(
            FusionOptions("wbf", 0.4, "present", "sweep", 2, 0.7, 0.1, 9),
            "learned",
            SearchOptions(3, 4),
            "activitynet",
            (0.1, 0.2),
            "s",
            "csv",
            "c",
            "s.csv",
            True,
            PriorOptions("p.csv", 0.7, "t.json", "u", num_folds=3),
        ),
    ),
    "tune": (
        "--search smooth=none,mean:3 --budget 9 --seconds 7 --folds 3 --seed 4 --protocol activitynet --tiou 0.1,0.2 "
        "--subset s --strict --classes c --video-prior v.csv --prior-annotations p.json --prior-subset q "
        "--bootstrap 50 --force --outside drop",
        TuneOptions(
            "smooth=none,mean:3",
            9,
            7.0,
            3,
            4,
            "activitynet",
            (0.1, 0.2),
            "s",
            True,
            "c",
            PriorOptions("v.csv", prior_annotations="p.json", prior_subset="q"),
            50,
            True,
            "drop",
        ),
    ),
    "ablate": (
        "--folds 3 --num-seeds 2 --subset a,b --classes c --group g --head mlp --epochs 3 --batch-size 5 --lr 0.2 "
        "--weight-decay 0.3 --dropout 0.4 --scene-weight 0.6 --hidden-size 9 --bootstrap 50 --fusion wbf "
        "--fusion-tiou 0.4 --seed 9",
        AblateOptions(
            HeadOptions(
                head="mlp",
                epochs=3,
                batch_size=5,
                lr=0.2,
                weight_decay=0.3,
                dropout=0.4,
                scene_weight=0.6,
                hidden_size=9,
                seed=9,
            ),
            3,
            2,
            "a,b",
            "c",
            50,
            FusionOptions("wbf", 0.4),
            "g",
        ),
    ),
    "runs": ("--sort time --command score --top 3", RunsOptions("time", "score", 3)),
    "validate": (
        "--against gt.json --classes c.txt --deep --workers 3 --max-bad 0.2 --decoder decord --reader-memory 2 "
        "--reader-timeout 9",
        ValidateOptions(
            "gt.json",
            "c.txt",
            True,
            VideoOptions(max_bad=0.2, workers=3, decoder="decord", reader_memory_gb=2.0, reader_timeout_seconds=9.0),
        ),
    ),
    "demo": (
        "--num-videos 12 --seed 5 --size benchmark --scene-information 0.5 --train",
        DemoOptions(12, 5, size="benchmark", scene_information=0.5, train=True),
    ),
    "inspect": (
        "--step 1,2 --protocol activitynet --tiou 0.1,0.2 --subset s",
        CeilingOptions((1.0, 2.0), "activitynet", (0.1, 0.2), "s"),
    ),
}


def options_of(words, monkeypatch, **env):
    module, job = JOBS[words[0]]
    seen = []

    def capture(*args, **keywords):
        seen.extend(value for value in [*args, *keywords.values()] if is_dataclass(value))
        raise typer.Exit(0)

    monkeypatch.setattr(importlib.import_module(module), job, capture)
    done = CliRunner().invoke(app, words, env=env)
    assert done.exit_code == 0, done.output
    return seen[0]


@pytest.mark.parametrize("name", COMMAND_WORDS)
def test_the_defaults_of_a_command_are_those_of_its_options(name, monkeypatch):
    assert options_of(COMMAND_WORDS[name], monkeypatch) == DEFAULTS[name]


@pytest.mark.parametrize("name", COMMAND_WORDS)
def test_every_option_reaches_its_place(name, monkeypatch):
    words, expected = OTHERS[name]
    assert options_of([*COMMAND_WORDS[name], *words.split()], monkeypatch) == expected


def leaves(options):
    """Return the values of nested options by their dotted names."""
    found = {}
    for field in fields(options):
        value = getattr(options, field.name)
        found |= (
            {f"{field.name}.{k}": v for k, v in leaves(value).items()} if is_dataclass(value) else {field.name: value}
        )
    return found


PRIOR_FIXED = {"prior.smoothing", "prior.gammas"}
ABLATED = {
    *(
        f"heads.{name}"
        for name in "head epochs batch_size lr weight_decay dropout scene_weight hidden_size seed".split()
    ),
    "fusion.fusion",
    "fusion.fusion_tiou",
}
# Choices of one, and what only a notebook may set.
ALWAYS_DEFAULT = {
    "convert": set(),
    "merge": set(),
    # Geometries are one a trunk only where there are several trunks: test_extract_command.
    "extract": {
        "trunk.checkpoint",
        "trunk.shift_div",
        "store.part_bytes",
        "store.part_seconds",
        "resizes",
        "probe_seconds",
        "measure_seconds",
    },
    # L-BFGS is for linear heads; folds need neither a validation subset nor patience.
    "fit-heads": {
        "scene_prior",  # needs scenes, and the tasks are others: test_scene_priors
        "heads.solver",
        "heads.patience",
        "validation_subset",
    },  # lbfgs is for linear heads, and the head is another one
    "score": {
        "fusion.decimals",
        "statistics.default_resamples",
        "search.num_candidates",
        *PRIOR_FIXED,
    },
    "fuse": {"search.num_candidates", *PRIOR_FIXED},
    # The geometry of frames is that of the heads.
    "predict": {"fusion.decimals", "video.resize", "video.resize_filter", "prior.num_folds", *PRIOR_FIXED},
    # The strength of the prior is what is searched.
    "tune": {"prior.gamma", "prior.num_folds", *PRIOR_FIXED},
    # What else heads and fusion can do is for single runs.
    "ablate": {
        key
        for key, value in leaves(AblateOptions()).items()
        if key.startswith(("heads.", "fusion.")) and key not in ABLATED
    },
    # Two words of one option: test_runs_command.
    "runs": {"compare"},
    "validate": {"video.resize", "video.resize_filter", "video.allow_partial"},
    "demo": {"step_seconds", "trunk", "num_frames", "resize", "epochs", "lr", "dropout"},
    "inspect": set(),
}


@pytest.mark.parametrize("name", COMMAND_WORDS)
def test_the_other_values_differ_from_every_default(name):
    default, other = leaves(DEFAULTS[name]), leaves(OTHERS[name][1])
    assert default.keys() == other.keys()
    assert {key for key in default if default[key] == other[key]} <= ALWAYS_DEFAULT[name]


@pytest.mark.parametrize("name", COMMAND_WORDS)
def test_the_same_options_can_stand_in_the_environment(name, monkeypatch):
    words = OTHERS[name][0].split()
    env, at = {}, 0
    while at < len(words):
        key = "TSMFEAT_" + {"-t": "STEP"}.get(words[at], words[at].lstrip("-").replace("-", "_").upper())
        is_flag = at + 1 == len(words) or words[at + 1].startswith("--")
        env[key] = "1" if is_flag else words[at + 1]
        at += 1 if is_flag else 2
    assert options_of(COMMAND_WORDS[name], monkeypatch, **env) == OTHERS[name][1]


# Public names (section 12 of the design).

PUBLIC = {
    "Annotations", "FeatureSpec", "IntervalGrid", "IntervalScores", "Predictions", "Segments", "TsmfeatError",
    "VideoFeatures", "Vocabulary", "build_trunk", "evaluate", "fuse", "localize", "open_features", "plan_clips",
    "plan_clips_ticks", "read_annotations", "read_predictions", "write_annotations", "write_predictions",
}  # fmt: skip


def test_the_public_names_are_all_there_and_the_right_objects():
    assert set(tsmfeat.__all__) == set(dir(tsmfeat)) == PUBLIC
    for name in PUBLIC:
        found = getattr(tsmfeat, name)
        assert found.__name__ == name
        assert found is getattr(importlib.import_module(found.__module__), name)
    for name in ("ablate", "extract", "fit_heads", "fuse", "inspect", "predict", "runs", "score", "tune", "validate"):
        job = getattr(tsmfeat.workflows, name)
        assert callable(job)
        assert job.__name__ == name
    assert set(tsmfeat.workflows.__all__) == set(dir(tsmfeat.workflows))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'extrct'"):
        tsmfeat.extrct  # noqa: B018 - the access is what is tested
    with pytest.raises(AttributeError, match="no attribute 'extrct'"):
        tsmfeat.workflows.extrct  # noqa: B018


def test_type_checkers_and_readers_are_told_the_same_names():
    for module in (tsmfeat, tsmfeat.workflows):
        tree = ast.parse(Path(module.__file__).read_text())
        block = next(node for node in tree.body if isinstance(node, ast.If))
        told = {alias.asname: node.module for node in block.body for alias in node.names}
        assert told == module._HOMES


def test_a_public_name_stays_the_function_after_its_module_is_imported():
    for name, home in tsmfeat._HOMES.items():
        importlib.import_module(home)
        assert not isinstance(getattr(tsmfeat, name), type(tsmfeat))


def modules():
    return [name for _, name, _ in pkgutil.walk_packages([str(ROOT)], "tsmfeat.")]


def test_no_public_function_has_the_name_of_a_module_of_its_package():
    names = modules()
    clashes = []
    for name in names:
        path = ROOT.parent / (name.replace(".", "/") + ".py")
        if not path.exists():
            continue
        package = name.rpartition(".")[0]
        siblings = {other.rpartition(".")[2] for other in names if other.rpartition(".")[0] == package}
        defined = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        clashes += [f"{name}.{function}" for function in defined & siblings if not function.startswith("_")]
    assert clashes == []
    top = {name.split(".")[1] for name in names}
    assert not set(tsmfeat.__all__) & top
    assert not set(tsmfeat.workflows.__all__) & {
        name.split(".")[2] for name in names if name.startswith("tsmfeat.workflows.")
    }


def test_package_inits_hold_nothing_but_a_docstring():
    for path in ROOT.glob("*/__init__.py"):
        if path.parent.name != "workflows":
            body = ast.parse(path.read_text()).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path


@pytest.mark.parametrize(
    "module", ["extract", "fit_heads", "score", "tune", "fuse", "predict", "validate", "convert", "demo"]
)
def test_no_command_has_a_number_of_its_own_as_a_default(module):
    tree = ast.parse(Path(importlib.import_module(f"tsmfeat_cli.{module}").__file__).read_text())
    command = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command")
    assert len(command.args.defaults) >= 5
    own = [ast.literal_eval(default) for default in command.args.defaults if isinstance(default, ast.Constant)]
    assert set(own) <= {None, False, "", "auto"}
