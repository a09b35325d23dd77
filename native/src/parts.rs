//! A batch in several parts at once, where there are processors for it.

use crate::batch::{self, Totals};
use crate::bson::{NoDocument, split};
use std::sync::OnceLock;
use std::thread;

/// More bring nothing: reading and hashing are what a backup waits for then.
const MOST_PARTS: usize = 4;

/// A part takes at least some milliseconds; a thread is begun in some hundredths of one.
const SMALLEST_PART: usize = 256 << 10;

/// As [`batch::encode`], in as many threads as this process may use processors.
///
/// # Errors
/// As those of [`batch::encode`].
pub fn encode(documents: &[u8], text: &mut Vec<u8>, proof: &mut Vec<u8>) -> Result<Totals, NoDocument> {
    encode_in(processors().min(documents.len() / SMALLEST_PART), documents, text, proof)
}

/// How many processors the scheduler and the limits of the control group leave to this process; asked for once.
fn processors() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| thread::available_parallelism().map_or(1, |found| found.get().min(MOST_PARTS)))
}
