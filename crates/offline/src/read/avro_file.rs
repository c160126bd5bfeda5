//! Avro's object container files: a header with the schema, then blocks of records.

use super::error::{ReadError, io, malformed};
use super::rows::{Next, Rows};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use riskstream_events::varint::unzigzag;
use riskstream_events::{AvroProjection, DecodeError, InputFields, Row};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self as std_io, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A larger block is a sign of damage.
const MAX_BLOCK: u64 = 1 << 30;

pub(super) struct AvroFile {
    path: PathBuf,
    input: BufReader<File>,
    codec: Codec,
    sync: [u8; 16],
    /// Reads no field: it tells where a record ends, whatever its values.
    whole: AvroProjection,
    projection: AvroProjection,
    /// The records of the current block, and where the next one begins.
    block: Vec<u8>,
    at: usize,
    left_in_block: u64,
    /// Records read.
    read: u64,
}

#[derive(Clone, Copy)]
enum Codec {
    Null,
    Deflate,
    Snappy,
}

/// What a file begins with.
struct Header {
    schema: String,
    codec: Codec,
    sync: [u8; 16],
}

impl AvroFile {
    pub(super) fn open(path: &Path, fields: &InputFields) -> Result<AvroFile, ReadError> {
        let mut input = BufReader::with_capacity(1 << 20, File::open(path).map_err(io(path))?);
        let Header { schema, codec, sync } = header(path, &mut input)?;
        let none = InputFields::new(Vec::new(), None).expect("no fields cannot contradict each other");
        let compile = |fields| AvroProjection::compile(&schema, None, fields).map_err(|error| malformed(path, error));
        Ok(AvroFile {
            path: path.to_owned(),
            input,
            codec,
            sync,
            whole: compile(&none)?,
            projection: compile(fields)?,
            block: Vec::new(),
            at: 0,
            left_in_block: 0,
            read: 0,
        })
    }

    /// Reads the next block; whether there was one.
    fn read_block(&mut self) -> Result<bool, ReadError> {
        if self.input.fill_buf().map_err(io(&self.path))?.is_empty() {
            return Ok(false);
        }
        let records = self.read;
        let damaged = |why: String| malformed(&self.path, format!("after record {records}: {why}"));
        let cut = |error: std_io::Error| damaged(format!("the block cannot be read: {error}"));
        let count = number(&mut self.input).map_err(cut)?;
        let size = number(&mut self.input).map_err(cut)?;
        let (Ok(count), Some(size)) = (u64::try_from(count), size_of(size)) else {
            return Err(damaged("a block without a size".to_owned()));
        };
        let mut packed = Vec::new();
        (&mut self.input).take(size).read_to_end(&mut packed).map_err(cut)?;
        let mut sync = [0; 16];
        self.input.read_exact(&mut sync).map_err(cut)?;
        if sync != self.sync {
            return Err(damaged("the block does not end with the file's marker".to_owned()));
        }
        self.block = unpack(self.codec, packed).map_err(cut)?;
        (self.at, self.left_in_block) = (0, count);
        Ok(true)
    }
}

impl Rows for AvroFile {
    fn next(&mut self, row: &mut Row) -> Result<Next, ReadError> {
        while self.left_in_block == 0 {
            if !self.read_block()? {
                return Ok(Next::End);
            }
        }
        let rest = &self.block[self.at..];
        let length = self.whole.record_length(rest);
        let length = length.map_err(|error| malformed(&self.path, format!("after record {}: {error}", self.read)))?;
        self.at += length;
        self.left_in_block -= 1;
        self.read += 1;
        Ok(match self.projection.decode(&rest[..length], row) {
            Ok(()) => Next::Row,
            Err(DecodeError::Rejected(rejection)) => Next::Rejected(self.read, rejection),
            Err(DecodeError::Unavailable(_)) => unreachable!("the schema is in the file"),
        })
    }
}

