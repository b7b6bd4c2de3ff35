"""Stages 1 to 3, shared by the families: data, features and tokens, statistics."""

import shutil
from pathlib import Path
from typing import Iterator

from espnet_plugin.data.checked_tokens import was_checked
from espnet_plugin.data.last_seen import last_seen
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.encrl_checks import check_layers
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.option_checks import wanted
from espnet_plugin.recipe.runner import Runner, log
from espnet_plugin.recipe.stages.stage import Need, Stage
from espnet_plugin.recipe.stages.words import maybe, several
from espnet_plugin.recipe.statistics_record import StatisticsRecord, lost_statistics

__all__ = [
    "DATA_STAGES",
    "check_environment",
    "check_sets",
    "check_symbols",
    "check_tokens",
    "import_reference",
    "needs_of_tokens",
    "warn_of_newer_data",
]


def check_environment(layout: Layout, runner: Runner) -> None:
    """Check GPUs, versions and free disk space, if there is work to do.

    Raises:
        Failed: If the check fails.
    """
    options, folders, gpus = layout.options, [], 0
    if wanted(options, 2):
        folders += [options.dumpdir, options.datadir]
    if _unfinished(layout):
        folders.append(options.expdir)
        # Jobs of a queue run on other machines, where each training checks its GPUs.
        if not runner.commands.cuda and not runner.several_nodes:
            gpus = options.ngpu
    if folders:
        words = ["--ngpu", str(gpus), "--folders", *folders]
        runner.here(runner.python("check_environment", *words))


def _unfinished(layout: Layout) -> bool:
    """Return whether one of the chosen stages still has a training to run."""
    options, folders = layout.options, []
    if wanted(options, 4) and not options.reference:
        folders.append(layout.reference_exp)
    if wanted(options, 5):
        folders.append(layout.encrl_exp)
    if wanted(options, 6):
        folders += layout.models(layout.student_exp)
    return wanted(options, 8) or not all(Experiment(f).is_finished for f in folders)


def import_reference(layout: Layout, runner: Runner) -> None:
    """Import the reference that ``--reference`` names, if a stage uses it.

    The import refuses a folder that holds another reference.

    Raises:
        UserError: If a set is missing or the reference has too few layers.
        Failed: If the import fails.
    """
    options = layout.options
    if not options.reference or not wanted(options, 2, 4, 5, 6, 7, 8):
        return
    if wanted(options, 2):
        _check_sets(layout)  # An import takes a minute; stage 1 may have made them.
    log(f"Importing the reference model {options.reference}")
    words = ["--reference", options.reference, "--output_dir", layout.reference_exp]
    words += maybe("--reference_model_file", options.reference_model_file)
    command = runner.python("import_reference", *words)
    runner.submit(runner.commands.train, "import", command)
    check_layers(options, str(Experiment(layout.reference_exp).config_file))


def check_sets(layout: Layout) -> None:
    """Check that all sets exist, if stage 2 is the first stage to run.

    Raises:
        UserError: If one is missing; with those that exist.
    """
    if layout.options.stage == 2:
        _check_sets(layout)


def _check_sets(layout: Layout) -> None:
    """Check that all sets exist, if there are any sets.

    Raises:
        UserError: If one is missing; with its option and the sets that exist.
    """
    options, data = layout.options, Path(layout.options.datadir)
    there = sorted(one.parent.name for one in data.glob("*/wav.scp"))
    further = "unlabelled_sets" if layout.joined else "pretrain_set"
    named = {
        "train_set": (options.train_set,),
        "valid_set": (options.valid_set,),
        "test_sets": options.test_sets,
        further: options.unlabelled_sets,
    }
    for option, names in named.items():
        for name in names:
            if there and not (data / name).is_dir():
                raise UserError(
                    f"--{option} {' '.join(names)}: {data / name} is missing ({data} "
                    f"has {', '.join(there)}): name sets that are there, or run stage "
                    "1 first (--stage 1)"
                )


