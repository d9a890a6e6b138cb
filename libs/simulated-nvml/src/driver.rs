//! The library as a program sees it: opened or not, handles that are of something or not, calls
//! that are counted, and faults before every answer.

pub mod handle;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Seen};
use crate::code::Code;
use crate::driver::handle::Handle;
use crate::engine::Engine;
use crate::engine::events::Watch;
use crate::engine::gpu::Instance;
use crate::engine::view::View;
use crate::functions::Function;
use crate::scenario::Scenario;
use crate::scenario::fault::Fault;
use crate::scenario::timeline::{Happening, Health};

/// One simulated library.
#[derive(Debug)]
pub struct Driver {
    /// Its time.
    pub clock: Clock,
    /// As it was given.
    pub scenario: Scenario,
    engine: RwLock<Engine>,
    /// How often it was opened and not closed.
    openings: AtomicU64,
    calls: Vec<AtomicU64>,
    /// Calls of functions that have a fault, by GPU.
    faulty_calls: Mutex<HashMap<(Option<usize>, Function), u64>>,
    objects: Mutex<Objects>,
}

/// What a program has made and has to free.
#[derive(Debug, Default)]
pub struct Objects {
    last: usize,
    /// Event sets.
    pub sets: HashMap<usize, Vec<Watch>>,
    /// System event sets: the kinds, and how many changes were seen.
    pub system_sets: HashMap<usize, (u64, usize)>,
    /// Samples of activity; `None` until taken.
    pub samples: HashMap<usize, Option<Sample>>,
}

impl Objects {
    /// A number that no other object has or had.
    pub fn new_number(&mut self) -> usize {
        self.last += 1;
        0x5EED_0000 + self.last * 16
    }
}

/// A sample of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The GPU's position in the scenario.
    pub gpu: usize,
    /// Of a GPU instance.
    pub gpu_instance: Option<u32>,
    /// Which configuration of MIG it is of.
    pub generation: usize,
    /// When.
    pub at: u64,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The GPU's position in the scenario.
    pub gpu: usize,
    /// The instance's position in the configuration.
    pub instance: Option<usize>,
    /// When the call is answered.
    pub now: u64,
}

/// The state from which a call is answered.
#[derive(Debug)]
pub struct Reading<'a> {
    engine: RwLockReadGuard<'a, Engine>,
    target: Target,
}

impl Reading<'_> {
    /// The node.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The GPU.
    pub fn view(&self) -> View<'_> {
        View { gpu: &self.engine.gpus()[self.target.gpu], now: self.target.now }
    }

    /// The GPU, for what instances do not have.
    ///
    /// # Errors
    ///
    /// `NOT_SUPPORTED` for an instance.
    pub fn whole(&self) -> Result<View<'_>, Code> {
        match self.target.instance {
            None => Ok(self.view()),
            Some(_) => Err(Code::NOT_SUPPORTED),
        }
    }

    /// The instance, where the call is about one.
    pub fn instance(&self) -> Option<&Instance> {
        self.view().instances()?.get(self.target.instance?)
    }
}

/// What still answers on a GPU that has to be reset.
fn is_identity(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::nvmlDeviceGetName
            | F::nvmlDeviceGetUUID
            | F::nvmlDeviceGetPciInfo_v3
            | F::nvmlDeviceGetSerial
            | F::nvmlDeviceGetIndex
            | F::nvmlDeviceGetMinorNumber
            | F::nvmlDeviceGetBrand
            | F::nvmlDeviceGetArchitecture
            | F::nvmlDeviceGetCudaComputeCapability
            | F::nvmlDeviceGetMigMode
            | F::nvmlDeviceGetFieldValues
            | F::nvmlDeviceIsMigDeviceHandle
            | F::nvmlDeviceGetSupportedEventTypes
            | F::nvmlDeviceRegisterEvents
    )
}

