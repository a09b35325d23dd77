//! Documents and lines that are nearly right: nothing panics, and what is read is exactly what was meant or an error.

use proptest::collection::vec;
use proptest::prelude::*;
use sidecar_native::batch::{decode, encode, id_hashes};
use std::hash::RandomState;

/// The batch comes back byte for byte, and the text is UTF-8 without a line break inside a document.
fn require_round_trip(batch: &[u8]) {
    let (mut text, mut bson) = (Vec::new(), Vec::new());
    let Ok(written) = encode(batch, &mut text, &mut Vec::new()) else {
        return;
    };
    assert!(std::str::from_utf8(&text).is_ok());
    assert_eq!(text.split(|&byte| byte == b'\n').count(), written.documents.max(1));
    assert_eq!(decode(&text, &mut bson), Ok(written));
    assert_eq!(bson, batch);
    id_hashes(batch, &RandomState::new(), &mut Vec::new()).expect("whole documents");
}

/// What is read from a line is a document that comes back through a line of its own.
fn require_sense(lines: &[u8]) {
    let mut bson = Vec::new();
    if decode(lines, &mut bson).is_ok() {
        require_round_trip(&bson);
    }
}

fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), b"\0", value].concat()
}

fn sized(inside: &[u8]) -> Vec<u8> {
    let size = u32::try_from(inside.len() + 5).expect("small");
    [&size.to_le_bytes(), inside, b"\0"].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    let size = u32::try_from(text.len() + 1).expect("small");
    [&size.to_le_bytes(), text, b"\0"].concat()
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{0,12}", "\\$(oid|date|code|scope|bson|ref|id|db|numberInt|foo)", "[^\0]{0,8}"]
}

fn leaves() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let fixed = |kind: u8, size: usize| (Just(kind), vec(any::<u8>(), size));
    prop_oneof![
        fixed(0x01, 8),
        (Just(0x01), any::<f64>().prop_map(|value| value.to_le_bytes().to_vec())),
        (prop_oneof![Just(0x02), Just(0x0d), Just(0x0e)], ".{0,20}".prop_map(|text| string(text.as_bytes()))),
        (Just(0x02), vec(any::<u8>(), 0..9).prop_map(|text| string(&text))),
        (
            Just(0x05),
            (any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(|(subtype, bytes)| {
                let size = u32::try_from(bytes.len()).expect("small");
                [&size.to_le_bytes(), &[subtype][..], &bytes].concat()
            })
        ),
        fixed(0x06, 0),
        fixed(0x07, 12),
        (Just(0x08), (0_u8..3).prop_map(|value| vec![value])),
        fixed(0x09, 8),
        fixed(0x0a, 0),
        (Just(0x0b), "[^\0]{0,6}\0[ilmsuxz]{0,3}\0".prop_map(String::into_bytes)),
        (Just(0x0c), vec(any::<u8>(), 12).prop_map(|id| [string(b"c"), id].concat())),
        fixed(0x10, 4),
        fixed(0x11, 8),
        fixed(0x12, 8),
        fixed(0x13, 16),
        fixed(0x7f, 0),
        fixed(0xff, 0),
        (any::<u8>(), vec(any::<u8>(), 0..12)),
    ]
}

fn documents() -> impl Strategy<Value = Vec<u8>> {
    let values = leaves().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec((names(), inner.clone()), 0..5).prop_map(|fields| (0x03, document(&fields))),
            vec(inner.clone(), 0..5).prop_map(|items| {
                let named = items.into_iter().enumerate().map(|(index, item)| (index.to_string(), item));
                (0x04, document(&named.collect::<Vec<_>>()))
            }),
            vec((names(), inner), 0..3).prop_map(|fields| {
                let value = [string(b"x"), document(&fields)].concat();
                let size = u32::try_from(value.len() + 4).expect("small");
                (0x0f, [size.to_le_bytes().to_vec(), value].concat())
            }),
        ]
    });
    vec((names(), values), 0..6).prop_map(|fields| document(&fields))
}

fn document(fields: &[(String, (u8, Vec<u8>))]) -> Vec<u8> {
    let elements = fields.iter().flat_map(|(name, (kind, value))| element(*kind, &name.replace('\0', ""), value));
    sized(&elements.collect::<Vec<_>>())
}

/// Some bytes changed, at places anywhere.
fn changed(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (place, value) in changes {
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = *value;
        }
    }
    bytes
}

/// The same cases every time; with `CASES` so many of each kind, and other ones in every run.
fn campaign() -> ProptestConfig {
    let long = std::env::var("CASES").ok().map(|cases| cases.parse().expect("CASES is a number"));
    let short_seed = prop::test_runner::RngSeed::Fixed(20_261_128);
    ProptestConfig {
        cases: long.unwrap_or(600),
        rng_seed: if long.is_none() { short_seed } else { prop::test_runner::RngSeed::Random },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(campaign())]

    #[test]
    fn documents_come_back(batch in vec(documents(), 0..4)) {
        require_round_trip(&batch.concat());
    }

    #[test]
    fn documents_with_wrong_bytes_come_back(
        batch in documents(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        require_round_trip(&changed(batch, &changes));
    }

    #[test]
    fn lines_with_wrong_bytes_mean_something_or_nothing(
        batch in documents(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut text = Vec::new();
        encode(&batch, &mut text, &mut Vec::new()).expect("one document");
        require_sense(&changed(text, &changes));
    }

    #[test]
    fn anything_may_stand_in_a_line(line in "[{}\\[\\]\":, $a-z0-9.\\\\u-]{0,60}") {
        require_sense(line.as_bytes());
    }
}
