//! Doubles and decimals as text, and text as doubles and decimals.

use crate::bson::Inexact;

const NAN: u64 = 0x7ff8_0000_0000_0000; // the one NaN that text can name

/// The digits of a double that no other double has, laid out as Python's `repr` does.
pub fn write_double(bits: u64, out: &mut Vec<u8>) -> Result<(), Inexact> {
    let value = f64::from_bits(bits);
    if value.is_finite() {
        write_finite(value, out);
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if bits == NAN {
        out.extend_from_slice(b"NaN");
    } else {
        return Err(Inexact("a NaN with a sign or a payload"));
    }
    Ok(())
}

fn write_finite(value: f64, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    match text.iter().position(|&byte| byte == b'e') {
        Some(at) => {
            let (digits, exponent) = (&text[..at], &text[at + 1..]);
            out.extend_from_slice(digits.strip_suffix(b".0").unwrap_or(digits));
            write_exponent(exponent, out);
        }
        None => match small_digits(text) {
            Some(digits) => write_small(text[0] == b'-', digits, out),
            None => out.extend_from_slice(text),
        },
    }
}

/// At least two digits and always a sign.
fn write_exponent(exponent: &[u8], out: &mut Vec<u8>) {
    let (sign, digits) = match exponent {
        [b'-', digits @ ..] => (b'-', digits),
        digits => (b'+', digits.strip_prefix(b"+").unwrap_or(digits)),
    };
    out.extend_from_slice(&[b'e', sign]);
    if digits.len() < 2 {
        out.push(b'0');
    }
    out.extend_from_slice(digits);
}

/// The digits of 0.0000ddd, which `repr` writes with an exponent.
fn small_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.strip_prefix(b"-").unwrap_or(text).strip_prefix(b"0.0000")?;
    (!digits.is_empty()).then_some(digits)
}

fn write_small(is_negative: bool, digits: &[u8], out: &mut Vec<u8>) {
    if is_negative {
        out.push(b'-');
    }
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(b"e-05");
}

/// The bits of the double that the text names.
pub fn read_double(text: &[u8]) -> Option<u64> {
    match text {
        b"NaN" => Some(NAN),
        b"Infinity" => Some(f64::INFINITY.to_bits()),
        b"-Infinity" => Some(f64::NEG_INFINITY.to_bits()),
        [.., b'0'..=b'9' | b'.'] => parsed::<f64>(text).filter(|value| value.is_finite()).map(f64::to_bits),
        _ => None, // what Rust also takes for a number: inf, nan
    }
}

pub fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

// -- decimals: a sign, 14 bits of exponent and 113 of coefficient, or a special ------------------------------------------

const SIGN: u128 = 1 << 127;
const SPECIAL: u128 = 3 << 125; // both bits set: no number, or a coefficient too long for the format
const INFINITY: u128 = 0x78 << 120;
const DECIMAL_NAN: u128 = 0x7c << 120;
const COEFFICIENT_BITS: u32 = 113;
const COEFFICIENT: u128 = (1 << COEFFICIENT_BITS) - 1;
const COEFFICIENT_LIMIT: u128 = 10_u128.pow(34);
const BIAS: i32 = 6176;
const EXPONENTS: std::ops::RangeInclusive<i32> = -BIAS..=6111;
const LEAST_WITHOUT_EXPONENT: i32 = -6;

/// As the specification of Decimal128 converts to a string.
pub fn write_decimal(bits: u128, out: &mut Vec<u8>) -> Result<(), Inexact> {
    let magnitude = bits & !SIGN;
    let is_number = bits & SPECIAL != SPECIAL && bits & COEFFICIENT < COEFFICIENT_LIMIT;
    if !is_number && magnitude != INFINITY && bits != DECIMAL_NAN {
        return Err(Inexact("a Decimal128 that is not in canonical form"));
    }
    if bits & SIGN != 0 {
        out.push(b'-');
    }
    match magnitude {
        INFINITY => out.extend_from_slice(b"Infinity"),
        DECIMAL_NAN => out.extend_from_slice(b"NaN"),
        _ => {
            let biased = i32::try_from(magnitude >> COEFFICIENT_BITS).expect("14 bits");
            write_decimal_number(magnitude & COEFFICIENT, biased - BIAS, out);
        }
    }
    Ok(())
}

