//! The names of KV blocks by content. Keeps true: equal hashes mean equal tokens from the first on, and the same salt.

use conclave_scheduler::BlockHash;
use conclave_types::{Digest, TokenId};

/// The hash that the first block follows on: sequences with different salts share nothing.
pub(crate) fn salt(text: &[u8]) -> BlockHash {
    first_half(Digest::of(text))
}

fn first_half(digest: Digest) -> BlockHash {
    let (half, _) = digest.0.split_first_chunk::<16>().expect("a digest has 32 bytes");
    BlockHash(u128::from_le_bytes(*half))
}

/// The hash of a full block of `tokens` that follows on the block `before`.
pub(super) fn chained(before: BlockHash, tokens: impl Iterator<Item = TokenId>) -> BlockHash {
    let mut bytes = before.0.to_le_bytes().to_vec();
    tokens.for_each(|token| bytes.extend(token.0.to_le_bytes()));
    first_half(Digest::of(&bytes))
}

/// The hashes of the full blocks of `prompt`.
pub(super) fn of_prompt(salt: BlockHash, prompt: &[TokenId], block_size: usize) -> Vec<BlockHash> {
    let mut before = salt;
    let next = |block: &[TokenId]| {
        before = chained(before, block.iter().copied());
        before
    };
    prompt.chunks_exact(block_size).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_names_all_tokens_before_it_and_the_salt() {
        let tokens = |ids: &[u32]| ids.iter().copied().map(TokenId).collect::<Vec<_>>();
        let of = |secret: &str, ids: &[u32]| of_prompt(salt(secret.as_bytes()), &tokens(ids), 2);
        let plain = of("", &[1, 2, 3, 4, 5]);
        assert_eq!(plain.len(), 2, "the last block is not full");
        assert_eq!(of("", &[1, 2, 3, 4]), plain);
        assert_eq!(of("", &[1, 2, 3, 9])[0], plain[0]);
        assert_ne!(of("", &[9, 2, 3, 4])[1], plain[1]);
        assert_ne!(of("key", &[1, 2])[0], plain[0]);
    }
}
