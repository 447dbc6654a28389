//! Chance from a seed: the same seed gives the same nonces, session ids and losses.

use sha2::{Digest as _, Sha256};

use crate::model::clock::Mint;

/// A stream of bytes derived from a seed by SHA-256 in counter mode: as unguessable as its seed.
#[derive(Clone)]
pub struct Seeded {
    seed: [u8; 32],
    block: u64,
    rest: Vec<u8>,
}

impl Seeded {
    /// The stream of `seed`.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, block: 0, rest: Vec::new() }
    }

    /// An independent stream for `name`.
    #[must_use]
    pub fn branch(seed: &[u8; 32], name: &str) -> Self {
        Self::new(Sha256::new().chain_update(seed).chain_update(name).finalize().into())
    }

    /// Whether something of this probability (0 to 1) happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) < probability * 4_294_967_296.0
    }

    /// A number below `bound`; nothing if there is none.
    pub(super) fn below(&mut self, bound: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        // Of 2^64 values the remainder favours small ones by no more than bound / 2^64.
        u64::from_be_bytes(bytes).checked_rem(bound)
    }

    fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.rest.pop() {
                return byte;
            }
            let block = Sha256::new().chain_update(self.seed).chain_update(self.block.to_be_bytes()).finalize();
            self.rest = block.to_vec();
            self.block = self.block.wrapping_add(1);
        }
    }
}

impl std::fmt::Debug for Seeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seeded(…)")
    }
}

impl Mint for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.byte();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_no_other() {
        let (mut one, mut same) = (Seeded::new([7; 32]), Seeded::new([7; 32]));
        let mut other = Seeded::branch(&[7; 32], "other");
        assert_eq!(one.token(40), same.token(40));
        assert_ne!(one.nonce(), other.nonce());
    }

    #[test]
    fn certain_and_impossible_are_exact() {
        let mut chance = Seeded::new([1; 32]);
        assert!((0..100).all(|_| chance.happens(1.0)) && !(0..100).any(|_| chance.happens(0.0)));
    }
}
