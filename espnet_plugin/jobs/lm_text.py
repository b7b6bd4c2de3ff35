"""Stage 3 of lmprune.sh: the text of language models and its tokens."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.checkpoints.config_files import resolve_paths
from espnet_plugin.data.tokens import read_symbols, read_token_list
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.config import read_config
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_pairs, write_lines
from espnet_plugin.yaml_files import read_yaml, write_yaml

__all__ = ["LMText", "Tokens", "prepare_text", "recogniser_tokens"]

_TOKENS = "tokens.yaml"


@dataclass(frozen=True)
class Tokens:
    """How text is split into tokens.

    Attributes:
        token_list: File with one token per line.
        token_type: ``char``, ``bpe`` or ``word``.
        bpemodel: SentencePiece model, only for ``bpe``.
        nlsyms: File with non-linguistic symbols, each of which is a token.
    """

    token_list: Path
    token_type: str = "char"
    bpemodel: Optional[Path] = None
    nlsyms: Optional[Path] = None

    def check(self) -> list[str]:
        """Return the tokens, after checking the files and options.

        Raises:
            UserError: If a file is missing or options contradict each other.
        """
        if self.token_type not in ("char", "bpe", "word"):
            raise UserError(
                f"--token_type {self.token_type}: must be char, bpe or word for a "
                "language model of ESPnet"
            )
        if (self.token_type == "bpe") != (self.bpemodel is not None):
            raise UserError(
                f"--token_type {self.token_type} and --bpemodel {self.bpemodel}: "
                "token type bpe needs a BPE model, the other types must not have one"
            )
        if self.bpemodel is not None and not self.bpemodel.is_file():
            raise UserError(
                f"--bpemodel {self.bpemodel} is missing: name an existing file"
            )
        if self.nlsyms is not None:
            read_symbols(self.nlsyms)
        return read_token_list(self.token_list)


@dataclass(frozen=True)
class LMText:
    """A folder that :func:`prepare_text` has written.

    Attributes:
        folder: Holds ``<set>/text``, ``<set>/text_shape`` and ``tokens.txt``.
    """

    folder: Path

    def text(self, name: str) -> Path:
        """Return the path of a set's text.

        Args:
            name: ``train``, ``valid`` or the name of a test set.

        Raises:
            UserError: If it is missing.
        """
        path = self.folder / name / "text"
        if not path.is_file():
            raise UserError(
                f"{path} is missing: run stage 3, with {name} among its sets"
            )
        return path

    def tests(self) -> list[str]:
        """Return the names of the test sets, sorted."""
        names = sorted(path.parent.name for path in self.folder.glob("*/text"))
        return [name for name in names if name not in ("train", "valid")]

    def config(self) -> dict[str, Any]:
        """Return the part of ESPnet's configuration that describes the tokens.

        Raises:
            UserError: If it is missing.
        """
        path = self.folder / _TOKENS
        if not path.is_file():
            raise UserError(f"{path} is missing: run stage 3 first")
        return read_yaml(path)

    def options(self) -> list[str]:
        """Return ESPnet's options for training on this text."""
        options = []
        for part in ("train", "valid"):
            options += [
                f"--{part}_data_path_and_name_and_type",
                f"{self.text(part)},text,text",
                f"--{part}_shape_file",
                str(self.folder / part / "text_shape"),
            ]
        return options


def recogniser_tokens(folder: Path, output: Path) -> Tokens:
    """Return the tokens of a recogniser.

    Args:
        folder: Folder of the recogniser.
        output: Folder to which the list is written if only ``config.yaml`` has it.

    Raises:
        UserError: If ``folder`` is not an ESPnet ASR experiment.
    """
    config_file = Experiment(folder).config_file
    config = resolve_paths(read_config(config_file), config_file)
    tokens = config["token_list"]
    if isinstance(tokens, str):
        return _tokens(Path(tokens), config)
    path = output / "recogniser_tokens.txt"
    write_lines(path, tokens)
    return _tokens(path, config)


def _tokens(path: Path, config: Mapping[str, Any]) -> Tokens:
    def file(name):
        value = config.get(name)
        return Path(value) if isinstance(value, str) and value != "none" else None

    kind = config.get("token_type") or "char"
    bpemodel = file("bpemodel") if kind == "bpe" else None
    return Tokens(path, kind, bpemodel, file("non_linguistic_symbols"))


