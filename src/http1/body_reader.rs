//! Reads the content of a message up to its end (RFC 9112, sections 6 and 7): by its length, by its last chunk, or
//! until the connection is closed. Works on bytes, without I/O.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName};
use thiserror::Error;

use super::fields;

/// Maximum bytes of a chunk's extensions. They are never forwarded (docs/conformance.md, G10).
const LONGEST_EXTENSION: usize = 256;
/// Maximum bytes and fields of trailers.
const LARGEST_TRAILERS: usize = 16 * 1024;
const MOST_TRAILERS: usize = 64;

/// The remaining content.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum BodyReader {
    #[default]
    Nothing,
    /// This number of bytes.
    Length(u64),
    Chunks(Chunk),
    /// All bytes until the connection is closed.
    UntilClose,
}

/// The state of the reader within chunks.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// In the size, with its value so far; `None` before the first digit.
    Size(Option<u64>),
    /// In the whitespace after it.
    Whitespace(u64),
    /// In the extensions, with the number of bytes skipped.
    Extension(u64, usize),
    /// In the data, with the number of bytes left; zero before the line end.
    Data(u64),
    /// After the last chunk.
    Trailers,
}

/// The next part of the content.
#[derive(Debug)]
pub enum BodyPart {
    Piece(Bytes),
    /// The trailers, which end it.
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the chunks are malformed")]
pub struct BadChunk;

impl BodyReader {
    /// Before the first chunk.
    pub fn chunks() -> BodyReader {
        BodyReader::Chunks(Chunk::Size(None))
    }

    /// The number of bytes left, if known.
    pub fn exact(&self) -> Option<u64> {
        match self {
            BodyReader::Nothing => Some(0),
            BodyReader::Length(left) => Some(*left),
            BodyReader::Chunks(_) | BodyReader::UntilClose => None,
        }
    }

    /// Counts bytes that were spliced instead of read. The content has a known length.
    pub fn pass(&mut self, count: usize) {
        if let BodyReader::Length(left) = self {
            *left = left.saturating_sub(count as u64);
        }
    }

    /// Removes the next part from `read`.
    ///
    /// # Errors
    ///
    /// [`BadChunk`] for a size that is not 1 to 16 hexadecimal digits, and for line ends other than CR LF
    /// (docs/conformance.md, G9 to G11).
    pub fn next(&mut self, read: &mut BytesMut) -> Result<BodyPart, BadChunk> {
        match self {
            BodyReader::Nothing => Ok(BodyPart::End),
            BodyReader::Length(0) => {
                *self = BodyReader::Nothing;
                Ok(BodyPart::End)
            }
            _ if read.is_empty() => Ok(BodyPart::More),
            BodyReader::Length(left) => Ok(BodyPart::Piece(take(left, read))),
            BodyReader::UntilClose => Ok(BodyPart::Piece(read.split().freeze())),
            BodyReader::Chunks(chunk) => {
                let next = chunk.next(read)?;
                if matches!(next, BodyPart::Trailers(_) | BodyPart::End) {
                    *self = BodyReader::Nothing;
                }
                Ok(next)
            }
        }
    }
}

/// Up to `left` bytes of `read`.
fn take(left: &mut u64, read: &mut BytesMut) -> Bytes {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    *left -= count as u64;
    read.split_to(count).freeze()
}

impl Chunk {
    fn next(&mut self, read: &mut BytesMut) -> Result<BodyPart, BadChunk> {
        loop {
            match self {
                Chunk::Data(0) => match read[..] {
                    [b'\r', b'\n', ..] => {
                        read.advance(2);
                        *self = Chunk::Size(None);
                    }
                    [] | [b'\r'] => return Ok(BodyPart::More),
                    _ => return Err(BadChunk),
                },
                Chunk::Data(_) if read.is_empty() => return Ok(BodyPart::More),
                Chunk::Data(left) => return Ok(BodyPart::Piece(take(left, read))),
                Chunk::Size(_) | Chunk::Whitespace(_) | Chunk::Extension(..) => {
                    if !self.read_size(read)? {
                        return Ok(BodyPart::More);
                    }
                }
                Chunk::Trailers => return read_trailers(read),
            }
        }
    }

