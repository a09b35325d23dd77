//! The layout of BSON (<https://bsonspec.org/spec.html>, version 1.1): types, and reading without going past an end.

/// Levels below the top that Extended JSON may have: libbson's reader gives up a little above, by what is inside.
pub const MAX_DEPTH: usize = 90;

/// A length and the final NUL.
pub const SMALLEST_DOCUMENT: usize = 5;

pub mod kind {
    //! The byte before an element's name.
    pub const DOUBLE: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const DOCUMENT: u8 = 0x03;
    pub const ARRAY: u8 = 0x04;
    pub const BINARY: u8 = 0x05;
    pub const UNDEFINED: u8 = 0x06;
    pub const OBJECT_ID: u8 = 0x07;
    pub const BOOL: u8 = 0x08;
    pub const DATE: u8 = 0x09;
    pub const NULL: u8 = 0x0a;
    pub const REGEX: u8 = 0x0b;
    pub const DB_POINTER: u8 = 0x0c;
    pub const CODE: u8 = 0x0d;
    pub const SYMBOL: u8 = 0x0e;
    pub const SCOPED_CODE: u8 = 0x0f;
    pub const INT32: u8 = 0x10;
    pub const TIMESTAMP: u8 = 0x11;
    pub const INT64: u8 = 0x12;
    pub const DECIMAL: u8 = 0x13;
    pub const MAX_KEY: u8 = 0x7f;
    pub const MIN_KEY: u8 = 0xff;
}

/// The binary subtype that counts its bytes a second time.
pub const OLD_BINARY: u8 = 2;

/// Why Extended JSON cannot carry a document exactly and unambiguously.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inexact(pub &'static str);

/// The document's own lengths contradict each other, or a type is unknown.
pub const MALFORMED: Inexact = Inexact("malformed");

/// What is left to be read of a document or value.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, size: usize) -> Result<&'a [u8], Inexact> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Inexact> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Inexact> {
        self.array().map(|&[byte]| byte)
    }

    pub fn int32(&mut self) -> Result<i32, Inexact> {
        self.array().map(|&bytes| i32::from_le_bytes(bytes))
    }

    pub fn int64(&mut self) -> Result<i64, Inexact> {
        self.array().map(|&bytes| i64::from_le_bytes(bytes))
    }

    pub fn uint64(&mut self) -> Result<u64, Inexact> {
        self.array().map(|&bytes| u64::from_le_bytes(bytes))
    }

    pub fn length(&mut self) -> Result<usize, Inexact> {
        usize::try_from(self.int32()?).map_err(|_| MALFORMED)
    }

    /// Up to a NUL, which is read too.
    pub fn cstring(&mut self) -> Result<&'a [u8], Inexact> {
        let end = memchr::memchr(0, self.0).ok_or(MALFORMED)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// A length, so many bytes, the last of them NUL. NULs may also stand within.
    pub fn string(&mut self) -> Result<&'a [u8], Inexact> {
        let size = self.length()?;
        match self.take(size)?.split_last() {
            Some((0, text)) => Ok(text),
            _ => Err(MALFORMED),
        }
    }

    /// A string in which no NUL may stand, because readers end there.
    pub fn code(&mut self) -> Result<&'a [u8], Inexact> {
        let text = self.string()?;
        if text.contains(&0) {
            return Err(Inexact("a NUL in code or in a collection's name"));
        }
        Ok(text)
    }

    /// A value that begins with its own size, whole.
    pub fn sized(&mut self) -> Result<&'a [u8], Inexact> {
        let size = Reader(self.0).length()?;
        self.take(size)
    }

    /// The elements of a document or array: what is between its size and its final NUL.
    pub fn elements(&mut self) -> Result<Reader<'a>, Inexact> {
        match self.sized()? {
            [_, _, _, _, elements @ .., 0] => Ok(Reader(elements)),
            _ => Err(MALFORMED),
        }
    }

    /// Go past a value of this type.
    pub fn skip(&mut self, kind: u8) -> Result<(), Inexact> {
        match kind {
            kind::UNDEFINED | kind::NULL | kind::MIN_KEY | kind::MAX_KEY => return Ok(()),
            kind::BOOL => self.take(1),
            kind::INT32 => self.take(4),
            kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => self.take(8),
            kind::OBJECT_ID => self.take(12),
            kind::DECIMAL => self.take(16),
            kind::STRING | kind::CODE | kind::SYMBOL => self.string(),
            kind::DOCUMENT | kind::ARRAY | kind::SCOPED_CODE => self.sized(),
            kind::BINARY => self.length().and_then(|size| self.take(size + 1)),
            kind::DB_POINTER => self.string().and_then(|_| self.take(12)),
            kind::REGEX => self.cstring().and_then(|_| self.cstring()),
            _ => return Err(MALFORMED),
        }
        .map(|_| ())
    }
}

/// The batch is not whole documents one after the other.
#[derive(Debug, PartialEq, Eq)]
pub struct NoDocument {
    pub at: usize,
    pub end: usize,
}

impl std::fmt::Display for NoDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no BSON document at byte {} of {}", self.at, self.end)
    }
}

/// Each of the documents that stand one after the other in `batch`.
pub fn split(batch: &[u8]) -> impl Iterator<Item = Result<&[u8], NoDocument>> {
    let mut rest = Reader(batch);
    std::iter::from_fn(move || {
        if rest.is_at_end() {
            return None;
        }
        let at = batch.len() - rest.0.len();
        Some(match rest.sized() {
            Ok(document) if document.len() >= SMALLEST_DOCUMENT => Ok(document),
            _ => {
                rest.0 = &[]; // nothing that follows has a place to begin
                Err(NoDocument { at, end: batch.len() })
            }
        })
    })
}

/// Type and value of the top-level `_id`, None where there is none or the document is malformed before it.
pub fn document_id(document: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = Reader(document).elements().ok()?;
    while !rest.is_at_end() {
        let kind = rest.byte().ok()?;
        let name = rest.cstring().ok()?;
        let value = rest.0;
        rest.skip(kind).ok()?;
        if name == b"_id" {
            return Some((kind, &value[..value.len() - rest.0.len()]));
        }
    }
    None
}
