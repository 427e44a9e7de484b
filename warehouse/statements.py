"""The SQL of the tables' files, parsed and rewritten by sqlglot. Only this module parses it. Pure.

A statement is never rendered from its tree, since sqlglot may not know every construct of DuckDB's. The tree only gives
the positions of table names, which are replaced in the text; literals, comments and everything else stay the same.
Queries of users are checked by DuckDB's own parser instead (`headrace.warehouse.query.read_only`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sqlglot import exp, parse, tokenize
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokens import TokenType

DIALECT = "duckdb"
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}


class InvalidStatement(ValueError):  # noqa: N818
    """The text is not one SELECT, or names a table in a way that cannot be rewritten."""


@dataclass(frozen=True)
class TableReference:
    """A schema-qualified table that a statement reads: its name in lower case, and its position in the text.

    `alias` is the name that may qualify its columns if the statement gives no alias.
    """

    table: str
    start: int
    end: int
    alias: str | None


def tables_read(sql: str) -> tuple[str, ...]:
    """Names of the tables with a schema that a SELECT reads, sorted. Those without a schema are its own CTEs.

    Raises:
        InvalidStatement: it is not one SELECT, or cannot be rewritten to read other rows.
    """
    return tuple(sorted({each.table for each in _references(sql)}))


def reading(sql: str, sources: Mapping[str, str]) -> str:
    """The statement with each table replaced by its source; columns keep their names."""
    parts: list[str] = []
    place = 0
    for each in _references(sql):
        if each.table in sources:
            alias = "" if each.alias is None else f' as "{each.alias}"'
            parts += [sql[place : each.start], sources[each.table], alias]
            place = each.end
    return "".join([*parts, sql[place:]])


def items(text: str) -> tuple[str, ...]:
    """The expressions of a list: split at the commas outside of brackets and literals.

    Raises:
        InvalidStatement: a literal has no end.
    """
    try:
        tokens = tokenize(text, dialect=DIALECT)
    except SqlglotError as error:
        raise InvalidStatement(_message(error)) from error
    found, depth, place = list[str](), 0, 0
    for token in tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if token.token_type == TokenType.COMMA and not depth:
            found.append(text[place : token.start])
            place = token.end + 1
    return tuple(part.strip() for part in (*found, text[place:]) if part.strip())


@cache
def truncated_column(expression: str) -> tuple[str, str | None] | None:
    """The column of an expression that is a column, or a column truncated to a unit, with the unit; else None."""
    tree = parsed(expression)
    unit: str | None = None
    if isinstance(tree, exp.Cast) and tree.to.is_type("date"):
        tree, unit = tree.this, "day"
    if isinstance(tree, exp.DateTrunc | exp.TimestampTrunc):
        tree, unit = tree.this, tree.text("unit").lower()
    return (tree.name, unit) if isinstance(tree, exp.Column) and not tree.table else None


def column_origins(sql: str, types: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[tuple[str, str], ...]]:
    """For each column of a SELECT, the tables and columns that its values are computed from.

    `types` has the names and types of the columns of the tables read. What filters, joins or groups is left out.
    """
    from sqlglot.lineage import lineage
    from sqlglot.schema import MappingSchema

    inputs: dict[str, dict[str, Mapping[str, str]]] = {}
    for table in tables_read(sql):
        schema, name = table.split(".")
        inputs.setdefault(schema, {})[name] = types[table]
    known = MappingSchema(dict[str, object](inputs), dialect=DIALECT)
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for column, node in lineage(None, sql, known, dialect=DIALECT, trim_selects=False).items():
        ends = [each for each in node.walk() if not each.downstream]
        tables = [(each.expression, each.name) for each in ends if isinstance(each.expression, exp.Table)]
        origins = {(f"{read.db}.{read.name}", name.rsplit(".", 1)[-1].strip('"')) for read, name in tables}
        found[column] = tuple(sorted(origin for origin in origins if origin[1] in types.get(origin[0], {})))
    return found


def with_cte(sql: str, name: str, query: str) -> str:
    """The statement with one of its CTEs replaced by another query.

    Raises:
        KeyError: it has no such CTE.
    """
    alias = next((each.args["alias"].this for each in _select(sql).find_all(exp.CTE) if each.alias == name), None)
    if alias is None:
        raise KeyError(name)
    depth, start = 0, 0
    for token in tokenize(sql, dialect=DIALECT):
        if token.start <= alias.meta["end"]:
            continue
        if token.token_type == TokenType.L_PAREN:
            start = start or token.end + 1
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
            if not depth:
                return f"{sql[:start]}\n{query}\n{sql[token.start :]}"
    raise AssertionError("unreachable: sqlglot has read the CTE to its end")


def parsed(text: str) -> exp.Expr:
    """The tree of a statement or an expression.

    Raises:
        InvalidStatement: the text cannot be parsed.
    """
    try:
        trees = _trees(text)
    except SqlglotError as error:
        raise InvalidStatement(f"cannot read {text!r}: {_message(error)}") from error
    if len(trees) != 1 or trees[0] is None:
        raise InvalidStatement(f"{text!r} is not one statement.")
    return trees[0]


@cache
def _trees(text: str) -> tuple[exp.Expr | None, ...]:
    """The trees of the statements in a text. Only to be read, since they are cached."""
    return tuple(parse(text, dialect=DIALECT))


@cache
def _references(sql: str) -> tuple[TableReference, ...]:
    """The tables with a schema, in the order of the text."""
    tree = _select(sql)
    for column in tree.find_all(exp.Column):
        if column.args.get("db") is not None:
            raise InvalidStatement(f"{column.sql(DIALECT)} has a schema: qualify columns by the table's alias.")
    found = [_reference(table) for table in tree.find_all(exp.Table) if table.args.get("db") is not None]
    return tuple(sorted(found, key=lambda each: each.start))


def _reference(table: exp.Table) -> TableReference:
    if table.args.get("when") is not None:
        raise InvalidStatement(f"{table.sql(DIALECT)}: a table is read as it is, not as it was.")
    first, last = table.args.get("catalog") or table.args["db"], table.this
    is_named = table.alias or table.args.get("pivots")
    return TableReference(
        table=f"{table.db}.{table.name}".lower(),
        start=first.meta["start"],
        end=last.meta["end"] + 1,
        alias=None if is_named else table.name,
    )


def _select(sql: str) -> exp.Query:
    try:
        trees = _trees(sql)
    except SqlglotError as error:
        raise InvalidStatement(f"not a SELECT: {_message(error)}") from error
    if len(trees) != 1:
        raise InvalidStatement("not one statement.")
    if not isinstance(trees[0], exp.Query):
        raise InvalidStatement("not a SELECT.")
    return trees[0]


def _message(error: SqlglotError) -> str:
    """The message of sqlglot, without the statement, in which it marks the position with escape sequences."""
    first = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    return f"{first['description']} in line {first['line']}." if first.get("description") else str(error)
