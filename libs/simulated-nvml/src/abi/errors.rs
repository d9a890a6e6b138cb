//! Field values, and errors of memory.

use std::ffi::{c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlEccSramErrorStatus_t, nvmlEnableState_t, nvmlFieldValue_t,
    nvmlRowRemapperHistogramValues_t, nvmlValue_t, nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
};

use super::Answer;
use super::border::Out;
use crate::code::Code;
use crate::driver::{Driver, Target};
use crate::engine::fields::{self, Value};

/// Fields that one call can ask for.
const MAX_FIELDS: usize = 1_024;

/// Banks of a GPU that remaps rows.
const BANKS: u32 = 640;

pub(super) fn field_values(
    driver: &Driver,
    target: Target,
    count: c_int,
    values: Out<nvmlFieldValue_t>,
) -> Answer {
    let count = usize::try_from(count).map_err(|_| Code::INVALID_ARGUMENT)?;
    if count == 0 || count > MAX_FIELDS || values.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    let reading = driver.read(target);
    let view = reading.whole()?;
    let stamp = i64::try_from(driver.clock.wall()).unwrap_or(i64::MAX);
    for place in (0..count).map(|index| values.at(index)) {
        // The caller fills the number and the scope; the rest may be anything.
        let (id, scope) = (place.cast::<u32>().get()?, place.cast::<u32>().at(1).get()?);
        let (kind, value, code) = match fields::read(&view, reading.engine().numbering(), id, scope)
        {
            Ok(Value::Short(value)) => (
                nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
                nvmlValue_t { ullVal: value.into() },
                0,
            ),
            Ok(Value::Long(value)) => (
                nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
                nvmlValue_t { ullVal: value },
                0,
            ),
            Ok(Value::Signed(value)) => (
                nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT,
                nvmlValue_t { sllVal: value.into() },
                0,
            ),
            Err(code) => (0, nvmlValue_t { ullVal: 0 }, code.0),
        };
        place.put(nvmlFieldValue_t {
            fieldId: id,
            scopeId: scope,
            timestamp: stamp,
            latencyUsec: 12,
            valueType: kind,
            nvmlReturn: code,
            value,
        })?;
    }
    Ok(())
}

pub(super) fn ecc_mode(
    driver: &Driver,
    target: Target,
    current: Out<nvmlEnableState_t>,
    pending: Out<nvmlEnableState_t>,
) -> Answer {
    driver.read(target).whole()?;
    current.put(1)?;
    pending.put(1)
}

pub(super) fn ecc_errors(
    driver: &Driver,
    target: Target,
    kind: c_uint,
    counter: c_uint,
    count: Out<c_ulonglong>,
) -> Answer {
    let errors = driver.read(target).whole()?.ecc();
    match (kind, counter) {
        (0, 0 | 1) => count.put(errors.corrected),
        (1, 0 | 1) => count.put(errors.uncorrected),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

pub(super) fn sram_errors(
    driver: &Driver,
    target: Target,
    status: Out<nvmlEccSramErrorStatus_t>,
) -> Answer {
    status.check_version(1)?;
    let version = status.version()?;
    if driver.read(target).whole()?.profile().architecture < 7 {
        return Err(Code::NOT_SUPPORTED);
    }
    status.put(nvmlEccSramErrorStatus_t {
        version,
        aggregateUncParity: 0,
        aggregateUncSecDed: 0,
        aggregateCor: 0,
        volatileUncParity: 0,
        volatileUncSecDed: 0,
        volatileCor: 0,
        aggregateUncBucketL2: 0,
        aggregateUncBucketSm: 0,
        aggregateUncBucketPcie: 0,
        aggregateUncBucketMcu: 0,
        aggregateUncBucketOther: 0,
        bThresholdExceeded: 0,
    })
}

pub(super) fn remapped_rows(
    driver: &Driver,
    target: Target,
    correctable: Out<c_uint>,
    uncorrectable: Out<c_uint>,
    pending: Out<c_uint>,
    failure: Out<c_uint>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if !view.profile().has_row_remapping() {
        return Err(Code::NOT_SUPPORTED);
    }
    let remap = view.remap();
    correctable.put(remap.correctable)?;
    uncorrectable.put(remap.uncorrectable)?;
    pending.put(remap.pending.into())?;
    failure.put(remap.failure.into())
}

/// Every row that was remapped was in a bank of its own.
pub(super) fn remapper_histogram(
    driver: &Driver,
    target: Target,
    banks: Out<nvmlRowRemapperHistogramValues_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if !view.profile().has_row_remapping() {
        return Err(Code::NOT_SUPPORTED);
    }
    let remap = view.remap();
    let none = u32::from(remap.failure);
    let high = remap.correctable.saturating_add(remap.uncorrectable).min(BANKS - none);
    banks.put(nvmlRowRemapperHistogramValues_t {
        max: BANKS - high - none,
        high,
        partial: 0,
        low: 0,
        none,
    })
}

pub(super) fn retired_pages(
    driver: &Driver,
    target: Target,
    cause: c_uint,
    count: Out<c_uint>,
    addresses: Out<c_ulonglong>,
) -> Answer {
    retire(driver, target, cause, &count, &addresses).map(|_| ())
}

pub(super) fn retired_pages_v2(
    driver: &Driver,
    target: Target,
    cause: c_uint,
    count: Out<c_uint>,
    addresses: Out<c_ulonglong>,
    stamps: Out<c_ulonglong>,
) -> Answer {
    let pages = retire(driver, target, cause, &count, &addresses)?;
    if stamps.is_null() {
        return Ok(());
    }
    stamps.put_all((0..pages).map(|page| u64::from(page) + 1))
}

/// Pages, as many as rows of the same cause: before Ampere pages are retired instead. The caller
/// says how many it has room for, and is told how many there are.
fn retire(
    driver: &Driver,
    target: Target,
    cause: c_uint,
    count: &Out<c_uint>,
    addresses: &Out<c_ulonglong>,
) -> Result<u32, Code> {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if view.profile().has_row_remapping() {
        return Err(Code::NOT_SUPPORTED);
    }
    let pages = match cause {
        0 => view.remap().correctable,
        1 => view.remap().uncorrectable,
        _ => return Err(Code::INVALID_ARGUMENT),
    };
    let room = count.get()?;
    count.put(pages)?;
    if room < pages {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    if pages > 0 {
        addresses.put_all((0..pages).map(|page| u64::from(page) << 16))?;
    }
    Ok(pages)
}

pub(super) fn retired_pages_pending(
    driver: &Driver,
    target: Target,
    pending: Out<nvmlEnableState_t>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    if view.profile().has_row_remapping() {
        return Err(Code::NOT_SUPPORTED);
    }
    pending.put(view.remap().pending.into())
}
