"""Runs a file of SQL statement by statement, so that a failure can name its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import LiteralString, cast

import psycopg

from spaces_sdk.install.errors import MigrationError

# What a statement's end must not be looked for in: comments, strings, quoted names, dollar-quoted bodies.
_TOKEN = re.compile(
    r"""
    (?P<skip> --[^\n]* | \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
            | (?P<tag>\$(?:[A-Za-z_][A-Za-z_0-9]*)?\$) .*? (?P=tag) )
  | (?P<comment> /\* )
  | (?P<atomic> \bbegin\s+atomic\b )
  | (?P<end> \bend\b )
  | (?P<case> \bcase\b )
  | (?P<semicolon> ; )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_BLOCK_COMMENT = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement without its semicolon.

    Attributes:
        text: From its first word on.
        line: Line where that stands, from 1.
        source: With the comments before it, as the Supabase CLI records it.
    """

    text: str
    line: int
    source: str


@dataclass(frozen=True)
class SqlFile:
    """A file of SQL, read."""

    name: str
    text: str

    @classmethod
    def read(cls, path: Path) -> SqlFile:
        return cls(path.name, path.read_text(encoding="utf-8"))

    @cached_property
    def statements(self) -> list[Statement]:
        """The file's statements in order."""
        return split_statements(self.text)


def split_statements(text: str) -> list[Statement]:
    """Split SQL at the semicolons that end statements; `begin atomic … end` bodies stay whole."""
    statements: list[Statement] = []
    start = position = depth = 0
    while (token := _TOKEN.search(text, position)) is not None:
        position = token.end()
        match token.lastgroup:
            case "comment":
                position = _end_of_comment(text, position)
            case "atomic":
                depth += 1
            case "case" if depth:
                depth += 1
            case "end" if depth:
                depth -= 1
            case "semicolon" if not depth:
                _add(statements, text, start, token.start())
                start = position
            case _:
                pass
    _add(statements, text, start, len(text))
    return statements


async def run_file(conn: psycopg.AsyncConnection, file: SqlFile) -> None:
    """Run all statements of the file in the caller's transaction.

    Raises:
        MigrationError: With the file's name and the line, the database's words, its context and its hint.
    """
    for statement in file.statements:
        try:
            # Files of the package or of the user's own project: they are meant to be run as they stand.
            await conn.execute(cast("LiteralString", statement.text), prepare=False)
        except psycopg.Error as error:
            line = _line_of(statement, error.diag.statement_position)
            reason = " ".join(str(error).splitlines()[:1]) or type(error).__name__
            if error.diag.message_detail:
                reason += f"; {error.diag.message_detail}"
            if error.diag.context:
                reason += f"; {error.diag.context.splitlines()[0]}"
            raise MigrationError(
                f"cannot apply {file.name}, line {line}: {reason}",
                file=file.name,
                line=line,
                hint=error.diag.message_hint or "the file was rolled back, those before it stay; mend it and run again",
            ) from error


def _line_of(statement: Statement, position: str | None) -> int:
    if position is None or not position.isdigit():
        return statement.line
    return statement.line + statement.text[: int(position) - 1].count("\n")


def _add(statements: list[Statement], text: str, start: int, end: int) -> None:
    source = text[start:end].strip()
    while start < end:  # comments and blank lines before a statement do not belong to it
        if text[start].isspace():
            start += 1
        elif text.startswith("--", start):
            newline = text.find("\n", start, end)
            start = end if newline < 0 else newline + 1
        elif text.startswith("/*", start):
            start = _end_of_comment(text, start + 2)
        else:
            break
    body = text[start:end].rstrip()
    if body:
        statements.append(Statement(body, text.count("\n", 0, start) + 1, source))


def _end_of_comment(text: str, position: int) -> int:
    depth = 1  # block comments nest in Postgres
    while depth:
        mark = _BLOCK_COMMENT.search(text, position)
        if mark is None:
            return len(text)
        depth += 1 if mark.group() == "/*" else -1
        position = mark.end()
    return position
