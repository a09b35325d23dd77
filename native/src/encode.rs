//! One BSON document as canonical Extended JSON, or the reason why that cannot be.

use crate::base64_text;
use crate::bson::{Inexact, MALFORMED, MAX_DEPTH, OLD_BINARY, Reader, kind};
use crate::json::{special_at, write_hex, write_string};
use crate::keys::{OpenKeys, is_db_ref, is_reserved};
use crate::number::{write_decimal, write_double};

type Written = Result<(), Inexact>;

/// Writes documents one by one; what it remembers of each it keeps for the next, to save allocations.
#[derive(Default)]
pub struct Encoder<'a> {
    keys: OpenKeys<'a>,
}

/// Where a value stands: how deep, and whether the code is near that may not hold code itself.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    is_scope: bool,
}

impl Place {
    const TOP: Place = Place { depth: 0, is_scope: false };

    fn below(self) -> Place {
        Place { depth: self.depth + 1, ..self }
    }
}

impl<'a> Encoder<'a> {
    /// Appends the text of a document. After an error the buffer holds part of one.
    pub fn write(&mut self, document: &'a [u8], out: &mut Vec<u8>) -> Written {
        self.keys.clear();
        let mut rest = Reader(document);
        self.document(rest.elements()?, Place::TOP, out)?;
        if rest.is_at_end() { Ok(()) } else { Err(MALFORMED) }
    }

    // -- what nests --------------------------------------------------------------------------------------------------

    fn document(&mut self, elements: Reader<'a>, place: Place, out: &mut Vec<u8>) -> Written {
        require_depth(place)?;
        let mut level = self.keys.begin();
        let mut has_reserved = false;
        let mut rest = elements;
        let mut before = b'{';
        while !rest.is_at_end() {
            let kind = rest.byte()?;
            let name = write_name(before, &mut rest, out)?;
            before = b',';
            self.keys.add(&mut level, name)?;
            has_reserved |= is_reserved(name);
            self.value(kind, &mut rest, place, out)?;
        }
        if before == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
        self.keys.end(&level)?;
        if has_reserved && (place.depth == 0 || !is_db_ref(elements)?) {
            return Err(Inexact("a key that Extended JSON reserves"));
        }
        Ok(())
    }

    fn array(&mut self, elements: Reader<'a>, place: Place, out: &mut Vec<u8>) -> Written {
        require_depth(place)?;
        let mut rest = elements;
        let mut index = itoa::Buffer::new();
        out.push(b'[');
        for number in 0_u32.. {
            if rest.is_at_end() {
                break;
            }
            if number > 0 {
                out.push(b',');
            }
            let kind = rest.byte()?;
            if rest.cstring()? != index.format(number).as_bytes() {
                return Err(Inexact("array keys other than 0, 1, 2 and so on"));
            }
            self.value(kind, &mut rest, place, out)?;
        }
        out.push(b']');
        Ok(())
    }

    fn scoped_code(&mut self, value: &'a [u8], place: Place, out: &mut Vec<u8>) -> Written {
        if place.is_scope {
            return Err(Inexact("code with a scope that is a DBRef or holds code"));
        }
        let mut rest = Reader(value);
        rest.length()?;
        out.extend_from_slice(b"{\"$code\":");
        write_string(rest.code()?, out)?;
        out.extend_from_slice(b",\"$scope\":");
        let scope = rest.elements()?;
        if !rest.is_at_end() {
            return Err(MALFORMED);
        }
        if is_db_ref(scope)? {
            return Err(Inexact("code with a scope that is a DBRef or holds code"));
        }
        self.document(scope, Place { is_scope: true, ..place }, out)?;
        out.push(b'}');
        Ok(())
    }

    fn value(&mut self, kind: u8, rest: &mut Reader<'a>, place: Place, out: &mut Vec<u8>) -> Written {
        match kind {
            kind::STRING => write_string(rest.string()?, out)?,
            kind::INT32 => write_int32(rest.int32()?, out),
            kind::INT64 => write_int64(rest.int64()?, out),
            kind::DATE => write_date(rest.int64()?, out),
            kind::DOUBLE => write_double_value(rest.uint64()?, out)?,
            kind::OBJECT_ID => write_object_id(rest.array()?, out),
            kind::BOOL => write_bool(rest.byte()?, out)?,
            kind::NULL => out.extend_from_slice(b"null"),
            kind::DOCUMENT => self.document(rest.elements()?, place.below(), out)?,
            kind::ARRAY => self.array(rest.elements()?, place.below(), out)?,
            kind::BINARY => write_binary(rest, out)?,
            kind::DECIMAL => write_decimal_value(u128::from_le_bytes(*rest.array()?), out)?,
            kind::TIMESTAMP => write_timestamp(rest.uint64()?, out),
            kind::REGEX => write_regex(rest.cstring()?, rest.cstring()?, out)?,
            kind::UNDEFINED => out.extend_from_slice(b"{\"$undefined\":true}"),
            kind::DB_POINTER => write_db_pointer(rest.code()?, rest.array()?, out)?,
            kind::CODE => write_code(rest.code()?, place, out)?,
            kind::SYMBOL => write_symbol(rest.string()?, out)?,
            kind::SCOPED_CODE => self.scoped_code(rest.sized()?, place.below(), out)?,
            kind::MIN_KEY => out.extend_from_slice(b"{\"$minKey\":1}"),
            kind::MAX_KEY => out.extend_from_slice(b"{\"$maxKey\":1}"),
            _ => return Err(MALFORMED),
        }
        Ok(())
    }
}

