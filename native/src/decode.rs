//! One line of Extended JSON as BSON. Blanks between tokens are read over; what is not understood exactly is refused.

use crate::bson::kind;
use crate::number::parsed;
use crate::wrappers;

/// Levels that are read, a few more than are written. It bounds the stack.
const MAX_DEPTH: usize = 100;

/// The line is not what it should be. What stands in it is nobody's business who reads the error.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

pub type Read<T> = Result<T, Unreadable>;

/// Appends the document that the line holds. After an error the buffer holds part of one.
pub fn read_document(line: &[u8], out: &mut Vec<u8>) -> Read<()> {
    let mut parser = Parser { rest: line, out };
    parser.expect(b'{')?;
    if wrappers::read(&mut parser, 0)?.is_some() {
        return Err(Unreadable); // a wrapper is a value and no document
    }
    parser.members(0)?;
    parser.require_end()
}

/// The base64 within `{"$bson": "…"}`, None where the line is something else.
pub fn escape_in(line: &[u8]) -> Option<Read<&[u8]>> {
    let mut parser = Parser { rest: line, out: &mut Vec::new() };
    parser.expect(b'{').ok()?;
    parser.key(b"$bson").ok()?;
    Some(parser.closed_string())
}

/// `rest` is what is left of the line.
pub struct Parser<'a, 'o> {
    rest: &'a [u8],
    pub out: &'o mut Vec<u8>,
}

