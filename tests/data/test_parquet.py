import json
import struct
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from offramp.data import Columns, read_rows, result_writer
from offramp.errors import DataError

FEATURES = datasets.Features({"gold": datasets.ClassLabel(names=["no", "yes"])})


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def carry(source, target, names, window=3, resume_after=None):
    """Writes the columns ``names`` of ``source`` as ``predict`` does; with ``resume_after`` in two runs."""
    for stop in [resume_after, None] if resume_after is not None else [None]:
        rows = read_rows(source, Columns(), labeled=False, keep=list(names))
        try:
            with result_writer(target, list(names.values()), settings={}, resume=True) as writer:
                kept = [row.kept for row in rows][writer.progress.rows : stop]
                for start in range(0, len(kept), window):
                    columns = zip(*kept[start : start + window], strict=True)
                    writer.write(dict(zip(names.values(), columns, strict=True)))
                if stop is not None:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass


def bits(value):
    """The value with its floats as bytes, which tell -0.0 from 0.0 and are equal where NaNs are."""
    if isinstance(value, float):
        return struct.pack("d", value)
    if isinstance(value, list | tuple):
        return [bits(item) for item in value]
    return {key: bits(item) for key, item in value.items()} if isinstance(value, dict) else value


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLAT = st.one_of(
    st.sampled_from([*INTEGERS, pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null()]),
    st.sampled_from([pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(3)]),
    st.sampled_from([pa.date32(), pa.date64(), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]),
    st.builds(pa.timestamp, st.sampled_from(["ms", "us", "ns"]), st.sampled_from([None, "UTC", "Europe/Berlin"])),
    st.builds(pa.duration, st.sampled_from(["s", "ms", "us", "ns"])),
    st.sampled_from([pa.decimal128(10, 2), pa.decimal128(38, 0), pa.decimal256(60, 5)]),
    st.sampled_from([pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string(), ordered=True)]),
)
KINDS = (
    st.recursive(
        FLAT.filter(lambda kind: not pa.types.is_dictionary(kind)),
        lambda inner: st.one_of(
            st.builds(pa.list_, inner),
            st.builds(pa.large_list, inner),
            st.builds(lambda one, other: pa.struct({"x": one, "y": other}), inner, inner),
            st.builds(pa.map_, st.just(pa.string()), inner),
        ),
        max_leaves=4,
    )
    | FLAT
)


