//! Recordings as files: what is written is read, a kill leaves only whole files, and damage is found.

use riskstream_offline::recording::{
    Manifest, Partition, Period, Pipeline, Record, RecordedTopic, RecordingWriter, Records,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn manifest() -> Manifest {
    let topic = RecordedTopic {
        name: "payments".to_owned(),
        role: "input: transactions".to_owned(),
        id: Some("id".to_owned()),
        committed: Vec::new(),
        left_out: None,
        partitions: vec![Partition::default(); 2],
    };
    let mut manifest = Manifest::new(Pipeline::default());
    manifest.topics.push(topic);
    manifest
}

fn record(offset: i64) -> Record {
    Record {
        offset,
        timestamp: (offset % 3 != 0).then_some(1_767_225_600_000 + offset),
        key: (offset % 4 != 0).then(|| offset.to_string().into_bytes()),
        // A tombstone, an empty value and one that is no text.
        value: match offset % 5 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some(vec![0xff; (offset % 100) as usize]),
        },
        headers: (0..offset % 3)
            .map(|number| ("h".to_owned(), (number > 0).then(|| vec![number as u8])))
            .collect(),
    }
}

fn read(directory: &Path, partition: usize) -> Result<Vec<Record>, String> {
    let manifest = Manifest::read(directory)
        .map_err(|error| error.to_string())?
        .expect("a recording");
    let mut records = Records::of(directory, &manifest, "payments", partition);
    let mut all = Vec::new();
    while let Some(record) = records.read_next().map_err(|error| error.to_string())? {
        all.push(record);
    }
    Ok(all)
}

/// Records these offsets, of which some are no records, up to `end`.
fn write(directory: &Path, partition: usize, offsets: impl Iterator<Item = i64>, end: i64) {
    let mut recorder = RecordingWriter::open(directory, manifest()).unwrap();
    let mut writer = recorder.partition(0, partition);
    for offset in offsets
        .filter(|offset| *offset >= writer.position())
        .collect::<Vec<_>>()
    {
        writer.push(record(offset)).unwrap();
    }
    writer.finish(end).unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_recorded_is_read_and_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    // Every seventh offset is a transaction marker; so is the last.
    let offsets = |range: std::ops::Range<i64>| range.filter(|offset| offset % 7 != 6);
    write(directory, 0, offsets(0..2498), 2499);
    write(directory, 1, 0..0, 0);
    write(directory, 0, offsets(0..4000), 4000);
    let expected: Vec<Record> = offsets(0..4000).map(record).collect();
    assert!(read(directory, 0).unwrap() == expected);
    assert_eq!(read(directory, 1).unwrap(), []);
    let recorded = Manifest::read(directory).unwrap().unwrap().topics[0].partitions[0].clone();
    let spans: Vec<_> = recorded.files.iter().map(|file| (file.begin, file.end)).collect();
    assert_eq!(spans, [(0, 2499), (2499, 4000)]);
    for file in files(directory).iter().filter(|file| !file.ends_with("lock")) {
        let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
}

#[test]
fn what_was_not_finished_is_recorded_again() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(directory, 0, 0..10, 10);
    {
        let mut recorder = RecordingWriter::open(directory, manifest()).unwrap();
        let mut writer = recorder.partition(0, 0);
        for offset in 10..20_000 {
            let value = Some(vec![7; 2000]);
            writer
                .push(Record {
                    value,
                    ..record(offset)
                })
                .unwrap();
        }
        // As after a kill: the file is there and was not finished.
        std::mem::forget(writer);
    }
    let folder = directory.join("payments/0");
    // A file that was finished just before the kill: the manifest does not name it yet.
    fs::write(folder.join(format!("{:020}-{:020}.parquet", 10, 15)), "PAR1").unwrap();
    assert!(
        files(&folder)
            .iter()
            .any(|file| file.extension().is_some_and(|extension| extension == "partial"))
    );
    assert_eq!(read(directory, 0).unwrap().len(), 10);
    write(directory, 0, 0..30, 30);
    assert!(read(directory, 0).unwrap() == (0..30).map(record).collect::<Vec<_>>());
    assert_eq!(files(&folder).len(), 2, "{:?}", files(&folder));
}

#[test]
fn damage_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(directory, 0, 0..1000, 1000);
    let path = files(&directory.join("payments")).remove(0);
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for (content, word) in [
        (changed, "it is not what was recorded"),
        (whole[..whole.len() / 2].to_vec(), "it is not what was recorded"),
        (Vec::new(), "it is not what was recorded"),
    ] {
        fs::write(&path, content).unwrap();
        let error = read(directory, 0).unwrap_err();
        assert!(
            error.contains(word) && error.contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    fs::remove_file(&path).unwrap();
    let error = read(directory, 0).unwrap_err();
    assert!(
        error.contains("No such file") && error.contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_manifest_that_is_damaged_or_leads_elsewhere_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    assert_eq!(Manifest::read(directory).unwrap(), None);
    write(directory, 0, 0..10, 10);
    let path = directory.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for (text, word) in [
        (text[..text.len() / 2].to_owned(), "EOF while parsing"),
        (text.replace("\"format\": 1", "\"format\": 2"), "it has the format 2"),
        (text.replace("\"payments\"", "\"../payments\""), "is no name of a topic"),
        (text.replace("\"end\": 10", "\"end\": -10"), "leave a gap"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = Manifest::read(directory).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn only_one_process_records_and_nothing_else_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let first = RecordingWriter::open(directory.path(), manifest()).unwrap();
    let second = RecordingWriter::open(directory.path(), manifest())
        .map(|_| ())
        .unwrap_err();
    assert!(second.to_string().contains("another process records to it"), "{second}");
    drop(first);
    RecordingWriter::open(directory.path(), manifest()).unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("report.txt"), "mine").unwrap();
    let refused = RecordingWriter::open(other.path(), manifest()).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("holds other files"), "{refused}");
}

#[test]
fn a_period_is_read_without_the_files_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    // All have timestamps, which grow with the offsets.
    let with_time = |offsets: std::ops::Range<i64>| offsets.filter(|offset| offset % 3 != 0);
    write(directory, 0, with_time(0..300), 300);
    write(directory, 0, with_time(0..600), 600);
    let written_in = |since: Option<i64>, until: Option<i64>| {
        let manifest = Manifest::read(directory).unwrap().unwrap();
        let at = |offset: i64| 1_767_225_600_000 + offset;
        let period = Period {
            since: since.map(at),
            until: until.map(at),
        };
        let mut records = Records::of(directory, &manifest, "payments", 0).written_in(period);
        let mut offsets = Vec::new();
        while let Some(record) = records.read_next().map_err(|error| error.to_string())? {
            offsets.push(record.offset);
        }
        Ok::<_, String>(offsets)
    };
    let (first, second): (Vec<_>, Vec<_>) = (with_time(0..300).collect(), with_time(300..600).collect());
    assert_eq!(written_in(Some(400), None).unwrap(), second);
    assert_eq!(written_in(None, Some(300)).unwrap(), first);
    assert_eq!(
        written_in(Some(299), Some(302)).unwrap(),
        [first, second.clone()].concat()
    );
    assert_eq!(written_in(Some(600), None).unwrap(), Vec::<i64>::new());
    // The first file is damaged: found where it is read.
    let path = files(directory)
        .into_iter()
        .find(|path| path.ends_with("00000000000000000000-00000000000000000300.parquet"));
    let path = path.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(written_in(Some(400), None).unwrap(), second);
    let error = written_in(Some(200), None).unwrap_err();
    assert!(error.contains("it is not what was recorded"), "{error}");
}
