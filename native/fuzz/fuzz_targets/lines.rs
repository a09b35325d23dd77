//! Lines of anything: what is read of them is documents that come back through lines of our own, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidecar_native::batch::{decode, encode};

fuzz_target!(|lines: &[u8]| {
    let (mut bson, mut text, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let Ok(read) = decode(lines, &mut bson) else {
        return;
    };
    let written = encode(&bson, &mut text, &mut Vec::new()).expect("documents");
    assert_eq!(written.documents, read.documents);
    assert_eq!(decode(&text, &mut again), Ok(written));
    assert_eq!(again, bson);
});