def value_of(kind):
    """Any value of a type, as the integers, floats, texts and bytes behind it."""
    types = pa.types
    if types.is_null(kind):
        return st.none()
    if types.is_struct(kind):
        found = st.fixed_dictionaries({field.name: value_of(field.type) for field in kind})
    elif types.is_map(kind):
        found = st.dictionaries(st.text(max_size=3), value_of(kind.item_type), max_size=3).map(
            lambda one: [*one.items()]
        )
    elif types.is_list(kind) or types.is_large_list(kind):
        found = st.lists(value_of(kind.value_type), max_size=3)
    elif types.is_dictionary(kind) or types.is_string(kind) or types.is_large_string(kind):
        found = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    elif types.is_fixed_size_binary(kind):
        found = st.binary(min_size=kind.byte_width, max_size=kind.byte_width)
    elif types.is_binary(kind) or types.is_large_binary(kind):
        found = st.binary(max_size=4)
    elif types.is_decimal(kind):
        found = st.decimals(-999, 999, places=kind.scale)
    elif types.is_boolean(kind):
        found = st.booleans()
    elif types.is_floating(kind):
        found = st.floats(width=kind.bit_width)
    elif types.is_integer(kind):
        bits = kind.bit_width
        found = (
            st.integers(0, 2**bits - 1) if "uint" in str(kind) else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
    elif types.is_time(kind) or types.is_date64(kind):
        found = st.integers(0, 10**6).map(lambda number: number * 86_400_000 if types.is_date64(kind) else number)
    else:
        found = st.integers(-(2**19), 2**19)  # ticks of a time, and days that Python has
    return st.none() | found


@st.composite
def tables(draw):
    kinds = draw(st.lists(KINDS, min_size=1, max_size=4))
    rows = draw(st.integers(1, 7))
    arrays = [pa.array(draw(st.lists(value_of(kind), min_size=rows, max_size=rows)), kind) for kind in kinds]
    metadata = draw(st.none() | st.just({"unit": "m"}))
    fields = [pa.field(f"c{place}", kind, metadata=metadata) for place, kind in enumerate(kinds)]
    text = pa.array(["w"] * rows)
    return pa.table([text, *arrays], schema=pa.schema([pa.field("text", pa.string(), nullable=False), *fields]))


@given(table=tables(), window=st.integers(1, 4), stop=st.none() | st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)
def test_columns_go_from_parquet_to_parquet_to_the_last_bit(table, window, stop):
    parquet.write_table(table, "in.parquet", row_group_size=2)
    carry("in.parquet", "out.parquet", {name: name for name in table.column_names}, window, stop)
    read, written = parquet.read_table("in.parquet"), parquet.read_table("out.parquet")
    assert written.schema.equals(read.schema, check_metadata=True)
    assert bits(written.to_pylist()) == bits(read.to_pylist())


@pytest.mark.parametrize("kind", ["arrow", "feather", "saved"])
def test_columns_of_other_tables_keep_their_types(kind):
    values = {
        "text": pa.array(["a", "b", ""]),
        "time": pa.array([1, None, 3], pa.timestamp("ns")),
        "big": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "half": pa.array([0.5, None, 1.5], pa.float32()),
    }
    table = pa.table(values)
    if kind == "saved":
        datasets.Dataset(table).save_to_disk("in.saved")
    else:
        with (
            pa.ipc.new_stream("in.arrow", table.schema)
            if kind == "arrow"
            else pa.ipc.new_file("in.feather", table.schema) as writer
        ):
            writer.write_table(table)
    carry(f"in.{kind}", "out.parquet", {name: name for name in values})
    written = parquet.read_table("out.parquet")
    assert written.schema.equals(table.schema)
    assert written.equals(table)


def test_class_numbers_keep_the_names_of_their_classes():
    parquet.write_table(
        pa.table({"gold": [1, -1, 0], "text": ["a", "b", "c"]}).replace_schema_metadata(FEATURES.arrow_schema.metadata),
        "in.parquet",
    )
    carry("in.parquet", "out.parquet", {"text": "text", "gold": "was"})
    written = parquet.read_table("out.parquet")
    assert written.column("was").to_pylist() == [1, -1, 0]
    assert json.loads(written.schema.metadata[b"huggingface"])["info"]["features"] == {
        "was": {"names": ["no", "yes"], "_type": "ClassLabel"}
    }
    assert datasets.Features.from_arrow_schema(written.schema)["was"] == FEATURES["gold"]
    rows = list(read_rows("out.parquet", Columns(), labeled=False, keep=["was"]))
    assert [row.kept for row in rows] == [("yes",), (None,), ("no",)]
    carry("in.parquet", "out.csv", {"gold": "gold"})
    assert Path("out.csv").read_text() == "gold\nyes\n\nno\n".replace("\n\n", '\n""\n')


def test_class_names_that_change_between_files_are_refused():
    for number, names in enumerate((["no", "yes"], ["yes", "no"])):
        features = datasets.Features({"gold": datasets.ClassLabel(names=names)})
        table = pa.table({"text": ["a"], "gold": [0]}).replace_schema_metadata(features.arrow_schema.metadata)
        Path("in").mkdir(exist_ok=True)
        parquet.write_table(table, f"in/{number}.parquet")
    with pytest.raises(DataError, match=r"the column 'gold' does not fit into parquet .*class names change"):
        carry("in", "out.parquet", {"text": "text", "gold": "gold"})


def test_types_that_differ_between_files_are_widened():
    Path("in").mkdir()
    for number, kind in enumerate((pa.int32(), pa.int64(), pa.null())):
        parquet.write_table(pa.table({"text": ["a"], "n": pa.array([None], kind)}), f"in/{number}.parquet")
    carry("in", "out.parquet", {"n": "n", "text": "text"})
    assert parquet.read_table("out.parquet").schema.field("n").type == pa.int64()


def test_what_parquet_cannot_hold_is_refused_with_the_first_rows():
    table = pa.table({"text": ["a"], "span": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pa.ipc.new_file("in.arrow", table.schema) as writer:
        writer.write_table(table)
    (row,) = read_rows("in.arrow", Columns(), labeled=False, keep=["span"])
    with (
        result_writer("out.parquet", ["span"]) as writer,
        pytest.raises(DataError, match=r"the column 'span' does not fit into parquet .*write \.jsonl"),
    ):
        writer.write({"span": row.kept})