def check_tokens(layout: Layout) -> None:
    """Check that stage 2 has checked the transcripts against the tokens in use.

    Stage 2 records the token lists against which it has checked the transcripts. With
    another list, characters that it lacks would silently be trained as <unk>. Dumps of
    other recipes have no such record and are not checked.

    Raises:
        UserError: If the transcripts were checked against another list only.
    """
    options = layout.options
    if not wanted(options, 3, 4, 5, 6, 8):
        return
    if wanted(options, 3, 4):
        check_symbols(layout)
    folder = Path(layout.dump, layout.dump_train)
    imported = Path(layout.reference_exp, "tokens.txt")
    tokens = Path(layout.token_list)
    # Stages 3 and 4 use the recipe's own list, which may differ from an imported one.
    if imported.exists() and not wanted(options, 3, 4):
        tokens = imported
    if tokens.exists() and not was_checked(folder, tokens):
        with_it = ""
        if tokens == imported:
            with_it = f" with the --reference of {layout.reference_exp}"
        raise UserError(
            f"the transcripts in {folder} were not checked against {tokens}: run stage "
            f"2{with_it} again (--stage 2 --stop_stage 2)"
        )


def check_symbols(layout: Layout) -> None:
    """Check that ``--nlsyms`` has the symbols of the recipe's own tokens.

    With others, a training would silently spell them letter by letter. Tokens that
    are not there, or are an imported reference's, are not checked.

    Raises:
        UserError: If it has others, or cannot be read.
    """
    options, made = layout.options, Path(layout.token_dir, "nlsyms.txt")
    if options.reference or layout.found is not None or not made.is_file():
        return
    given: tuple[str, ...] = ()
    if options.nlsyms:
        # It imports ESPnet, which takes seconds.
        from espnet_plugin.data.tokens import read_symbols

        given = read_symbols(options.nlsyms)
    there = tuple(made.read_text(encoding="utf-8").split())
    if given != there:
        raise UserError(
            f"--nlsyms {options.nlsyms or repr('')}: names {' '.join(given) or 'none'}"
            f", but stage 2 has made {layout.token_dir} with "
            f"{' '.join(there) or 'no symbols'}: give its file, or run stage 2 again "
            "(--stage 2 --stop_stage 2)"
        )


def warn_of_newer_data(layout: Layout) -> None:
    """Log a warning if a table of a set has changed since stage 2 formatted the set."""
    options = layout.options
    last = options.stop_stage
    if options.stage <= 2 or last < 3 or layout.found is not None:
        return
    pairs = [(options.train_set, layout.dump_train)]
    others = (options.valid_set, *options.test_sets, *options.unlabelled_sets)
    pairs += [(name, name) for name in others]
    for name, formatted in dict.fromkeys(pairs):
        folder = Path(layout.dump, formatted)
        seen = last_seen(folder)
        for table in ("wav.scp", "text", "segments", "utt2spk"):
            source = Path(options.datadir, name, table)
            if seen is None or not source.is_file():
                continue
            if source.stat().st_mtime > seen:
                log(
                    f"WARNING {source} is newer than {folder}, which is used: run "
                    "stage 2 again (--stage 2 --stop_stage 2); it does nothing if "
                    "nothing has changed"
                )
                break


def _prepare_data(layout: Layout, runner: Runner) -> None:
    options = layout.options
    script = ["local/data.sh", "--output_dir", options.datadir]
    runner.here([*script, *options.local_data_opts])


def _check_data(layout: Layout, runner: Runner) -> None:
    """Report every bad line of all sets before they are formatted; see docs/data.md."""
    options = layout.options
    if options.check_audio == "off":
        return
    names = (options.train_set, options.valid_set, *options.test_sets)
    # A set that is named twice is kept twice: the check reports its two purposes.
    folders = [f"{options.datadir}/{name}" for name in names]
    kinds, valid = ["pipe", "archive", "features-alone"], []
    # An imported reference has its own tokens and spelling.
    if not options.reference:
        kinds.append("symbol")
        valid = ["--valid", f"{options.datadir}/{options.valid_set}"]
    unlabelled = [f"{options.datadir}/{name}" for name in options.unlabelled_sets]
    # With drop, stage 2 skips bad utterances, but not bad lines of tables.
    zero = "warnings" if options.bad_utterances == "error" else "utterances"
    command = runner.python(
        "check_data",
        *(*folders, *valid, *several("--unlabelled", unlabelled), "--error", *kinds),
        *("--fs", str(options.fs), "--audio", options.check_audio),
        *maybe("--nlsyms", options.nlsyms),
        *several("--expected", options.expected_warnings),
        *("--min_wav_duration", options.min_wav_duration),
        *("--max_wav_duration", options.max_wav_duration),
        *("--once", "--exit_zero", zero),
        *("--output_dir", f"{options.datadir}/check_data", "--nj", str(options.nj)),
    )
    runner.submit(runner.commands.train, "check_data", command)


