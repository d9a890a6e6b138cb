//! Numbers of fields, in both of NVML's numberings.
//!
//! Drivers from 580.82 on moved some fields to other numbers without an error for who asks by the
//! old ones. So a field is never named by a bare number outside of this file.

use std::collections::HashMap;

use super::calls::DeviceHandle;
use super::calls::buffers::{FieldRequest, Value};
use super::error::{NvmlError, ReturnCode};
use super::library::Library;

/// Scope of a field that sums over all links.
pub const ALL_LINKS: u32 = u32::MAX;

/// Which numbers the loaded driver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// That of CUDA 12 and 13.0.
    Twelve,
    /// That of CUDA 13.0 Update 1 and later.
    Thirteen,
}

impl Numbering {
    /// By the driver's version, such as `580.95.05`. One that cannot be read counts as old: a
    /// renumbered field is then answered as unknown rather than as another quantity.
    pub fn of_driver(version: &str) -> Self {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(major), Some(minor)) if (major, minor) >= (580, 82) => Self::Thirteen,
            (Some(major), None) if major > 580 => Self::Thirteen,
            _ => Self::Twelve,
        }
    }
}

/// A quantity that is read as a field, with its number by numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field {
    twelve: u32,
    thirteen: u32,
    scope: u32,
}

const fn same(id: u32) -> Field {
    Field { twelve: id, thirteen: id, scope: 0 }
}

const fn moved(twelve: u32, thirteen: u32) -> Field {
    Field { twelve, thirteen, scope: 0 }
}

const fn all_links(id: u32) -> Field {
    Field { twelve: id, thirteen: id, scope: ALL_LINKS }
}

#[expect(missing_docs, reason = "named as in NVML's header; units are where they are scaled")]
impl Field {
    pub const ECC_SBE_VOLATILE: Self = same(3);
    pub const ECC_DBE_VOLATILE: Self = same(4);
    pub const ECC_SBE_AGGREGATE: Self = same(5);
    pub const ECC_DBE_AGGREGATE: Self = same(6);
    pub const RETIRED_SBE: Self = same(29);
    pub const RETIRED_DBE: Self = same(30);
    pub const RETIRED_PENDING: Self = same(31);
    pub const NVLINK_CRC_FLIT_ERRORS: Self = same(38);
    pub const NVLINK_CRC_DATA_ERRORS: Self = same(45);
    pub const NVLINK_REPLAY_ERRORS: Self = same(52);
    pub const NVLINK_RECOVERY_ERRORS: Self = same(59);
    pub const LIMITED_POWER: Self = same(74);
    pub const LIMITED_THERMAL: Self = same(75);
    pub const LIMITED_SYNC_BOOST: Self = same(76);
    pub const LIMITED_BOARD: Self = same(77);
    pub const LIMITED_LOW_UTILIZATION: Self = same(78);
    pub const LIMITED_RELIABILITY: Self = same(79);
    pub const MEMORY_TEMPERATURE: Self = same(82);
    pub const ENERGY: Self = same(83);
    pub const NVLINK_COUNT: Self = same(91);
    pub const PCIE_REPLAYS: Self = same(94);
    pub const PCIE_REPLAY_ROLLOVERS: Self = same(95);
    pub const NVLINK_DATA_TRANSMIT: Self = all_links(138);
    pub const NVLINK_DATA_RECEIVE: Self = all_links(139);
    pub const REMAPPED_CORRECTABLE: Self = same(142);
    pub const REMAPPED_UNCORRECTABLE: Self = same(143);
    pub const REMAPPED_PENDING: Self = same(144);
    pub const REMAPPED_FAILURE: Self = same(145);
    pub const PCIE_CORRECTABLE_ERRORS: Self = same(173);
    pub const PCIE_NON_FATAL_ERRORS: Self = same(179);
    pub const PCIE_FATAL_ERRORS: Self = same(180);
    pub const POWER_AVERAGE: Self = same(185);
    pub const POWER_INSTANT: Self = same(186);
    pub const PCIE_TRANSMIT_BYTES: Self = same(197);
    pub const PCIE_RECEIVE_BYTES: Self = same(198);
    pub const NVLINK_TRANSMIT_BYTES: Self = all_links(202);
    pub const NVLINK_RECEIVE_BYTES: Self = all_links(204);
    pub const RECOVERY_ACTION: Self = same(230);
    pub const LIMITED_SW_THERMAL: Self = moved(251, 269);
    pub const LIMITED_HW_THERMAL: Self = moved(252, 270);
    pub const LIMITED_HW_POWER_BRAKE: Self = moved(253, 271);

    /// The same of one link.
    #[must_use]
    pub const fn of_link(self, link: u32) -> Self {
        Self { scope: link, ..self }
    }

    /// A number of its own, the same in all drivers.
    pub const fn number(self) -> u32 {
        (self.scope & 0xffff) << 16 | self.twelve
    }

    /// What the loaded driver is asked.
    pub fn request(self, numbering: Numbering) -> FieldRequest {
        let id = match numbering {
            Numbering::Twelve => self.twelve,
            Numbering::Thirteen => self.thirteen,
        };
        FieldRequest { id, scope: self.scope }
    }
}

/// Fields by what was answered, of one call.
pub type Answers = HashMap<Field, Result<Value, ReturnCode>>;

/// The function that reads them, for errors and metrics.
pub const FUNCTION: &str = "nvmlDeviceGetFieldValues";

/// Reads all of `fields` in one call.
///
/// # Errors
/// The call's answer; those of single fields are among the values.
pub fn read(
    library: &Library,
    device: DeviceHandle,
    numbering: Numbering,
    fields: &[Field],
) -> Result<Answers, NvmlError> {
    let requests: Vec<FieldRequest> = fields.iter().map(|field| field.request(numbering)).collect();
    let values = library.calls().field_values(device, &requests)?;
    Ok(fields.iter().copied().zip(values).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbering_follows_the_drivers_version() {
        for (version, expected) in [
            ("550.163.01", Numbering::Twelve),
            ("580.65.06", Numbering::Twelve),
            ("580.82", Numbering::Thirteen),
            ("580.82.07", Numbering::Thirteen),
            ("580.105.08", Numbering::Thirteen),
            ("590.44.01", Numbering::Thirteen),
            ("590", Numbering::Thirteen),
            ("", Numbering::Twelve),
            ("unknown", Numbering::Twelve),
        ] {
            assert_eq!(Numbering::of_driver(version), expected, "{version}");
        }
    }

    #[test]
    fn moved_fields_have_another_number_and_the_others_the_same() {
        let both = |field: Field| {
            [Numbering::Twelve, Numbering::Thirteen].map(|numbering| field.request(numbering).id)
        };
        assert_eq!(both(Field::LIMITED_SW_THERMAL), [251, 269]);
        assert_eq!(both(Field::LIMITED_HW_THERMAL), [252, 270]);
        assert_eq!(both(Field::LIMITED_HW_POWER_BRAKE), [253, 271]);
        assert_eq!(both(Field::RECOVERY_ACTION), [230, 230]);
        let link = Field::NVLINK_DATA_TRANSMIT.of_link(3).request(Numbering::Twelve);
        assert_eq!((link.id, link.scope), (138, 3));
    }
}
