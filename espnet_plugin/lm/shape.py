"""The sizes of Transformer language models."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Mapping, Self

from espnet_plugin.errors import UserError
from espnet_plugin.names import COMPACT_LM, TRANSFORMER_LM

__all__ = ["MATRICES", "LMShape", "check_lm_conf"]

# The weight matrices of a block by their names in ESPnet's modules.
MATRICES = ("linear_q", "linear_k", "linear_v", "linear_out", "w_1", "w_2")
# Operations per weight and token: 2 in the forward pass (multiply, add), 4 backward.
_OPERATIONS = 6


@dataclass(frozen=True)
class LMShape:
    """The sizes of a Transformer language model.

    Attributes:
        vocab: Number of tokens.
        embed: Width of the embedding.
        width: Width of the residual stream, ESPnet's ``att_unit``.
        heads: Number of attention heads in a block.
        head_width: Width of one head. In ESPnet's own class it is ``width / heads``.
        units: Number of feed-forward units in a block.
        layers: Number of blocks.
        ranks: Rank of each factorised matrix, by its name in ``MATRICES``.
    """

    vocab: int
    embed: int
    width: int
    heads: int
    head_width: int
    units: int
    layers: int
    ranks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_conf(cls, conf: Mapping[str, Any], vocab: int) -> Self:
        """Read ESPnet's ``lm_conf``; missing options have ESPnet's defaults."""
        # Imported here, because it takes many seconds.
        from espnet2.lm.transformer_lm import TransformerLM

        check_lm_conf(conf, "lm_conf")
        known = {**_defaults(TransformerLM), **conf}
        width, heads = known["att_unit"], known["head"]
        return cls(
            vocab=vocab,
            embed=known["embed_unit"],
            width=width,
            heads=heads,
            head_width=known.get("head_width") or width // heads,
            units=known["unit"],
            layers=known["layer"],
            ranks=dict(known.get("ranks") or {}),
        )

    def to_conf(self, conf: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the name of the class, and ``conf`` changed to these sizes."""
        own = {"head_width", "ranks"}
        changed = {name: value for name, value in conf.items() if name not in own}
        changed.update(att_unit=self.width, embed_unit=self.embed, layer=self.layers)
        changed.update(head=self.heads, unit=self.units)
        if self.is_plain:
            return TRANSFORMER_LM, changed
        changed["head_width"] = self.head_width
        if self.ranks:
            changed["ranks"] = dict(self.ranks)
        return COMPACT_LM, changed

    @property
    def is_plain(self) -> bool:
        """Whether ESPnet's own class has a model of these sizes."""
        return not self.ranks and self.heads * self.head_width == self.width

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Return the shape (outputs, inputs) of each matrix of a block."""
        inner = self.heads * self.head_width
        into, out = (inner, self.width), (self.width, inner)
        return {
            "linear_q": into,
            "linear_k": into,
            "linear_v": into,
            "linear_out": out,
            "w_1": (self.units, self.width),
            "w_2": (self.width, self.units),
        }

    @property
    def block_weights(self) -> int:
        """Number of weights in the matrices of all blocks, without biases."""
        return self.layers * sum(
            (
                self.ranks[name] * (rows + columns)
                if name in self.ranks
                else rows * columns
            )
            for name, (rows, columns) in self.matrices().items()
        )

    @property
    def operations(self) -> int:
        """Operations of training on one token, from the weights in matrix products.

        They are six for each weight: a multiply-add is two, and the backward pass takes
        twice the forward pass. Products of queries, keys and values, which depend on
        the length of a sentence, are not included.
        """
        outside = self.embed * self.width + self.width * self.vocab
        return _OPERATIONS * (self.block_weights + outside)

    def cut(self, keep: float, parts: str = "both") -> Self:
        """Return the sizes with fewer heads and feed-forward units.

        Args:
            keep: Largest share of the weights in the blocks' matrices that is kept.
            parts: ``units``, ``heads``, or ``both``. With ``both``, this share of the
                heads is kept (rounded, at least one), and as many units as then fit.

        Raises:
            UserError: If ``keep`` is not between 0 and 1, matrices are factorised, or
                the parts that are not removed have too many weights.
        """
        self._check(keep)
        a_head, a_unit = 4 * self.width * self.head_width, 2 * self.width
        budget = keep * self.block_weights / self.layers
        heads, units = self.heads, self.units
        if parts == "heads":
            heads = int((budget - units * a_unit) / a_head)
        else:
            if parts == "both":
                heads = max(1, round(keep * heads))
            units = int((budget - heads * a_head) / a_unit)
        if heads < 1 or units < 1:
            fixed = units * a_unit if parts == "heads" else heads * a_head
            way_out = "" if parts == "both" else ", or parts: both"
            least = fixed + (a_head if parts == "heads" else a_unit)
            raise UserError(
                f"keep {keep:g} with parts {parts}: the parts that are not compressed "
                f"have {fixed / (budget / keep):.1%} of the weights; give keep of at "
                f"least {least / (budget / keep):.3f}{way_out}"
            )
        return replace(self, heads=heads, units=units)

    def factored(self, keep: float) -> Self:
        """Return the sizes with every matrix factorised.

        The rank is the same in every block. It is the largest for which the two factors
        have at most the share ``keep`` of the matrix's weights.

        Raises:
            UserError: If ``keep`` is not between 0 and 1, matrices are already
                factorised, or a rank would be 0.
        """
        self._check(keep)
        ranks = {
            name: int(keep * rows * columns / (rows + columns))
            for name, (rows, columns) in self.matrices().items()
        }
        none = [name for name, rank in ranks.items() if rank < 1]
        if none:
            raise UserError(
                f"keep {keep:g}: the rank of {', '.join(none)} would be 0; keep more"
            )
        return replace(self, ranks=ranks)

    def _check(self, keep: float) -> None:
        if not 0.0 < keep < 1.0:
            raise UserError(
                f"keep {keep:g}: the share of weights that is kept must be above 0 "
                "and below 1 (0.25 is 75 % sparsity)"
            )
        if self.ranks:
            raise UserError(
                "this language model's matrices are already products of factors: "
                "start from the dense model"
            )


def check_lm_conf(conf: Any, where: str) -> None:
    """Check the sizes in ESPnet's ``lm_conf``, those that are given.

    Args:
        conf: The value of ``lm_conf``.
        where: What names it, for messages.

    Raises:
        UserError: If it is no mapping, a size is not a whole number from 1, or the
            width is not a multiple of the heads.
    """
    if not isinstance(conf, Mapping):
        raise UserError(f"{where} {conf!r}: must be a mapping, e.g. {{layer: 4}}")
    for name in ("att_unit", "embed_unit", "head", "unit", "layer"):
        value = conf.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{where}.{name} {value!r}: must be a whole number from 1")
    width, heads = conf.get("att_unit"), conf.get("head")
    own = conf.get("head_width")
    if width is not None and heads is not None and own is None and width % heads:
        raise UserError(
            f"{where}.head {heads}: att_unit {width} is not a multiple of it: change "
            "one of them"
        )


def _defaults(kind: type) -> dict[str, Any]:
    import inspect

    parameters = inspect.signature(kind.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
