//! The fingerprint of a collection: Σ SHA-256(BSON of each document) mod 2²⁵⁶.

use sha2::{Digest, Sha256};

/// A sum of digests; the least significant limb comes first.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u64; 4]);

impl Fingerprint {
    pub fn add(&mut self, document: &[u8]) {
        let digest = Sha256::digest(document);
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(digest.as_chunks::<8>().0.iter().rev()) {
            *limb = u64::from_be_bytes(*bytes);
        }
        self.join(Self(limbs));
    }

    /// Of other documents as well.
    pub fn join(&mut self, other: Self) {
        let mut carry = false;
        for (limb, added) in self.0.iter_mut().zip(other.0) {
            let (sum, over) = limb.overflowing_add(added);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, over | over_again);
        }
    }

    /// The sum as one number, the most significant byte first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0.iter().rev()) {
            *chunk = limb.to_be_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn carries_run_through_all_limbs() {
        let mut sum = Fingerprint([u64::MAX; 4]);
        sum.add(b"");
        let mut expected = sha2::Sha256::digest(b"");
        expected[31] -= 1;
        assert_eq!(sum.to_bytes(), *expected);
    }

    use sha2::Digest;
}
