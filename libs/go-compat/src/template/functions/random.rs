//! Random texts and numbers. Not for secrets.
//!
//! Seeded per call from the keys that the standard library draws for its hash maps, so two replicas
//! never give the same.

use std::hash::{BuildHasher, RandomState};

use super::{Arguments, Builtin, Outcome, check_length, exactly, usize_of};
use crate::template::limits::failed;
use crate::template::value::Value;

const DIGITS: &[u8] = b"0123456789";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BOTH: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(super) const TABLE: &[Builtin] = &[
    exactly("randNumeric", 1, |call| drawn(call, |random| DIGITS[random.below(DIGITS.len())])),
    exactly("randAlpha", 1, |call| drawn(call, |random| LETTERS[random.below(LETTERS.len())])),
    exactly("randAlphaNum", 1, |call| drawn(call, |random| BOTH[random.below(BOTH.len())])),
    exactly("randAscii", 1, |call| {
        drawn(call, |random| u8::try_from(32 + random.below(95)).unwrap_or(b' '))
    }),
    exactly("randInt", 2, |call| {
        let (least, end) = (call.int(0)?, call.int(1)?);
        match end.checked_sub(least) {
            Some(span) if span > 0 => {
                let offset = i64::try_from(Random::new().below(usize_of(span))).unwrap_or(0);
                Ok(Value::Int(least + offset))
            }
            _ => failed(format!("no number is at least {least} and less than {end}")),
        }
    }),
    exactly("shuffle", 1, |call| {
        let mut characters: Vec<char> = call.characters(0)?.chars().collect();
        let mut random = Random::new();
        for end in (1..characters.len()).rev() {
            characters.swap(end, random.below(end + 1));
        }
        Ok(Value::text(characters.into_iter().collect::<String>()))
    }),
    exactly("uuidv4", 0, |_| {
        let mut random = Random::new();
        let bits = u128::from(random.next()) << 64 | u128::from(random.next());
        // version 4, variant 10
        let bits = bits & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Ok(Value::text(groups.join("-")))
    }),
];

fn drawn(call: &mut Arguments<'_>, mut draw: impl FnMut(&mut Random) -> u8) -> Outcome {
    let count = usize_of(call.int(0)?);
    check_length(count)?;
    let mut random = Random::new();
    Ok(Value::Text((0..count).map(|_| draw(&mut random)).collect()))
}

/// Numbers of the generator `splitmix64`.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number less than `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        let scaled = (u128::from(self.next()) * end as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use crate::template::tests::rendered;

    #[test]
    fn random_texts_have_the_asked_shape() {
        assert_eq!(rendered("{{ randAlphaNum 12 | len }}"), "12");
        assert_eq!(rendered(r#"{{ regexMatch "^[0-9]{5}$" (randNumeric 5) }}"#), "true");
        assert_eq!(rendered("{{ randInt 3 4 }}"), "3");
        let uuid = r#"{{ regexMatch "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" uuidv4 }}"#;
        assert_eq!(rendered(uuid), "true");
        assert_ne!(rendered("{{ uuidv4 }}"), rendered("{{ uuidv4 }}"));
    }
}
