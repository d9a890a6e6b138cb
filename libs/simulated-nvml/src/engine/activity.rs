//! Activity of units (GPM), from the load between two samples. Shares of units are fixed: a
//! simulated kernel is mostly matrix multiplication of half precision.

use crate::code::Code;
use crate::engine::gpu::Instance;
use crate::engine::numbers::seconds;
use crate::engine::view::{Unit, View};

const MEBIBYTE: f64 = 1_048_576.0;

/// What a sample was taken of.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// The GPU at the time of the later sample.
    pub view: View<'a>,
    /// The instance, if it was of one.
    pub instance: Option<&'a Instance>,
    /// Time of the earlier sample.
    pub from: u64,
    /// Whether there are counters since boot.
    pub has_counters: bool,
}

impl Taken<'_> {
    fn busy(&self, from: u64, to: u64) -> f64 {
        match self.instance.and_then(|instance| instance.load.as_ref()) {
            Some(curve) => curve.area(to) - curve.area(from),
            None => self.view.area(Unit::Compute, from, to),
        }
    }

    /// A metric by NVML's number: percent, MiB/s or a count.
    ///
    /// # Errors
    ///
    /// `NOT_SUPPORTED` for numbers that this product or driver does not have, `INVALID_ARGUMENT`
    /// for samples that are not one after the other.
    pub fn metric(&self, id: u32) -> Result<f64, Code> {
        let (from, to) = (self.from, self.view.now);
        if (248..=260).contains(&id) {
            return self.counter(id);
        }
        if to <= from {
            return Err(Code::INVALID_ARGUMENT);
        }
        let width = seconds(to - from);
        let load = self.busy(from, to) / width;
        let (pcie_out, pcie_in) = self.view.pcie_bytes(to);
        let (pcie_out_before, pcie_in_before) = self.view.pcie_bytes(from);
        Ok(match id {
            1 => load,
            2 => 0.92 * load,
            3 => 0.45 * load,
            4 => 0.20 * load,
            5 | 7 => 0.55 * load,
            6 | 8 | 9 | 11 => 0.0,
            10 if self.instance.is_some() => 0.6 * load,
            10 => self.view.average_between(Unit::Memory, from, to),
            12 => 0.25 * load,
            13 => 0.05 * load,
            20 => (pcie_out - pcie_out_before) / width / MEBIBYTE,
            21 => (pcie_in - pcie_in_before) / width / MEBIBYTE,
            30..=37 if self.instance.is_none() => {
                self.view.average_between(Unit::Decoder, from, to)
            }
            166..=169 if self.instance.is_none() => {
                self.view.average_between(Unit::Encoder, from, to)
            }
            60..=97 => self.links(id, from, to)? / width / MEBIBYTE,
            _ => return Err(Code::NOT_SUPPORTED),
        })
    }

    /// Bytes of `NVLink` between two times: all, or one link; reception has the even numbers.
    fn links(&self, id: u32, from: u64, to: u64) -> Result<f64, Code> {
        let links = self.view.profile().links;
        if links == 0 || self.instance.is_some() {
            return Err(Code::NOT_SUPPORTED);
        }
        let bytes = |time| match id {
            60 | 61 => Ok(self.view.all_link_bytes(time)),
            _ => self.view.link_bytes((id - 62) / 2, time).map_err(|_| Code::NOT_SUPPORTED),
        };
        let (before, after) = (bytes(from)?, bytes(to)?);
        Ok(if id.is_multiple_of(2) { after.1 - before.1 } else { after.0 - before.0 })
    }

    /// Counters since boot, in cycles of the SM clock; traffic in bytes.
    fn counter(&self, id: u32) -> Result<f64, Code> {
        if !self.has_counters {
            return Err(Code::NOT_SUPPORTED);
        }
        let now = self.view.now;
        let clock = self.view.profile().sm_mhz * 1e6;
        let busy = clock * self.busy(0, now) / 100.0;
        let (out, into) = self.view.pcie_bytes(now);
        Ok(match id {
            248 => clock * seconds(now),
            249 => 0.92 * busy,
            250 | 252 => 0.55 * busy,
            251 | 253 | 254 | 258 => 0.0,
            255 => out,
            256 => into,
            257 => 0.20 * busy,
            259 => 0.25 * busy,
            _ => 0.05 * busy,
        })
    }
}
