//! New inputs from known ones: bytes, pieces, words and numbers are changed at random.
//!
//! The same seed and the same known inputs give the same new ones.

use std::ops::Range;

use fastrand::Rng;

/// Longest input. What takes time or memory more than in proportion shows below that.
pub(crate) const MAX_INPUT_BYTES: usize = 64 << 10;

/// Most changes to one input.
const MAX_CHANGES: u32 = 8;

/// Bytes and texts at which parsers go wrong.
const ODD: [&[u8]; 24] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\xff",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    "\u{2028}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{fffd}".as_bytes(),
    "İ".as_bytes(),
    "ß".as_bytes(),
];

/// Numbers at which arithmetic goes wrong.
const NUMBERS: [&str; 20] = [
    "0",
    "-0",
    "1",
    "-1",
    "9",
    "10",
    "31",
    "60",
    "99",
    "127",
    "128",
    "255",
    "256",
    "65536",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "0.1",
];

/// Makes inputs.
#[derive(Debug)]
pub(crate) struct Mutator {
    rng: Rng,
    words: &'static [&'static str],
}

impl Mutator {
    /// `words` are what the format is made of.
    pub(crate) fn new(seed: u64, words: &'static [&'static str]) -> Self {
        Self { rng: Rng::with_seed(seed), words }
    }

    /// An input made from one of `known`, which must not be empty.
    pub(crate) fn next(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(known).clone();
        // One change is as likely as all larger numbers together.
        let mut changes = 1;
        while changes < MAX_CHANGES && self.rng.bool() {
            changes += 1;
        }
        for _ in 0..changes {
            self.change(&mut input, known);
        }
        input.truncate(MAX_INPUT_BYTES);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, known: &[Vec<u8>]) {
        match self.rng.u8(..12) {
            0 => {
                if let Some(at) = self.place(input) {
                    input[at] ^= 1 << self.rng.u8(..8);
                }
            }
            1 => {
                if let Some(at) = self.place(input) {
                    input[at] = self.rng.u8(..);
                }
            }
            2 => drop(input.drain(self.piece(input))),
            3 => {
                let piece = input[self.piece(input)].to_vec();
                self.insert(input, &piece);
            }
            4 => {
                // Long and deep inputs: a piece many times.
                let piece = input[self.piece(input)].to_vec();
                self.insert_many(input, &piece);
            }
            5 => {
                let word = *self.word();
                self.insert_many(input, word.as_bytes());
            }
            6 => {
                let other = self.pick(known);
                let piece = other[self.piece(other)].to_vec();
                self.insert(input, &piece);
            }
            7 => {
                // The beginning of one and the end of another.
                let other = self.pick(known);
                let from = self.rng.usize(..=other.len());
                input.truncate(self.rng.usize(..=input.len()));
                input.extend_from_slice(&other[from..]);
            }
            8 => self.change_number(input),
            9 => {
                let odd = ODD[self.rng.usize(..ODD.len())];
                self.insert(input, odd);
            }
            10 => {
                let word = *self.word();
                let range = self.piece(input);
                drop(input.splice(range, word.bytes()));
            }
            _ => {
                let word = *self.word();
                self.insert(input, word.as_bytes());
            }
        }
    }

    fn pick<'a>(&mut self, known: &'a [Vec<u8>]) -> &'a Vec<u8> {
        &known[self.rng.usize(..known.len())]
    }

    fn word(&mut self) -> &'static &'static str {
        &self.words[self.rng.usize(..self.words.len())]
    }

    fn place(&mut self, input: &[u8]) -> Option<usize> {
        (!input.is_empty()).then(|| self.rng.usize(..input.len()))
    }

    /// Short pieces are as likely as all others.
    fn piece(&mut self, input: &[u8]) -> Range<usize> {
        let begin = self.rng.usize(..=input.len());
        let rest = input.len() - begin;
        let longest = if self.rng.bool() { rest.min(8) } else { rest };
        begin..begin + self.rng.usize(..=longest)
    }

    fn insert(&mut self, input: &mut Vec<u8>, piece: &[u8]) {
        let at = self.rng.usize(..=input.len());
        drop(input.splice(at..at, piece.iter().copied()));
    }

    fn insert_many(&mut self, input: &mut Vec<u8>, piece: &[u8]) {
        let times = 1_usize << self.rng.u32(..13);
        let room = MAX_INPUT_BYTES.saturating_sub(input.len()) / piece.len().max(1);
        self.insert(input, &piece.repeat(times.min(room)));
    }

    /// Replaces one of the numbers, if there is any.
    fn change_number(&mut self, input: &mut Vec<u8>) {
        let Some(from) = self.place(input) else { return };
        let is_digit = |at: &usize| input[*at].is_ascii_digit();
        let Some(begin) = (from..input.len()).find(is_digit) else { return };
        let end = (begin..input.len()).find(|at| !is_digit(at)).unwrap_or(input.len());
        let number = NUMBERS[self.rng.usize(..NUMBERS.len())];
        drop(input.splice(begin..end, number.bytes()));
    }
}

/// A shorter input of which `fails` is still true: pieces are left out as long as that goes.
/// `goes_on` ends the search early.
pub(crate) fn shorten(
    input: &[u8],
    mut fails: impl FnMut(&[u8]) -> bool,
    goes_on: impl Fn() -> bool,
) -> Vec<u8> {
    let mut shortest = input.to_vec();
    let mut piece = shortest.len().div_ceil(2);
    while piece > 0 {
        let before = shortest.len();
        let mut at = 0;
        while at < shortest.len() {
            if !goes_on() {
                return shortest;
            }
            let end = (at + piece).min(shortest.len());
            let without = [&shortest[..at], &shortest[end..]].concat();
            if fails(&without) { shortest = without } else { at += piece }
        }
        if shortest.len() == before || piece > 1 {
            piece /= 2;
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_another_seed_others() {
        let known = [b"time=1 level=info".to_vec(), Vec::new()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed, &["=", "level"]);
            (0..500).map(|_| mutator.next(&known)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }

    #[test]
    fn no_input_is_longer_than_the_limit_and_some_are_near_it() {
        let known = [vec![b'7'; 1000]];
        let mut mutator = Mutator::new(3, &["{{"]);
        let longest = (0..2000).map(|_| mutator.next(&known).len()).max().unwrap();
        assert!((MAX_INPUT_BYTES / 2..=MAX_INPUT_BYTES).contains(&longest), "{longest}");
    }

    #[test]
    fn what_does_not_matter_is_left_out() {
        let input = b"some text, an x, and a y behind it";
        let fails = |input: &[u8]| input.contains(&b'x') && input.contains(&b'y');
        assert_eq!(shorten(input, fails, || true), b"xy");
        assert_eq!(shorten(input, fails, || false), input);
    }
}