fn write_decimal_number(coefficient: u128, exponent: i32, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(coefficient).as_bytes();
    let count = i32::try_from(digits.len()).expect("at most 34");
    let scientific = exponent + count - 1;
    if exponent > 0 || scientific < LEAST_WITHOUT_EXPONENT {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'E');
        if scientific >= 0 {
            out.push(b'+');
        }
        out.extend_from_slice(itoa::Buffer::new().format(scientific).as_bytes());
        return;
    }
    match usize::try_from(count + exponent) {
        Ok(whole) if whole > 0 => {
            out.extend_from_slice(&digits[..whole]);
            if exponent < 0 {
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + usize::try_from(-(count + exponent)).expect("not positive"), b'0');
            out.extend_from_slice(digits);
        }
    }
}

/// The bits of the decimal that the text names, digit by digit: 1.0 and 1.00 are two.
pub fn read_decimal(text: &[u8]) -> Option<u128> {
    let (sign, text) = match text {
        [b'-', rest @ ..] => (SIGN, rest),
        _ => (0, text),
    };
    match text {
        b"Infinity" => Some(sign | INFINITY),
        b"NaN" if sign == 0 => Some(DECIMAL_NAN),
        _ => read_decimal_number(text).map(|bits| sign | bits),
    }
}

fn read_decimal_number(text: &[u8]) -> Option<u128> {
    let (digits, exponent) = match text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e')) {
        Some(at) => (&text[..at], parsed::<i32>(&text[at + 1..])?),
        None => (text, 0),
    };
    let (mut coefficient, mut fraction, mut has_digits, mut has_point) = (0_u128, 0_i32, false, false);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                coefficient = coefficient * 10 + u128::from(byte - b'0');
                if coefficient >= COEFFICIENT_LIMIT {
                    return None;
                }
                fraction = fraction.checked_add(i32::from(has_point))?;
                has_digits = true;
            }
            b'.' if !has_point => has_point = true,
            _ => return None,
        }
    }
    let exponent = exponent.checked_sub(fraction)?;
    if !has_digits || !EXPONENTS.contains(&exponent) {
        return None;
    }
    let biased = u128::try_from(exponent + BIAS).ok()?;
    Some(biased << COEFFICIENT_BITS | coefficient)
}

#[cfg(test)]
mod tests {
    use super::{read_decimal, read_double, write_decimal, write_double};

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value.to_bits(), &mut out).unwrap();
        assert_eq!(read_double(&out), Some(value.to_bits()));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_are_laid_out_as_pythons_repr_does() {
        let values = [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 123_456_789_012_345_680.0, 1e22, 1.5e300];
        let small = [0.0001, 1e-5, 1.25e-5, -1.25e-5, 1e-6, 5e-324, -1.5e-7, f64::MAX, f64::INFINITY];
        let texts = values.into_iter().chain(small).map(double).collect::<Vec<_>>();
        let expected = "0.0 -0.0 1.0 0.1 1000000000000000.0 1e+16 1.2345678901234568e+17 1e+22 1.5e+300 \
                        0.0001 1e-05 1.25e-05 -1.25e-05 1e-06 5e-324 -1.5e-07 1.7976931348623157e+308 Infinity";
        assert_eq!(texts.join(" "), expected);
    }

    #[test]
    fn words_that_name_no_double_are_refused() {
        for text in ["", "-", "inf", "nan", "infinity", "1e999", "0x10", "1_0", " 1", "1 ", "1e"] {
            assert_eq!(read_double(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        for text in [
            "0", "-0", "1", "1.0", "1.00", "0.001", "-12.345", "1E+3", "1.2E-8", "0E-6176", "0E+6111", "Infinity",
            "NaN",
        ] {
            let mut out = Vec::new();
            write_decimal(read_decimal(text.as_bytes()).unwrap(), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn words_that_name_no_decimal_are_refused() {
        let too_long = "1".repeat(35);
        for text in ["", "-", ".", "1E", "1E+6112", "1E-6177", "-NaN", "1..2", "1E99999999999", &too_long] {
            assert_eq!(read_decimal(text.as_bytes()), None, "{text}");
        }
    }
}
