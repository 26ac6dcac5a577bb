"""Each GLUE task in the form of its own files, and from TensorFlow Datasets."""

import gzip
from pathlib import Path

import pytest

from bert_jax.errors import DataError
from bert_jax.tasks.glue import read_task
from bert_jax.tasks.metrics import CLASS_METRICS, VALUE_METRICS
from bert_jax.tasks.table import TASKS

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "glue"
GLUE = [row for row in TASKS.values() if row.tfds]

# The first lines of each file; columns as the benchmark has them, texts our own.
MNLI_COLUMNS = (
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
    "sentence1_parse\tsentence2_parse\tsentence1\tsentence2"
)
MNLI_CELLS = "0\t31\t31n\tfiction\t( a )\t( b )\t(ROOT)\t(ROOT)\tIt rains.\tIt is wet."
STSB_COLUMNS = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2"
STSB_CELLS = '0\tnews\tfile\t2012\t0001\tnone\tnone\tA "plane.\tA jet.'
FILES = {
    "cola": {
        "train.tsv": 'gj04\t1\t\tIt rains.\ngj04\t0\t*\tRains it "it.\n',
        "dev.tsv": "gj04\t0\t*\tIt it.\n",
        "test.tsv": "index\tsentence\n0\tIt pours.\n",
    },
    "sst2": {
        "train.tsv": 'sentence\tlabel\na fine film \t1\na dull "film \t0\n',
        "dev.tsv": "sentence\tlabel\ndull \t0\n",
        "test.tsv": "index\tsentence\n" + "".join(f"{i}\tfine {i} .\n" for i in range(20)),
    },
    "mrpc": {
        "train.tsv": 'Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t10\t11\tIt " rains\tRain\n',
        "dev.tsv": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t12\t13\tIt\tRain\n",
        "test.tsv": "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t14\t15\tWet\tDry\n",
    },
    "stsb": {
        "train.tsv": f"{STSB_COLUMNS}\tscore\n{STSB_CELLS}\t4.500\n",
        "dev.tsv": f"{STSB_COLUMNS}\tscore\n{STSB_CELLS}\t0\n",
        "test.tsv": f"{STSB_COLUMNS}\n{STSB_CELLS}\n",
    },
    "qqp": {
        "train.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
        "1\t2\t3\tWhy?\tWhat for?\t1\n4\t5\t6\tA question\n\tin pieces?\t0\n7\t8\t9\tA?\tB?\t0\n",
        "dev.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tA?\tB?\t0\n",
        "test.tsv": "id\tquestion1\tquestion2\n0\tA?\tB?\n",
    },
    "mnli": {
        "train.tsv": f"{MNLI_COLUMNS}\tlabel1\tgold_label\n{MNLI_CELLS}\tneutral\tentailment\n",
        "dev_matched.tsv": f"{MNLI_COLUMNS}\tlabel1\tlabel2\tgold_label\n{MNLI_CELLS}\tneutral\t"
        "neutral\tcontradiction\n",
        "dev_mismatched.tsv": f"{MNLI_COLUMNS}\tgold_label\n{MNLI_CELLS}\tneutral\n",
        "test_matched.tsv": f"{MNLI_COLUMNS}\n{MNLI_CELLS}\n",
        "test_mismatched.tsv": f"{MNLI_COLUMNS}\n{MNLI_CELLS}\n{MNLI_CELLS}\n",
    },
    "qnli": {
        "train.tsv": 'index\tquestion\tsentence\tlabel\n0\tWho?\t"She.\tentailment\n',
        "dev.tsv": "index\tquestion\tsentence\tlabel\n0\tWho?\tIt.\tnot_entailment\n",
        "test.tsv": "index\tquestion\tsentence\n0\tWho?\tThey.\n",
    },
    "rte": {
        "train.tsv": "index\tsentence1\tsentence2\tlabel\n0\tRain.\tWet.\tentailment\n",
        "dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tRain.\tDry.\tnot_entailment\n",
        "test.tsv": "index\tsentence1\tsentence2\n0\tSun.\tDry.\n",
    },
    "wnli": {
        "train.tsv": "index\tsentence1\tsentence2\tlabel\n0\tHe fell.\tBob fell.\t1\n",
        "dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tHe fell.\tTom fell.\t0\n",
        "test.tsv": "index\tsentence1\tsentence2\n0\tHe ran.\tBob ran.\n",
    },
    "ax": {"diagnostic.tsv": "index\tsentence1\tsentence2\n0\tThe cat sat.\tIt did not.\n"},
}
STSB, MNLI = ('A "plane.', "A jet."), ("It rains.", "It is wet.")
EXPECTED = {
    "cola": {
        "train": [("It rains.", None, "acceptable"), ('Rains it "it.', None, "unacceptable")],
        "validation": [("It it.", None, "unacceptable")],
        "test": [("It pours.", None, None)],
    },
    "sst2": {
        "train": [("a fine film ", None, "positive"), ('a dull "film ', None, "negative")],
        "validation": [("dull ", None, "negative")],
        "test": [(f"fine {i} .", None, None) for i in range(20)],
    },
    "mrpc": {
        "train": [('It " rains', "Rain", "equivalent")],
        "validation": [("It", "Rain", "not_equivalent")],
        "test": [("Wet", "Dry", None)],
    },
    "stsb": {"train": [(*STSB, 4.5)], "validation": [(*STSB, 0.0)], "test": [(*STSB, None)]},
    "qqp": {
        "train": [("Why?", "What for?", "duplicate"), ("A?", "B?", "not_duplicate")],
        "validation": [("A?", "B?", "not_duplicate")],
        "test": [("A?", "B?", None)],
    },
    "mnli": {
        "train": [(*MNLI, "entailment")],
        "validation_matched": [(*MNLI, "contradiction")],
        "validation_mismatched": [(*MNLI, "neutral")],
        "test_matched": [(*MNLI, None)],
        "test_mismatched": [(*MNLI, None)] * 2,
    },
    "qnli": {
        "train": [("Who?", '"She.', "entailment")],
        "validation": [("Who?", "It.", "not_entailment")],
        "test": [("Who?", "They.", None)],
    },
    "rte": {
        "train": [("Rain.", "Wet.", "entailment")],
        "validation": [("Rain.", "Dry.", "not_entailment")],
        "test": [("Sun.", "Dry.", None)],
    },
    "wnli": {
        "train": [("He fell.", "Bob fell.", "entailment")],
        "validation": [("He fell.", "Tom fell.", "not_entailment")],
        "test": [("He ran.", "Bob ran.", None)],
    },
    "ax": {"test": [("The cat sat.", "It did not.", None)]},
}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8", newline="")
    return folder


