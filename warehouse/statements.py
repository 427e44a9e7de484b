"""The SQL of the tables' files, read and rewritten by sqlglot. Only this module parses it. Pure.

A statement is never rendered from its tree, since sqlglot may not know every construct of DuckDB's. The tree only gives
the positions of table names, which are replaced in the text; literals, comments and everything else stay the same.
Queries of users are checked by DuckDB's own parser instead (`warehouse.query.read_only`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sqlglot import exp, parse, parse_one, tokenize
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokens import TokenType

DIALECT = "duckdb"
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_CLOCK_AND_CHANCE = (
    *(exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.CurrentDatetime, exp.Localtime, exp.Localtimestamp),
    *(exp.Rand, exp.Randn, exp.Uuid),
)
_CLOCK_AND_CHANCE_NAMES = frozenset(
    {
        *("get_current_timestamp", "get_current_time", "transaction_timestamp", "current_localtime"),
        *("current_localtimestamp", "today", "now", "random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid"),
        *("nextval", "currval", "txid_current", "current_setting", "getenv", "version"),
    }
)
_BY_POSITION = (*(exp.RowNumber, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),)
"""Window functions whose value depends on where a row stands."""
_BY_ARRIVAL = (exp.First, exp.Last, exp.ArrayAgg, exp.GroupConcat)
"""Aggregates whose value depends on the order of the rows. `any_value` is for a value that all rows share."""


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
    tree = _parsed(expression)
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


def instability(sql: str) -> str | None:
    """Why the rows of a statement, or the value of an expression, may differ between two readings of the same rows.

    None where nothing shows that. A tie in an order cannot be seen here: an ORDER BY has to end with columns that
    identify the row.

    Raises:
        InvalidStatement: the text cannot be parsed.
    """
    tree = _parsed(sql)
    named = {each.name.lower(): each for each in tree.find_all(exp.Window) if isinstance(each.this, exp.Identifier)}
    for node in tree.walk():
        if isinstance(node, _CLOCK_AND_CHANCE) or (
            isinstance(node, exp.Anonymous) and node.name.lower() in _CLOCK_AND_CHANCE_NAMES
        ):
            return f"{node.sql(DIALECT)} has another value at each reading"
        if isinstance(node, exp.TableSample):
            return f"{node.sql(DIALECT).strip()} reads other rows each time"
        if isinstance(node, exp.Limit | exp.Offset) and node.parent is not None and not node.parent.args.get("order"):
            return f"{node.sql(DIALECT).strip()} without ORDER BY takes other rows each time"
        if isinstance(node, exp.Window) and _depends_on_position(node) and not _is_ordered(node, named):
            return f"{node.sql(DIALECT)} has no ORDER BY"
        if isinstance(node, _BY_ARRIVAL) and node.find(exp.Order) is None:
            return f"{node.sql(DIALECT)} has no ORDER BY"
    return None


def _depends_on_position(window: exp.Window) -> bool:
    function = window.this
    while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        function = function.this
    return isinstance(function, _BY_POSITION)


def _is_ordered(window: exp.Window, named: Mapping[str, exp.Window]) -> bool:
    """Whether a window has an order, itself or by the window that it names."""
    if window.args.get("order") is not None:
        return True
    base = named.get(window.text("alias").lower())
    return base is not None and base is not window and _is_ordered(base, named)


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


def _parsed(text: str) -> exp.Expr:
    """The tree of a statement or an expression."""
    try:
        return parse_one(text, dialect=DIALECT)
    except SqlglotError as error:
        raise InvalidStatement(f"cannot read {text!r}: {_message(error)}") from error


def _select(sql: str) -> exp.Query:
    try:
        trees = parse(sql, dialect=DIALECT)
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
