"""Stage 2: check the data folders, write the dump and the token list."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any, Mapping, Optional

from espnet2.text.abs_tokenizer import AbsTokenizer
from espnet2.text.build_tokenizer import build_tokenizer

from espnet_plugin.bin.arguments import of_recipe
from espnet_plugin.bin.run import run_command
from espnet_plugin.checkpoints.audio_scale import refuse_other_scale
from espnet_plugin.data.checked_tokens import note_checked
from espnet_plugin.data.frames import input_layer_of
from espnet_plugin.data.front_end import check_front_end
from espnet_plugin.data.kaldi import DataDir, join_sets, read_data_dir
from espnet_plugin.data.prepare import format_set
from espnet_plugin.data.tokens import build_token_list, read_symbols, read_token_list
from espnet_plugin.data.transcripts import check_symbols, check_text, rewritten
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import write_lines
from espnet_plugin.text import clean_text, list_form
from espnet_plugin.yaml_files import read_yaml

# The token types that stage 2 can check; others need more than a list.
_TOKEN_TYPES = ("char", "bpe")


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--data_dir", type=Path, default=Path("data"))
    add("--dump_dir", type=Path, required=True, help="dump folder for this feats_type")
    add("--train_set", **of_recipe("train_set"))
    add("--dump_train_set", default="train", help="name of the prepared training set")
    add(
        "--other_sets",
        nargs="*",
        default=["dev", "test"],
        help="sets besides the training set, the validation set first; only their "
        "transcripts are checked",
    )
    add(
        "--unlabelled_sets",
        nargs="*",
        default=[],
        help="sets without transcripts; treated as training data",
    )
    add(
        "--joined_set",
        help="name of the set that joins the training data and --unlabelled_sets, for "
        "EncRL; by default none is made",
    )
    add("--feats_type", **of_recipe("feats_type"))
    add("--fs", **of_recipe("fs"))
    add("--speed_perturb_factors", **of_recipe("speed_perturb_factors"))
    add("--min_wav_duration", **of_recipe("min_wav_duration"))
    add("--max_wav_duration", **of_recipe("max_wav_duration"))
    add("--bad_utterances", **of_recipe("bad_utterances"))
    add("--asr_config", type=Path, required=True, help="configuration of the reference")
    # An imported reference may have another type, which is refused with its file.
    add("--token_type", **of_recipe("token_type", choices=None))
    add("--nbpe", **of_recipe("nbpe"))
    add("--token_dir", type=Path, required=True, help="folder for tokens and BPE model")
    add("--token_list", type=Path, help="token list to use instead of making one")
    add("--bpemodel", type=Path, help="BPE model that belongs to --token_list")
    add("--nlsyms", **of_recipe("nlsyms", type=Path))
    add("--nj", **of_recipe("nj", default=1))
    return parser


def prepare(args: argparse.Namespace) -> None:
    """Check and format the sets, and write the token list."""
    config = read_yaml(args.asr_config, "--asr_config")
    imported = args.token_list is not None
    _check_token_type(args, imported)
    check_front_end(config, args.asr_config, args.feats_type, args.fs, imported)
    if imported and args.feats_type == "raw":
        table = str(args.dump_dir / args.dump_train_set / "wav.scp"), "speech", "sound"
        refuse_other_scale(args.asr_config, config, [table])
    frontend = config.get("frontend_conf") or {}
    input_layer, known_layer = input_layer_of(config)
    if not known_layer:
        logging.warning(
            "%s: the number of frames its encoder makes is not known, so not all "
            "utterances that are too short for their transcripts can be found",
            args.asr_config,
        )
    options = FormatOptions(
        fs=args.fs,
        feats_type=args.feats_type,
        speeds=tuple(sorted({1.0, *args.speed_perturb_factors})),
        min_seconds=args.min_wav_duration,
        max_seconds=args.max_wav_duration,
        # The configuration of a model on features only has their number.
        num_mel_bins=config.get("input_size") or frontend.get("n_mels", 80),
        # The frame shift of Kaldi's filter banks is 10 ms.
        hop_length=(
            frontend.get("hop_length", 128)
            if args.feats_type == "raw"
            else args.fs // 100
        ),
        input_layer=input_layer,
        drop_bad=args.bad_utterances == "drop",
        nj=args.nj,
    )
    sets = [args.train_set, *dict.fromkeys(args.other_sets)]
    _check_names(args)
    # Read again, one by one, when they are formatted.
    folders = {name: read_data_dir(args.data_dir / name, quiet=True) for name in sets}
    if args.joined_set:
        _check_unlabelled(args, folders[args.train_set])
    symbols = _symbols(args, imported)
    token_list, bpemodel = args.token_list, args.bpemodel
    if token_list is None:
        nbpe = args.nbpe if args.token_type == "bpe" else None
        text = folders[args.train_set].text
        # Utterances that are refused or skipped below are not used for tokens.
        bad = check_symbols(text, symbols)
        token_list = build_token_list(
            (words for utt, words in text.items() if utt not in bad),
            args.token_dir,
            nbpe,
            symbols,
        )
        bpemodel = args.token_dir / "bpe.model"
        write_lines(args.token_dir / "nlsyms.txt", symbols)
    tokens = read_token_list(token_list)
    known, form = set(tokens), list_form(tokens)
    tokenizer = _tokenizer(args, bpemodel, config if imported else {}, symbols)
    for name in sets:
        training = name == args.train_set
        checked = name in sets[:2]
        if args.token_type == "bpe":
            _warn_of_rewriting(args.data_dir / name, folders[name].text, tokenizer)
        if not checked:
            warn_of_unknown(args.data_dir / name, folders[name].text, tokenizer, tokens)
        format_set(
            args.data_dir / name,
            args.dump_dir / (args.dump_train_set if training else name),
            options,
            tokenizer.text2tokens,
            # A test transcript may hold what was never trained; it counts as an error
            # of the recogniser, not of the corpus.
            known_tokens=known if checked else None,
            training=training,
            # An imported reference spells as it was trained to.
            symbols=symbols if checked and not imported else None,
            form=form,
        )
    note_checked(args.dump_dir / args.dump_train_set, token_list)
    # A set to evaluate on has its transcripts, and would be formatted again and again.
    for name in (one for one in args.unlabelled_sets if one not in sets):
        format_set(
            args.data_dir / name,
            args.dump_dir / name,
            options,
            tokenizer.text2tokens,
            training=True,
            labelled=False,
        )
    if args.joined_set:
        join_sets(
            [args.dump_dir / n for n in (args.dump_train_set, *args.unlabelled_sets)],
            args.dump_dir / args.joined_set,
            (
                ("wav.scp", "utt2num_samples")
                if args.feats_type == "raw"
                else ("feats.scp", "feats_shape")
            ),
        )


def _check_names(args: argparse.Namespace) -> None:
    """Refuse two sets that would be written to one folder of the dump."""
    own = args.dump_train_set
    others = [*args.other_sets, *args.unlabelled_sets]
    if own in others and own != args.train_set:
        raise UserError(
            f"the set {own} has the name under which the training set "
            f"{args.train_set} is written ({args.dump_dir / own}): rename "
            f"{args.data_dir / own}"
        )


def _check_unlabelled(args: argparse.Namespace, train: DataDir) -> None:
    """Refuse names that are in two of the sets that are joined."""
    owner = {utt: args.train_set for utt in train.audio}
    for name in args.unlabelled_sets:
        for utt in read_data_dir(args.data_dir / name, labelled=False).audio:
            if utt in owner:
                raise UserError(
                    f"--unlabelled_sets {name}: {utt} is also in "
                    f"{args.data_dir / owner[utt]}: give the utterances of one of the "
                    "two sets different names"
                )
            owner[utt] = name


def _check_token_type(args: argparse.Namespace, imported: bool) -> None:
    if args.token_type in _TOKEN_TYPES:
        return
    kinds = " or ".join(_TOKEN_TYPES)
    if imported:
        raise UserError(
            f"the reference has token_type: {args.token_type} ({args.asr_config}), "
            f"but stage 2 prepares data for {kinds}: choose another --reference, or "
            "use the recipe that it was trained in (--asr_recipe)"
        )
    raise UserError(f"--token_type {args.token_type}: must be {kinds}")


def _symbols(args: argparse.Namespace, imported: bool) -> tuple[str, ...]:
    if args.nlsyms is None:
        return ()
    if imported:
        raise UserError(
            f"--nlsyms {args.nlsyms}: the reference has its own symbols "
            f"({args.asr_config}: non_linguistic_symbols): leave the option out"
        )
    return read_symbols(args.nlsyms)


def warn_of_unknown(
    where: Path, text: dict[str, str], tokenizer: AbsTokenizer, tokens: list[str]
) -> None:
    """Warn of characters in test transcripts that are not in the token list."""
    form, known = list_form(tokens), set(tokens)

    def bad(change=str) -> dict[str, str]:
        changed = {u: clean_text(change(words), form) for u, words in text.items()}
        return check_text(changed, tokenizer.text2tokens, known)

    found = bad()
    if not found:
        return
    first = next(iter(found))
    hint = ""
    for name, change in (("upper", str.upper), ("lower", str.lower)):
        if 2 * len(bad(change)) < len(found):
            hint = (
                f". In {name} case these characters would be in the list: convert "
                f"{where}/text"
            )
    logging.warning(
        "%s/text: %d of %d transcripts have characters that are not in the token "
        "list; every model gets these wrong; %s: %s%s",
        where,
        len(found),
        len(text),
        first,
        found[first],
        hint,
    )


def _warn_of_rewriting(
    where: Path, text: dict[str, str], tokenizer: AbsTokenizer
) -> None:
    """Log how many transcripts a BPE model spells in other characters."""
    found = rewritten(text, tokenizer.text2tokens, tokenizer.tokens2text)
    if found:
        first = next(iter(found))
        logging.warning(
            "%s/text: %d of %d transcripts have characters that the BPE model "
            "replaces, so that every model gets them wrong; %s: %r becomes %r. Spell "
            "them in the table as the BPE model does",
            where,
            len(found),
            len(text),
            first,
            text[first],
            found[first],
        )


def _tokenizer(
    args: argparse.Namespace,
    bpemodel: Optional[Path],
    config: Mapping[str, Any],
    own_symbols: tuple[str, ...],
) -> AbsTokenizer:
    """Return the tokenizer of the model; ``config`` is that of an imported one."""
    if args.token_type == "bpe":
        if bpemodel is None or not bpemodel.is_file():
            raise UserError(
                f"--bpemodel {bpemodel}: give the BPE model that belongs to "
                "--token_list"
            )
        return build_tokenizer("bpe", bpemodel=str(bpemodel))
    if own_symbols:
        return build_tokenizer("char", non_linguistic_symbols=own_symbols)
    symbols = config.get("non_linguistic_symbols")
    if symbols is not None and not Path(symbols).is_file():
        # ESPnet would read <noise> as seven characters, with only a warning.
        raise UserError(
            f"{args.asr_config}: non_linguistic_symbols: {symbols} is missing: import "
            "the reference again"
        )
    return build_tokenizer("char", non_linguistic_symbols=symbols)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: prepare(args))


if __name__ == "__main__":
    sys.exit(main())
