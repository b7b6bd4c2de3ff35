"""All kinds of errors and warnings about a Kaldi data folder."""

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
# Severity of a kind of warning that the corpus is declared to have.
EXPECTED = "expected"


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Attributes:
        name: Name of the kind, as in ``--error`` and ``--ignore``.
        severity: ``error``: the line cannot be used for training or scoring.
            ``warning``: the line is valid, but often a mistake.
        title: What it is, in a few words.
        way_out: What the user can do about it.
    """

    name: str
    severity: str
    title: str
    way_out: str


_ALL = (
    # Tables
    Kind("missing-table", ERROR, "a table is missing or empty",
         "Run the data preparation again, or give the folder of another set."),
    Kind("encoding", ERROR, "lines that are not UTF-8 text",
         "Convert the table: iconv -f LATIN1 (or CP1252, UTF-16) -t UTF-8."),
    Kind("damaged", ERROR, "control or replacement characters",
         "An earlier conversion or copy damaged the line: create it again."),
    Kind("bad-name", ERROR, "names with invisible characters",
         "Rename the utterance or speaker in all tables."),
    Kind("duplicate-id", ERROR, "names that are listed twice",
         "Give every utterance a unique name, or remove one of the lines."),
    Kind("no-value", ERROR, "a name without a value",
         "Complete the line, or remove the utterance from all tables."),
    Kind("not-everywhere", ERROR, "utterances that are not in all tables",
         "Add the missing lines, or remove the utterance (Kaldi: "
         "utils/fix_data_dir.sh)."
         ),
    Kind("bad-segment", ERROR, "malformed segments",
         "Write UTTERANCE RECORDING START END, in seconds, with START before END."),
    Kind("byte-order-mark", WARNING, "a byte order mark at the beginning",
         "It is ignored here, but Kaldi reads it as part of the first name. Remove "
         "it: sed -i '1s/^\\xef\\xbb\\xbf//'."),
    Kind("line-ends", WARNING, "lines that end with CR LF",
         "The CR is ignored here, but Kaldi reads it as part of the line. Remove it: "
         "dos2unix."),
    Kind("blank-line", WARNING, "empty lines", "Remove them."),
    Kind("unsorted", WARNING, "a table that is not sorted",
         "Kaldi needs the order of LC_ALL=C sort; this plugin does not."),
    Kind("speaker", WARNING, "a speaker of several words, or not in spk2utt",
         "In utt2spk, write one word after the utterance, and make spk2utt from it "
         "again."),
    # Transcripts
    Kind("white-space", WARNING, "white space other than single plain spaces",
         "It is read as one space here; ESPnet makes a token of it, and Kaldi a word."),
    Kind("invisible", WARNING, "invisible characters, or decomposed ones",
         "They are left out or composed (NFC) here; ESPnet makes tokens of them."),
    Kind("symbol", WARNING, "symbols that are not speech, for example <noise>",
         "List them in the file given to --nlsyms, one per line, or remove them: "
         "otherwise they are spelled letter by letter."),
    Kind("markup", WARNING, "what nobody says: marks, times, names of files",
         "Remove it, or list words such as %HESITATION in the file given to --nlsyms: "
         "otherwise a model learns to write it."),
    Kind("wrong-decoding", WARNING, "letters that were decoded wrongly",
         "UTF-8 was read as a Windows code page: convert these texts with iconv -f "
         "UTF-8 -t CP1252 (or CP1251)."),
    Kind("compatibility", WARNING, "letters in a full-width, half-width or fixed form",
         "Write the usual letters (Unicode's form NFKC): otherwise one letter has two "
         "tokens."),
    Kind("look-alikes", WARNING, "different characters for the same sign",
         "Write one of them in all sets: otherwise it has several tokens."),
    Kind("mixed-case", WARNING, "upper and lower case in one corpus",
         "If the case has no meaning, write all transcripts in one case."),
    Kind("mixed-scripts", WARNING, "letters of two scripts in one word",
         "Often a letter of another script that looks the same (a Cyrillic О in an "
         "English word): replace it. Otherwise it becomes a token of its own."),
    Kind("rare-characters", WARNING, "characters that only one set has",
         "A model cannot write characters that its training data lacks: correct the "
         "texts, or spell all sets alike."),
    Kind("unknown-characters", ERROR, "characters that the training set lacks",
         "They are not in the token list: correct the transcripts of this set."),
    Kind("text-rate", WARNING, "much more or less text per second than usual",
         "Often the transcript belongs to other audio, or the audio was cut: listen "
         "to some."),
    # Audio
    Kind("no-file", ERROR, "audio files that are missing",
         "Correct the paths (relative paths start in the folder in which the command "
         "runs)."),
    Kind("unreadable", ERROR, "files that cannot be read as audio",
         "Copy or convert them again."),
    Kind("truncated", ERROR, "files that are shorter than their header says",
         "Copy or record them again."),
    Kind("wrong-rate", ERROR, "another sampling rate",
         "Resample the files, or give --fs and a model for that rate."),
    Kind("channels", ERROR, "several channels", "Choose one, or mix them down to one."),
    Kind("not-finite", ERROR, "samples that are NaN or infinite",
         "Convert the file again."),
    Kind("scale", ERROR, "floating-point samples in the range of integers",
         "Divide them by 32768."),
    Kind("silent", ERROR, "nothing but silence",
         "Remove the utterance, or find the right audio."),
    Kind("outside", ERROR, "segments outside their recording",
         "Correct the times, or use the recording that they were made for."),
    Kind("pipe", WARNING, "commands instead of files",
         "They are not run here. Kaldi runs them, but stage 2 of this project does "
         "not: run them once and list the files they write, or give --run_pipes to "
         "check their output."),
    Kind("archive", WARNING, "positions in archives instead of files",
         "They are not read. Stage 2 of this project needs files."),
    Kind("features-alone", WARNING, "features, but no audio", "No audio was checked."),
    Kind("overshoot", WARNING, "samples beyond 1.0",
         "They are clipped where audio is written again (segments, copies at other "
         "speeds): scale the file down."),
    Kind("level", WARNING, "a level far from the rest of the set",
         "The gain, scale or microphone may be different: check that it is speech."),
    Kind("offset", WARNING, "an offset: the samples do not swing around zero",
         "A sound card adds it (DC). Subtract the mean, or filter: sox IN OUT highpass "
         "20."),
    Kind("clipped", WARNING, "clipped samples", "Record again with less gain."),
    Kind("length", WARNING, "much longer or shorter than the others",
         "Often two utterances were joined, or one was cut: listen to some."),
    Kind("limits", WARNING, "too long or too short for training",
         "They are left out of training (--min_wav_duration, --max_wav_duration)."),
    # Between sets and utterances
    Kind("same-set", WARNING, "one folder for two purposes",
         "A score is not valid on data that was used for training or for choosing "
         "epochs: give another folder."),
    Kind("overlap", WARNING, "utterances that share most of their audio",
         "Correct the times in segments. If two people speak at once, a transcript "
         "holds only one of them: leave these utterances out."),
    Kind("same-audio", WARNING, "the same audio under two names in one set",
         "Remove one of them."),
    Kind("shared-audio", WARNING, "the same audio in two sets",
         "A score on audio that was used for training is not valid: remove it from "
         "one of the sets."),
    Kind("shared-id", WARNING, "the same utterance name in two sets",
         "If it is the same utterance, remove it from one set; otherwise rename it."),
    Kind("shared-text", WARNING, "transcripts that are in two sets",
         "This is normal for commands and digits; for read or free speech, it is a "
         "leak."),
    Kind("shared-speaker", WARNING, "speakers that are in two sets",
         "Scores are then for known voices: say so when you report them, or split by "
         "speaker."),
)  # fmt: skip
KINDS = {kind.name: kind for kind in _ALL}
# Errors that leaving out utterances does not solve: stage 2 cannot read the table.
OF_TABLES = frozenset("""
    missing-table encoding damaged bad-name duplicate-id no-value not-everywhere
    bad-segment features-alone
    """.split())


def warning_kinds() -> tuple[str, ...]:
    """Return the names of the kinds that are warnings."""
    return tuple(one.name for one in _ALL if one.severity == WARNING)
