"""The CTC loss on the development set with only some of a model's layers."""

import copy
import logging
import time
from collections import OrderedDict
from typing import Sequence

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.asr import ASRTask

from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.errors import UserError

__all__ = ["DevLoss"]


class DevLoss:
    """Computes the mean CTC loss per utterance for any choice of layers.

    Features are computed once and stored.

    Args:
        model: The model, in evaluation mode.
        args: Its training arguments, which have the tokens.
        data: ``(path, name, type)`` of audio and text, as in ESPnet's options.
        seconds_per_input: Duration of one input (a sample or a frame of features) in
            seconds.
        batch_size: Number of utterances per batch.
        most: Number of utterances to use; batches that begin after it are not read.

    Attributes:
        evaluations: Number of losses that were computed.
        seconds: Time spent, in seconds, features included.
        flops: Floating-point operations of the losses, features not included.
        audio_seconds: Duration of the audio that was processed, in seconds.

    Raises:
        UserError: If there are no utterances.
    """

    def __init__(
        self,
        model: ESPnetASRModel,
        args,
        data: Sequence[tuple[str, str, str]],
        seconds_per_input: float,
        batch_size: int = 16,
        most: int = 500,
    ):
        start = time.perf_counter()
        self._model = model
        self._layers = list(model.encoder.encoders)
        self._batches = []
        self._audio = 0.0
        loader = ASRTask.build_streaming_iterator(
            list(data),
            dtype="float32",
            batch_size=batch_size,
            num_workers=0,
            preprocess_fn=ASRTask.build_preprocess_fn(args, train=False),
            collate_fn=ASRTask.build_collate_fn(args, train=False),
            allow_variable_data_keys=False,
            inference=False,
        )
        for _, batch in loader:
            if len(self._batches) * batch_size >= most:
                break
            with torch.no_grad():
                feats, lengths = model._extract_feats(
                    batch["speech"], batch["speech_lengths"]
                )
                if model.normalize is not None:
                    feats, lengths = model.normalize(feats, lengths)
            self._batches.append((feats, lengths, batch["text"], batch["text_lengths"]))
            self._audio += float(batch["speech_lengths"].sum()) * seconds_per_input
        if not self._batches:
            raise UserError(
                f"{data[0][0]} has no utterances: give a development set with audio"
            )
        self.evaluations, self.flops, self.audio_seconds = 0, 0, 0.0
        self.seconds = time.perf_counter() - start
        self._flops_each = [self._count(list(range(n))) for n in (1, len(self._layers))]

    @torch.no_grad()
    def __call__(self, layers: list[int]) -> float:
        """Return the mean CTC loss with only these layers, in this order.

        Args:
            layers: Layers, counted from 0.
        """
        start = time.perf_counter()
        total, utterances = 0.0, 0
        for feats, lengths, text, text_lengths in self._batches:
            total += self._loss(layers, feats, lengths, text, text_lengths) * len(feats)
            utterances += len(feats)
        loss = total / utterances
        self.evaluations += 1
        self.audio_seconds += self._audio
        one, whole = self._flops_each
        layer = (whole - one) / max(1, len(self._layers) - 1)
        self.flops += round(one + layer * (len(layers) - 1))
        self.seconds += time.perf_counter() - start
        logging.info("layers %s: dev loss %.3f", layers, loss)
        return loss

    def _loss(self, layers, feats, lengths, text, text_lengths) -> float:
        encoder = self._model.encoder
        whole = encoder.encoders
        # A container of the same class, because encoders call theirs differently.
        part = copy.copy(whole)
        part._modules = OrderedDict(
            (str(i), self._layers[layer]) for i, layer in enumerate(layers)
        )
        encoder.encoders = part
        try:
            encoded, sizes, _ = encoder(feats, lengths)
        finally:
            encoder.encoders = whole
        if isinstance(encoded, tuple):
            encoded = encoded[0]
        # Padding of the text is -1, as ESPnet's own model makes it.
        text = text.masked_fill(text == -1, 0)
        ctc = self._model.ctc
        # ESPnet's layer applies dropout in evaluation mode too.
        rate, ctc.dropout_rate = ctc.dropout_rate, 0.0
        try:
            return float(ctc(encoded, sizes, text, text_lengths))
        finally:
            ctc.dropout_rate = rate

    @torch.no_grad()
    def _count(self, layers: list[int]) -> int:
        with flop_counter() as counter:
            for batch in self._batches:
                self._loss(layers, *batch)
        return counter.get_total_flops()
