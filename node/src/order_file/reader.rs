//! Lines out of a file, gzipped or not, in bounded memory.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// The longest line that is read, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the lines of an order file one after the other.
pub struct LineReader<'a> {
    source: Box<dyn BufRead + 'a>,
    line: Vec<u8>,
    number: u64,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// Counted from 1, blank lines too.
    pub number: u64,
    /// The line; nothing if it is longer than [`LINE_BYTES_MAX`].
    pub bytes: Option<&'a [u8]>,
}

impl<'a> LineReader<'a> {
    /// Reads from `source`; whether it is gzipped is told by its first bytes.
    ///
    /// # Errors
    /// If the first bytes cannot be read.
    pub fn new(mut source: impl Read + 'a) -> io::Result<Self> {
        let mut first = [0; 2];
        let got = read_up_to(&mut source, &mut first)?;
        let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(first[..got].to_vec()).chain(source);
        let plain = BufReader::with_capacity(BUFFER_BYTES, whole);
        let source: Box<dyn BufRead + 'a> = if first[..got] == GZIP_MAGIC {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self { source, line: Vec::new(), number: 0 })
    }

    /// The next line that is not blank; nothing at the end of the file.
    ///
    /// # Errors
    /// If reading or unzipping fails.
    pub fn read(&mut self) -> io::Result<Option<RawLine<'_>>> {
        loop {
            self.line.clear();
            // One more than the longest line and its end: what fills all of that is too long.
            let limit = LINE_BYTES_MAX as u64 + 2;
            if self.source.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let ended = self.line.last() == Some(&b'\n');
            if self.line.len() - usize::from(ended) > LINE_BYTES_MAX {
                if !ended {
                    self.source.skip_until(b'\n')?;
                }
                return Ok(Some(RawLine { number: self.number, bytes: None }));
            }
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.line.trim_ascii().is_empty() {
                let bytes = Some(self.line.trim_ascii_end());
                return Ok(Some(RawLine { number: self.number, bytes }));
            }
        }
    }

    /// The number of the line read last; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }
}

fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match source.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(bytes) => got += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut reader = LineReader::new(bytes).unwrap();
        let mut all = Vec::new();
        while let Some(line) = reader.read().unwrap() {
            all.push((line.number, line.bytes.map(<[u8]>::to_vec)));
        }
        all
    }

    #[test]
    fn blank_lines_count_but_are_not_commands() {
        let got = lines(b"\xef\xbb\xbfone\r\n\n  \ntwo");
        assert_eq!(got, [(1, Some(b"one".to_vec())), (4, Some(b"two".to_vec()))]);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"x"), [(1, Some(b"x".to_vec()))]);
    }

    #[test]
    fn a_gzipped_file_is_known_by_its_first_bytes_and_may_have_several_members() {
        let gzipped = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let file = [gzipped("one\ntw"), gzipped("o\n")].concat();
        assert_eq!(lines(&file), [(1, Some(b"one".to_vec())), (2, Some(b"two".to_vec()))]);
        let mut torn = LineReader::new(&file[..file.len() - 9]).unwrap();
        assert_eq!(torn.read().unwrap().unwrap().number, 1);
        assert_eq!(torn.read().unwrap().unwrap().number, 2);
        assert!(torn.read().is_err(), "a torn file is not taken for a whole one");
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory_and_the_next_one_is_read() {
        for (length, fits) in
            [(LINE_BYTES_MAX, true), (LINE_BYTES_MAX + 1, false), (LINE_BYTES_MAX + 2, false), (5 << 20, false)]
        {
            let mut file = vec![b'x'; length];
            file.extend_from_slice(b"\nnext\n");
            let mut reader = LineReader::new(file.as_slice()).unwrap();
            assert_eq!(reader.read().unwrap().unwrap().bytes.is_some(), fits, "{length}");
            assert_eq!(reader.read().unwrap(), Some(RawLine { number: 2, bytes: Some(b"next") }));
            assert!(reader.line.capacity() < 3 << 20);
        }
    }
}