def _prepare(layout: Layout, runner: Runner) -> None:
    _check_data(layout, runner)
    options, config = layout.options, layout.options.reference_config
    token_type, imported = options.token_type, layout.imported()
    own_tokens = []
    if imported is not None:
        config = str(Experiment(layout.reference_exp).config_file)
        token_type = str(imported.get("token_type") or "")
        own_tokens = ["--token_list", layout.token_list]
        bpe = f"{layout.reference_exp}/bpe.model"
        own_tokens += ["--bpemodel", bpe] if Path(bpe).exists() else []
    further = []
    if options.unlabelled_sets:
        further = ["--unlabelled_sets", *options.unlabelled_sets]
        further += ["--joined_set", layout.encrl_set] if layout.joined else []
    command = runner.python(
        "prepare",
        *("--data_dir", options.datadir, "--dump_dir", layout.dump),
        *("--train_set", options.train_set, "--dump_train_set", layout.dump_train),
        *("--other_sets", options.valid_set, *options.test_sets),
        *("--feats_type", options.feats_type, "--fs", str(options.fs)),
        *("--speed_perturb_factors", *options.speed_perturb_factors),
        *("--min_wav_duration", options.min_wav_duration),
        *("--max_wav_duration", options.max_wav_duration),
        *("--bad_utterances", options.bad_utterances, "--asr_config", config),
        *("--token_type", token_type, "--nbpe", str(options.nbpe)),
        *("--token_dir", layout.token_dir, *own_tokens),
        *maybe("--nlsyms", options.nlsyms),
        *("--nj", str(options.nj), *further),
    )
    runner.submit(runner.commands.train, "prepare", command)


def needs_of_tokens(layout: Layout) -> Iterator[Need]:
    """Return the files of the recipe's own tokens, for trainings that read them.

    Each value of ``--token_type`` and ``--nbpe`` has its own folder.
    """
    yield Need(layout.token_list, 2)
    if layout.options.token_type != "char":
        yield Need(f"{layout.token_dir}/bpe.model", 2)
    if layout.options.nlsyms:
        yield Need(f"{layout.token_dir}/nlsyms.txt", 2)


def _needs_of_statistics(layout: Layout) -> Iterator[Need]:
    for name in (layout.dump_train, layout.options.valid_set):
        yield Need(f"{layout.dump}/{name}/done.json", 2)
    if not layout.options.reference:
        yield from needs_of_tokens(layout)


def _make_statistics(layout: Layout, runner: Runner) -> None:
    options, dump = layout.options, layout.dump
    sets = {"train": layout.dump_train, "valid": options.valid_set}
    features = layout.feature_options()
    config = options.reference_config
    record = StatisticsRecord(
        *(Path(dump, name, "done.json") for name in sets.values()),
        feats_type=options.feats_type,
        config=None if options.reference else Path(config),
    )
    done = Path(layout.stats, ".done")
    why = record.why_made(done)
    why = why or lost_statistics(Path(layout.stats), own=not options.reference)
    if not why:
        log(f"{layout.stats} is already finished")
        return
    log(f"Computing {layout.stats}: {why}")
    done.unlink(missing_ok=True)
    if options.reference:
        # The reference's normalisation is used; only the lengths are needed.
        for part, name in sets.items():
            Path(layout.stats, part).mkdir(parents=True, exist_ok=True)
            lengths = Path(dump, name, layout.lengths)
            shutil.copy(lengths, Path(layout.stats, part, "speech_shape"))
    else:
        command = runner.python(
            *("asr_train", "--collect_stats", "true", "--config", config),
            *(*layout.data_options(), *layout.device_options()),
            *(*layout.token_options(), *features),
            *("--train_shape_file", f"{dump}/{sets['train']}/{layout.lengths}"),
            *("--valid_shape_file", f"{dump}/{sets['valid']}/{layout.lengths}"),
            *("--output_dir", layout.stats),
        )
        runner.submit(runner.commands.train, "stats", command)
    record.write(done)


DATA_STAGES = (
    Stage[Layout](
        1,
        "data preparation",
        "DATADIR/{train,dev,test}, by local/data.sh",
        needs=lambda layout: (),
        work=_prepare_data,
    ),
    Stage[Layout](
        2,
        "features and tokens",
        "DUMPDIR, DATADIR/token_list",
        needs=lambda layout: [
            Need(f"{layout.options.datadir}/{layout.options.train_set}", 1)
        ],
        work=_prepare,
    ),
    Stage[Layout](
        3,
        "statistics",
        "EXPDIR/asr_stats_*",
        needs=_needs_of_statistics,
        work=_make_statistics,
    ),
)