impl Driver {
    /// The library of a scenario, not yet opened.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            clock: Clock::new(&scenario),
            engine: RwLock::new(Engine::new(&scenario)),
            scenario,
            openings: AtomicU64::new(0),
            calls: Function::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            faulty_calls: Mutex::default(),
            objects: Mutex::default(),
        }
    }

    /// The node. Whoever holds it must not ask for it again: something that happens in between would
    /// make both wait for ever.
    pub fn engine(&self) -> RwLockReadGuard<'_, Engine> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What programs have made.
    pub fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up something that happens.
    ///
    /// # Errors
    ///
    /// With the key and what is wrong with it.
    pub fn apply(&self, happening: &Happening) -> Result<(), (&'static str, String)> {
        let now = self.clock.now();
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        engine.apply(happening, now)?;
        drop(engine);
        self.clock.notify();
        Ok(())
    }

    /// How often a function was called.
    pub fn calls(&self, function: Function) -> u64 {
        self.calls[function as usize].load(Ordering::Relaxed)
    }

    /// Counts a call. Every entry does this first.
    pub fn count(&self, function: Function) {
        self.calls[function as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Opens the library once more.
    ///
    /// # Errors
    ///
    /// What the scenario says, for example `DRIVER_NOT_LOADED`.
    pub fn open(&self) -> Result<(), Code> {
        match self.engine().init_return(self.clock.now()) {
            0 => {
                self.openings.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
            code => Err(Code(code)),
        }
    }

    /// Closes the library once; after the last time all that was made is gone.
    ///
    /// # Errors
    ///
    /// `UNINITIALIZED` if it is not open.
    pub fn close(&self) -> Result<(), Code> {
        let less = self
            .openings
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        match less {
            Err(_) => Err(Code::UNINITIALIZED),
            Ok(1) => {
                let mut objects = self.objects();
                objects.sets.clear();
                objects.system_sets.clear();
                objects.samples.clear();
                drop(objects);
                self.clock.notify();
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.openings.load(Ordering::Acquire) > 0
    }

    /// Lets a call of the library in: it must be open, and its fault comes first.
    ///
    /// # Errors
    ///
    /// With what the call has to return.
    pub fn enter_library(&self, function: Function) -> Result<(), Code> {
        use Function as F;
        if !matches!(function, F::nvmlInit_v2 | F::nvmlInitWithFlags) && !self.is_open() {
            return Err(Code::UNINITIALIZED);
        }
        let fault = self.engine().fault(function.name()).cloned();
        self.suffer(None, function, fault.as_ref())
    }

    /// Lets a call about a device in.
    ///
    /// # Errors
    ///
    /// With what the call has to return.
    pub fn enter_device(&self, function: Function, device: usize) -> Result<Target, Code> {
        if !self.is_open() {
            return Err(Code::UNINITIALIZED);
        }
        let handle = Handle::decode(device).ok_or(Code::INVALID_ARGUMENT)?;
        let fault = {
            let engine = self.engine();
            let view = engine.view(handle.gpu, self.clock.now()).ok_or(Code::INVALID_ARGUMENT)?;
            view.gpu.faults.get(function.name()).and_then(|fault| fault.at(view.now).clone())
        };
        self.suffer(Some(handle.gpu), function, fault.as_ref())?;
        // After a call that hung the GPU may be another.
        let now = self.clock.now();
        let engine = self.engine();
        let view = engine.view(handle.gpu, now).ok_or(Code::INVALID_ARGUMENT)?;
        match view.health() {
            Health::Lost => return Err(Code::GPU_IS_LOST),
            Health::ResetRequired if !is_identity(function) => return Err(Code::RESET_REQUIRED),
            Health::ResetRequired | Health::Healthy => {}
        }
        let instance = match handle.instance {
            Some((generation, index)) => {
                let exists = view.instances().is_some_and(|all| index < all.len());
                if generation != view.generation() || !exists {
                    return Err(Code::INVALID_ARGUMENT);
                }
                Some(index)
            }
            None => None,
        };
        if view.gpu.spec.unsupported.iter().any(|name| name == function.name()) {
            return Err(Code::NOT_SUPPORTED);
        }
        Ok(Target { gpu: handle.gpu, instance, now })
    }

    /// The state from which a call is answered.
    pub fn read(&self, target: Target) -> Reading<'_> {
        Reading { engine: self.engine(), target }
    }

    /// Waits for something that happens, at most until a time; with a virtual clock not longer
    /// than that by the real one either, since nobody might move it.
    pub fn wait(&self, until: u64, seen: Seen, limit: Duration) {
        let limit = self.clock.is_virtual().then(|| Instant::now() + limit);
        self.clock.wait(Some(until), seen, limit);
    }

    fn suffer(
        &self,
        gpu: Option<usize>,
        function: Function,
        fault: Option<&Fault>,
    ) -> Result<(), Code> {
        let Some(fault) = fault else { return Ok(()) };
        let until = fault.until_ms.map_or(u64::MAX, |until| until.saturating_mul(1_000));
        let now = self.clock.now();
        if now >= until {
            return Ok(());
        }
        if fault.hang_at_ms.is_some_and(|at| now >= at.saturating_mul(1_000)) {
            self.clock.sleep_until(until);
            return if self.clock.is_over() { Err(Code::UNKNOWN) } else { Ok(()) };
        }
        if now < fault.from_ms.saturating_mul(1_000) {
            return Ok(());
        }
        if fault.latency_us > 0 {
            self.clock.sleep_until(now.saturating_add(fault.latency_us));
        }
        let Some(code) = fault.code else { return Ok(()) };
        let mut calls = self.faulty_calls.lock().unwrap_or_else(PoisonError::into_inner);
        let before = calls.entry((gpu, function)).or_default();
        *before += 1;
        if *before > fault.after && code != 0 { Err(Code(code)) } else { Ok(()) }
    }
}
