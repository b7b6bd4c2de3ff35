"""Files that a ``config.yaml`` of ESPnet names, and the tokens of its model."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.files import PathLike

__all__ = ["check_blank", "check_tokens", "check_unknown", "find_file", "read_tokens"]

_PARENTS = 3
# ESPnet's token for what the others cannot write.
_UNKNOWN = "<unk>"


def find_file(
    value: str, config_file: PathLike, roots: Optional[Sequence[Path]] = None
) -> tuple[Optional[Path], list[Path]]:
    """Search for a file that a configuration names.

    Args:
        value: The path in the configuration.
        config_file: The configuration.
        roots: Folders to which a relative path may refer; None: the current folder,
            that of the configuration and its parents up to three levels.

    Returns:
        The path or ``None``, and all paths that were tried. The last one is a file of
        this name next to the configuration, for folders that were moved. Before it,
        without ``roots``, a folder next to the experiment is tried, in case the folder
        of all experiments was renamed.
    """
    path = Path(value)
    folder = Path(config_file).parent
    beside = []
    if roots is None:
        above = folder.absolute().parent
        parts = path.parts
        # exp/asr_stats/train/feats_stats.npz: asr_stats/train/feats_stats.npz there.
        beside = [above.joinpath(*parts[n:]) for n in range(1, max(2, len(parts) - 2))]
    if path.is_absolute():
        tried = [path]
    else:
        if roots is None:
            absolute = folder.resolve()
            roots = [Path("."), absolute, *list(absolute.parents)[:_PARENTS]]
        tried = [Path(root) / path for root in roots]
    tried += [*beside, folder / path.name]
    return next((item for item in tried if item.is_file()), None), tried


def read_tokens(config: Mapping[str, Any], config_file: PathLike) -> list[str]:
    """Return the tokens of a model, whose configuration lists them or names their file.

    Args:
        config: The configuration.
        config_file: Its file, for messages and relative paths.

    Returns:
        The tokens, at least one.

    Raises:
        UserError: If there are none, their file is missing or is not text, or they are
            something other than strings.
    """
    given = config.get("token_list")
    way_out = (
        "write there the path of the tokens.txt with which the model was trained, or "
        "give another experiment"
    )
    if given is None or given in ("", "none", []):
        raise UserError(
            f"{config_file}: token_list is empty, so the model's tokens are unknown: "
            f"{way_out}"
        )
    tokens: Any = given
    if isinstance(given, str):
        found, tried = find_file(given, config_file)
        if found is None:
            raise UserError(
                f"{config_file}: token_list: {given} does not exist; searched for "
                f"{', '.join(map(str, tried))}. Bring the file back, copy it into the "
                f"folder of the configuration, or {way_out}"
            )
        tokens = _lines(found)
        if not any(tokens):
            raise UserError(
                f"{config_file}: token_list: {found} is empty: bring its content back, "
                f"or {way_out}"
            )
    if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
        raise UserError(
            f"{config_file}: token_list holds something other than tokens (quote "
            "tokens such as '1' or 'no' there)"
        )
    return tokens


def _lines(path: Path) -> list[str]:
    """Return the lines of a list of tokens as ESPnet reads them."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"token list {path} is not UTF-8: {error}") from error
    return [line.rstrip() for line in (lines[:-1] if not lines[-1] else lines)]


def check_tokens(config: Mapping[str, Any], config_file: PathLike) -> list[str]:
    """Return the tokens of a recogniser, after checking those that ESPnet needs.

    Raises:
        UserError: If the tokens are unknown, the blank is not token 0, or there is no
            ``<unk>``.
    """
    tokens = read_tokens(config, config_file)
    check_blank(config, tokens, config_file)
    check_unknown(tokens, config_file)
    return tokens


def check_unknown(tokens: Sequence[str], config_file: PathLike) -> None:
    """Check that there is a token for what the others cannot write.

    Raises:
        UserError: If there is none; ESPnet refuses such a list when a training starts.
    """
    if _UNKNOWN not in tokens:
        raise UserError(
            f"{config_file}: the {len(tokens)} tokens lack {_UNKNOWN}, which ESPnet "
            "needs: give the list with which the model was trained"
        )


def check_blank(
    config: Mapping[str, Any], tokens: Sequence[str], config_file: PathLike
) -> None:
    """Check that the CTC blank is token 0, as ESPnet's CTC has it.

    Raises:
        UserError: If it is not; it names the token that is, and where the blank is.
    """
    blank = (config.get("model_conf") or {}).get("sym_blank", "<blank>")
    if tokens and tokens[0] == blank:
        return
    first = repr(tokens[0]) if tokens else "none"
    there = "is not in the list"
    if blank in tokens:
        there = f"is token {list(tokens).index(blank)}"
    raise UserError(
        f"{config_file}: token 0 is {first}, but must be the CTC blank {blank!r}, "
        f"which {there}; use a reference with ESPnet's order of tokens (or name its "
        "blank with sym_blank in model_conf)"
    )
