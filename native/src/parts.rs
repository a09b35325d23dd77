//! A batch in several parts at once, where there are processors for it.

use crate::batch::{self, Totals};
use crate::bson::{NoDocument, split};
use std::sync::OnceLock;
use std::{panic, thread};

/// With more parts than this a backup waits for reading, not for encoding.
const MOST_PARTS: usize = 4;

/// Encoding so many bytes takes some milliseconds; starting a thread takes some hundredths of one.
const SMALLEST_PART: usize = 256 << 10;

/// A larger batch stays whole: in parts, its text would need one and a half times the memory.
const LARGEST_BATCH: usize = 4 << 20;

/// Encodes like [`batch::encode`], with the same result, in up to as many threads as this process may use processors. If the
/// system refuses a thread, the calling thread does the work.
///
/// # Errors
/// As those of [`batch::encode`].
pub fn encode(documents: &[u8], text: &mut Vec<u8>, proof: &mut Vec<u8>) -> Result<Totals, NoDocument> {
    let is_large = documents.len() > LARGEST_BATCH;
    let parts = if is_large { 1 } else { processors().min(documents.len() / SMALLEST_PART) };
    encode_in(parts, documents, text, proof)
}

/// How many processors the scheduler and the control group's quota allow us; asked once.
fn processors() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| thread::available_parallelism().map_or(1, |found| found.get().min(MOST_PARTS)))
}

fn encode_in(number: usize, documents: &[u8], text: &mut Vec<u8>, proof: &mut Vec<u8>) -> Result<Totals, NoDocument> {
    let parts = cut(documents, number.max(1));
    let Some((first, others)) = parts.split_first() else {
        return Ok(Totals::default());
    };
    let of_all = |error: NoDocument, begin| NoDocument { at: begin + error.at, end: documents.len() };
    thread::scope(|scope| {
        let start = |part| thread::Builder::new().spawn_scoped(scope, move || encoded(part)).ok();
        let others = others.iter().map(|&part| (part, start(part))).collect::<Vec<_>>();
        let mut totals = batch::encode(first, text, proof).map_err(|error| of_all(error, 0))?;
        let mut begin = first.len();
        for (part, other) in others {
            let (lines, found) = other.map_or_else(|| encoded(part), joined);
            totals.join(&found.map_err(|error| of_all(error, begin))?);
            text.extend_from_slice(b",\n");
            text.extend_from_slice(&lines);
            begin += part.len();
        }
        Ok(totals)
    })
}

type Encoded = (Vec<u8>, Result<Totals, NoDocument>);

fn joined(other: thread::ScopedJoinHandle<'_, Encoded>) -> Encoded {
    other.join().unwrap_or_else(|fault| panic::resume_unwind(fault))
}

fn encoded(part: &[u8]) -> Encoded {
    let mut lines = Vec::with_capacity(2 * part.len());
    let found = batch::encode(part, &mut lines, &mut Vec::new());
    (lines, found)
}

/// Cuts a batch into at most `number` parts of about the same size. Bytes that are no document stay at the end of the last part.
fn cut(documents: &[u8], number: usize) -> Vec<&[u8]> {
    let size = documents.len().div_ceil(number);
    let (mut parts, mut rest, mut end) = (Vec::with_capacity(number), documents, 0);
    for document in split(documents).map_while(Result::ok) {
        end += document.len();
        if end >= size {
            let part;
            (part, rest) = rest.split_at(end);
            parts.push(part);
            end = 0;
        }
    }
    parts.extend((!rest.is_empty()).then_some(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::{cut, encode_in};
    use crate::batch::{self, Totals};
    use crate::bson::NoDocument;

    /// `{"a": "…"}` of so many letters; that of three letters is one that Extended JSON cannot carry.
    fn text(letters: u8) -> Vec<u8> {
        let value = vec![if letters == 3 { 0xff } else { b'a' + letters }; usize::from(letters)];
        let size = [letters + 1, 0, 0, 0];
        let element = [b"\x02a\0".as_slice(), &size, &value, b"\0"].concat();
        [[u8::try_from(element.len()).unwrap() + 5, 0, 0, 0].as_slice(), &element, b"\0"].concat()
    }

    fn whole(documents: &[u8]) -> (Vec<u8>, Result<Totals, NoDocument>) {
        let mut lines = b"before ".to_vec();
        let found = batch::encode(documents, &mut lines, &mut Vec::new());
        (lines, found)
    }

    fn in_parts(number: usize, documents: &[u8]) -> (Vec<u8>, Result<Totals, NoDocument>) {
        let mut lines = b"before ".to_vec();
        let found = encode_in(number, documents, &mut lines, &mut Vec::new());
        (lines, found)
    }

    #[test]
    fn parts_give_what_the_whole_gives_in_its_order() {
        for documents in 0..12 {
            let documents = (0..documents).flat_map(text).collect::<Vec<_>>();
            for number in 0..6 {
                assert_eq!(in_parts(number, &documents), whole(&documents), "{number} parts");
            }
        }
    }

    #[test]
    fn a_batch_that_is_cut_in_any_place_is_refused_at_the_same_byte() {
        let documents = (0..9).flat_map(text).collect::<Vec<_>>();
        for end in 0..documents.len() {
            for number in 1..5 {
                assert_eq!(in_parts(number, &documents[..end]).1, whole(&documents[..end]).1, "{number} parts");
            }
        }
    }

    #[test]
    fn parts_are_of_about_the_same_size_and_end_with_a_document() {
        let documents = [text(4), text(4), text(4), text(4), text(4)].concat();
        let sizes = |number| cut(&documents, number).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!([sizes(1), sizes(2), sizes(3)], [vec![85], vec![51, 34], vec![34, 34, 17]]);
    }
}
