//! New inputs from old ones: bits, bytes, numbers and words changed; parts cut out, doubled, moved and taken over from others.

use rand::Rng;
use rand::rngs::SmallRng;

use super::{flac, one_of};

/// Texts of numbers that readers trip over.
const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "1",
    "-1",
    "63",
    "64",
    "65",
    "127",
    "255",
    "65535",
    "2147483648",
    "-2147483649",
    "4294967296",
    "18446744073709551616",
    "1e308",
    "-1e309",
    "1e-320",
    "NaN",
    "inf",
    "0x10",
    "1e",
    "٣",
];
/// Binary numbers likewise.
const WORDS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];

/// A new input from one of the pool's first `from`, with parts of all others, at most `max_bytes` long. `words` are what the target's
/// format is made of.
pub(super) fn mutate(rng: &mut SmallRng, pool: &[Vec<u8>], from: usize, words: &[&str], max_bytes: usize) -> Vec<u8> {
    let mut input = one_of(rng, &pool[..from]).clone();
    // Mostly few changes: the reader then comes far before it meets the fault.
    for _ in 0..1 << rng.random_range(0..5) {
        change(rng, &mut input, pool, words);
    }
    if rng.random_bool(0.7) {
        flac::mend(&mut input);
    }
    input.truncate(max_bytes);
    input
}

fn change(rng: &mut SmallRng, input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str]) {
    let at = rng.random_range(0..=input.len());
    match rng.random_range(0..12) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.random();
            }
        }
        2 => {
            let bytes = one_of(rng, &WORDS).to_le_bytes();
            let width = *one_of(rng, &[1, 2, 4, 8]);
            let end = input.len().min(at + width);
            let changed = &mut input[at..end];
            changed.copy_from_slice(&bytes[..changed.len()]);
        }
        3 => {
            let end = (at + rng.random_range(1..40)).min(input.len());
            input.drain(at..end);
        }
        4 => input.truncate(at),
        5 => {
            let end = (at + rng.random_range(1..200)).min(input.len());
            let part = input[at..end].to_vec();
            let times = if rng.random_bool(0.05) { rng.random_range(1..500) } else { 1 };
            let to = rng.random_range(0..=input.len());
            insert(input, to, &part.repeat(times));
        }
        6 => {
            let other = one_of(rng, pool);
            let from = rng.random_range(0..=other.len());
            let end = (from + rng.random_range(1..300)).min(other.len());
            insert(input, at, &other[from..end]);
        }
        7 if !words.is_empty() => {
            let word = one_of(rng, words);
            insert(input, at, word.as_bytes());
        }
        8 => {
            // A number of the text becomes another.
            if let Some((from, to)) = number_at(input, at) {
                let number = one_of(rng, &NUMBERS).as_bytes().to_vec();
                input.splice(from..to, number);
            }
        }
        9 => {
            let number = one_of(rng, &NUMBERS);
            insert(input, at, number.as_bytes());
        }
        10 => {
            // A line or a field moves.
            let end = input[at..].iter().position(|b| *b == b'\n').map_or(input.len(), |n| at + n);
            let part: Vec<u8> = input.drain(at..end).collect();
            let to = rng.random_range(0..=input.len());
            insert(input, to, &part);
        }
        _ => {
            let byte = *one_of(rng, b"[]{}<>\"',:;&#=-+.eE\0\r\n\t \xff\xc3\xe2");
            let times = if rng.random_bool(0.05) { rng.random_range(1..5000) } else { 1 };
            insert(input, at, &vec![byte; times]);
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}

/// The number that follows `at` in a text.
fn number_at(input: &[u8], at: usize) -> Option<(usize, usize)> {
    let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+');
    let from = at + input[at..].iter().position(is_part)?;
    let length = input[from..].iter().take_while(|b| is_part(b)).count();
    Some((from, from + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_they_differ() {
        let pool = [b"{\"x_m\": 0.5, \"y_m\": -1}\n".to_vec(), b"channel,x_m\n0,0.1\n".to_vec()];
        let draw = |seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            (0..200).map(|_| mutate(&mut rng, &pool, 2, &["muted"], 300)).collect::<Vec<_>>()
        };
        let inputs = draw(1);
        assert_eq!(inputs, draw(1));
        assert_ne!(inputs, draw(2));
        assert!(inputs.iter().all(|i| i.len() <= 300));
        let mut once = inputs.clone();
        once.sort();
        once.dedup();
        assert!(once.len() > 150, "{} of 200 differ", once.len());
        assert_eq!(number_at(b"x = -1.5e", 0), Some((4, 8)));
    }
}
