//! A batch of anything: it comes back byte for byte, or is refused as no batch of documents.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidecar_native::batch::{decode, encode, id_hashes};
use std::hash::RandomState;

fuzz_target!(|batch: &[u8]| {
    let (mut text, mut bson) = (Vec::new(), Vec::new());
    let Ok(written) = encode(batch, &mut text, &mut Vec::new()) else {
        return;
    };
    assert!(std::str::from_utf8(&text).is_ok());
    assert_eq!(decode(&text, &mut bson), Ok(written));
    assert_eq!(bson, batch);
    id_hashes(batch, &RandomState::new(), &mut Vec::new()).expect("whole documents");
});
