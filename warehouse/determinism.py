"""Whether a statement gives the same result whenever the same rows are read, in any order. Pure.

`instability` looks at a text alone: clocks, random values, samples, positions without an order. `tie` looks for orders
that do not decide between two rows, which takes the keys of the tables that are read.
"""

from collections.abc import Iterable, Mapping

from sqlglot import exp

from headrace.warehouse.statements import DIALECT, parsed
from headrace.warehouse.unique_keys import (
    Column,
    Keys,
    Part,
    Rows,
    column_of,
    group_expressions,
    is_window_function,
    own_nodes,
    parts,
    selected,
    window_of,
)

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
"""Window functions whose value depends on the position of a row."""
_BY_ARRIVAL = (exp.First, exp.Last, exp.ArrayAgg, exp.GroupConcat)
"""Aggregates whose value depends on the order of the rows. `any_value` is for a value that all rows share."""


def instability(sql: str) -> str | None:
    """Why the rows of a statement, or the value of an expression, may differ between two readings of the same rows.

    None where the text does not show that.

    Raises:
        InvalidStatement: the text cannot be parsed.
    """
    tree = parsed(sql)
    named = {each.name.lower(): each for each in tree.find_all(exp.Window) if isinstance(each.this, exp.Identifier)}
    return next(filter(None, (_instability_of(node, named) for node in tree.walk())), None)


def _instability_of(node: exp.Expr, named: Mapping[str, exp.Window]) -> str | None:
    if isinstance(node, _CLOCK_AND_CHANCE) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in _CLOCK_AND_CHANCE_NAMES
    ):
        why = "has another value at each reading"
    elif isinstance(node, exp.TableSample):
        why = "reads other rows each time"
    elif isinstance(node, exp.Limit | exp.Offset) and node.parent is not None and not node.parent.args.get("order"):
        why = "without ORDER BY takes other rows each time"
    elif isinstance(node, exp.Mode):
        why = "takes any of the values that are most frequent"
    elif (isinstance(node, exp.Window) and _depends_on_position(node) and not _is_ordered(node, named)) or (
        isinstance(node, _BY_ARRIVAL) and node.find(exp.Order) is None
    ):
        why = "has no ORDER BY"
    else:
        return None
    return f"{node.sql(DIALECT).strip()} {why}"


def tie(sql: str, keys: Mapping[str, Keys]) -> str | None:
    """Which order of a statement leaves open what comes first, as `keys`, those of the tables read, show.

    None where there is none, and where the keys of the ordered rows cannot be inferred.

    Raises:
        InvalidStatement: the text cannot be parsed.
    """
    tree = parsed(sql)
    if not isinstance(tree, exp.Query):
        return None
    return next(filter(None, (_tie_in(part) for part in parts(tree, keys))), None)


def _tie_in(part: Part) -> str | None:
    found = (_tie_of_node(part, node) for node in own_nodes(part.select))
    return next(filter(None, found), None) or _tie_of_rows(part)


def _tie_of_node(part: Part, node: exp.Expr) -> str | None:
    """The tie of a window function, or of an aggregate that takes the first or the last row."""
    if isinstance(node, exp.Window) and not isinstance(node.this, exp.Identifier):
        return _tie_of_window(part, node)
    if is_window_function(node) or not isinstance(node, (*_BY_ARRIVAL, exp.ArgMax, exp.ArgMin)):
        return None
    groups = map(column_of, group_expressions(part.select))
    order, value = _order_of(node)
    return _tie_of(node, part.read, [*groups, *map(column_of, order)], value)


def _tie_of_window(part: Part, window: exp.Window) -> str | None:
    frame, function = window_of(part.select, window), _function(window)
    order, value = frame.order, None
    if isinstance(function, (*_BY_ARRIVAL, exp.ArgMax, exp.ArgMin)) and not (
        isinstance(function, exp.First | exp.Last) and frame.order
    ):
        order, value = _order_of(function)
    elif not _depends_on_position(window) and not (frame.counts_rows and frame.order):
        return None
    elif isinstance(function, exp.FirstValue | exp.LastValue) and not frame.counts_rows:
        # Rows with the same values in the order are peers, so the first and the last of them are the same.
        value = function.this
    return _tie_of(window, part.grouped, map(column_of, [*frame.by, *order]), value)


def _tie_of_rows(part: Part) -> str | None:
    """The tie of DISTINCT ON, or of LIMIT."""
    select = part.select
    distinct = select.args.get("distinct")
    on = distinct.args.get("on") if distinct is not None else None
    if on is None and not any(select.args.get(each) for each in ("limit", "offset")):
        return None
    order = select.args.get("order")
    by = [selected(select, each.this) for each in order.expressions] if order else []
    if any(isinstance(each, exp.Var) and each.name.upper() == "ALL" for each in by):
        return None
    outputs = {each.alias.lower(): each.unalias() for each in select.expressions if each.alias}
    by += [outputs[each.name.lower()] for each in by if isinstance(each, exp.Column) and each.name.lower() in outputs]
    columns = [column_of(each) for each in (*by, *(_values(on) if on is not None else []))]
    yielded = [column_of(each.unalias()) for each in select.expressions if not each.is_star]
    if len(yielded) == len(select.expressions) and all(any(each.may_be(one) for one in columns) for each in yielded):
        return None
    return _tie_of(order or select, part.kept, columns, None)


def _tie_of(node: exp.Expr, rows: Rows, columns: Iterable[Column], value: exp.Expr | None) -> str | None:
    """A sentence on a tie, if rows may agree in these columns; with a `value`, if it may then differ."""
    known = list(columns)
    taken = [column_of(each) for each in value.find_all(exp.Column)] if value is not None else []
    if value is not None and all(any(each.may_be(one) for one in known) for each in taken):
        return None
    if rows.are_identified_by(known) is not False:
        return None
    return f"{node.sql(DIALECT).strip()} leaves ties; end the order with columns that identify the row"


def _order_of(function: exp.Expr) -> tuple[list[exp.Expr], exp.Expr]:
    """What an aggregate orders by, and the value that it takes."""
    if isinstance(function, exp.ArgMax | exp.ArgMin):
        return _values(function.expression), function.this
    order = function.find(exp.Order)
    return ([each.this for each in order.expressions], order.this) if order is not None else ([], function.this)


def _values(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a tuple, or one expression alone."""
    node = node.unnest()
    return list(node.expressions) if isinstance(node, exp.Tuple) else [node]


def _function(window: exp.Window) -> exp.Expr:
    function = window.this
    while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        function = function.this
    return function


def _depends_on_position(window: exp.Window) -> bool:
    return isinstance(_function(window), _BY_POSITION)


def _is_ordered(window: exp.Window, named: Mapping[str, exp.Window]) -> bool:
    """Whether a window has an order, itself or by the window that it names."""
    if window.args.get("order") is not None:
        return True
    base = named.get(window.text("alias").lower())
    return base is not None and base is not window and _is_ordered(base, named)
