//! A keyed hash of series texts, wide enough to stand for them.
//!
//! Two lanes of 61 bits. A lane takes a text in pairs of 7-byte words `(a, b)` and adds up
//! `(a + k)(b + l)` modulo the prime 2⁶¹ − 1, each pair with a key of its own (a pseudo-dot product,
//! Winograd's); the sums of long texts' blocks, and the length before them, are coefficients of a
//! polynomial in one more key. For two different texts that were chosen without knowledge of the
//! keys, a lane gives the same with a chance of at most (n + 1) / (2⁶¹ − 1), n being the number of
//! 448-byte blocks: for lines as targets write them both lanes agree once in 2¹²⁰ pairs.
//!
//! That chance holds for any texts, also for those of a target that means harm, as long as it
//! learns nothing of the hashes: they never leave the process.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

const PRIME: u64 = (1 << 61) - 1;
const WORD_MASK: u64 = (1 << 56) - 1;
/// Two words of seven bytes.
const PAIR_BYTES: usize = 14;
/// Pairs with a key of their own. Each product is below 2¹²³, so this many fit 128 bits.
const BLOCK_PAIRS: usize = 32;
const BLOCK_BYTES: usize = BLOCK_PAIRS * PAIR_BYTES;

/// Hash of a text. In halves of words, so that it may lie anywhere in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextHash([u32; 4]);

impl TextHash {
    /// 64 bits for a table, which looks at both ends.
    pub(crate) fn short(self) -> u64 {
        let [a, b, c, d] = self.0.map(u64::from);
        ((b << 32 | a) << 3) ^ (d << 32 | c)
    }
}

/// The keys; drawn at random, and not to be shown to anybody.
pub(crate) struct TextKey {
    /// For each pair of words, two keys a lane.
    pairs: [[u64; 4]; BLOCK_PAIRS],
    /// Where the polynomial of each lane is taken.
    points: [u64; 2],
}

impl std::fmt::Debug for TextKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextKey")
    }
}

impl TextKey {
    /// Draws new keys.
    pub(crate) fn random() -> Self {
        Self {
            pairs: std::array::from_fn(|_| std::array::from_fn(|_| random_below_prime())),
            points: std::array::from_fn(|_| random_below_prime()),
        }
    }

    /// The hash of `text` under these keys.
    #[inline]
    pub(crate) fn hash(&self, text: &[u8]) -> TextHash {
        let mut lanes = [text.len() as u64; 2];
        for block in text.chunks(BLOCK_BYTES) {
            let sums = self.block_sums(block);
            for ((lane, point), sum) in lanes.iter_mut().zip(self.points).zip(sums) {
                *lane = modulo_prime(u128::from(*lane) * u128::from(point) + sum);
            }
        }
        let [one, two] = lanes;
        TextHash([
            one as u32,
            (one >> 32) as u32,
            two as u32,
            (two >> 32) as u32,
        ])
    }

    /// What a block of at most [`BLOCK_BYTES`] adds to each lane, below 2¹²⁸ − 2¹²⁵.
    #[inline]
    fn block_sums(&self, block: &[u8]) -> [u128; 2] {
        let mut sums = [0; 2];
        let (pairs, rest) = block.as_chunks::<PAIR_BYTES>();
        let mut keys = self.pairs.iter();
        for (pair, key) in pairs.iter().zip(&mut keys) {
            add_pair(&mut sums, pair, key);
        }
        if !rest.is_empty()
            && let Some(key) = keys.next()
        {
            // The last bytes, some of them once more: with the length known, nothing is ambiguous.
            let mut padded = [0; PAIR_BYTES];
            let last = block.last_chunk().unwrap_or_else(|| {
                for (to, from) in padded.iter_mut().zip(rest) {
                    *to = *from;
                }
                &padded
            });
            add_pair(&mut sums, last, key);
        }
        sums
    }
}

#[inline]
fn add_pair(sums: &mut [u128; 2], pair: &[u8; PAIR_BYTES], key: &[u64; 4]) {
    let [p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13] = *pair;
    let a = u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]) & WORD_MASK;
    let b = u64::from_le_bytes([p6, p7, p8, p9, p10, p11, p12, p13]) >> 8;
    sums[0] += u128::from(a + key[0]) * u128::from(b + key[1]);
    sums[1] += u128::from(a + key[2]) * u128::from(b + key[3]);
}