/// The names of the columns of a file.
pub(super) fn names(path: &Path) -> Result<Vec<String>, ReadError> {
    let mut input = BufReader::new(File::open(path).map_err(io(path))?);
    let schema = header(path, &mut input)?.schema;
    let schema: Value = serde_json::from_str(&schema).map_err(|error| malformed(path, error))?;
    let mut names = Vec::new();
    add_names(&schema, "", &mut names);
    Ok(names)
}

/// The names of a record's fields and of the records within.
fn add_names(schema: &Value, around: &str, names: &mut Vec<String>) {
    match schema {
        Value::Array(branches) => branches.iter().for_each(|branch| add_names(branch, around, names)),
        Value::Object(members) => match members.get("fields") {
            Some(Value::Array(fields)) => {
                for field in fields {
                    let name = format!("{around}{}", field["name"].as_str().unwrap_or_default());
                    add_names(&field["type"], &format!("{name}."), names);
                    names.push(name);
                }
            }
            _ => add_names(members.get("type").unwrap_or(&Value::Null), around, names),
        },
        _ => {}
    }
}

fn header(path: &Path, input: &mut impl Read) -> Result<Header, ReadError> {
    let cut = |error: std_io::Error| malformed(path, format!("not an Avro object container file: {error}"));
    let mut magic = [0; 4];
    input.read_exact(&mut magic).map_err(cut)?;
    if magic != *b"Obj\x01" {
        return Err(malformed(
            path,
            "not an Avro object container file: its first bytes are not `Obj` and 1",
        ));
    }
    let metadata = metadata(input).map_err(cut)?;
    let mut sync = [0; 16];
    input.read_exact(&mut sync).map_err(cut)?;
    let text = |name: &str| {
        metadata
            .get(name)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let codec = match text("avro.codec").as_deref() {
        None | Some("null") => Codec::Null,
        Some("deflate") => Codec::Deflate,
        Some("snappy") => Codec::Snappy,
        Some(other) => {
            let why = format!("the codec {other} is not read: use null, deflate or snappy");
            return Err(malformed(path, why));
        }
    };
    let schema = text("avro.schema").ok_or_else(|| malformed(path, "the file has no schema"))?;
    Ok(Header { schema, codec, sync })
}

/// A map from texts to bytes.
fn metadata(input: &mut impl Read) -> std_io::Result<HashMap<String, Vec<u8>>> {
    let mut entries = HashMap::new();
    loop {
        let count = number(input)?;
        if count == 0 {
            return Ok(entries);
        }
        if count < 0 {
            number(input)?;
        }
        for _ in 0..count.unsigned_abs() {
            let name = String::from_utf8_lossy(&prefixed(input)?).into_owned();
            entries.insert(name, prefixed(input)?);
        }
    }
}

/// A length and as many bytes.
fn prefixed(input: &mut impl Read) -> std_io::Result<Vec<u8>> {
    let length = size_of(number(input)?).ok_or_else(|| std_io::Error::other("a negative or too large length"))?;
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn size_of(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|size| *size <= MAX_BLOCK)
}

fn number(input: &mut impl Read) -> std_io::Result<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(unzigzag(number));
        }
    }
    Err(std_io::Error::other("a number of more than 64 bits"))
}

fn unpack(codec: Codec, packed: Vec<u8>) -> std_io::Result<Vec<u8>> {
    match codec {
        Codec::Null => Ok(packed),
        Codec::Deflate => {
            let mut block = Vec::new();
            DeflateDecoder::new(packed.as_slice())
                .take(MAX_BLOCK)
                .read_to_end(&mut block)?;
            Ok(block)
        }
        Codec::Snappy => {
            let (packed, sum) = packed.split_last_chunk::<4>().ok_or(ErrorKind::UnexpectedEof)?;
            let block = snap::raw::Decoder::new().decompress_vec(packed)?;
            let mut crc = Crc::new();
            crc.update(&block);
            match crc.sum() == u32::from_be_bytes(*sum) {
                true => Ok(block),
                false => Err(std_io::Error::other("its checksum is wrong")),
            }
        }
    }
}
