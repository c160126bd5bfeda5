//! SHA-256 of bytes while they are read or written.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read, Write};

/// Reads and hashes.
pub(crate) struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(inner: R) -> HashingReader<R> {
        HashingReader {
            inner,
            hasher: Sha256::new(),
        }
    }

    /// The digest of what was read.
    pub(crate) fn finish(self) -> String {
        hexadecimal(&self.hasher.finalize())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Reads bytes that must have a known digest. Their end is an error if the digest is another one, so that a copy of them fails.
pub(crate) struct CheckedReader<'a, R> {
    inner: HashingReader<R>,
    sha256: &'a str,
    /// Whether the digest was another one.
    pub(crate) has_changed: bool,
}

impl<'a, R: Read> CheckedReader<'a, R> {
    pub(crate) fn new(inner: R, sha256: &'a str) -> CheckedReader<'a, R> {
        CheckedReader {
            inner: HashingReader::new(inner),
            sha256,
            has_changed: false,
        }
    }
}

impl<R: Read> Read for CheckedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 && !buffer.is_empty() && hexadecimal(&self.inner.hasher.clone().finalize()) != self.sha256 {
            self.has_changed = true;
            return Err(io::Error::other("it has changed"));
        }
        Ok(read)
    }
}

/// Hashes what is written and passes it on, up to a number of bytes.
pub(crate) struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    room: u64,
    /// Why it takes no more. Whoever copies into it reports only that it failed.
    failure: Option<SinkFailure>,
}

/// Why a sink takes no more.
pub(crate) enum SinkFailure {
    /// There are more bytes than there may be.
    TooLarge,
    /// What it writes to has failed.
    Failed(io::Error),
}

impl<W: Write> HashingWriter<W> {
    pub(crate) fn new(inner: W, at_most: u64) -> HashingWriter<W> {
        HashingWriter {
            inner,
            hasher: Sha256::new(),
            room: at_most,
            failure: None,
        }
    }

    /// What was written, and its digest.
    pub(crate) fn finish(self) -> (W, String) {
        (self.inner, hexadecimal(&self.hasher.finalize()))
    }

    /// Why it took no more, if that is so.
    pub(crate) fn failure(self) -> Option<SinkFailure> {
        self.failure
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.room {
            self.failure = Some(SinkFailure::TooLarge);
            return Err(io::Error::other("it is larger than its manifest says"));
        }
        match self.inner.write(bytes) {
            Ok(written) => {
                self.hasher.update(&bytes[..written]);
                self.room -= written as u64;
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(SinkFailure::Failed(error));
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The digest of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String succeeds");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), expected);
        let mut reader = HashingReader::new(&b"abc"[..]);
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!(reader.finish(), expected);
        let mut writer = HashingWriter::new(Vec::new(), 3);
        writer.write_all(b"abc").unwrap();
        assert!(writer.write_all(b"d").is_err());
        assert_eq!(writer.finish(), (b"abc".to_vec(), expected.to_owned()));
        for (bytes, is_same) in [(&b"abc"[..], true), (b"abd", false), (b"ab", false)] {
            let mut reader = CheckedReader::new(bytes, expected);
            assert_eq!(io::copy(&mut reader, &mut io::sink()).is_ok(), is_same);
            assert_eq!(reader.has_changed, !is_same);
        }
    }
}
