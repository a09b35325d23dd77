use super::{Totals, decode, encode, encode_with, id_hashes};
use crate::encode::Encoder;
use std::hash::RandomState;

/// `{"a": <int32 of the value>}`
fn small(value: i32) -> Vec<u8> {
    [b"\x0c\0\0\0\x10a\0".as_slice(), &value.to_le_bytes(), b"\0"].concat()
}

fn text_of(batch: &[u8]) -> (String, Totals) {
    let mut text = Vec::new();
    let totals = encode(batch, &mut text, &mut Vec::new()).unwrap();
    (String::from_utf8(text).unwrap(), totals)
}

#[test]
fn writes_one_document_per_line() {
    let (text, totals) = text_of(&[small(1), small(-2)].concat());
    assert_eq!(text, "{\"a\":{\"$numberInt\":\"1\"}},\n{\"a\":{\"$numberInt\":\"-2\"}}");
    assert_eq!((totals.documents, totals.escaped), (2, 0));
}

#[test]
fn says_where_a_batch_is_cut() {
    let batch = [small(1), small(2)[..7].to_vec()].concat();
    let error = encode(&batch, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "no BSON document at byte 12 of 19");
}

#[test]
fn says_which_line_is_no_document() {
    let error = decode(b"{\"a\": 1},\n{\"a\": }\n", &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "line 2 is not one document in Extended JSON");
}

fn read(line: &str) -> Option<Vec<u8>> {
    let mut bson = Vec::new();
    decode(line.as_bytes(), &mut bson).ok().map(|_| bson)
}

#[test]
fn bytes_that_are_not_utf8_are_refused_wherever_they_stand() {
    let line = r#"{"a name of more than eight":{"$numberInt":"12"},"b":["a text of more than eight","c",{"$x":null}]}"#;
    assert!(read(line).is_some());
    for place in 0..line.len() {
        for wrong in [b"\xff".as_slice(), b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf"] {
            let bytes = [&line.as_bytes()[..place], wrong, &line.as_bytes()[place..]].concat();
            assert!(decode(&bytes, &mut Vec::new()).is_err(), "{wrong:x?} at {place}");
        }
    }
}

#[test]
fn control_characters_quotes_and_unknown_escapes_are_refused_wherever_they_stand() {
    let line = r#"{"a name of more than eight":"a text of more than eight"}"#;
    for place in (2..26).chain(30..54) {
        for wrong in ["\0", "\u{1f}", "\t", "\"", "\\q"] {
            assert_eq!(read(&[&line[..place], wrong, &line[place..]].concat()), None, "{wrong:?} at {place}");
        }
    }
}

#[test]
fn whole_numbers_are_read_up_to_their_limits() {
    let long = |text: &str| read(&format!(r#"{{"a":{{"$numberLong":"{text}"}}}}"#));
    let bson = |value: i64| [b"\x10\0\0\0\x12a\0".as_slice(), &value.to_le_bytes(), b"\0"].concat();
    for value in [0, 7, -7, 10_i64.pow(18) - 1, 10_i64.pow(18), -10_i64.pow(18), i64::MAX, i64::MIN] {
        assert_eq!(long(&value.to_string()), Some(bson(value)));
    }
    assert_eq!(long("+000000000000000000007"), Some(bson(7)));
    for text in ["", "-", "+", "--1", "1-", "1 ", "9223372036854775808", "-9223372036854775809", "1.0", "1e3"] {
        assert_eq!(long(text), None, "{text}");
    }
    let int = |text: &str| read(&format!(r#"{{"a":{{"$numberInt":"{text}"}}}}"#));
    assert_eq!(int("-2147483648"), Some(small(i32::MIN)));
    assert_eq!(int("2147483648"), None);
}

/// An encoder that writes a wrong byte, at each place of the text in turn, is found out by what reads it back.
#[test]
fn a_wrong_byte_of_the_encoder_is_never_kept() {
    let document = small(123_456);
    let right = text_of(&document).0.into_bytes();
    for place in 0..right.len() {
        for wrong in [0x01, 0x04, 0x40] {
            let mut text = Vec::new();
            let totals = encode_with(&document, &mut text, &mut Vec::new(), |document, text| {
                Encoder::default().write(document, text).unwrap();
                text[place] ^= wrong;
                true
            })
            .unwrap();
            assert_eq!(totals.escaped, 1, "byte {place}");
            let mut back = Vec::new();
            decode(&text, &mut back).unwrap();
            assert_eq!(back, document);
        }
    }
}

#[test]
fn equal_ids_have_equal_hashes_and_all_are_sorted() {
    let with_id = |value: u8| vec![0x0e, 0, 0, 0, 0x10, b'_', b'i', b'd', 0, value, 0, 0, 0, 0];
    let mut hashes = Vec::new();
    let batch = [with_id(1), with_id(2), small(3), with_id(1)].concat();
    id_hashes(&batch, &RandomState::new(), &mut hashes).unwrap();
    let mut hashes: Vec<_> = hashes.as_chunks::<8>().0.iter().map(|one| i64::from_ne_bytes(*one)).collect();
    assert!(hashes.is_sorted());
    assert_eq!(hashes.len(), 3);
    hashes.dedup();
    assert_eq!(hashes.len(), 2);
}