    /// Continues in the line with a chunk's size. True at its end.
    fn read_size(&mut self, read: &mut BytesMut) -> Result<bool, BadChunk> {
        while let Some(&byte) = read.first() {
            match (&mut *self, byte) {
                (Chunk::Size(Some(size)) | Chunk::Whitespace(size) | Chunk::Extension(size, _), b'\r') => {
                    match read.get(1) {
                        None => return Ok(false),
                        Some(b'\n') => {}
                        Some(_) => return Err(BadChunk),
                    }
                    *self = if *size == 0 { Chunk::Trailers } else { Chunk::Data(*size) };
                    read.advance(2);
                    return Ok(true);
                }
                (Chunk::Size(Some(size)) | Chunk::Whitespace(size), b';') => *self = Chunk::Extension(*size, 0),
                (Chunk::Size(Some(size)) | Chunk::Whitespace(size), b' ' | b'\t') => *self = Chunk::Whitespace(*size),
                (Chunk::Size(size), _) => {
                    let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
                    let before = size.unwrap_or(0);
                    if before >> 60 != 0 {
                        return Err(BadChunk);
                    }
                    *size = Some(before << 4 | u64::from(digit));
                }
                (Chunk::Extension(_, skipped), _) if byte != b'\n' && *skipped < LONGEST_EXTENSION => *skipped += 1,
                _ => return Err(BadChunk),
            }
            read.advance(1);
        }
        Ok(false)
    }
}

fn read_trailers(read: &mut BytesMut) -> Result<BodyPart, BadChunk> {
    if read.starts_with(b"\r\n") {
        read.advance(2);
        return Ok(BodyPart::End);
    }
    let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") else {
        return if read.len() > LARGEST_TRAILERS { Err(BadChunk) } else { Ok(BodyPart::More) };
    };
    let lines = read.split_to(end + 4).freeze();
    if memchr::memchr_iter(b'\n', &lines).any(|at| at == 0 || lines[at - 1] != b'\r') {
        return Err(BadChunk);
    }
    let mut room = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    let mut trailers = HeaderMap::new();
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(&lines, &mut room) else {
        return Err(BadChunk);
    };
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadChunk)?;
        fields::append(&mut trailers, name, field.value, &lines).map_err(|_| BadChunk)?;
    }
    Ok(BodyPart::Trailers(trailers))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads content that arrives `step` bytes at a time: the content, its trailers, and what follows it. `None` if it is
    /// incomplete.
    fn read(
        framing: &mut BodyReader,
        text: &[u8],
        step: usize,
    ) -> Result<Option<(Vec<u8>, HeaderMap, BytesMut)>, BadChunk> {
        let (mut read, mut whole) = (BytesMut::new(), Vec::new());
        let mut arrivals = text.chunks(step);
        loop {
            match framing.next(&mut read)? {
                BodyPart::Piece(piece) => whole.extend_from_slice(&piece),
                BodyPart::Trailers(trailers) => return Ok(Some((whole, trailers, read))),
                BodyPart::End => return Ok(Some((whole, HeaderMap::new(), read))),
                BodyPart::More => match arrivals.next() {
                    Some(arrival) => read.extend_from_slice(arrival),
                    None => return Ok(None),
                },
            }
        }
    }

    #[test]
    fn chunks_are_joined_however_they_arrive() {
        let text = b"5\r\nhello\r\n0A;x=\"y\"\r\n, big worl\r\n1 \r\nd\r\n0\r\nX-Sum: 1\r\n\r\nHTTP/1.1";
        for step in 1..text.len() {
            let (whole, trailers, _) = read(&mut BodyReader::chunks(), text, step).unwrap().unwrap();
            assert_eq!(whole, b"hello, big world");
            assert_eq!(trailers["x-sum"], "1");
        }
        let (_, _, rest) = read(&mut BodyReader::chunks(), text, text.len()).unwrap().unwrap();
        assert_eq!(&rest[..], b"HTTP/1.1", "what follows the content stays");
    }

    #[test]
    fn chunks_that_break_the_rules_are_refused() {
        let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(LONGEST_EXTENSION + 1));
        let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MOST_TRAILERS + 1));
        let endless = format!("0\r\na: {}", "b".repeat(LARGEST_TRAILERS));
        for text in [
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-1\r\n",
            "+1\r\nx\r\n",
            " 1\r\nx\r\n",
            "\r\n",
            ";x\r\n",
            "10000000000000000\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5;x\nhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloXX0\r\n\r\n",
            "5\rhello",
            "1 5\rx",
            "1 5\r\nx\r\n0\r\n\r\n",
            "0 OK\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\na: b\nc: d\r\n\r\n",
            &long,
            &many,
            &endless,
        ] {
            assert_eq!(read(&mut BodyReader::chunks(), text.as_bytes(), text.len()).unwrap_err(), BadChunk, "{text:?}");
        }
    }

    #[test]
    fn content_without_its_end_is_never_whole() {
        let text = b"5\r\nhello\r\n0\r\n\r\n";
        for length in 0..text.len() {
            assert!(read(&mut BodyReader::chunks(), &text[..length], 3).unwrap().is_none(), "{length}");
        }
        assert!(read(&mut BodyReader::Length(6), b"hello", 2).unwrap().is_none());
        assert!(read(&mut BodyReader::UntilClose, b"hello", 2).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_the_same_in_one_piece_and_in_many(text: Vec<u8>, step in 1usize..9) {
            let result = |step| read(&mut BodyReader::chunks(), &text, step).map(|read| read.map(|(whole, trailers, _)| (whole, trailers)));
            prop_assert_eq!(result(text.len().max(1)), result(step));
        }

        #[test]
        fn what_was_cut_into_chunks_comes_back_whole(pieces: Vec<Vec<u8>>, step in 1usize..50) {
            let mut text = Vec::new();
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                text.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
                text.extend_from_slice(piece);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            let (whole, _, _) = read(&mut BodyReader::chunks(), &text, step).unwrap().unwrap();
            prop_assert_eq!(whole, pieces.concat());
        }
    }
}