impl<'a> Parser<'a, '_> {
    // -- tokens ------------------------------------------------------------------------------------------------------

    /// The next byte that is no blank, 0 at the end.
    pub fn peek(&mut self) -> u8 {
        while let [byte, rest @ ..] = self.rest {
            if *byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return *byte;
            }
            self.rest = rest;
        }
        0
    }

    pub fn expect(&mut self, byte: u8) -> Read<()> {
        if self.take_if(byte) { Ok(()) } else { Err(Unreadable) }
    }

    pub fn take_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        if is_next {
            self.skip(1);
        }
        is_next
    }

    fn require_end(&mut self) -> Read<()> {
        self.peek();
        if self.rest.is_empty() { Ok(()) } else { Err(Unreadable) }
    }

    pub fn word(&mut self, word: &[u8]) -> Read<()> {
        self.peek();
        self.rest = self.rest.strip_prefix(word).ok_or(Unreadable)?;
        Ok(())
    }

    /// `"name":`
    pub fn key(&mut self, name: &[u8]) -> Read<()> {
        if self.plain_string()? != name {
            return Err(Unreadable);
        }
        self.expect(b':')
    }

    /// A string without escapes, as it stands.
    pub fn plain_string(&mut self) -> Read<&'a [u8]> {
        self.expect(b'"')?;
        let text = self.plain()?;
        if self.byte()? == b'"' { Ok(text) } else { Err(Unreadable) }
    }

    /// A string without escapes and the brace that ends what it stands in, then nothing.
    fn closed_string(&mut self) -> Read<&'a [u8]> {
        let text = self.plain_string()?;
        self.expect(b'}')?;
        self.require_end()?;
        Ok(text)
    }

    /// The name of a wrapper: a string that begins with `$` and holds no escape. Nothing is read where there is none.
    pub fn wrapper_name(&mut self) -> Option<&'a [u8]> {
        if self.peek() != b'"' || self.rest.get(1) != Some(&b'$') {
            return None;
        }
        let start = self.rest;
        let name = self.plain_string().ok();
        if name.is_none() {
            self.rest = start;
        }
        name
    }

    pub fn go_back(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Appends what a string means; says whether there was an escape in it.
    fn string(&mut self) -> Read<bool> {
        self.expect(b'"')?;
        let mut has_escape = false;
        loop {
            let plain = self.plain()?;
            self.out.extend_from_slice(plain);
            match self.byte()? {
                b'"' => return Ok(has_escape),
                b'\\' => self.escape()?,
                _ => return Err(Unreadable), // a control character
            }
            has_escape = true;
        }
    }

    /// The text up to the next quote, backslash or control character; it is UTF-8.
    ///
    /// The encoder looks for these in a way of its own: what one of the two overlooked is not to be overlooked by both.
    #[allow(clippy::inline_always, reason = "a tenth of a decode")]
    #[inline(always)]
    fn plain(&mut self) -> Read<&'a [u8]> {
        let (mut size, mut seen) = (0, 0);
        while let Some(block) = self.rest.get(size..).and_then(|rest| rest.first_chunk()) {
            let block = u64::from_le_bytes(*block);
            seen |= block;
            let ends = ends_in(block);
            if ends != 0 {
                let text = self.skip(size + (ends.trailing_zeros() >> 3) as usize);
                let is_utf8 = seen & HIGHEST == 0 || std::str::from_utf8(text).is_ok();
                return if is_utf8 { Ok(text) } else { Err(Unreadable) };
            }
            size += 8;
        }
        self.last_plain()
    }

    /// The same within the last bytes of a line.
    #[inline(never)]
    fn last_plain(&mut self) -> Read<&'a [u8]> {
        let size = self.rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
        let text = self.skip(size);
        if std::str::from_utf8(text).is_ok() { Ok(text) } else { Err(Unreadable) }
    }

    /// So many bytes, of which it is known that they are there.
    fn skip(&mut self, size: usize) -> &'a [u8] {
        let (skipped, rest) = self.rest.split_at(size);
        self.rest = rest;
        skipped
    }

    fn byte(&mut self) -> Read<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn bytes<const N: usize>(&mut self) -> Read<&'a [u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn escape(&mut self) -> Read<()> {
        let byte = self.byte()?;
        self.out.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(Unreadable),
        });
        Ok(())
    }

    fn unicode_escape(&mut self) -> Read<()> {
        let first = self.four_digits()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if self.bytes()? != b"\\u" {
                return Err(Unreadable);
            }
            let low = self.four_digits()?.checked_sub(0xdc00).filter(|&low| low < 0x400).ok_or(Unreadable)?;
            0x1_0000 + ((first - 0xd800) << 10) + low
        } else {
            first
        };
        let character = char::from_u32(code).ok_or(Unreadable)?; // none for half of a pair
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn four_digits(&mut self) -> Read<u32> {
        self.bytes::<4>()?.iter().try_fold(0, |value, &digit| {
            let digit = char::from(digit).to_digit(16).ok_or(Unreadable)?;
            Ok(value << 4 | digit)
        })
    }

    /// Digits as JSON writes a number without fraction.
    pub fn unsigned(&mut self) -> Read<u32> {
        self.peek();
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        parsed(self.skip(count)).ok_or(Unreadable)
    }

    /// A whole number in quotes. Up to eighteen digits need no look for an overflow at each.
    pub fn quoted_integer(&mut self) -> Read<i64> {
        self.expect(b'"')?;
        let whole = self.rest;
        let sign = whole.first().filter(|byte| matches!(byte, b'-' | b'+'));
        self.skip(usize::from(sign.is_some()));
        let from = self.rest.len();
        let mut magnitude = 0_i64;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            magnitude = magnitude.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.rest = rest;
        }
        let digits = from - self.rest.len();
        let text = &whole[..whole.len() - self.rest.len()];
        if self.byte()? != b'"' {
            return Err(Unreadable);
        }
        match digits {
            1..=18 => Ok(if sign == Some(&b'-') { -magnitude } else { magnitude }),
            _ => parsed(text).ok_or(Unreadable),
        }
    }

    /// So many bytes in quotes.
    pub fn quoted<const N: usize>(&mut self) -> Read<&'a [u8; N]> {
        self.expect(b'"')?;
        let bytes = self.bytes()?;
        if self.byte()? == b'"' { Ok(bytes) } else { Err(Unreadable) }
    }

    // -- values ------------------------------------------------------------------------------------------------------

    /// After the opening brace: the document's elements, its size and its end.
    pub fn members(&mut self, depth: usize) -> Read<()> {
        let start = self.begin(depth)?;
        if !self.take_if(b'}') {
            loop {
                let kind_at = self.out.len();
                self.out.push(0);
                self.cstring()?;
                self.expect(b':')?;
                self.out[kind_at] = self.value(depth)?;
                if !self.take_if(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        self.end(start)
    }

    fn items(&mut self, depth: usize) -> Read<()> {
        let start = self.begin(depth)?;
        if !self.take_if(b']') {
            let mut index = itoa::Buffer::new();
            for number in 0_u32.. {
                let kind_at = self.out.len();
                self.out.push(0);
                self.out.extend_from_slice(index.format(number).as_bytes());
                self.out.push(0);
                self.out[kind_at] = self.value(depth)?;
                if !self.take_if(b',') {
                    break;
                }
            }
            self.expect(b']')?;
        }
        self.end(start)
    }

    fn begin(&mut self, depth: usize) -> Read<usize> {
        if depth > MAX_DEPTH {
            return Err(Unreadable);
        }
        Ok(self.size_to_come())
    }

    fn end(&mut self, start: usize) -> Read<()> {
        self.out.push(0);
        self.write_size(start, self.out.len() - start)
    }

    /// Appends a value and returns its type.
    fn value(&mut self, depth: usize) -> Read<u8> {
        match self.peek() {
            b'{' => self.object(depth + 1),
            b'"' => self.bson_string().map(|()| kind::STRING),
            b'[' => {
                self.skip(1);
                self.items(depth + 1).map(|()| kind::ARRAY)
            }
            b't' => self.boolean(b"true", 1),
            b'f' => self.boolean(b"false", 0),
            b'n' => self.word(b"null").map(|()| kind::NULL),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Read<u8> {
        self.skip(1);
        match wrappers::read(self, depth)? {
            Some(kind) => Ok(kind),
            None => self.members(depth).map(|()| kind::DOCUMENT),
        }
    }

    fn boolean(&mut self, word: &[u8], value: u8) -> Read<u8> {
        self.word(word)?;
        self.out.push(value);
        Ok(kind::BOOL)
    }

    /// A number outside of a wrapper, as people and other programs write it: the smallest type that holds it.
    fn number(&mut self) -> Read<u8> {
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let count = self.rest.iter().take_while(is_part).count();
        let text = self.skip(count);
        if !is_json_number(text) {
            return Err(Unreadable);
        }
        if let Some(value) = parsed::<i32>(text) {
            self.out.extend_from_slice(&value.to_le_bytes());
            return Ok(kind::INT32);
        }
        if let Some(value) = parsed::<i64>(text) {
            self.out.extend_from_slice(&value.to_le_bytes());
            return Ok(kind::INT64);
        }
        let value = parsed::<f64>(text).filter(|value| value.is_finite()).ok_or(Unreadable)?;
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(kind::DOUBLE)
    }

    // -- pieces of BSON ----------------------------------------------------------------------------------------------

    pub fn cstring(&mut self) -> Read<()> {
        let start = self.out.len();
        let may_hold_nul = self.string()?; // as it stands it would be a control character
        if may_hold_nul && self.out[start..].contains(&0) {
            return Err(Unreadable);
        }
        self.out.push(0);
        Ok(())
    }

    pub fn bson_string(&mut self) -> Read<()> {
        let start = self.size_to_come();
        self.string()?;
        self.out.push(0);
        self.write_size(start, self.out.len() - start - 4)
    }

    /// Room for a size that is known later; returns where.
    pub fn size_to_come(&mut self) -> usize {
        self.out.extend_from_slice(&[0; 4]);
        self.out.len() - 4
    }

    pub fn write_size(&mut self, at: usize, size: usize) -> Read<()> {
        let size = i32::try_from(size).map_err(|_| Unreadable)?;
        self.out[at..at + 4].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }
}

const EACH: u64 = u64::from_le_bytes([1; 8]);
const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);

/// The highest bit of the first byte that is a quote, a backslash or a control character; what is set above it says nothing.
fn ends_in(block: u64) -> u64 {
    let zeros = |block: u64| block.wrapping_sub(EACH) & !block;
    let quotes = zeros(block ^ (EACH * u64::from(b'"')));
    let backslashes = zeros(block ^ (EACH * u64::from(b'\\')));
    let controls = block.wrapping_sub(EACH * 0x20) & !block;
    (quotes | backslashes | controls) & HIGHEST
}

/// Digits, and no zero before other digits.
fn is_json_number(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        [b'0', b'0'..=b'9', ..] => false,
        [b'0'..=b'9', ..] => true,
        _ => false,
    }
}
