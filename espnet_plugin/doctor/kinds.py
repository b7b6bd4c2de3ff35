"""Everything that can be wrong with, or odd about, a Kaldi data folder."""

from dataclasses import dataclass

__all__ = [
    "ERROR",
    "EXPECTED",
    "KINDS",
    "OF_TABLES",
    "WARNING",
    "Kind",
    "warning_kinds",
]

ERROR, WARNING = "error", "warning"
# What a kind of warnings becomes where whoever made the corpus says that it has them.
EXPECTED = "expected"


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Attributes:
        name: For ``--error`` and ``--ignore``.
        severity: ``error``: nothing can be trained or scored with such a line.
            ``warning``: legal, and often a mistake.
        title: What it is, in a few words.
        way_out: What to do.
    """

    name: str
    severity: str
    title: str
    way_out: str


_ALL = (
    # Tables
    Kind("missing-table", ERROR, "a table is missing or empty",
         "Run the data preparation again, or name the folder of another set."),
    Kind("encoding", ERROR, "lines that are not UTF-8 text",
         "Convert the table: iconv -f LATIN1 (or CP1252, UTF-16) -t UTF-8."),
    Kind("damaged", ERROR, "control or replacement characters",
         "The line was damaged by an earlier conversion or a copy: make it again."),
    Kind("bad-name", ERROR, "names with characters that cannot be seen",
         "Rename the utterance or speaker in all tables."),
    Kind("duplicate-id", ERROR, "names that are listed twice",
         "Give every utterance a unique name, or remove one of the lines."),
    Kind("no-value", ERROR, "a name without a value",
         "Complete the line, or remove the utterance from all tables."),
    Kind("not-everywhere", ERROR, "utterances that are not in all tables",
         "Add the missing lines, or remove it (Kaldi: utils/fix_data_dir.sh)."
         ),
    Kind("bad-segment", ERROR, "malformed segments",
         "UTTERANCE RECORDING START END, in seconds, with START before END."),
    Kind("byte-order-mark", WARNING, "a byte order mark at the beginning",
         "Read without it here; Kaldi takes it as part of the first name. Remove it: "
         "sed -i '1s/^\\xef\\xbb\\xbf//'."),
    Kind("line-ends", WARNING, "lines that end with CR LF",
         "Read without the CR here; Kaldi takes it as part of the line: dos2unix."),
    Kind("blank-line", WARNING, "lines with nothing on them", "Remove them."),
    Kind("unsorted", WARNING, "a table that is not sorted",
         "Kaldi wants LC_ALL=C sort; nothing here depends on it."),
    Kind("speaker", WARNING, "a speaker that is several words, or not in spk2utt",
         "utt2spk has one word beside the utterance; make spk2utt from it again."),
    # Transcripts
    Kind("white-space", WARNING, "white space other than single plain spaces",
         "Taken as one space here; ESPnet makes a token of it, Kaldi a word."),
    Kind("invisible", WARNING, "invisible characters, or decomposed ones",
         "Left out, or composed (NFC), here; ESPnet makes tokens of them."),
    Kind("symbol", WARNING, "symbols that are not speech, for example <noise>",
         "List them in the file of --nlsyms, one per line, or take them out: otherwise "
         "they are spelled letter by letter."),
    Kind("mixed-case", WARNING, "upper and lower case in one corpus",
         "If it carries no meaning, write all transcripts in one case."),
    Kind("rare-characters", WARNING, "characters of one set alone",
         "A model cannot write what its training data lack: correct the texts, or "
         "write all sets alike."),
    Kind("unknown-characters", ERROR, "characters that the training set lacks",
         "The token list lacks them: correct the transcripts of this set."),
    Kind("text-rate", WARNING, "much more or less text per second than usual",
         "Often a transcript of other audio, or a cut: listen to some."),
    # Audio
    Kind("no-file", ERROR, "audio files that are not there",
         "Correct the paths (relative ones begin where the command runs)."),
    Kind("unreadable", ERROR, "files that cannot be read as audio",
         "Copy or convert them again."),
    Kind("truncated", ERROR, "files that are shorter than their header says",
         "Copy or record them again."),
    Kind("wrong-rate", ERROR, "another sampling rate",
         "Resample the files, or give --fs and a model for that rate."),
    Kind("channels", ERROR, "several channels", "Choose or mix down to one."),
    Kind("not-finite", ERROR, "samples that are NaN or infinite",
         "Convert the file again."),
    Kind("silent", ERROR, "nothing but silence",
         "Remove the utterance, or find its audio."),
    Kind("outside", ERROR, "segments outside their recording",
         "Correct the times, or take the recording that they were made for."),
    Kind("pipe", WARNING, "commands instead of files",
         "Not run. Kaldi runs them, this project's stage 2 does not: run them once and "
         "name their outputs, or give --run_pipes to check what they give."),
    Kind("archive", WARNING, "positions in archives instead of files",
         "Not read. Stage 2 of this project wants files."),
    Kind("features-alone", WARNING, "features, and no audio", "No audio was checked."),
    Kind("scale", WARNING, "samples beyond 1.0",
         "A float file on the scale of 16-bit integers: divide by 32768."),
    Kind("level", WARNING, "a level far from that of the set",
         "Another gain, scale or microphone: check that it is speech."),
    Kind("clipped", WARNING, "clipped samples", "Record with less gain, if you can."),
    Kind("length", WARNING, "much longer or shorter than the others",
         "Often two utterances in one, or a cut: listen to some."),
    Kind("limits", WARNING, "outside of the lengths that are trained on",
         "Left out of training (--min_wav_duration, --max_wav_duration)."),
    # Between sets and utterances
    Kind("same-set", WARNING, "one folder for two purposes",
         "A score on data that was trained on, or chose the epochs, is none: name "
         "another folder."),
    Kind("same-audio", WARNING, "the same audio under two names of a set",
         "Remove one of them."),
    Kind("shared-audio", WARNING, "the same audio in two sets",
         "A score on audio that was trained on says nothing: remove it from one."),
    Kind("shared-id", WARNING, "the same utterance name in two sets",
         "If it is the same utterance, remove it from one; otherwise rename it."),
    Kind("shared-text", WARNING, "transcripts that are in two sets",
         "Expected of commands and digits; of read or free speech it is a leak."),
    Kind("shared-speaker", WARNING, "speakers that are in two sets",
         "Scores are then those of known voices: say so, or split by speaker."),
)  # fmt: skip
KINDS = {kind.name: kind for kind in _ALL}
# Errors for which no utterance can be left out: stage 2 cannot read the table.
OF_TABLES = frozenset("""
    missing-table encoding damaged bad-name duplicate-id no-value not-everywhere
    bad-segment features-alone
    """.split())


def warning_kinds() -> tuple[str, ...]:
    """Return the names of the kinds that are warnings."""
    return tuple(one.name for one in _ALL if one.severity == WARNING)
