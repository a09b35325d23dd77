//! The same documents encoded and decoded over and over: what `make instructions` counts, and what a profiler can look at.
//!
//!     work encode|decode small|nested ROUNDS

#![allow(clippy::cast_possible_truncation, reason = "made-up documents are small")]

use sidecar_native::batch::{decode, encode};
use std::hint::black_box;

const BATCH_BYTES: usize = 1 << 20;

fn main() {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [direction, shape, rounds] = arguments.as_slice() else {
        panic!("usage: work encode|decode small|nested ROUNDS");
    };
    let batch = documents(shape == "nested");
    let (mut text, mut proof) = (Vec::new(), Vec::new());
    encode(&batch, &mut text, &mut proof).expect("whole documents");
    for _ in 0..rounds.parse::<usize>().expect("a number") {
        if direction == "encode" {
            text.clear();
            black_box(encode(black_box(&batch), &mut text, &mut proof)).expect("whole documents");
        } else {
            proof.clear();
            black_box(decode(black_box(&text), &mut proof)).expect("whole lines");
        }
    }
    println!("{} {}", batch.len(), text.len());
}

fn documents(is_nested: bool) -> Vec<u8> {
    let mut batch = Vec::with_capacity(2 * BATCH_BYTES);
    for number in 0_u32.. {
        if batch.len() >= BATCH_BYTES {
            break;
        }
        let ride = ride(number);
        if is_nested {
            let stops = (0..8).map(|stop| (0x03, stop.to_string(), document(&ride))).collect::<Vec<_>>();
            batch.extend(document(&[vec![(0x04, "stops".into(), document(&stops))], ride].concat()));
        } else {
            batch.extend(document(&ride));
        }
    }
    batch
}

type Field = (u8, String, Vec<u8>);

/// Thirteen fields as a bus leaves them: ids, words, times, a place, numbers.
fn ride(number: u32) -> Vec<Field> {
    let mixed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = [mixed.to_le_bytes().as_slice(), &number.to_le_bytes()].concat();
    let place = |shift: u32| (f64::from((mixed >> shift) as u32) / 1e8).to_le_bytes().to_vec();
    let date = (1_700_000_000_000_i64 + i64::from(number) * 997).to_le_bytes().to_vec();
    vec![
        (0x07, "_id".into(), id.clone()),
        (0x07, "student_id".into(), id),
        (0x02, "bus_id".into(), text(&format!("bus-{:03}", mixed % 300))),
        (0x02, "status".into(), text(["boarded", "alighted", "absent"][(mixed % 3) as usize])),
        (0x09, "timestamp".into(), date),
        (0x01, "latitude".into(), place(0)),
        (0x01, "longitude".into(), place(17)),
        (0x01, "speed".into(), (f64::from((mixed % 800) as u32) / 10.0).to_le_bytes().to_vec()),
        (0x12, "sequence".into(), (mixed >> 20).to_le_bytes().to_vec()),
        (0x10, "battery".into(), ((mixed % 100) as u32).to_le_bytes().to_vec()),
        (0x02, "note".into(), text(&format!("Straße {number}: fünf Minuten später"))),
        (0x08, "is_late".into(), vec![1]),
        (0x0a, "reason".into(), Vec::new()),
    ]
}

fn text(words: &str) -> Vec<u8> {
    [&(words.len() as u32 + 1).to_le_bytes(), words.as_bytes(), b"\0"].concat()
}

fn document(fields: &[Field]) -> Vec<u8> {
    let mut elements = Vec::new();
    for (kind, name, value) in fields {
        elements.extend([&[*kind], name.as_bytes(), b"\0", value].concat());
    }
    [&(elements.len() as u32 + 5).to_le_bytes(), elements.as_slice(), b"\0"].concat()
}