fn require_depth(place: Place) -> Written {
    if place.depth > MAX_DEPTH { Err(Inexact("more than 90 levels")) } else { Ok(()) }
}

/// What comes before, the name and a colon.
///
/// Most names are plain ASCII up to their NUL, which one scan finds: the NUL is a special character too.
fn write_name<'a>(before: u8, rest: &mut Reader<'a>, out: &mut Vec<u8>) -> Result<&'a [u8], Inexact> {
    let end = special_at(rest.0, 0);
    if rest.0.get(end) == Some(&0) {
        let name = &rest.0[..end];
        rest.0 = &rest.0[end + 1..];
        out.extend_from_slice(&[before, b'"']);
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        return Ok(name);
    }
    let name = rest.cstring()?;
    out.push(before);
    write_string(name, out)?;
    out.push(b':');
    Ok(name)
}

// -- one function per type ---------------------------------------------------------------------------------------------

fn write_double_value(bits: u64, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(b"{\"$numberDouble\":\"");
    write_double(bits, out)?;
    out.extend_from_slice(b"\"}");
    Ok(())
}

fn write_int32(value: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$numberInt\":\"");
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\"}");
}

fn write_int64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$numberLong\":\"");
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\"}");
}

fn write_date(milliseconds: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$date\":");
    write_int64(milliseconds, out);
    out.push(b'}');
}

fn write_decimal_value(bits: u128, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(b"{\"$numberDecimal\":\"");
    write_decimal(bits, out)?;
    out.extend_from_slice(b"\"}");
    Ok(())
}

fn write_object_id(id: &[u8; 12], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$oid\":\"");
    write_hex(id, out);
    out.extend_from_slice(b"\"}");
}

fn write_bool(value: u8, out: &mut Vec<u8>) -> Written {
    match value {
        0 => out.extend_from_slice(b"false"),
        1 => out.extend_from_slice(b"true"),
        _ => return Err(Inexact("a bool that is neither 0 nor 1")),
    }
    Ok(())
}

fn write_binary(rest: &mut Reader<'_>, out: &mut Vec<u8>) -> Written {
    let size = rest.length()?;
    let subtype = rest.byte()?;
    let mut bytes = Reader(rest.take(size)?);
    if subtype == OLD_BINARY && bytes.length().ok() != Some(bytes.0.len()) {
        return Err(Inexact("a binary of subtype 2 with another inner length"));
    }
    out.extend_from_slice(b"{\"$binary\":{\"base64\":\"");
    base64_text::write(bytes.0, out);
    out.extend_from_slice(b"\",\"subType\":\"");
    write_hex(&[subtype], out);
    out.extend_from_slice(b"\"}}");
    Ok(())
}

/// The increment is the lower half.
fn write_timestamp(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"$timestamp\":{\"t\":");
    out.extend_from_slice(itoa::Buffer::new().format(value >> 32).as_bytes());
    out.extend_from_slice(b",\"i\":");
    out.extend_from_slice(itoa::Buffer::new().format(value & 0xffff_ffff).as_bytes());
    out.extend_from_slice(b"}}");
}

fn write_regex(pattern: &[u8], flags: &[u8], out: &mut Vec<u8>) -> Written {
    if !flags.is_sorted_by(|a, b| a < b) || flags.iter().any(|flag| !b"ilmsux".contains(flag)) {
        return Err(Inexact("flags of a regular expression that are unknown or not in order"));
    }
    out.extend_from_slice(b"{\"$regularExpression\":{\"pattern\":");
    write_string(pattern, out)?;
    out.extend_from_slice(b",\"options\":");
    write_string(flags, out)?;
    out.extend_from_slice(b"}}");
    Ok(())
}

fn write_code(code: &[u8], place: Place, out: &mut Vec<u8>) -> Written {
    if place.is_scope {
        return Err(Inexact("code with a scope that is a DBRef or holds code"));
    }
    out.extend_from_slice(b"{\"$code\":");
    write_string(code, out)?;
    out.push(b'}');
    Ok(())
}

fn write_symbol(text: &[u8], out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(b"{\"$symbol\":");
    write_string(text, out)?;
    out.push(b'}');
    Ok(())
}

fn write_db_pointer(collection: &[u8], id: &[u8; 12], out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(b"{\"$dbPointer\":{\"$ref\":");
    write_string(collection, out)?;
    out.extend_from_slice(b",\"$id\":");
    write_object_id(id, out);
    out.extend_from_slice(b"}}");
    Ok(())
}
