//! Activity of units (GPM): two samples, and what happened between them.

use std::ffi::c_uint;
use std::ptr::without_provenance_mut;

use nvml_wrapper_sys::bindings::{
    nvmlGpmMetricsGet_t, nvmlGpmSample_st, nvmlGpmSample_t, nvmlGpmSupport_t,
};

use super::Answer;
use super::border::Out;
use crate::code::Code;
use crate::driver::{Driver, Sample, Target};
use crate::engine::activity::Taken;
use crate::engine::view::View;

/// The version of both structures, which is not packed with their size.
const VERSION: u32 = 1;

/// Metrics that the newest header has room for.
const MAX_METRICS: u32 = 477;

pub(super) fn support(driver: &Driver, target: Target, support: Out<nvmlGpmSupport_t>) -> Answer {
    if support.version()? != VERSION {
        return Err(Code::ARGUMENT_VERSION_MISMATCH);
    }
    let has = driver.read(target).view().profile().has_gpm();
    support.put(nvmlGpmSupport_t { version: VERSION, isSupportedDevice: has.into() })
}

pub(super) fn allocate(driver: &Driver, sample: Out<nvmlGpmSample_t>) -> Answer {
    let mut objects = driver.objects();
    let number = objects.new_number();
    sample.put(without_provenance_mut(number))?;
    objects.samples.insert(number, None);
    Ok(())
}

pub(super) fn free(driver: &Driver, sample: Out<nvmlGpmSample_st>) -> Answer {
    match driver.objects().samples.remove(&sample.address()) {
        Some(_) => Ok(()),
        None => Err(Code::INVALID_ARGUMENT),
    }
}

pub(super) fn take(driver: &Driver, target: Target, sample: Out<nvmlGpmSample_st>) -> Answer {
    let reading = driver.read(target);
    let gpu_instance = reading.instance().map(|instance| instance.gpu_instance);
    store(driver, &reading.view(), target, gpu_instance, &sample)
}

pub(super) fn take_instance(
    driver: &Driver,
    target: Target,
    gpu_instance: c_uint,
    sample: Out<nvmlGpmSample_st>,
) -> Answer {
    let reading = driver.read(target);
    let view = reading.whole()?;
    let mut instances = view.instances().unwrap_or_default().iter();
    if !instances.any(|instance| instance.gpu_instance == gpu_instance) {
        return Err(Code::INVALID_ARGUMENT);
    }
    store(driver, &view, target, Some(gpu_instance), &sample)
}

fn store(
    driver: &Driver,
    view: &View<'_>,
    target: Target,
    gpu_instance: Option<u32>,
    sample: &Out<nvmlGpmSample_st>,
) -> Answer {
    if !view.profile().has_gpm() {
        return Err(Code::NOT_SUPPORTED);
    }
    let taken =
        Sample { gpu: target.gpu, gpu_instance, generation: view.generation(), at: target.now };
    let mut objects = driver.objects();
    *objects.samples.get_mut(&sample.address()).ok_or(Code::INVALID_ARGUMENT)? = Some(taken);
    Ok(())
}

/// Each metric has a code of its own. Two samples of different devices or configurations are
/// nothing that can be compared.
pub(super) fn metrics(driver: &Driver, request: Out<nvmlGpmMetricsGet_t>) -> Answer {
    if request.version()? != VERSION {
        return Err(Code::ARGUMENT_VERSION_MISMATCH);
    }
    let (count, first, second) = request.samples()?;
    if count > MAX_METRICS {
        return Err(Code::INVALID_ARGUMENT);
    }
    let sample = |number| driver.objects().samples.get(&number).copied().flatten();
    let first = sample(first).ok_or(Code::INVALID_ARGUMENT)?;
    let second = sample(second).ok_or(Code::INVALID_ARGUMENT)?;
    if first != (Sample { at: first.at, ..second }) {
        return Err(Code::INVALID_ARGUMENT);
    }
    let engine = driver.engine();
    let view = engine.view(second.gpu, second.at).ok_or(Code::INVALID_ARGUMENT)?;
    let taken = Taken {
        view,
        instance: second
            .gpu_instance
            .and_then(|id| view.instances()?.iter().find(|instance| instance.gpu_instance == id)),
        from: first.at,
        has_counters: engine.has_counters(),
    };
    let places = request.metrics()?;
    for place in (0..count as usize).map(|index| places.at(index)) {
        place.answer(taken.metric(place.id()?))?;
    }
    Ok(())
}
