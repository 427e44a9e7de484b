"""Which columns identify a row of a SELECT: inferred from the keys of the tables that it reads. Pure.

The inference knows filters, joins on equal columns, GROUP BY, DISTINCT and `row_number() … = 1`. Where it does not know
the rows, as of a UNION ALL or an UNNEST, there is no answer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

from sqlglot import exp

from headrace.warehouse.statements import DIALECT

Keys = tuple[frozenset[str], ...]
"""Sets of columns, each of which identifies a row."""


class Column(NamedTuple):
    """A column by its table's alias, which is empty if it is not given; or an expression by its text."""

    table: str
    name: str

    def may_be(self, other: "Column") -> bool:
        return self.name == other.name and (self.table == other.table or not self.table or not other.table)


Identities = tuple[frozenset[Column], ...]


def _all_in(columns: Collection[Column], known: Collection[Column]) -> bool:
    return all(any(each.may_be(one) for one in known) for each in columns)


@dataclass(frozen=True)
class Rows:
    """The rows that the expressions of a SELECT see. `identities` is None if nothing is known about them.

    `sources` are the identities of the tables that are joined, whose columns depend on them.
    """

    identities: Identities | None
    equal: tuple[tuple[Column, Column], ...] = ()
    constant: frozenset[Column] = field(default_factory=frozenset[Column])
    sources: Identities = ()

    def are_identified_by(self, columns: Collection[Column]) -> bool | None:
        """Whether no two rows have the same values in these columns; None if that is not known."""
        if self.identities is None:
            return None
        known = self._determined_by({*columns, *self.constant})
        return any(_all_in(identity, known) for identity in self.identities)

    def without_determined(self, identity: frozenset[Column]) -> frozenset[Column]:
        """The columns of an identity without those that the others determine."""
        for column in sorted(identity):
            if _all_in([column], self._determined_by({*(identity - {column}), *self.constant})):
                identity -= {column}
        return identity

    def _determined_by(self, columns: set[Column]) -> set[Column]:
        """These columns with those that equal them, and those of the joined rows that they identify."""
        pairs = [(here, there) for pair in self.equal for here, there in (pair, pair[::-1])]
        named = {column for pair in pairs for column in pair} | {one for each in self.sources for one in each}
        known = set(columns)
        while True:
            identified = {one.table for each in self.sources if _all_in(each, known) for one in each}
            more = {there for here, there in pairs if _all_in([here], known)}
            more |= {each for each in named if each.table in identified}
            if more <= known:
                return known
            known |= more


@dataclass(frozen=True)
class Part:
    """One SELECT of a statement: the rows that its aggregates see, its window functions see, and QUALIFY leaves."""

    select: exp.Select
    read: Rows
    grouped: Rows
    kept: Rows


def parts(query: exp.Query, declared: Mapping[str, Keys]) -> list[Part]:
    """Every SELECT of a statement. `declared` has the keys of the tables with a schema, by name in lower case."""
    found: list[Part] = []
    _keys_of(query, declared, {}, found)
    return found


def column_of(node: exp.Expr) -> Column:
    """A column, or another expression by its text."""
    node = node.unnest()
    if isinstance(node, exp.Column):
        return Column(node.table.lower(), node.name.lower())
    return Column("", node.sql(DIALECT).lower())


