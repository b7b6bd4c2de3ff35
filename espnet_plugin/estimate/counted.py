"""Operations per hour of audio, for the reference and small models of any shape."""

from typing import Any, Mapping, Sequence

from espnet_plugin.estimate.count import ModelCost, count_model, student_config
from espnet_plugin.estimate.plan import ModelFlops
from espnet_plugin.shape import Shape

__all__ = ["CountedModels"]


class CountedModels:
    """Counts each kind of model once, for all numbers of layers.

    Args:
        reference: Configuration of the reference.
        encrl: Configuration of stage 5.
        vocabulary: Number of tokens.
        shapes: All shapes that will be requested.
        layers: Number of layers of the student with the reference's width.
        utterance_seconds: Duration of an utterance in seconds.

    Attributes:
        student: Configuration of that student.
        vocabulary: Number of tokens.
        utterance_seconds: Duration of an utterance in seconds.

    Raises:
        UserError: See :func:`espnet_plugin.estimate.count.count_model`.
    """

    def __init__(
        self,
        reference: Mapping[str, Any],
        encrl: Mapping[str, Any],
        vocabulary: int,
        shapes: Sequence[Shape],
        layers: int,
        utterance_seconds: float,
    ):
        self.vocabulary, self.utterance_seconds = vocabulary, utterance_seconds
        self.student = student_config(dict(reference), dict(encrl), layers)
        self._depth = (reference.get("encoder_conf") or {})["num_blocks"]
        self._reference = count_model(dict(reference), vocabulary)
        self._by_frozen = {(): count_model(self.student, vocabulary)}
        # One count for each width serves all numbers of layers; nothing is frozen in
        # them.
        self._by_width = {
            width: count_model(
                student_config(
                    dict(reference),
                    {**encrl, "student_output_size": width},
                    max(n.layers for n in shapes if n.width == width),
                ),
                vocabulary,
            )
            for width in dict.fromkeys(n.width for n in shapes if n.width is not None)
        }

    @property
    def frames_per_second(self) -> float:
        """Frame rate of the reference's outputs in Hz."""
        return self._reference.frames_per_second

    @property
    def width(self) -> int:
        """Width of the reference's encoder."""
        return self._reference.width

    @property
    def reference(self) -> ModelFlops:
        """The reference's operations and weights."""
        return self._flops(self._reference, self._depth)

    def of(self, shape: Shape, freeze: Sequence[str] = ()) -> ModelFlops:
        """Return the operations and weights of a small model.

        Args:
            shape: Shape of the model.
            freeze: Frozen modules.

        Raises:
            UserError: If a module of ``freeze`` does not exist.
        """
        cost = self._frozen(tuple(freeze))
        return self._flops(self._by_width.get(shape.width, cost), shape.layers)

    def _frozen(self, names: tuple[str, ...]) -> ModelCost:
        if names not in self._by_frozen:
            counted = count_model(self.student, self.vocabulary, freeze=names)
            self._by_frozen[names] = counted
        return self._by_frozen[names]

    def _flops(self, cost: ModelCost, layers: int) -> ModelFlops:
        seconds = self.utterance_seconds
        hour = 3600 / seconds
        return ModelFlops(
            cost.train_flops(layers, seconds) * hour,
            cost.forward_flops(layers, seconds) * hour,
            cost.num_params(layers),
        )
