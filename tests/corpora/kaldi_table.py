"""Tables of Kaldi folders, read in the simplest way."""


def table(path):
    """Return the lines of a table: the first word, and the rest."""
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
