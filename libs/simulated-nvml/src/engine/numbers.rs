//! Numbers between the simulation's `f64` and NVML's integers. What does not fit is cut to the
//! nearest that does, never wrapped.

/// Microseconds to seconds; exact for 285 years.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(crate) fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

/// A count as a real number; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion with `as` saturates, and that is what is wanted"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// The nearest whole number of 32 bits.
pub(crate) fn short(value: f64) -> u32 {
    u32::try_from(whole(value)).unwrap_or(u32::MAX)
}

/// The nearest whole number of 32 bits with a sign.
#[expect(clippy::cast_possible_truncation, reason = "a conversion with `as` saturates")]
pub(crate) fn signed(value: f64) -> i32 {
    value.round() as i32
}

/// A number from a seed that looks like chance (splitmix64).
pub(crate) fn scatter(seed: u64) -> u64 {
    let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

/// `xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx`.
pub(crate) fn uuid(seed: u64) -> String {
    let (high, low) = (scatter(seed), scatter(scatter(seed)));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFF,
        low >> 48 & 0xFFF,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// A seed from a text (FNV-1a).
pub(crate) fn seed_of(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
