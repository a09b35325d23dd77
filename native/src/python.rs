//! The seam to Python. The interpreter is free while a batch is worked on.

use crate::{batch, parts};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::cell::RefCell;
use std::hash::RandomState;
use std::sync::OnceLock;

/// Scratch memory that a thread keeps between two batches; a larger one is given back.
const KEPT_BYTES: usize = 16 << 20;

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::default();
}

static ID_HASHES: OnceLock<RandomState> = OnceLock::new(); // one for the process, so that hashes can be compared

type Totals = (usize, usize, [u8; 32]);

fn totals(found: &batch::Totals) -> Totals {
    (found.documents, found.escaped, found.fingerprint())
}

/// Runs `work` with two empty buffers while other threads run Python; returns what the first holds then.
fn with_scratch<T: Send, E: ToString + Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> Result<T, E> + Send,
) -> PyResult<(Bound<'_, PyBytes>, T)> {
    let (mut first, mut second) = SCRATCH.take();
    first.clear();
    second.clear();
    let result = py.detach(|| work(&mut first, &mut second));
    if second.capacity() > KEPT_BYTES {
        second = Vec::new(); // before the copy of the first, since both may be of 16 MB and more
    }
    let bytes = result.map(|found| (PyBytes::new(py, &first), found));
    if first.capacity() + second.capacity() <= KEPT_BYTES {
        SCRATCH.set((first, second));
    }
    bytes.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// BSON documents, one after the other → lines, documents, escaped documents, fingerprint.
#[pyfunction]
fn encode<'py>(py: Python<'py>, documents: &[u8]) -> PyResult<(Bound<'py, PyBytes>, Totals)> {
    let (text, found) = with_scratch(py, |text, proof| parts::encode(documents, text, proof))?;
    Ok((text, totals(&found)))
}

/// Lines → BSON documents, one after the other, documents, escaped documents, fingerprint.
#[pyfunction]
fn decode<'py>(py: Python<'py>, lines: &[u8]) -> PyResult<(Bound<'py, PyBytes>, Totals)> {
    let (bson, found) = with_scratch(py, |bson, _| batch::decode(lines, bson))?;
    Ok((bson, totals(&found)))
}

/// BSON documents, one after the other → documents, 0, fingerprint.
#[pyfunction]
fn count(py: Python<'_>, documents: &[u8]) -> PyResult<Totals> {
    let found = py.detach(|| batch::count(documents));
    found.map(|found| totals(&found)).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Eight bytes for each document that has an `_id`; equal for equal ids within this process.
#[pyfunction]
fn id_hashes<'py>(py: Python<'py>, documents: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let state = ID_HASHES.get_or_init(RandomState::new);
    Ok(with_scratch(py, |hashes, _| batch::id_hashes(documents, state, hashes))?.0)
}

#[pymodule]
fn sidecar_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(encode, module)?)?;
    module.add_function(wrap_pyfunction!(decode, module)?)?;
    module.add_function(wrap_pyfunction!(count, module)?)?;
    module.add_function(wrap_pyfunction!(id_hashes, module)?)
}
