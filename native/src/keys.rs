//! The names of one level of a document: which of them Extended JSON cannot carry.

use crate::bson::{Inexact, Reader, kind};

/// Keys that some reader of Extended JSON takes for a wrapper of its own, or for a `DBRef`.
const RESERVED: [&[u8]; 24] = [
    b"$oid",
    b"$symbol",
    b"$numberInt",
    b"$numberLong",
    b"$numberDouble",
    b"$numberDecimal",
    b"$binary",
    b"$code",
    b"$scope",
    b"$timestamp",
    b"$regularExpression",
    b"$dbPointer",
    b"$date",
    b"$minKey",
    b"$maxKey",
    b"$undefined",
    b"$uuid",
    b"$regex",
    b"$options",
    b"$type",
    b"$bson",
    b"$ref",
    b"$id",
    b"$db",
];

/// Up to here each key is compared with those before it; more are sorted once at the end of the level.
const FEW: usize = 24;

const TWICE: Inexact = Inexact("a key that stands twice");

pub fn is_reserved(name: &[u8]) -> bool {
    name.first() == Some(&b'$') && RESERVED.contains(&name)
}

/// `{$ref: <string>, $id: …[, $db: <string>]}` and nothing else: what every reader gives back as it was.
pub fn is_db_ref(mut rest: Reader<'_>) -> Result<bool, Inexact> {
    let expected: [(&[u8], bool); 3] = [(b"$ref", true), (b"$id", false), (b"$db", true)];
    let mut fields = 0;
    while !rest.is_at_end() {
        let found = rest.byte()?;
        let name = rest.cstring()?;
        rest.skip(found)?;
        match expected.get(fields) {
            Some(&(expected, is_text)) if name == expected && (!is_text || found == kind::STRING) => fields += 1,
            _ => return Ok(false),
        }
    }
    Ok(fields >= 2)
}

/// Hash and name, so that most comparisons end at the hash.
type Key<'a> = (u64, &'a [u8]);

/// The keys of all levels that are open, the innermost last.
#[derive(Default)]
pub struct OpenKeys<'a>(Vec<Key<'a>>);

/// Where a level's keys begin, and one of 64 bits for each of them: a key whose bit none had yet is compared with none.
pub struct Level {
    start: usize,
    bits: u64,
}

impl<'a> OpenKeys<'a> {
    /// A new level begins.
    pub fn begin(&self) -> Level {
        Level { start: self.0.len(), bits: 0 }
    }

    pub fn add(&mut self, level: &mut Level, name: &'a [u8]) -> Result<(), Inexact> {
        let key = (hash(name), name);
        let bit = 1 << (key.0 >> 58);
        let before = &self.0[level.start..];
        if level.bits & bit != 0 && before.len() < FEW && before.contains(&key) {
            return Err(TWICE);
        }
        level.bits |= bit;
        self.0.push(key);
        Ok(())
    }

    pub fn end(&mut self, level: &Level) -> Result<(), Inexact> {
        let keys = &mut self.0[level.start..];
        if keys.len() > FEW {
            keys.sort_unstable();
            if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(TWICE);
            }
        }
        self.0.truncate(level.start);
        Ok(())
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The length and both ends of a name, mixed: equal for equal names, and that is all it has to be.
fn hash(name: &[u8]) -> u64 {
    let ends = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
            }
            _ => name.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte)),
        },
    };
    (ends ^ (name.len() as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