#[inline]
fn modulo_prime(number: u128) -> u64 {
    let low = number as u64 & PRIME;
    let middle = (number >> 61) as u64 & PRIME;
    let high = (number >> 122) as u64;
    let mut folded = low + middle + high;
    folded = (folded & PRIME) + (folded >> 61);
    if folded >= PRIME {
        folded - PRIME
    } else {
        folded
    }
}

fn random_below_prime() -> u64 {
    loop {
        let random = RandomState::new().build_hasher().finish() >> 3;
        if random < PRIME {
            return random;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_length_count() {
        let key = TextKey::random();
        for size in [
            1, 6, 7, 8, 13, 14, 15, 27, 28, 100, 447, 448, 449, 462, 896, 1000,
        ] {
            let text = vec![b'a'; size];
            let hash = key.hash(&text);
            assert_eq!(hash, key.hash(&text.clone()));
            for at in 0..size {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert_ne!(hash, key.hash(&other), "{size} {at}");
            }
            let mut longer = text.clone();
            longer.push(0);
            assert_ne!(hash, key.hash(&longer), "{size}");
            assert_ne!(hash, key.hash(&text[1..]), "{size}");
        }
        assert_ne!(key.hash(b""), key.hash(b"\0"));
    }

    #[test]
    fn each_lane_tells_texts_apart_by_itself() {
        let key = TextKey::random();
        let lane = |text: &[u8], lane: usize| {
            let TextHash(words) = key.hash(text);
            [words[lane * 2], words[lane * 2 + 1]]
        };
        for number in 0..1000_u32 {
            let (one, other) = (format!("a{number}"), format!("a{}", number + 1));
            for which in 0..2 {
                assert_ne!(lane(one.as_bytes(), which), lane(other.as_bytes(), which));
            }
        }
        assert_ne!(lane(b"a", 0), lane(b"a", 1));
    }

    #[test]
    fn another_key_gives_another_hash() {
        assert_ne!(TextKey::random().hash(b"up"), TextKey::random().hash(b"up"));
    }

    /// The definition, read aloud with numbers as long as need be.
    #[test]
    fn it_is_the_function_it_claims_to_be() {
        let key = TextKey::random();
        let prime = u128::from(PRIME);
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte))
        };
        for size in [0_usize, 3, 14, 20, 448, 450, 1400] {
            let text: Vec<u8> = (0..size).map(|at| (at * 37 % 251) as u8 | 0x80).collect();
            let expected: Vec<u128> = (0..2)
                .map(|lane| {
                    let mut value = size as u128;
                    for block in text.chunks(448) {
                        let mut pairs: Vec<Vec<u8>> =
                            block.chunks(14).map(<[u8]>::to_vec).collect();
                        if let Some(last) = pairs.last_mut().filter(|last| last.len() < 14) {
                            if block.len() >= 14 {
                                *last = block[block.len() - 14..].to_vec();
                            } else {
                                last.resize(14, 0);
                            }
                        }
                        let mut sum = 0;
                        for (pair, keys) in pairs.iter().zip(&key.pairs) {
                            let left = (word(&pair[..7]) + u128::from(keys[lane * 2])) % prime;
                            let right = (word(&pair[7..]) + u128::from(keys[lane * 2 + 1])) % prime;
                            sum = (sum + left * right) % prime;
                        }
                        value = (value * u128::from(key.points[lane]) + sum) % prime;
                    }
                    value
                })
                .collect();
            let TextHash([a, b, c, d]) = key.hash(&text);
            let lanes =
                [(a, b), (c, d)].map(|(low, high)| u128::from(high) << 32 | u128::from(low));
            assert_eq!(lanes.to_vec(), expected, "{size}");
        }
    }

    #[test]
    fn sums_at_their_largest_fit() {
        let key = TextKey {
            pairs: [[PRIME - 1; 4]; BLOCK_PAIRS],
            points: [PRIME - 1; 2],
        };
        // Overflow checks are on in tests.
        key.hash(&[0xff; BLOCK_BYTES * 3]);
        assert_eq!(modulo_prime(u128::from(PRIME)), 0);
        assert_eq!(
            modulo_prime(u128::MAX),
            (u128::MAX % u128::from(PRIME)) as u64
        );
    }
}
