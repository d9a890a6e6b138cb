//! Which numbered lines arrived, and how often: a loss test of millions of lines keeps bits, not
//! lines.

/// The number of a line: digits after this text.
const MARK: &[u8] = b"seq=";

/// Numbers seen.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    seen: Vec<u64>,
    /// Lines with a number that was seen before.
    pub duplicates: u64,
    /// Lines without a number.
    pub unnumbered: u64,
}

impl Sequence {
    /// Takes note of a line.
    pub fn see(&mut self, line: &[u8]) {
        let Some(number) = number_of(line) else {
            self.unnumbered += 1;
            return;
        };
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.duplicates += 1;
        }
        self.seen[word] |= bit;
    }

    /// How many different numbers were seen.
    pub fn count(&self) -> usize {
        self.seen.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Numbers below `end` that were not seen; the first hundred.
    pub fn missing(&self, end: usize) -> Vec<usize> {
        let is_missing = |number: &usize| {
            self.seen.get(number / 64).is_none_or(|word| word & (1 << (number % 64)) == 0)
        };
        (0..end).filter(is_missing).take(100).collect()
    }
}

/// Numbers up to a billion: a line cannot make the receiver take more memory than 125 MB.
fn number_of(line: &[u8]) -> Option<usize> {
    let begin = line.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits = line[begin..].iter().take(9).take_while(|byte| byte.is_ascii_digit());
    let (count, number) = digits.fold((0, 0), |(count, number), digit| {
        (count + 1, number * 10 + usize::from(digit - b'0'))
    });
    (count > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_repeated_numbers_are_told() {
        let mut sequence = Sequence::default();
        for line in ["x seq=0 y", "seq=2", "seq=2", "no number", "seq=70"] {
            sequence.see(line.as_bytes());
        }
        assert_eq!(sequence.missing(4), [1, 3]);
        assert_eq!((sequence.count(), sequence.duplicates, sequence.unnumbered), (3, 1, 1));
    }
}
