"""Examples out of more events than one machine holds: Spark sorts them by user, and every partition folds its own users.

    spark-submit examples/spark_features.py EVENTS.csv LAB OUT [PARTITIONS]

EVENTS has the columns of a lab directory's events.csv, in any order of rows. LAB is a lab directory that every worker can read, for its
schema and items; the command `zhiji` lies on every worker where the path of the driver finds it. OUT becomes a folder of Parquet with one row for each example.
"""

import csv
import io
import os
import shlex
import sys

from pyspark.rdd import portable_hash
from pyspark.sql import SparkSession

COLUMNS = ["user", "at_ms", "action", "item", "value", "surface", "slate", "position", "propensity", "dwell_ms", "prior", "split"]


def line(values):
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(["" if value is None else value for value in values])
    return text.getvalue()


def main(events, lab, out, partitions="8"):
    spark = SparkSession.builder.appName("zhiji features").getOrCreate()
    rows = spark.read.csv(events, header=True, escape='"').select(COLUMNS).rdd.zipWithIndex()
    # The place in the file stands in the key as well, so that events of one user at one time keep their order.
    keyed = rows.map(lambda row: ((row[0].user, int(row[0].at_ms), row[1]), line(row[0])))
    sorted_lines = keyed.repartitionAndSortWithinPartitions(int(partitions), lambda key: portable_hash(key[0])).values()
    command = f"zhiji features {shlex.quote(lab)} --events - --out -"
    # Spark pipes into an empty environment, in which no command is found.
    examples = sorted_lines.pipe(command, env={"PATH": os.environ["PATH"]}, checkCode=True)
    spark.read.json(examples).write.mode("overwrite").parquet(out)
    print(spark.read.parquet(out).count(), "examples")
    spark.stop()


main(*sys.argv[1:])
