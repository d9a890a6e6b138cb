//! Which numbered lines arrived, and how often: a loss test of millions of lines keeps a byte for
//! each, not the line.

use std::collections::BTreeMap;

use memchr::memmem;

/// The number of a line: digits after this text.
const MARK: &[u8] = b"seq=";

/// Numbers whose counts stand together; a page takes a byte for each.
const PAGE: usize = 4096;

/// Most numbers that [`Sequence::missing`] and [`Sequence::repeated`] name.
const NAMED: usize = 100;

/// Numbers seen, and how often.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// Counts that stop at 255, by number / [`PAGE`].
    pages: BTreeMap<usize, Box<[u8; PAGE]>>,
    distinct: usize,
    /// Lines with a number that was seen before.
    pub duplicates: u64,
    /// Lines without a number.
    pub unnumbered: u64,
}

impl Sequence {
    /// Takes note of a line.
    pub fn see(&mut self, line: &[u8]) {
        match number_of(line) {
            Some(number) => self.see_number(number),
            None => self.unnumbered += 1,
        }
    }

    fn see_number(&mut self, number: usize) {
        let page = self.pages.entry(number / PAGE).or_insert_with(|| Box::new([0; PAGE]));
        let times = &mut page[number % PAGE];
        if *times == 0 {
            self.distinct += 1;
        } else {
            self.duplicates += 1;
        }
        *times = times.saturating_add(1);
    }

    /// How many different numbers were seen.
    pub fn count(&self) -> usize {
        self.distinct
    }

    /// How often a number was seen; 255 is that or more.
    pub fn times(&self, number: usize) -> u8 {
        self.pages.get(&(number / PAGE)).map_or(0, |page| page[number % PAGE])
    }

    /// Numbers below `end` that were not seen; the first hundred.
    pub fn missing(&self, end: usize) -> Vec<usize> {
        (0..end).filter(|number| self.times(*number) == 0).take(NAMED).collect()
    }

    /// Numbers that were seen more than once, and how often; the first hundred.
    pub fn repeated(&self) -> Vec<(usize, u8)> {
        let numbers = self.pages.iter().flat_map(|(page, counts)| {
            counts.iter().enumerate().map(move |(index, times)| (page * PAGE + index, *times))
        });
        numbers.filter(|(_, times)| *times > 1).take(NAMED).collect()
    }
}

/// `None` where there is no mark, no digit after it, or more digits than a number can have.
fn number_of(line: &[u8]) -> Option<usize> {
    let digits = &line[memmem::find(line, MARK)? + MARK.len()..];
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_repeated_numbers_are_told() {
        let mut sequence = Sequence::default();
        for line in ["x seq=0 y", "seq=2", "seq=2", "no number", "seq=70", "seq=2", "seq=x"] {
            sequence.see(line.as_bytes());
        }
        assert_eq!(sequence.missing(4), [1, 3]);
        assert_eq!(sequence.repeated(), [(2, 3)]);
        assert_eq!((sequence.times(0), sequence.times(1), sequence.times(2)), (1, 0, 3));
        assert_eq!((sequence.count(), sequence.duplicates, sequence.unnumbered), (3, 2, 2));
    }

    #[test]
    fn a_large_number_takes_one_page() {
        let mut sequence = Sequence::default();
        let largest = usize::MAX.to_string();
        for number in ["4095", "4096", largest.as_str(), "99999999999999999999999"] {
            sequence.see(format!("seq={number}").as_bytes());
        }
        assert_eq!((sequence.count(), sequence.pages.len(), sequence.unnumbered), (3, 3, 1));
        assert_eq!(
            (sequence.times(4095), sequence.times(4096), sequence.times(usize::MAX)),
            (1, 1, 1)
        );
    }

    #[test]
    fn a_count_stops_but_the_duplicates_go_on() {
        let mut sequence = Sequence::default();
        for _ in 0..1000 {
            sequence.see(b"seq=1");
        }
        assert_eq!((sequence.times(1), sequence.duplicates), (255, 999));
        assert_eq!(sequence.missing(1_000_000).len(), NAMED);
    }
}
