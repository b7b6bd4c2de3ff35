"""A TED-LIUM of a few seconds, in the layouts of releases 2 and 3."""

import gzip
import os
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000

# Every oddity of the real files that a preparation has to cope with: the two kinds of
# labels, words apart from their suffixes, marks of noise, variants and silence, names
# at the end of a line, gaps to leave out, the same line twice, times not in order, a
# name that begins like another, comments, and a first word with an apostrophe.
STM = {
    "train": {
        "911Mothers_2010W": """\
911Mothers_2010W 1 inter_segment_gap 0 1.43 <o,,unknown> ignore_time_segment_in_scoring
911Mothers_2010W 1 911Mothers_2010W 1.43 2.96 <o,f0,female> {NOISE} thank you <unk> it 's hard (911Mothers_2010W-0000)
911Mothers_2010W 1 911Mothers_2010W 10.61 11.905 <o,f0,female> we 're a(2) <sil> gathering(3) that is n't {COUGH} here (911Mothers_2010W-0002)
911Mothers_2010W 1 911Mothers_2010W 3.02 10.6 <o,f0,female> you  know   that   's why i 'd 've come
911Mothers_2010W 1 911Mothers_2010W 3.02 10.6 <o,f0,female> you  know   that   's why i 'd 've come
""",  # noqa: E501
        "AlGore_2009": """\
;; a comment
AlGore_2009 1 AlGore_2009 0.05 4.29 <o,f0,male> 'cause last year (i showed) these two slides (AlGore_2009-0001)
AlGore_2009 1 AlGore_2009 4.31 5.57 <o,f0,male> so that 's it (2) and more (AlGore_2009-0002)
AlGore_2009 1 AlGore_2009 17.9 18.17 <o,f0,male> i
AlGore_2009 1 AlGore_2009 5.5 11.005 <o,f0,male> which {SMACK} for most of the last three million years
AlGore_2009 1 AlGore_2009 11.1 17.5 <o,f0,male> the seasons {BREATH} change
""",  # noqa: E501
        "AlGore_2009_B": "AlGore_2009_B 1 x 0.29 1.15 <o,f0,male> one line\n",
    },
    "dev": {
        "Jane_2008P": """\
Jane_2008P 1 inter_segment_gap 0 0.5 <o,,unknown> ignore_time_segment_in_scoring
Jane_2008P 1 Jane_2008P 0.5 1.29 <F0_F> when i was president
Jane_2008P 1 Jane_2008P 1.3 2.58 <F0_F> they 'll say the 1980 's
""",
    },
    "test": {
        "Tom_2010S": """\
Tom_2010S A Tom_2010S 0.57 1.14 <F0_M> one {UH} two
Tom_2010S A Tom_2010S 1.15 2.3 <F0_M> ignore_time_segment_in_scoring
Tom_2010S A Tom_2010S 2.31 3.1 <F0_M> <unk> three
""",
    },
}
# Many short segments of one speaker, so that 180 s of speech make a second one.
STM["train"]["Long_2011"] = "".join(
    f"Long_2011 1 Long_2011 {30 * i + 0.3:.2f} {30 * i + 29.87:.3f} <o,f0,male> part "
    f"{i}\n"
    for i in range(13)
)
SECONDS = {
    "911Mothers_2010W": 12.0,
    "AlGore_2009": 18.2,  # less than its last segment with its padding
    "AlGore_2009_B": 2.0,
    "Long_2011": 400.0,
    "Jane_2008P": 3.0,
    "Tom_2010S": 4.0,
}
# ESPnet's scripts want as many files as the whole corpus has.
NUM_FILES = {2: 1514, 3: 2370}


def make_tedlium(root: Path, release: int, pad: bool = False) -> Path:
    """Write the corpus below ``root`` as its archive would be unpacked.

    Args:
        root: An empty folder.
        release: 2 or 3.
        pad: Add empty ``.sph`` files up to the number of the whole corpus.

    Returns:
        The corpus's own folder.
    """
    corpus = root / ("TEDLIUM_release2" if release == 2 else "TEDLIUM_release-3")
    inside = corpus if release == 2 else corpus / "legacy"
    rng = np.random.default_rng(0)
    for part, talks in STM.items():
        sph, stm = inside / part / "sph", inside / part / "stm"
        sph.mkdir(parents=True)
        stm.mkdir()
        for name, lines in talks.items():
            (stm / f"{name}.stm").write_text(lines)
            noise = 0.1 * rng.standard_normal(RATE).clip(-3, 3)
            wave = np.resize(noise, round(SECONDS[name] * RATE))
            path = sph / f"{name}.sph"
            if release == 3:  # there, the parts hold links into one folder
                (corpus / "data/sph").mkdir(parents=True, exist_ok=True)
                path = corpus / "data/sph" / f"{name}.sph"
                (sph / f"{name}.sph").symlink_to(f"../../../data/sph/{name}.sph")
            soundfile.write(path, wave, RATE, subtype="PCM_16", format="NIST")
    if release == 3:
        (corpus / "LM").mkdir()
        with gzip.open(corpus / "LM/small.en.gz", "wt") as stream:
            stream.write("one line </s>\n")
    if pad:
        there = sum(len(talks) for talks in STM.values())
        for number in range(NUM_FILES[release] - there):
            (inside / "train/sph" / f"empty{number}.sph").touch()
    return corpus


def espnet_recipe(espnet: Path, folder: Path, release: int, corpus_root: Path) -> Path:
    """Make a recipe folder in which ESPnet's own ``local/data.sh`` runs."""
    theirs = espnet / f"egs2/tedlium{release}/asr1"
    folder.mkdir(parents=True)
    (folder / "local").symlink_to((theirs / "local").resolve())
    (folder / "utils").symlink_to((espnet / "egs2/TEMPLATE/asr1/utils").resolve())
    (folder / "db.sh").write_text(f"TEDLIUM{release}={corpus_root}\n")
    (folder / "path.sh").write_text(f"export PATH=$PWD/utils:{os.environ['PATH']}\n")
    (folder / "cmd.sh").write_text("")
    return folder