def contents(data):
    return {k: [(e.text, e.text_pair, e.label) for e in v] for k, v in data.splits.items()}


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_each_task(tmp_path, name):
    row = TASKS[name]
    write(tmp_path / row.folder, FILES[name])
    data = read_task(row, str(tmp_path))
    assert contents(data) == EXPECTED[name]
    assert contents(read_task(row, str(tmp_path / row.folder))) == EXPECTED[name]
    assert data.row is row
    for file in (tmp_path / row.folder).iterdir():
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert contents(read_task(row, str(tmp_path))) == EXPECTED[name]


def test_every_task_of_the_benchmark_is_read_above():
    assert [row.name for row in GLUE] == list(FILES)


def test_places_and_notes(tmp_path):
    folder = write(tmp_path, FILES["qqp"])
    data = read_task(TASKS["qqp"], str(folder))
    assert [e.place for e in data.splits["train"]] == [f"{folder}/train.tsv:{n}" for n in (2, 5)]
    assert data.notes == (
        f"rows with too few cells left out: 2, the first at {folder}/train.tsv:3",
    )


def test_only_the_splits_that_are_there(tmp_path):
    write(tmp_path, {"dev.tsv": FILES["rte"]["dev.tsv"]})
    data = read_task(TASKS["rte"], str(tmp_path))
    assert contents(data) == {"validation": EXPECTED["rte"]["validation"]}
    assert data.split("validation") == data.splits["validation"]
    with pytest.raises(DataError, match="rte: no train split was found; there are validation"):
        data.split("train")


def test_microsofts_files_of_paraphrases(tmp_path):
    header = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
    rows = '1\t10\t11\tA\tB\r\n0\t20\t21\tC "c\tD\r\n1\t20\t11\tE\tF\r\n'
    files = {
        "msr_paraphrase_train.txt": header + rows,
        "msr_paraphrase_test.txt": header + "1\t30\t31\tG\tH\r\n",
    }
    write(tmp_path, files)
    with pytest.raises(DataError, match=r"msr_paraphrase_train.txt: wants dev_ids.tsv beside it"):
        read_task(TASKS["mrpc"], str(tmp_path))
    write(tmp_path, {"dev_ids.tsv": "20\t21\n"})
    assert contents(read_task(TASKS["mrpc"], str(tmp_path))) == {
        "train": [("A", "B", "equivalent"), ("E", "F", "equivalent")],
        "validation": [('C "c', "D", "not_equivalent")],
        "test": [("G", "H", "equivalent")],
    }


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("rte", {}, r": no files of rte there; looked for train\.tsv, dev\.tsv, test\.tsv"),
        ("rte", {"train.tsv": ""}, r"train\.tsv: no rows to read; the train split is empty"),
        (
            "rte",
            {"train.tsv": "index\tsentence1\tsentence2\tlabel\n"},
            r"train\.tsv: no rows to read; the train split is empty",
        ),
        (
            "rte",
            {"train.tsv": "index\tsentence1\tlabel\n0\tA\tentailment\n"},
            r"train\.tsv:2: no column 'sentence2'; there are index, sentence1, label",
        ),
        (
            "rte",
            {"dev.tsv": "index\tsentence1\tsentence2\n0\tA\tB\n"},
            r"dev\.tsv:2: no column 'label'",
        ),
        (
            "rte",
            {"dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tA\tB\t\n"},
            r"dev\.tsv:2: no label in column 'label'",
        ),
        (
            "sst2",
            {"train.tsv": "sentence\tlabel\nA\t1\nB\tpositive\n"},
            r"train\.tsv:3: unknown label 'positive'; the labels are 0, 1",
        ),
        (
            "stsb",
            {"dev.tsv": f"{STSB_COLUMNS}\tscore\n{STSB_CELLS}\tnan\n"},
            r"dev\.tsv:2: the label is 'nan'; regression wants a number",
        ),
        ("rte", {"test.tsv": "index\tsentence1\tsentence2\n0\tA\n"}, r"test\.tsv:2: 2 cells"),
    ],
)
def test_what_is_refused(tmp_path, name, files, message):
    write(tmp_path, files)
    with pytest.raises(DataError, match=message) as error:
        read_task(TASKS[name], str(tmp_path))
    assert "\n" not in str(error.value) and error.value.exit_code == 3


