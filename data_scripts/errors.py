"""The one exception that says a data set cannot be used, and how to mend it."""


class DataError(Exception):
    """A data set is missing, damaged or unreadable.

    Its text is meant for the person at the terminal: the file, what was
    expected, what was found, and the command that mends it.

    Args:
        file: what the complaint is about (a path, or the name of a data set).
        expected: what a whole file would have looked like.
        found: what is there instead.
        mend: what to do, as a command where there is one.
    """

    def __init__(self, file: object, *, expected: str, found: str, mend: str):
        self.file, self.expected, self.found, self.mend = str(file), expected, found, mend
        super().__init__(f"{file}\n  expected: {expected}\n  found:    {found}\n  to mend:  {mend}")


class NoSource(DataError):
    """No copy of a data set was found, after every source has been tried."""
