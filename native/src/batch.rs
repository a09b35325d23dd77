//! A batch of documents at a time: what the Python package calls.

use crate::base64_text;
use crate::bson::{NoDocument, Reader, SMALLEST_DOCUMENT, document_id, split};
use crate::decode::{escape_in, read_document};
use crate::encode::Encoder;
use crate::fingerprint::Fingerprint;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// What a batch adds up to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many documents.
    pub documents: usize,
    /// How many of them Extended JSON cannot carry.
    pub escaped: usize,
    fingerprint: Fingerprint,
}

impl Totals {
    /// Σ SHA-256 mod 2²⁵⁶ as one number, the most significant byte first.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint.to_bytes()
    }

    fn add(&mut self, document: &[u8], is_escaped: bool) {
        self.documents += 1;
        self.escaped += usize::from(is_escaped);
        self.fingerprint.add(document);
    }

    /// With those of what follows.
    pub(crate) fn join(&mut self, other: &Self) {
        self.documents += other.documents;
        self.escaped += other.escaped;
        self.fingerprint.join(other.fingerprint);
    }
}

/// Appends the text of the documents in `batch`: one per line, joined by a comma and a line break.
///
/// Each line is read back before the next is written; where that does not give the document byte for byte, the line is
/// written again as an escape. `proof` is scratch memory for that.
///
/// # Errors
/// Where the batch is not whole documents; it says at which byte.
pub fn encode(batch: &[u8], text: &mut Vec<u8>, proof: &mut Vec<u8>) -> Result<Totals, NoDocument> {
    let mut encoder = Encoder::default();
    encode_with(batch, text, proof, |document, text| encoder.write(document, text).is_ok())
}

/// `write` says whether it could write the document; it is not believed.
fn encode_with<'a>(
    batch: &'a [u8],
    text: &mut Vec<u8>,
    proof: &mut Vec<u8>,
    mut write: impl FnMut(&'a [u8], &mut Vec<u8>) -> bool,
) -> Result<Totals, NoDocument> {
    let mut totals = Totals::default();
    for document in split(batch) {
        let document = document?;
        if totals.documents > 0 {
            text.extend_from_slice(b",\n");
        }
        let start = text.len();
        let is_exact = write(document, text) && is_text_of(&text[start..], document, proof);
        if !is_exact {
            text.truncate(start);
            write_escape(document, text);
        }
        totals.add(document, !is_exact);
    }
    Ok(totals)
}

/// What the documents in `batch` add up to; none is looked into.
///
/// # Errors
/// Where the batch is not whole documents; it says at which byte.
pub fn count(batch: &[u8]) -> Result<Totals, NoDocument> {
    let mut totals = Totals::default();
    for document in split(batch) {
        totals.add(document?, false);
    }
    Ok(totals)
}

fn is_text_of(line: &[u8], document: &[u8], proof: &mut Vec<u8>) -> bool {
    proof.clear();
    memchr::memchr(b'\n', line).is_none() && read_document(line, proof).is_ok() && proof == document
}

fn write_escape(document: &[u8], text: &mut Vec<u8>) {
    text.extend_from_slice(b"{\"$bson\": \"");
    base64_text::write(document, text);
    text.extend_from_slice(b"\"}");
}

/// A line that is no document.
#[derive(Debug, PartialEq, Eq)]
pub struct NoLine {
    number: usize,
    is_escape: bool,
}

impl fmt::Display for NoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = if self.is_escape { "the base64 of one BSON document" } else { "one document in Extended JSON" };
        write!(f, "line {} is not {expected}", self.number)
    }
}

/// Appends the documents that stand in `lines`, each with or without a comma at its end.
///
/// # Errors
/// Where a line is no document; it says which, and nothing of what stands in it.
pub fn decode(lines: &[u8], bson: &mut Vec<u8>) -> Result<Totals, NoLine> {
    let mut totals = Totals::default();
    let mut rest = lines;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii_end();
        rest = rest.get(end + 1..).unwrap_or_default();
        let start = bson.len();
        let line = line.strip_suffix(b",").unwrap_or(line);
        let escape = escape_in(line);
        let is_escape = escape.is_some();
        let read = match escape {
            Some(text) => text.ok().and_then(|text| unescape(text, bson)),
            None => read_document(line, bson).ok(),
        };
        read.ok_or(NoLine { number: totals.documents + 1, is_escape })?;
        totals.add(&bson[start..], is_escape);
    }
    Ok(totals)
}

fn unescape(text: &[u8], bson: &mut Vec<u8>) -> Option<()> {
    let start = bson.len();
    base64_text::read(text, bson)?;
    let document = &bson[start..];
    let is_whole = document.len() >= SMALLEST_DOCUMENT && Reader(document).length() == Ok(document.len());
    is_whole.then_some(())
}

/// Appends eight bytes for each document that has an `_id`: equal for equal ids, while `state` is the same.
///
/// They are sorted as signed numbers, because Python, who looks for equal ones, then has to merge and not to sort: a third of
/// the time.
///
/// # Errors
/// Where the batch is not whole documents; it says at which byte.
pub fn id_hashes(batch: &[u8], state: &RandomState, hashes: &mut Vec<u8>) -> Result<(), NoDocument> {
    let mut found = Vec::new();
    for document in split(batch) {
        if let Some((kind, value)) = document_id(document?) {
            found.push(state.hash_one((kind, value)).cast_signed());
        }
    }
    found.sort_unstable();
    hashes.extend(found.into_iter().flat_map(i64::to_ne_bytes));
    Ok(())
}

#[cfg(test)]
mod tests;
