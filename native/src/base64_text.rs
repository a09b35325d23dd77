//! Standard base64, appended to a buffer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub fn write(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("the buffer has base64's exact size");
    debug_assert_eq!(start + written, out.len());
}

/// Appends what the text means; None where it is not base64 with its padding.
pub fn read(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    STANDARD.decode_vec(text, out).ok()
}
