"""The families of recipes: the script, options, checks and stages of each."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence, Type

from espnet_plugin.errors import UserError
from espnet_plugin.recipe.command_line import CommandLine, shown
from espnet_plugin.recipe.config_sections import check_sections
from espnet_plugin.recipe.dry_run import dry_run_words
from espnet_plugin.recipe.dualmode_checks import check_dualmode, complete_dualmode
from espnet_plugin.recipe.encrl_checks import check_encrl
from espnet_plugin.recipe.encrl_complete import complete
from espnet_plugin.recipe.help import help_text
from espnet_plugin.recipe.interrupts import Interrupts
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.lmprune_checks import check_lmprune
from espnet_plugin.recipe.option import options_of
from espnet_plugin.recipe.option_checks import check_data_script, wanted
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.passed_on import check_passed_on
from espnet_plugin.recipe.runner import Runner, log
from espnet_plugin.recipe.shell import read_commands
from espnet_plugin.recipe.stages import dualmode, encrl, lmprune
from espnet_plugin.recipe.stages.data import (
    check_environment,
    check_sets,
    check_symbols,
)
from espnet_plugin.recipe.stages.stage import Stage, check_first_needs
from espnet_plugin.suggest import did_you_mean

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True)
class Family:
    """A family of recipes.

    Attributes:
        stages_script: The script of the template that a recipe's ``run.sh`` calls.
        about: The purpose, in one sentence.
        options: The class that declares the options.
        stages: The stages.
        examples: Example options and what they do.
        run: Function that checks the options and runs the stages.
        renamed: Current names of options by their former names.
    """

    stages_script: str
    about: str
    options: Type[Any]
    stages: Sequence[Stage]
    examples: Sequence[tuple[str, str]]
    run: Callable[[CommandLine, Interrupts], None]
    renamed: Mapping[str, str]

    @property
    def script(self) -> str:
        """The script that users call, ``run.sh`` unless it is of another family."""
        run = Path("run.sh")
        if not run.is_file() or self.stages_script in run.read_text(errors="replace"):
            return "./run.sh"
        return self.stages_script

    def read(self, given: Sequence[str]) -> CommandLine:
        """Read a command line; see :meth:`CommandLine.read`."""
        return CommandLine.read(
            self.options, given, self.script, self.renamed, self._elsewhere()
        )

    def _elsewhere(self) -> dict[str, str]:
        """Return the scripts that have an option, by the option's name."""
        scripts: dict[str, list[str]] = {}
        for family in FAMILIES.values():
            for one in options_of(family.options):
                scripts.setdefault(one.name, []).append(family.stages_script)
        return {name: " and ".join(found) for name, found in scripts.items()}

    def help(self, defaults: Optional[Mapping[str, str]] = None) -> str:
        """Return the text of ``--help``.

        Args:
            defaults: Values of options that the recipe's ``run.sh`` sets, by name.
        """
        return help_text(
            self.script, self.about, self.options, self.stages, self.examples, defaults
        )


def _print_option(
    line: CommandLine[EncrlRecipeOptions], options: EncrlRecipeOptions
) -> None:
    name = options.print_option
    if name not in line.texts:
        raise UserError(
            f"--print_option {name}: is not an option{did_you_mean(name, line.texts)} "
            "(see ./run.sh --help)"
        )
    value, given = getattr(options, name), getattr(line.values, name)
    print(line.texts[name] if value == given else shown(value))


def _run_encrl(
    line: CommandLine[EncrlRecipeOptions],
    interrupts: Interrupts,
) -> None:
    options = complete(line.values)
    check_encrl(options)
    if options.print_option:
        _print_option(line, options)
        return
    if options.stage == 1 and not (options.dry_run or options.asr_recipe):
        check_data_script(options.datadir)
    commands = read_commands(line.texts)
    runner = Runner(
        commands,
        options.expdir,
        f"_{options.tag}_s{options.seed}",
        interrupts,
        options.python,
        options.ngpu,
        options.num_nodes,
        options.hosts,
    )
    if options.dry_run:
        runner.here(runner.python("estimate", *dry_run_words(options)))
    else:
        check_passed_on(options, runner)
        encrl.check_first(options)
        check_environment(Layout(options), runner)
        check_sections(options, runner)
        encrl.run_encrl(options, runner)
        log("Done")