@pytest.mark.parametrize("row", [r for r in TASKS.values() if r.columns], ids=lambda r: r.name)
def test_the_table_agrees_with_itself(row):
    known = VALUE_METRICS if row.head == "regression" else CLASS_METRICS
    assert set(row.metrics) <= set(known) and row.primary_metric == row.metrics[0]
    assert set(row.leaderboard) == {split for split in row.files if split.startswith("test")}
    assert (row.labels is None) == (row.head == "regression")
    assert not row.words or len(row.words) == len(row.labels)


@pytest.mark.parametrize("row", GLUE, ids=lambda row: row.name)
def test_tensorflow_datasets_have_the_same_columns_and_classes(row):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=5):
        data = read_task(row, "tfds")
    assert list(data.splits) == list(row.files)
    for split, examples in data.splits.items():
        places = [int(e.place.removeprefix(f"tfds:{row.tfds}:{split}[")[:-1]) for e in examples]
        assert len(places) == 5 and places == sorted(places)
        for example in examples:
            assert example.text and (example.text_pair is None) == (row.columns.pair is None)
            if row.head == "regression":
                assert isinstance(example.label, float)
            else:
                assert example.label in row.labels


@pytest.mark.parametrize("row", [row for row in GLUE if row.labels], ids=lambda row: row.name)
def test_classes_stand_in_the_order_of_tensorflow_datasets(row, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.text import glue

    builder = glue.Glue(config=row.tfds.removeprefix("glue/"), data_dir=str(tmp_path))
    assert isinstance(builder.info.features["label"], tfds.features.ClassLabel)
    assert tuple(builder.info.features["label"].names) == row.labels


@pytest.mark.parametrize("name", [name for name in FILES if name != "mrpc"])
def test_tensorflow_datasets_hold_what_the_files_do(name, tmp_path, monkeypatch):
    """The datasets are really made and stored, as TFDS would from what it downloads."""
    tfds = pytest.importorskip("tensorflow_datasets")
    from tensorflow_datasets.text import glue

    row = TASKS[name]
    folder = write(tmp_path / "files" / row.folder, FILES[name])
    manager = tfds.download.DownloadManager
    monkeypatch.setattr(manager, "download_and_extract", lambda *_: str(folder.parent))
    monkeypatch.setattr(manager, "download", lambda *_: str(folder / "diagnostic.tsv"))
    config, stored = row.tfds.removeprefix("glue/"), tmp_path / "stored"
    builder = glue.Glue(config=config, data_dir=str(stored), file_format="array_record")
    builder.download_and_prepare()
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(stored))
    assert contents(read_task(row, "tfds")) == EXPECTED[name]


def test_offline_is_one_clear_error(monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")

    def fail(*_, **__):
        raise ConnectionError("no\nroute")

    monkeypatch.setattr(tfds, "data_source", fail)
    with pytest.raises(DataError, match=r"tfds:glue/rte: .*no route.*'train'.*TFDS_DATA_DIR"):
        read_task(TASKS["rte"], "tfds")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the benchmark's own files are not here")
@pytest.mark.parametrize(
    ("name", "sizes", "positive"),
    [  # rows by split, and how many of the first split have class 1, counted with grep
        ("cola", {"train": 8551, "validation": 1043, "test": 1063}, 6023),
        ("sst2", {"train": 67349, "validation": 872, "test": 1821}, 37569),
        ("mrpc", {"train": 3668, "validation": 408, "test": 1725}, 2474),
        ("wnli", {"train": 635, "validation": 71, "test": 146}, 312),
        ("qnli", {"validation": 5463}, 2761),
    ],
)
def test_the_real_files(name, sizes, positive):
    data = read_task(TASKS[name], str(SHARED))
    assert {split: len(examples) for split, examples in data.splits.items()} == sizes
    first = next(iter(data.splits.values()))
    assert sum(example.label == data.row.labels[1] for example in first) == positive
    assert all(example.label is None for example in data.splits.get("test", ()))
