//! Batches of BSON documents to lossless Extended JSON lines, and back.
//!
//! The text is canonical Extended JSON v2 without blanks. A document that it cannot carry exactly stands as
//! `{"$bson": "<base64>"}`. The Python package next door holds the same rules; one contract suite tests both.
//!
//! `encode` and `decode` share nothing but the layout of BSON, so that the one can prove what the other wrote.

mod base64_text;
pub mod batch;
mod bson;
mod decode;
mod encode;
mod fingerprint;
mod json;
mod keys;
mod number;
pub mod parts;
#[cfg(feature = "python")]
mod python;
mod wrappers;
