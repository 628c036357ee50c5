"""Functions of SQL that SQLite and PostgreSQL write differently."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CTE, BigInteger, ColumnElement, SelectBase, Text, bindparam, tuple_
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from digest.models import UtcDateTime


def among(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Is ``column`` one of the texts that the parameter ``name`` is given, a list, when asked?

    A batch is one parameter, whatever its size: ``IN`` with a parameter for each costs more than
    the query itself.
    """
    return column.bool_op("IN")(_Each(bindparam(name, type_=_Texts)))


def once(rows: SelectBase, name: str | None = None) -> CTE:
    """``rows`` as a table of a statement, worked out once however often it stands there.

    PostgreSQL does so by itself. SQLite 3.40 did, 3.46 does not unless it is told: where pairs of
    such rows are compared, work that was linear became quadratic.
    """
    return rows.cte(name).prefix_with("MATERIALIZED", dialect="sqlite")


class _Texts(TypeDecorator[Collection[str]]):
    """Many texts as one parameter: an array, or JSON where there are none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """What the database takes."""
        return dialect.type_descriptor(ARRAY(Text) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> Any:
        """Python to database."""
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else json.dumps(texts)


class _Each(FunctionElement[str]):
    """The elements of one parameter, as a sub-query."""

    inherit_cache = True


@compiles(_Each, "sqlite")
def _each_sqlite(element: _Each, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **options)}))"  # noqa: S608 - no values, a parameter


@compiles(_Each, "postgresql")
def _each_postgresql(element: _Each, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}))"


class later(FunctionElement[datetime]):  # noqa: N801 - reads as a function in SQL
    """``later(instant, hours)``: the instant so many hours after a column's."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(later, "sqlite")
def _later_sqlite(element: later, compiler: SQLCompiler, **options: Any) -> str:
    instant, hours = (compiler.process(clause, **options) for clause in element.clauses)
    # The format in which instants are stored, so that comparing texts compares times.
    return f"strftime('%Y-%m-%d %H:%M:%f000', {instant}, ({hours}) || ' hours')"


@compiles(later, "postgresql")
def _later_postgresql(element: later, compiler: SQLCompiler, **options: Any) -> str:
    instant, hours = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({instant} + make_interval(hours => {hours}))"


class seconds(FunctionElement[int]):  # noqa: N801 - reads as a function in SQL
    """``seconds(instant)``: whole seconds since 1970, UTC."""

    type = BigInteger()
    inherit_cache = True


@compiles(seconds, "sqlite")
def _seconds_sqlite(element: seconds, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(strftime('%s', {compiler.process(element.clauses, **options)}) AS INTEGER)"


@compiles(seconds, "postgresql")
def _seconds_postgresql(element: seconds, compiler: SQLCompiler, **options: Any) -> str:
    instant = compiler.process(element.clauses, **options)
    return f"CAST(floor(extract(epoch FROM {instant})) AS bigint)"


def paired(first: ColumnElement[str], second: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Are the two columns one of the pairs of texts that the parameter ``name`` is given, a list?

    Each pair is looked up by itself, where two :func:`among` would ask for every combination.
    """
    return tuple_(first, second).bool_op("IN")(_EachPair(bindparam(name, type_=_Pairs)))


class _Pairs(TypeDecorator[Collection[tuple[str, str]]]):
    """Many pairs as one parameter: JSON, in a database of either kind."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: Collection[tuple[str, str]] | None, dialect: Dialect
    ) -> str:
        """Python to database."""
        del dialect
        return json.dumps([list(pair) for pair in value or ()])


class _EachPair(FunctionElement[str]):
    """The pairs of one parameter, as a sub-query with two columns."""

    inherit_cache = True


@compiles(_EachPair, "sqlite")
def _each_pair_sqlite(element: _EachPair, compiler: SQLCompiler, **options: Any) -> str:
    pairs = compiler.process(element.clauses, **options)
    both = "json_extract(value, '$[0]'), json_extract(value, '$[1]')"
    return f"(SELECT {both} FROM json_each({pairs}))"  # noqa: S608 - no values, a parameter


@compiles(_EachPair, "postgresql")
def _each_pair_postgresql(element: _EachPair, compiler: SQLCompiler, **options: Any) -> str:
    pairs = compiler.process(element.clauses, **options)
    each = f"json_array_elements(CAST({pairs} AS json)) AS pair"
    return f"(SELECT pair->>0, pair->>1 FROM {each})"  # noqa: S608 - no values, a parameter