def own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a SELECT without those of the SELECTs in it."""
    return select.walk(prune=lambda node: isinstance(node, exp.Query) and node is not select)


def conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    """The conditions that all hold."""
    if node is None:
        return []
    return [each.unnest() for each in (node.flatten() if isinstance(node, exp.And) else [node])]


def _keys_of(
    query: exp.Expr, declared: Mapping[str, Keys], ctes: Mapping[str, Keys | None], found: list[Part]
) -> Keys | None:
    known = dict(ctes)
    with_ = query.args.get("with_")
    if with_ is not None:
        for cte in with_.expressions:
            keys = _keys_of(cte.this, declared, known, found)
            known[cte.alias.lower()] = None if with_.args.get("recursive") or cte.args["alias"].columns else keys
    if isinstance(query, exp.Subquery):
        return None if query.args.get("pivots") else _keys_of(query.this, declared, known, found)
    if not isinstance(query, exp.Select):
        for each in (query.args.get("this"), query.args.get("expression")):
            if isinstance(each, exp.Query):
                _keys_of(each, declared, known, found)
        return None
    sources = [query.args["from_"].this] if query.args.get("from_") else []
    joins: list[exp.Join] = query.args.get("joins") or []
    keys = [_keys_of_source(each, declared, known, found) for each in (*sources, *(join.this for join in joins))]
    here = {id(each.unnest()) for each in (*sources, *(join.this for join in joins))}
    for node in own_nodes(query):
        is_cte = isinstance(node.parent, exp.CTE)
        if isinstance(node, exp.Query) and node is not query and id(node.unnest()) not in here and not is_cte:
            _keys_of(node, declared, known, found)
    read = _read(query, sources, joins, keys)
    grouped = _grouped(query, read)
    kept = _kept(query, grouped)
    found.append(Part(query, read, grouped, kept))
    return _projected(query, kept)


def _keys_of_source(
    source: exp.Expr, declared: Mapping[str, Keys], ctes: Mapping[str, Keys | None], found: list[Part]
) -> Keys | None:
    if isinstance(source, exp.Subquery):
        return _keys_of(source, declared, ctes, found)
    if not isinstance(source, exp.Table) or source.args.get("pivots") or source.args.get("sample"):
        return None
    if source.args.get("joins"):
        return None
    name = source.name.lower()
    return declared.get(f"{source.db.lower()}.{name}") if source.db else ctes.get(name)


def _read(
    select: exp.Select, sources: Sequence[exp.Expr], joins: Sequence[exp.Join], keys: Sequence[Keys | None]
) -> Rows:
    """The rows after FROM and WHERE."""
    if not sources:
        return Rows((frozenset(),))
    where = select.args.get("where")
    constant = frozenset(_constants(where.this if where else None))
    identities = _qualified(sources[0], keys[0])
    joined = list(identities or ())
    equal: list[tuple[Column, Column]] = []
    for join, of_right in zip(joins, keys[1:], strict=True):
        right = _qualified(join.this, of_right)
        pairs = _equalities(join)
        kind, side = join.kind.upper(), join.side.upper()
        if kind in ("SEMI", "ANTI"):
            continue
        joined += right or ()
        if join.method or side not in ("", "LEFT"):
            identities = None
        else:
            equal += pairs if not side else []
            identities = _joined(identities, right, pairs, is_left=side == "LEFT")
    return Rows(identities, tuple(equal), constant, tuple(joined))


def _joined(
    left: Identities | None, right: Identities | None, pairs: Sequence[tuple[Column, Column]], *, is_left: bool
) -> Identities | None:
    """What identifies the rows of a join. Columns of the right that equal some of the left need not be compared."""
    if left is None or right is None:
        return None
    from_left, from_right = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    found = {frozenset({*one, *(other - from_right)}) for one, other in product(left, right)}
    if not is_left and any(one <= from_left for one in left):
        found |= set(right)
    return tuple(found)


def _equalities(join: exp.Join) -> list[tuple[Column, Column]]:
    """The columns that a join compares, of the left and of the right."""
    name = join.this.alias_or_name.lower()
    found = [(Column("", each.name.lower()), Column(name, each.name.lower())) for each in join.args.get("using") or []]
    for each in conjuncts(join.args.get("on")):
        if isinstance(each, exp.EQ | exp.NullSafeEQ):
            left, right = column_of(each.this), column_of(each.expression)
            if left.table == name:
                left, right = right, left
            if right.table == name and left.table != name:
                found.append((left, right))
    return found


def _constants(condition: exp.Expr | None) -> Iterator[Column]:
    for each in conjuncts(condition):
        if isinstance(each, exp.EQ):
            for one, other in ((each.this, each.expression), (each.expression, each.this)):
                if isinstance(one, exp.Column) and isinstance(other, exp.Literal | exp.Boolean):
                    yield column_of(one)


def _qualified(source: exp.Expr, keys: Keys | None) -> Identities | None:
    name = source.alias_or_name.lower()
    return None if keys is None else tuple(frozenset(Column(name, column) for column in key) for key in keys)


def _grouped(select: exp.Select, read: Rows) -> Rows:
    """The rows after GROUP BY."""
    group = select.args.get("group")
    if group is None:
        is_aggregate = any(
            isinstance(node, exp.AggFunc) and not is_window_function(node)
            for each in select.expressions
            for node in each.walk(prune=lambda node: isinstance(node, exp.Query))
        )
        return Rows((frozenset(),)) if is_aggregate else read
    if any(group.args.get(each) for each in ("grouping_sets", "rollup", "cube")):
        return Rows(None)
    by = frozenset(map(column_of, group_expressions(select)))
    finer = [each for each in read.identities or () if _all_in(each, by)]
    named = [(column_of(each.this), Column("", each.alias.lower())) for each in select.expressions if each.alias]
    return Rows((by, *finer), (*read.equal, *named), read.constant, read.sources)


def group_expressions(select: exp.Select) -> list[exp.Expr]:
    """The expressions of GROUP BY; without aliases and positions, which stand for columns of the SELECT."""
    group = select.args.get("group")
    if group is None:
        return []
    if group.args.get("all"):
        return [
            each.unalias()
            for each in select.expressions
            if not any(isinstance(node, exp.AggFunc | exp.Window) for node in each.walk())
        ]
    return [selected(select, each) for each in group.expressions]


def selected(select: exp.Select, node: exp.Expr) -> exp.Expr:
    """The expression of the SELECT that a position stands for; any other is returned."""
    if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.name) <= len(select.expressions):
        return select.expressions[int(node.name) - 1].unalias()
    return node


def is_window_function(node: exp.Expr) -> bool:
    above = node.parent
    while isinstance(above, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        above = above.parent
    return isinstance(above, exp.Window)


def _projected(select: exp.Select, rows: Rows) -> Keys | None:
    """The keys of the rows that a SELECT yields, by the names of its columns."""
    if any(isinstance(node, exp.Explode | exp.Unnest) for each in select.expressions for node in each.walk()):
        return None
    distinct = select.args.get("distinct")
    if rows.identities is None and distinct is None:
        return None
    identities = list(rows.identities or ())
    if distinct is not None and distinct.args.get("on") is not None:
        on = distinct.args["on"].unnest()
        identities.append(frozenset(map(column_of, on.expressions if isinstance(on, exp.Tuple) else [on])))
    names = [(column_of(each.unalias()), each.alias_or_name.lower()) for each in select.expressions]
    names += [(one, name) for column, name in names for pair in rows.equal for one in _other(pair, column)]
    stars = [each for each in select.expressions if each.is_star]
    found: list[frozenset[str]] = []
    for identity in {*identities, *map(rows.without_determined, identities)}:
        outputs = [_output(each, names, stars) for each in identity]
        if None not in outputs and len(set(outputs)) == len(outputs):
            found.append(frozenset(filter(None, outputs)))
    if distinct is not None and distinct.args.get("on") is None and not stars:
        found.append(frozenset(each.alias_or_name.lower() for each in select.expressions))
    return tuple(found)


def _other(pair: tuple[Column, Column], column: Column) -> list[Column]:
    return [there for here, there in (pair, pair[::-1]) if here == column]


def _output(column: Column, names: Sequence[tuple[Column, str]], stars: Sequence[exp.Expr]) -> str | None:
    """The name by which a SELECT yields a column; None if it does not."""
    found = next((name for each, name in names if each.may_be(column)), None)
    if found is not None:
        return found
    for star in stars:
        of = star.this if isinstance(star, exp.Column) else star
        left_out = {each.name.lower() for each in of.args.get("except_") or []}
        left_out |= {each.alias.lower() for each in of.args.get("replace") or []}
        table = star.table.lower() if isinstance(star, exp.Column) else ""
        if column.name not in left_out and Column(table, column.name).may_be(column):
            return column.name
    return None


def _kept(select: exp.Select, rows: Rows) -> Rows:
    """The rows after QUALIFY, which may leave one row of each partition."""
    qualify = select.args.get("qualify")
    first: list[frozenset[Column]] = []
    for each in conjuncts(qualify.this if qualify else None):
        window = each.this
        if _is_one(each) and isinstance(window, exp.Window) and isinstance(window.this, exp.RowNumber):
            first.append(frozenset(map(column_of, window_of(select, window).by)))
    return replace(rows, identities=(*(rows.identities or ()), *first)) if first else rows


def _is_one(condition: exp.Expr) -> bool:
    return isinstance(condition, exp.EQ) and condition.expression.name == "1"


class Frame(NamedTuple):
    """What a window partitions and orders by, and whether it counts rows."""

    by: list[exp.Expr]
    order: list[exp.Expr]
    counts_rows: bool


def window_of(select: exp.Select, window: exp.Window) -> Frame:
    """A window with those that it names."""
    by = list(window.args.get("partition_by") or [])
    order = [each.this for each in window.args["order"].expressions] if window.args.get("order") else []
    spec = window.args.get("spec")
    counts_rows = spec is not None and (spec.args.get("kind") or "").upper() == "ROWS"
    base = next(
        (
            each
            for each in select.args.get("windows") or []
            if each is not window and each.this.name.lower() == window.alias.lower()
        ),
        None,
    )
    if base is None:
        return Frame(by, order, counts_rows)
    of_base = window_of(select, base)
    return Frame([*of_base.by, *by], order or of_base.order, counts_rows or of_base.counts_rows)
