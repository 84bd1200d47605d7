from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
import sklearn.datasets._openml

from sweep.errors import DataError, NotFoundError
from sweep.spec.model import DataSpec
from sweep.tables.load import load_encoded, read_table
from sweep.tables.sources import BUNDLED

BASE = DataSpec(source="", target=-1, header=None, task=None, positive=None, categorical=(), drop=(), groups=None)


def of(source: str | Path) -> DataSpec:
    return replace(BASE, source=str(source))


@dataclass
class Site:
    """A web site on this machine: answers by path, and the paths that were asked for."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            page = served.pages.get(self.path)
            refused = 412 if "/api/" in self.path else 404  # OpenML's answer for an id it does not have
            self.send_response(refused if page is None else 200)
            self.send_header("Content-Length", str(len(page or b"") + (7 if "broken" in self.path else 0)))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWEEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def frame() -> pd.DataFrame:
    """Columns of all kinds, with gaps."""
    rng = np.random.default_rng(3)
    rows = 60
    gaps = np.arange(rows) % 9 == 0
    return pd.DataFrame(
        {
            "whole": rng.integers(0, 50, rows),
            "gaps": np.where(gaps, np.nan, rng.normal(size=rows)),
            "small": rng.normal(size=rows).astype(np.float32),
            "far": (1e5 + rng.normal(size=rows)).astype(np.float32),
            "minute": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 9000, rows), unit="s"),
            "color": pd.Series(rng.choice(["red", "green", "blue"], rows)).mask(gaps),
            "flag": rng.random(rows) < 0.5,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
            "group": rng.choice(["p1", "p2", "p10"], rows),
            "y": rng.random(rows) < 0.4,
        }
    )


# --- files ------------------------------------------------------------------------------------------------------------


def write(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    match path.name.partition(".")[2]:
        case "csv":
            frame.to_csv(path, index=False)
        case "tsv":
            frame.to_csv(path, index=False, sep="\t", na_rep="?")
        case "csv.gz":
            frame.to_csv(path, index=False, na_rep="NA")
        case "parquet":
            frame.to_parquet(path)
        case "feather":
            pyarrow.feather.write_feather(table, str(path))
        case "arrow":
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)
        case _:
            with pa.ipc.new_stream(str(path), table.schema) as writer:
                writer.write_table(table)


@pytest.mark.parametrize("target", ["y", "gaps", "color", "small", "whole", "day"])
def test_one_table_has_one_hash_in_every_format(frame: pd.DataFrame, tmp_path: Path, target: str) -> None:
    found = {}
    for kind in ("csv", "tsv", "csv.gz", "parquet", "feather", "arrow", "arrows"):
        path = tmp_path / f"t.{kind}"
        write(frame, path)
        encoded = load_encoded(replace(of(path), target=target, groups="group"), None)
        found[kind] = (encoded.info.content_hash, encoded.info.classes, encoded.info.features)
    assert len(set(found.values())) == 1, found


def test_the_hash_sees_every_change(frame: pd.DataFrame, tmp_path: Path) -> None:
    def content_hash(changed: pd.DataFrame, groups: str = "group", positive: str | None = None) -> str:
        changed.to_parquet(tmp_path / "t.parquet")
        data = replace(of(tmp_path / "t.parquet"), groups=groups, positive=positive, drop=("color",))
        return load_encoded(data, None).info.content_hash

    hashes = [content_hash(frame), content_hash(frame, groups="flag"), content_hash(frame, positive="False")]
    cells: list[tuple[str, float | str]] = [("whole", -1), ("gaps", 0.5), ("small", np.nan), ("group", "p3")]
    for column, value in cells:
        changed = frame.copy()
        changed.loc[9, column] = value
        hashes.append(content_hash(changed))
    hashes.append(content_hash(frame.assign(y=frame["y"] ^ (frame.index == 4))))
    hashes.append(content_hash(frame.rename(columns={"whole": "half"})))
    hashes.append(content_hash(frame.iloc[::-1]))
    assert len(set(hashes)) == len(hashes)


def test_what_a_file_holds_counts_not_its_name(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "t.csv")
    assert read_table(of(tmp_path / "t.csv"), None).frame.shape == frame.shape


def test_an_index_of_pandas_is_a_column(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.set_index("group").to_parquet(tmp_path / "t.parquet")
    assert "group" in read_table(of(tmp_path / "t.parquet"), None).columns


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PAR1 and then nothing", "damaged or incomplete"),
        (b"PAR1" + bytes(range(200)) + b"\x40\0\0\0PAR1", "cannot be read"),
        (b"ARROW1\0\0 and then nothing", "damaged or incomplete"),
        (b"\xff\xff\xff\xff\x10\x00", "damaged or incomplete"),
        (b"PK\x03\x04....", "save the sheet as CSV"),
        (b"SQLite format 3\0", "an SQLite database"),
        (gzip.compress(b"", mtime=0), "the table is empty"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(of("t.csv"), tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).startswith("t.csv: ")


def test_an_empty_parquet_file(tmp_path: Path) -> None:
    pd.DataFrame({"a": [], "b": []}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="empty"):
        read_table(of("t.parquet"), tmp_path)


def test_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "sonar.csv").write_text("1,2\n")
    with pytest.raises(NotFoundError, match=r"no such file: .*sonar\.cvs; beside it: sonar\.csv"):
        read_table(of("sonar.cvs"), tmp_path)
    with pytest.raises(NotFoundError, match=r"no such file: .*t\.csv$"):
        read_table(of("no/such/folder/t.csv"), tmp_path)
    with pytest.raises(NotFoundError, match=r"no such file: .*t\.csv$"):
        read_table(of("sonar.csv/t.csv"), tmp_path)
    with pytest.raises(NotFoundError, match=r"no such file: .*~nosuchuser/t\.csv$"):
        read_table(of("~nosuchuser/t.csv"), tmp_path)
    with pytest.raises(DataError, match=r"cannot be read .*too long"):
        read_table(of("x" * 300), tmp_path)
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(DataError, match="circle cannot be read"):
        read_table(of("circle"), tmp_path)
    with pytest.raises(DataError, match="can be no file"):
        read_table(of("a\0b"), tmp_path)
    with pytest.raises(DataError, match="however a folder"):
        read_table(of("."), tmp_path)


@pytest.mark.parametrize("source", ["s3://bucket/t.csv", "ftp://x/t.csv", "https:/h/t.csv"])
def test_other_kinds_of_source(source: str) -> None:
    with pytest.raises(DataError, match="must be a path, a URL"):
        read_table(of(source), None)


def test_a_file_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "exp:1.csv").write_text("a,y\n1,x\n3,z\n")
    assert read_table(of("exp:1.csv"), tmp_path).columns == ("a", "y")
    with pytest.raises(NotFoundError, match=r'no such file: .*sklearns:wine \(allowed are a path, .*"sklearn:<name>"'):
        read_table(of("sklearns:wine"), tmp_path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(DataError, match=r"must be a file, however a pipe, a socket or a device: "):
            read_table(of(source), None)


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(DataError, match=r"^/proc/self/mem: cannot be read \(Input/output error\)$"):
        read_table(of("/proc/self/mem"), None)


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(b"%d,%d\n" % (row, row * row) for row in range(500)), mtime=0))
    packed[20:40] = bytes(20)
    (tmp_path / "t.csv.gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"^t\.csv\.gz: the gzip file is damaged or incomplete"):
        read_table(of("t.csv.gz"), tmp_path)


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow", "arrows"])
def test_a_header_is_for_text_files(frame: pd.DataFrame, tmp_path: Path, kind: str) -> None:
    write(frame, tmp_path / f"t.{kind}")
    assert read_table(replace(of(f"t.{kind}"), header=True), tmp_path).columns == tuple(frame.columns)
    with pytest.raises(DataError, match=rf"^t\.{kind}: data\.header must be true or left out .*, however: false$"):
        read_table(replace(of(f"t.{kind}"), header=False), tmp_path)


@pytest.mark.parametrize("source", ["sklearn:wine", "openml:40"])
def test_tables_of_others_name_their_columns(source: str) -> None:
    with pytest.raises(DataError, match=rf"^{source}: data\.header must be true or left out"):
        read_table(replace(of(source), header=False), None)


# --- URLs -------------------------------------------------------------------------------------------------------------


def test_a_url_is_downloaded_once(site: Site, cache: Path) -> None:
    site.pages["/data/t.csv?v=2"] = b"a,b,y\n1,2,x\n3,4,z\n5,6,x\n"
    source = f"{site.url}/data/t.csv?v=2"
    first, second = read_table(of(source), None), read_table(of(source), None)
    assert first.columns == ("a", "b", "y")
    assert first.frame.equals(second.frame)
    assert site.asked == ["/data/t.csv?v=2"]
    assert first.notes[0] == "downloaded"
    assert "downloaded earlier" in second.notes[0]
    assert str(cache) not in f"{first.notes} {second.notes}"
    assert [path.name.endswith("-t.csv") for path in (cache / "downloads").iterdir()] == [True]


def test_where_a_download_is_kept_is_logged(site: Site, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    site.pages["/t.csv"] = b"a,y\n1,x\n3,z\n"
    with caplog.at_level("INFO", logger="sweep.tables"):
        read_table(of(f"{site.url}/t.csv"), None)
        read_table(of(f"{site.url}/t.csv"), None)
    assert [str(cache) in record.getMessage() for record in caplog.records] == [True, True]


def test_what_may_be_secret_in_a_url_is_kept_out_of_the_table(site: Site, cache: Path) -> None:
    site.pages["/t.csv?token=geheim"] = b"a,y\n1,x\n3,z\n5,x\n7,z\n"
    encoded = load_encoded(of(f"{site.url}/t.csv?token=geheim"), None)
    assert encoded.info.source == f"{site.url}/t.csv?token=***"
    assert "geheim" not in repr(encoded.info)


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:geheim@127.0.0.1:9/t.csv",
        "http://127.0.0.1:9/t.csv?key=geheim",
        "http://127.0.0.1:9/t.csv?key=geheim geheim",
        "http://127.0.0.1:9/t.csv?key=geheimß",
        "http://127.0.0.1:geheim@x/t.csv",
        "http://[geheim@x/t.csv",
        "http://ann:geheim\N{FULLWIDTH COMMERCIAL AT}x/t.csv?a",
        "ftp://ann:geheim@x/t.csv",
    ],
)
def test_what_may_be_secret_in_a_url_is_kept_out_of_messages(url: str, cache: Path) -> None:
    with pytest.raises(DataError, match=r"\*\*\*") as caught:
        read_table(of(url), None)
    assert "geheim" not in str(caught.value)


def test_a_parquet_url(site: Site, cache: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "t")
    site.pages["/download"] = (tmp_path / "t").read_bytes()
    assert read_table(of(f"{site.url}/download"), None).frame.shape == frame.shape


def test_failed_downloads_leave_nothing(site: Site, cache: Path) -> None:
    site.pages["/broken.csv"] = b"a,b\n1,2\n"
    with pytest.raises(DataError, match="the server says 404"):
        read_table(of(f"{site.url}/none.csv"), None)
    with pytest.raises(DataError, match=r"broken\.csv: cannot be downloaded"):
        read_table(of(f"{site.url}/broken.csv"), None)
    with pytest.raises(DataError, match="cannot be downloaded"):
        read_table(of("http://127.0.0.1:9/t.csv"), None)
    assert list((cache / "downloads").iterdir()) == []


# --- bundled ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows", "features", "task", "classes"),
    [
        ("breast_cancer", 569, 30, "binary", ("benign", "malignant")),
        ("digits", 1797, 61, "multiclass", tuple("0123456789")),
        ("wine", 178, 13, "multiclass", ("class_0", "class_1", "class_2")),
        ("iris", 150, 4, "multiclass", ("setosa", "versicolor", "virginica")),
        ("diabetes", 442, 10, "regression", ()),
    ],
)
def test_bundled_tables(name: str, rows: int, features: int, task: str, classes: tuple[str, ...]) -> None:
    info = load_encoded(of(f"sklearn:{name}"), None).info
    assert (info.rows, len(info.features), info.task, info.classes) == (rows, features, task, classes)
    assert info.target == "target"


def test_an_unknown_bundled_table() -> None:
    with pytest.raises(NotFoundError) as caught:
        read_table(of("sklearn:boston"), None)
    assert all(name in str(caught.value) for name in ("boston", *BUNDLED))


# --- OpenML -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def openml(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """OpenML's answers about one small table, in the form it gives them."""
    arff = "@relation tiny\n@attribute size numeric\n@attribute color {red,blue}\n@attribute class {M,R}\n@data\n"
    arff += "".join(f"{row / 2},{'red' if row % 3 else 'blue'},{'M' if row % 2 else 'R'}\n" for row in range(30))
    names = [("size", "numeric"), ("color", "nominal"), ("class", "nominal")]
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": kind,
            "is_target": str(name == "class").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, (name, kind) in enumerate(names)
    ]
    description = {
        "id": "40",
        "name": "tiny",
        "version": "1",
        "format": "ARFF",
        "status": "active",
        "description": "A table for tests.",
        "default_target_attribute": "class",
        "url": f"{site.url}/data/v1/download/1/tiny.arff",
        "file_id": "1",
        "md5_checksum": hashlib.md5(arff.encode(), usedforsecurity=False).hexdigest(),
    }
    api = "/api/v1/json/data"
    site.pages = {
        f"{api}/40": json.dumps({"data_set_description": description}).encode(),
        f"{api}/features/40": json.dumps({"data_features": {"feature": features}}).encode(),
        f"{api}/qualities/40": json.dumps(
            {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": "30"}]}}
        ).encode(),
        "/data/v1/download/1/tiny.arff": arff.encode(),
    }
    for constant in ("_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        real = getattr(sklearn.datasets._openml, constant)
        monkeypatch.setattr(sklearn.datasets._openml, constant, real.replace("https://www.openml.org", site.url))
    return site


def test_openml(openml: Site, cache: Path) -> None:
    table = read_table(of("openml:40"), None)
    assert table.columns == ("size", "color", "class")
    assert table.default_target == "class"
    assert "OpenML table 40 is 'tiny', version 1" in table.notes
    asked = len(openml.asked)
    assert asked == 4
    info = load_encoded(of("openml:40"), None).info
    assert (info.rows, info.task, info.classes) == (30, "binary", ("M", "R"))
    assert info.features == ("size", "color=blue", "color=red")
    assert len(openml.asked) == asked  # from the cache


def test_openml_warnings_become_notes(openml: Site) -> None:
    page = json.loads(openml.pages["/api/v1/json/data/40"])
    page["data_set_description"]["warning"] = "use with care"
    openml.pages["/api/v1/json/data/40"] = json.dumps(page).encode()
    notes = read_table(of("openml:40"), None).notes
    assert any("use with care" in note for note in notes)


def test_openml_without_the_file(openml: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    del openml.pages["/data/v1/download/1/tiny.arff"]
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between scikit-learn's attempts
    with pytest.raises(DataError, match="openml:40: OpenML answers 404"):
        read_table(of("openml:40"), None)


def test_a_damaged_openml_table(openml: Site) -> None:
    openml.pages["/data/v1/download/1/tiny.arff"] += b"1,red,M\n"
    with pytest.raises(DataError, match="openml:40: cannot be read as a table: The md5 checksum"):
        read_table(of("openml:40"), None)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("openml:99", "Dataset with data_id 99 not found"),
        ("openml:sonar", "must be a whole number, however: 'openml:sonar'"),
        ("openml:0", "must be a whole number"),
    ],
)
def test_openml_ids_that_are_none(openml: Site, source: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(of(source), None)
    assert said in str(caught.value)


def test_openml_without_network(openml: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn.datasets._openml, "_DATA_INFO", "http://127.0.0.1:9/{}")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between scikit-learn's attempts
    with pytest.raises(DataError, match="OpenML cannot be reached"):
        read_table(of("openml:40"), None)
