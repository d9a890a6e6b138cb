//! Field values by their numbers, with the type that the driver gives each.

use crate::code::Code;
use crate::engine::numbers::{short, signed, whole};
use crate::engine::view::View;
use crate::scenario::FieldNumbering;
use crate::scenario::timeline::Health;

/// All links, as the scope of a field.
const ALL_LINKS: u32 = u32::MAX;

/// A value and its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `unsigned int`.
    Short(u32),
    /// `unsigned long long`.
    Long(u64),
    /// `int`.
    Signed(i32),
}

/// The value of a field at the view's time.
///
/// # Errors
///
/// With the code that stands beside the field.
pub fn read(
    view: &View<'_>,
    numbering: FieldNumbering,
    id: u32,
    scope: u32,
) -> Result<Value, Code> {
    if view.gpu.spec.unsupported_fields.contains(&id) {
        return Err(Code::NOT_SUPPORTED);
    }
    if id == 230 {
        return Ok(Value::Short(view.recovery_action()));
    }
    if view.health() == Health::ResetRequired {
        return Err(Code::RESET_REQUIRED);
    }
    match id {
        1..=6 => Ok(ecc(view, id)),
        29..=31 | 92 | 93 => retired_pages(view, id),
        38 | 45 | 52 | 59 | 84..=91 | 132..=141 | 160..=168 | 201..=222 => links(view, id, scope),
        74..=81 => Ok(limited(view, id)),
        251..=253 if numbering == FieldNumbering::V12 => Ok(limited(view, id + 18)),
        269..=271 if numbering == FieldNumbering::V13 => Ok(limited(view, id)),
        82 if view.profile().has_memory_temperature() => {
            Ok(Value::Short(short(view.temperature() + 6.0)))
        }
        83 | 191 => Ok(Value::Long(whole(view.energy() * 1e3))),
        94 | 95 | 169 | 173..=183 | 226 | 227 => Ok(Value::Short(0)),
        142..=145 => remap(view, id),
        185..=190 | 192 => power(view, id, scope),
        193..=196 => limit_distance(view, id),
        197 => Ok(Value::Long(whole(view.pcie_bytes(view.now).0))),
        198 => Ok(Value::Long(whole(view.pcie_bytes(view.now).1))),
        _ => Err(Code::NOT_SUPPORTED),
    }
}

fn ecc(view: &View<'_>, id: u32) -> Value {
    let errors = view.ecc();
    match id {
        1 | 2 => Value::Short(1),
        3 | 5 => Value::Long(errors.corrected),
        _ => Value::Long(errors.uncorrected),
    }
}

fn retired_pages(view: &View<'_>, id: u32) -> Result<Value, Code> {
    if view.profile().has_row_remapping() {
        return Err(Code::NOT_SUPPORTED);
    }
    let remap = view.remap();
    Ok(match id {
        29 => Value::Long(remap.correctable.into()),
        30 => Value::Long(remap.uncorrectable.into()),
        _ => Value::Short(remap.pending.into()),
    })
}

fn remap(view: &View<'_>, id: u32) -> Result<Value, Code> {
    if !view.profile().has_row_remapping() {
        return Err(Code::NOT_SUPPORTED);
    }
    let remap = view.remap();
    Ok(Value::Short(match id {
        142 => remap.correctable,
        143 => remap.uncorrectable,
        144 => remap.pending.into(),
        _ => remap.failure.into(),
    }))
}

/// Nanoseconds for which clocks were limited.
fn limited(view: &View<'_>, id: u32) -> Value {
    let bits = match id {
        74 => 0x4,
        75 => 0x20 | 0x40,
        76 => 0x10,
        77 => 0x200,
        78 => 0x1,
        79 => 0x400,
        80 => 0x2,
        81 => 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x200 | 0x400,
        269 => 0x20,
        270 => 0x40,
        _ => 0x80,
    };
    Value::Long(whole(view.limited_seconds(bits) * 1e9))
}

/// Milliwatts, of the GPU and not of its module.
fn power(view: &View<'_>, id: u32, scope: u32) -> Result<Value, Code> {
    if scope != 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    let profile = view.profile();
    let watts = match id {
        185 => view.average_power(),
        186 => view.power(),
        187 => profile.min_limit_watts,
        188 | 189 => profile.limit_watts,
        _ => view.gpu.spec.power_limit_watts,
    };
    Ok(Value::Short(short(watts * 1e3)))
}

/// Celsius relative to the limit at which clocks go down: shutdown, slowdown, memory, GPU.
fn limit_distance(view: &View<'_>, id: u32) -> Result<Value, Code> {
    let profile = view.profile();
    if profile.architecture < 8 {
        return Err(Code::NOT_SUPPORTED);
    }
    let [shutdown, slowdown, memory, gpu] = profile.limits_celsius;
    Ok(Value::Signed(match id {
        193 => signed(gpu - shutdown),
        194 => signed(gpu - slowdown),
        195 if memory > 0.0 => signed(gpu - memory),
        195 => return Err(Code::NOT_SUPPORTED),
        _ => 0,
    }))
}

fn links(view: &View<'_>, id: u32, scope: u32) -> Result<Value, Code> {
    let profile = view.profile();
    if profile.links == 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    let is_blackwell = profile.architecture >= 10;
    let of = |link: u32| {
        if link == ALL_LINKS {
            Ok(view.all_link_bytes(view.now))
        } else {
            view.link_bytes(link, view.now)
        }
    };
    let speed = short(profile.link_rate / 1e6);
    Ok(match id {
        38 | 45 | 52 | 59 | 160 => Value::Long(0),
        84..=89 | 132..=137 => {
            let link = if id < 90 { id - 84 } else { id - 126 };
            if link >= profile.links {
                return Err(Code::NOT_SUPPORTED);
            }
            Value::Short(speed)
        }
        90 => Value::Short(speed),
        91 => Value::Short(profile.links),
        // Kibibytes; payload, then with protocol.
        138 => Value::Long(whole(of(scope)?.0 / 1_024.0)),
        139 => Value::Long(whole(of(scope)?.1 / 1_024.0)),
        140 => Value::Long(whole(of(scope)?.0 * 1.1 / 1_024.0)),
        141 => Value::Long(whole(of(scope)?.1 * 1.1 / 1_024.0)),
        161..=163 if !is_blackwell => {
            of(scope)?;
            Value::Long(0)
        }
        164 => {
            of(scope)?;
            Value::Short(speed)
        }
        165 => {
            of(scope)?;
            Value::Short(u32::from(!view.gpu.spec.links_down.contains(&scope)))
        }
        202 if is_blackwell => Value::Long(whole(of(scope)?.0)),
        204 if is_blackwell => Value::Long(whole(of(scope)?.1)),
        201 if is_blackwell => Value::Long(whole(of(scope)?.0 / 256.0)),
        203 if is_blackwell => Value::Long(whole(of(scope)?.1 / 256.0)),
        205..=222 if is_blackwell => {
            of(scope)?;
            Value::Long(0)
        }
        _ => return Err(Code::NOT_SUPPORTED),
    })
}
