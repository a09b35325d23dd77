//! The objects by which Extended JSON names the types that JSON has not.

use crate::base64_text;
use crate::bson::{OLD_BINARY, kind};
use crate::decode::{Parser, Read, Unreadable};
use crate::keys::is_reserved;
use crate::number::{read_decimal, read_double};

/// After an opening brace: appends the value that the wrapper stands for and returns its type.
///
/// Returns None, and has read nothing, where a user's document stands. Its first key may begin with `$` too.
pub fn read(parser: &mut Parser<'_, '_>, depth: usize) -> Read<Option<u8>> {
    let start = parser.rest();
    let Some(name) = parser.wrapper_name() else {
        return Ok(None);
    };
    parser.expect(b':')?;
    let kind = match name {
        b"$numberInt" => int32(parser)?,
        b"$numberLong" => int64(parser)?,
        b"$numberDouble" => double(parser)?,
        b"$numberDecimal" => decimal(parser)?,
        b"$oid" => object_id(parser)?,
        b"$date" => date(parser)?,
        b"$binary" => binary(parser)?,
        b"$timestamp" => timestamp(parser)?,
        b"$regularExpression" => regex(parser)?,
        b"$code" => code(parser, depth)?,
        b"$symbol" => parser.bson_string().map(|()| kind::SYMBOL)?,
        b"$undefined" => parser.word(b"true").map(|()| kind::UNDEFINED)?,
        b"$dbPointer" => db_pointer(parser)?,
        b"$minKey" => one(parser, kind::MIN_KEY)?,
        b"$maxKey" => one(parser, kind::MAX_KEY)?,
        _ if is_reserved(name) && !may_be_a_users(name) => return Err(Unreadable),
        _ => {
            parser.go_back(start);
            return Ok(None);
        }
    };
    parser.expect(b'}')?;
    Ok(Some(kind))
}

/// The fields of a `DBRef`, and what has a meaning at the top only.
fn may_be_a_users(name: &[u8]) -> bool {
    matches!(name, b"$ref" | b"$id" | b"$db" | b"$bson")
}

fn int32(parser: &mut Parser<'_, '_>) -> Read<u8> {
    let value = i32::try_from(parser.quoted_integer()?).map_err(|_| Unreadable)?;
    parser.out.extend_from_slice(&value.to_le_bytes());
    Ok(kind::INT32)
}

fn int64(parser: &mut Parser<'_, '_>) -> Read<u8> {
    let value = parser.quoted_integer()?;
    parser.out.extend_from_slice(&value.to_le_bytes());
    Ok(kind::INT64)
}

fn double(parser: &mut Parser<'_, '_>) -> Read<u8> {
    let bits = read_double(parser.plain_string()?).ok_or(Unreadable)?;
    parser.out.extend_from_slice(&bits.to_le_bytes());
    Ok(kind::DOUBLE)
}

fn decimal(parser: &mut Parser<'_, '_>) -> Read<u8> {
    let bits = read_decimal(parser.plain_string()?).ok_or(Unreadable)?;
    parser.out.extend_from_slice(&bits.to_le_bytes());
    Ok(kind::DECIMAL)
}

fn object_id(parser: &mut Parser<'_, '_>) -> Read<u8> {
    let digits = parser.quoted::<24>()?;
    let mut id = [0; 12];
    for (byte, [high, low]) in id.iter_mut().zip(digits.as_chunks().0) {
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    parser.out.extend_from_slice(&id);
    Ok(kind::OBJECT_ID)
}

fn hex_digit(digit: u8) -> Read<u8> {
    match HEX_DIGITS[usize::from(digit)] {
        NO_DIGIT => Err(Unreadable),
        value => Ok(value),
    }
}

const NO_DIGIT: u8 = 0xff;

/// What each byte means as a digit, of either case.
const HEX_DIGITS: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        values[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

fn date(parser: &mut Parser<'_, '_>) -> Read<u8> {
    parser.expect(b'{')?;
    parser.key(b"$numberLong")?;
    int64(parser)?;
    parser.expect(b'}')?;
    Ok(kind::DATE)
}

fn binary(parser: &mut Parser<'_, '_>) -> Read<u8> {
    parser.expect(b'{')?;
    parser.key(b"base64")?;
    let text = parser.plain_string()?;
    parser.expect(b',')?;
    parser.key(b"subType")?;
    let subtype = subtype(parser.plain_string()?)?;
    parser.expect(b'}')?;
    let size_at = parser.size_to_come();
    parser.out.push(subtype);
    let bytes_at = parser.out.len();
    if subtype == OLD_BINARY {
        let inner_at = parser.size_to_come();
        base64_text::read(text, parser.out).ok_or(Unreadable)?;
        parser.write_size(inner_at, parser.out.len() - inner_at - 4)?;
    } else {
        base64_text::read(text, parser.out).ok_or(Unreadable)?;
    }
    parser.write_size(size_at, parser.out.len() - bytes_at)?;
    Ok(kind::BINARY)
}

/// One or two digits.
fn subtype(text: &[u8]) -> Read<u8> {
    match *text {
        [low] => hex_digit(low),
        [high, low] => Ok(hex_digit(high)? << 4 | hex_digit(low)?),
        _ => Err(Unreadable),
    }
}

fn timestamp(parser: &mut Parser<'_, '_>) -> Read<u8> {
    parser.expect(b'{')?;
    parser.key(b"t")?;
    let seconds = parser.unsigned()?;
    parser.expect(b',')?;
    parser.key(b"i")?;
    let increment = parser.unsigned()?;
    parser.expect(b'}')?;
    parser.out.extend_from_slice(&increment.to_le_bytes());
    parser.out.extend_from_slice(&seconds.to_le_bytes());
    Ok(kind::TIMESTAMP)
}

fn regex(parser: &mut Parser<'_, '_>) -> Read<u8> {
    parser.expect(b'{')?;
    parser.key(b"pattern")?;
    parser.cstring()?;
    parser.expect(b',')?;
    parser.key(b"options")?;
    parser.cstring()?;
    parser.expect(b'}')?;
    Ok(kind::REGEX)
}

/// Code alone, or with a scope: then a size comes before both.
fn code(parser: &mut Parser<'_, '_>, depth: usize) -> Read<u8> {
    let start = parser.out.len();
    parser.bson_string()?;
    if !parser.take_if(b',') {
        return Ok(kind::CODE);
    }
    parser.key(b"$scope")?;
    parser.expect(b'{')?;
    parser.out.splice(start..start, [0; 4]);
    parser.members(depth + 1)?;
    parser.write_size(start, parser.out.len() - start)?;
    Ok(kind::SCOPED_CODE)
}

fn db_pointer(parser: &mut Parser<'_, '_>) -> Read<u8> {
    parser.expect(b'{')?;
    parser.key(b"$ref")?;
    parser.bson_string()?;
    parser.expect(b',')?;
    parser.key(b"$id")?;
    parser.expect(b'{')?;
    parser.key(b"$oid")?;
    object_id(parser)?;
    parser.expect(b'}')?;
    parser.expect(b'}')?;
    Ok(kind::DB_POINTER)
}

fn one(parser: &mut Parser<'_, '_>, kind: u8) -> Read<u8> {
    if parser.unsigned()? == 1 { Ok(kind) } else { Err(Unreadable) }
}