def prepare_text(
    folder: Path,
    tokens: Tokens,
    train: Sequence[Path],
    valid: Path,
    tests: Mapping[str, Path],
) -> LMText:
    """Write the text of every set, with its lengths in tokens.

    Args:
        folder: Folder that receives the text.
        tokens: How text is split into tokens.
        train: Kaldi ``text`` files of the training set: the recogniser's and others.
        valid: Kaldi ``text`` file of the development set, on which epochs are chosen.
        tests: Kaldi ``text`` files of test sets, by name.

    Returns:
        The folder.

    Raises:
        UserError: If a text is missing or empty, a test set is called ``train`` or
            ``valid``, or two training texts have an utterance of the same name.
    """
    listed = tokens.check()
    # Here, because it imports ESPnet.
    from espnet_plugin.lm.text import read_text, warn_of_unnamed

    wrong = {"train", "valid"} & set(tests)
    if wrong:
        raise UserError(
            f"--test_text {', '.join(wrong)}: choose a different name for the set"
        )
    texts = {"train": {}}
    for path in train:
        more = read_text(path)
        twice = texts["train"].keys() & more.keys()
        if twice:
            raise UserError(
                f"{path}: {sorted(twice)[0]} is also an utterance of another training "
                "text: give the utterances of each text different names"
            )
        _say_empty(path, more)
        warn_of_unnamed(path, more)
        texts["train"].update(more)
    for name, path in {"valid": valid, **tests}.items():
        texts[name] = read_text(path)
        _say_empty(path, texts[name])
        warn_of_unnamed(path, texts[name])
    config = {
        "token_list": str(folder / "tokens.txt"),
        "token_type": tokens.token_type,
        "bpemodel": None if tokens.bpemodel is None else str(folder / "bpe.model"),
        "non_linguistic_symbols": (
            None if tokens.nlsyms is None else str(folder / "nlsyms.txt")
        ),
        "cleaner": None,
        "g2p": None,
    }
    # It marks a whole folder: until it is written again, texts of two may be mixed.
    (folder / _TOKENS).unlink(missing_ok=True)
    for left in set(LMText(folder).tests()) - set(texts):
        # Of another --test_sets: it would still be measured.
        shutil.rmtree(folder / left)
    write_lines(folder / "tokens.txt", listed)
    for source, key in (
        (tokens.bpemodel, "bpemodel"),
        (tokens.nlsyms, "non_linguistic_symbols"),
    ):
        if source is not None:
            shutil.copyfile(source, config[key])
    for name, text in texts.items():
        write_lines(folder / name / "text", (f"{u} {t}" for u, t in text.items()))
    _write_shapes(folder, config, listed, texts)
    write_yaml(folder / _TOKENS, config)
    return LMText(folder)


def _say_empty(path: Path, text: Mapping[str, str]) -> None:
    left_out = len(read_pairs(path)) - len(text)
    if left_out:
        logging.info("%s: %d utterances without words are skipped", path, left_out)


def _write_shapes(folder, config, listed, texts) -> None:
    """Write the tables of lengths from which ESPnet makes batches."""
    from argparse import Namespace

    from espnet_plugin.lm.text import read_sentences

    args = Namespace(**{**config, "token_list": list(listed), "use_preprocessor": True})
    for name, text in texts.items():
        sentences = read_sentences(folder / name / "text", args)
        write_lines(
            folder / name / "text_shape",
            (f"{one.name} {len(one.tokens)},{len(listed)}" for one in sentences),
        )
        logging.info(
            "%s: %d sentences, %d words, %d tokens",
            *(name, len(text), sum(len(t.split()) for t in text.values())),
            sum(len(one.tokens) for one in sentences),
        )
        _say_unknown(name, sentences, listed)


def _say_unknown(name: str, sentences, listed: Sequence[str]) -> None:
    """Warn about text that the tokens cannot write: it is learnt as unknown."""
    if "<unk>" not in listed:
        return
    number = listed.index("<unk>")
    unknown = {one.name: int((one.tokens == number).sum()) for one in sentences}
    names = [utterance for utterance, count in unknown.items() if count]
    if names:
        logging.warning(
            "%s: %d of %d sentences, e.g. %s, have parts that are not in the token "
            "list (%d tokens in all are <unk>): write them as the recogniser's "
            "transcripts are written, or leave them out",
            *(name, len(names), len(sentences), names[0], sum(unknown.values())),
        )
