"""What is scored on a cluster."""

import pyarrow as pa

from conftest import WORDS

ROWS = 1000


def kinds(rows):
    """Columns that lose something on their way through Python."""
    return pa.table(
        {
            "text": [" ".join(WORDS[row % 9 : row % 9 + 3]) for row in range(rows)],
            "time": pa.array([2**60 + row for row in range(rows)], pa.timestamp("ns", "UTC")),
            "big": pa.array([2**64 - 1 - row for row in range(rows)], pa.uint64()),
            "single": pa.array([row / 10 for row in range(rows)], pa.float32()),
            "map": pa.array([[("a", row)] for row in range(rows)], pa.map_(pa.string(), pa.int64())),
        }
    )
