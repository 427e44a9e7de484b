"""The fields of a contract, read once from its annotations.

All code that handles records by column (landing schema, columnar checks, raw tables, reference page) uses this list,
so a field is described in one place: its annotation.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, inspect

from headrace.contracts.types import MONEY_SCALE

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["string", "integer", "number", "boolean", "money", "time", "list"]

_KINDS: dict[type[inspect.Type], Kind] = {
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.DateTimeType: "time",
    inspect.ListType: "list",
}


@dataclass(frozen=True)
class Field:
    """One field of a contract.

    `default` is the value of an absent field; `digits` counts an amount's digits on both sides of the decimal point;
    `children` are the fields of a list's elements.

    If it `names_customer`, the words of `headrace.contracts.missing` count as no value.
    """

    name: str
    kind: Kind
    nullable: bool
    required: bool
    default: Any
    description: str
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    digits: int | None = None
    choices: tuple[str, ...] | None = None
    names_customer: bool = False
    children: tuple["Field", ...] = ()

    @property
    def arrow_type(self) -> "pa.DataType":
        """Type of the landed column."""
        import pyarrow as pa  # takes longer to import than a source takes to start

        if self.kind == "list":
            return pa.list_(pa.struct([pa.field(child.name, child.arrow_type) for child in self.children]))
        if self.digits is not None:
            return pa.decimal128(self.digits, MONEY_SCALE)
        return _arrow_types()[self.kind]


@cache
def _arrow_types() -> "dict[Kind, pa.DataType]":
    import pyarrow as pa

    return {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }


@cache
def fields_of(contract: type[Struct]) -> tuple[Field, ...]:
    """The fields of a contract, in the order declared (those every event carries come first)."""
    info = inspect.type_info(contract)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{contract} is not a contract")
    return tuple(_field(field) for field in info.fields)


def _field(declared: inspect.Field) -> Field:
    described, description, extra = _unwrap(declared.type)
    nullable = False
    if isinstance(described, inspect.UnionType):
        nullable = any(isinstance(member, inspect.NoneType) for member in described.types)
        (member,) = (member for member in described.types if not isinstance(member, inspect.NoneType))
        described, _, extra = _unwrap(member)
    element = described.item_type if isinstance(described, inspect.ListType) else None
    return Field(
        name=declared.encode_name,
        kind=_kind(described, extra),
        nullable=nullable,
        required=declared.required,
        default=None if declared.required else declared.default,
        description=description,
        minimum=getattr(described, "ge", None),
        maximum=getattr(described, "le", None),
        min_length=getattr(described, "min_length", None),
        max_length=getattr(described, "max_length", None),
        names_customer=extra.get("kind") == "customer",
        digits=extra.get("digits"),
        choices=tuple(map(str, described.values)) if isinstance(described, inspect.LiteralType) else None,
        children=fields_of(element.cls) if isinstance(element, inspect.StructType) else (),
    )


def _unwrap(described: inspect.Type) -> tuple[inspect.Type, str, dict[str, Any]]:
    if isinstance(described, inspect.Metadata):
        schema, extra = described.extra_json_schema or {}, described.extra or {}
        return described.type, str(schema.get("description", "")), extra
    return described, "", {}


def _kind(described: inspect.Type, extra: dict[str, Any]) -> Kind:
    kind = _KINDS.get(type(described))
    if kind is None:
        raise TypeError(f"a contract cannot hold a {described}")
    return "money" if extra.get("kind") == "money" else kind
