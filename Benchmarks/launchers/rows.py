"""The table's rows: each runs the program once under a launcher and compares the outcome with the wanted one."""

from dataclasses import dataclass
from typing import Callable

ALL = []


@dataclass
class Outcome:
    text: str
    is_wanted: bool


@dataclass
class Row:
    group: str
    name: str
    command: str
    wanted: str
    body: Callable

    @property
    def full_name(self):
        return f"{self.group}/{self.name}"


def row(group, name, command, wanted, *arguments, **named):
    """Adds a row whose body is called with the site and the further arguments."""

    def add(body):
        ALL.append(Row(group, name, str(command), wanted, lambda site: body(site, *arguments, **named)))
        return body

    return add


def joined(*parts):
    return "; ".join(part for part in parts if part)


def quoted(line, length=150):
    """A line of the program's output for the table."""
    line = line.replace("|", "/")
    return f"“{line if len(line) <= length else line[:length] + '…'}”" if line else ""


def coded(code):
    return "did not end" if code is None else f"exit {code}"
