//! Files of text: unpacked if they are gzip, without a byte order mark.

use super::error::{ReadError, io, malformed};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// Opens a file of text in UTF-8.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, ReadError> {
    let file = File::open(path).map_err(io(path))?;
    let mut file = BufReader::with_capacity(BUFFER, file);
    let unpacked: Box<dyn Read> = match file.fill_buf().map_err(io(path))? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(malformed(path, "zstd is not unpacked: use gzip")),
        [b'P', b'K', 3, 4, ..] => return Err(malformed(path, "a zip archive is not unpacked: use gzip")),
        _ => Box::new(file),
    };
    let mut text = BufReader::with_capacity(BUFFER, unpacked);
    match text.fill_buf().map_err(io(path))? {
        [0xef, 0xbb, 0xbf, ..] => text.consume(3),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(malformed(path, "UTF-16 is not read: write it as UTF-8")),
        _ => {}
    }
    Ok(Box::new(text))
}
