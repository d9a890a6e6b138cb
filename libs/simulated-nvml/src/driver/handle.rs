//! What a device's handle says. A program may keep one for ever, so it names what it is of, and
//! whether that still exists is looked up at each call.

/// Marks a number as a handle; nothing is ever read from that address.
const MARK: usize = 0x6E76_0000_0000;

/// A handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    /// The GPU's position in the scenario.
    pub gpu: usize,
    /// An instance: which configuration of MIG it is of, and its position there.
    pub instance: Option<(usize, usize)>,
}

impl Handle {
    /// The number that programs hold; at most 256 GPUs and instances, and 65,536 configurations.
    pub fn encode(self) -> usize {
        let instance = self
            .instance
            .map_or(0, |(generation, index)| (generation & 0xFFFF) << 8 | (index + 1) & 0xFF);
        MARK | (self.gpu & 0xFF) << 24 | instance
    }

    /// What a number is a handle of.
    pub fn decode(number: usize) -> Option<Self> {
        if number & !0xFFFF_FFFF != MARK {
            return None;
        }
        let instance = (number & 0xFF).checked_sub(1).map(|index| (number >> 8 & 0xFFFF, index));
        Some(Self { gpu: number >> 24 & 0xFF, instance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_what_it_was_made_of() {
        for gpu in [0, 1, 31] {
            for instance in [None, Some((0, 0)), Some((3, 6))] {
                let handle = Handle { gpu, instance };
                assert_eq!(Handle::decode(handle.encode()), Some(handle));
            }
        }
        assert_eq!(Handle::decode(0), None);
        assert_eq!(Handle::decode(0x1234), None);
    }
}
