"""The errors a user can mend."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def one_line(said: object) -> str:
    """What something foreign says (a server, a name in the data), in one line that no terminal obeys."""
    return " ".join(_CONTROL.sub(" ", str(said)).split())


class UserError(Exception):
    """Something the user gave cannot be used: what is wrong, where, and how to mend it.

    The command line prints it as one line without a traceback and exits with `exit_code`.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "", exit_code: int = 2) -> None:
        self.what, self.where, self.mend, self.exit_code = what, where, mend, exit_code
        super().__init__(str(self))

    def __str__(self) -> str:
        """One line: `where: what (mend)`."""
        line = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{line} ({self.mend})" if self.mend else line
        return self._told(line)

    def _told(self, line: str) -> str:
        return one_line(line)

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword arguments survive the trip back from a worker process."""
        return _rebuild, (self.what, self.where, self.mend, self.exit_code)


class RowError(Exception):
    """One line of an input cannot be used; the lines beside it can."""


class RunFailed(UserError):
    """The run could not go on for a reason outside the input (a dead server, a full disk): exit code 1."""

    def __init__(self, what: str, *, where: str = "", mend: str = "", exit_code: int = 1) -> None:
        super().__init__(what, where=where, mend=mend, exit_code=exit_code)

    def _told(self, line: str) -> str:
        return line  # the last lines of a server's log may stand in it


def _rebuild(what: str, where: str, mend: str, exit_code: int) -> UserError:
    return (UserError if exit_code == 2 else RunFailed)(what, where=where, mend=mend, exit_code=exit_code)