def _run_dualmode(
    line: CommandLine[DualmodeOptions],
    interrupts: Interrupts,
) -> None:
    options = complete_dualmode(line.values)
    check_dualmode(options)
    of_data = complete(dualmode.data_options_of(options))
    if options.stage <= 3:
        check_encrl(of_data)
    if options.stage == 1 and not options.dry_run:
        check_data_script(options.datadir)
    layout = dualmode.DualmodeLayout(options, Layout(of_data, joined=False))
    if options.dry_run:
        print("\n".join(dualmode.list_dualmode(layout)))
        return
    commands = read_commands(line.texts)

    def runner(suffix: str) -> Runner:
        python = options.python
        return Runner(commands, options.expdir, suffix, interrupts, python)

    suffix = f"_s{options.seed}"
    check_passed_on(options, runner(suffix))
    check_sets(layout.data)
    if options.stage > 2 and wanted(options, 3, 5, 8):
        check_symbols(layout.data)
    check_first_needs(dualmode.STAGES, options.stage, options.stop_stage, layout)
    # Logs of the data stages have the same names as in the EncRL family.
    of_data_runner = runner("_encrl_s1")
    dualmode.check_machine(layout, runner(suffix), of_data_runner)
    check_sections(options, runner(suffix))
    dualmode.run_dualmode(layout, runner(suffix), of_data_runner)
    log("Done")


def _run_lmprune(
    line: CommandLine[LmpruneOptions],
    interrupts: Interrupts,
) -> None:
    options = line.values
    check_lmprune(options)
    of_data = complete(lmprune.lm_data_options(options))
    if options.stage <= 2:
        check_encrl(of_data)
    if options.stage == 1 and not options.dry_run:
        check_data_script(options.datadir)
    layout = lmprune.LmpruneLayout(options, Layout(of_data), options.seeds[0])
    if options.dry_run:
        print("\n".join(lmprune.list_lmprune(layout)))
        return
    commands = read_commands(line.texts)
    threads = {"OMP_NUM_THREADS": str(options.num_threads)}
    commands = replace(commands, environment={**commands.environment, **threads})

    def runner(suffix: str) -> Runner:
        return Runner(commands, options.expdir, suffix, interrupts, options.python)

    check_passed_on(options, runner(""))
    check_sets(layout.data)
    check_first_needs(lmprune.STAGES, options.stage, options.stop_stage, layout)
    of_data_runner = runner("_encrl_s1")
    if options.stage <= 2:
        check_environment(layout.data, of_data_runner)
    check_sections(options, runner(""))
    lmprune.run_lmprune(layout, runner(""), of_data_runner)
    log("Done")


FAMILIES = {
    "encrl": Family(
        "encrl.sh",
        "From one large ESPnet speech recogniser to several small ones.",
        EncrlRecipeOptions,
        encrl.STAGES,
        (
            (
                "--stage 5 --stop_stage 7",
                "trains and decodes; stages 1 to 4 are finished",
            ),
            ("--dry_run true", "estimates hours and disk space"),
        ),
        _run_encrl,
        {},
    ),
    "dualmode": Family(
        "dualmode.sh",
        "One set of weights, two recognisers: dense full-context, and sparse "
        "streaming.",
        DualmodeOptions,
        dualmode.STAGES,
        (
            (
                "--stage 5 --stop_stage 7",
                "trains and decodes; stages 1 to 3 are finished",
            ),
            ("--dry_run true", "lists stages and trainings, and what is finished"),
        ),
        _run_dualmode,
        {"rivals": "baselines"},
    ),
    "lmprune": Family(
        "lmprune.sh",
        "A language model for a recogniser, made smaller in several ways.",
        LmpruneOptions,
        lmprune.STAGES,
        (
            ("--asr_exp exp/asr_reference", "all stages; decodes with this recogniser"),
            (
                "--stop_stage 6",
                "perplexities only, without a recogniser; then --stage 8",
            ),
        ),
        _run_lmprune,
        {},
    ),
}
