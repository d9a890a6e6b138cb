//! Simulations by number. A function of the C ABI is told nothing but its arguments, so each slot
//! has functions of its own, and simulations in one process do not see each other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use crate::code::Code;
use crate::driver::Driver;
use crate::functions::Function;

/// Simulations that a process can have at one time. Each has all functions of its own in the binary,
/// some 100 KB: tests have many, a program one.
pub(crate) const COUNT: usize = if cfg!(feature = "many") { 16 } else { 1 };

static DRIVERS: [RwLock<Option<Arc<Driver>>>; COUNT] = [const { RwLock::new(None) }; COUNT];
static TAKEN: Mutex<[bool; COUNT]> = Mutex::new([false; COUNT]);
static FREED: Condvar = Condvar::new();

/// A slot that is in use until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot(usize);

impl Slot {
    /// Puts a driver into a free slot. Waits for one when all are taken: tests that run beside each
    /// other end.
    pub(crate) fn take(driver: &Arc<Driver>) -> Self {
        let mut taken = slots();
        let number = loop {
            match taken.iter().position(|is_taken| !is_taken) {
                Some(number) => break number,
                None => taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner),
            }
        };
        taken[number] = true;
        drop(taken);
        *DRIVERS[number].write().unwrap_or_else(PoisonError::into_inner) = Some(driver.clone());
        Self(number)
    }

    /// Its number, below [`COUNT`].
    pub(crate) fn number(&self) -> usize {
        self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *DRIVERS[self.0].write().unwrap_or_else(PoisonError::into_inner) = None;
        slots()[self.0] = false;
        FREED.notify_one();
    }
}

fn slots() -> MutexGuard<'static, [bool; COUNT]> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The driver of a slot, with the call counted. The lock is not held while the call runs: it may
/// hang.
///
/// # Errors
///
/// `UNINITIALIZED` when the slot is empty, `FUNCTION_NOT_FOUND` when the driver lacks the function.
pub(crate) fn enter(slot: usize, function: Function) -> Result<Arc<Driver>, Code> {
    let driver = DRIVERS[slot].read().unwrap_or_else(PoisonError::into_inner).clone();
    let driver = driver.ok_or(Code::UNINITIALIZED)?;
    driver.count(function);
    if driver.scenario.absent_symbols.iter().any(|name| name == function.name()) {
        return Err(Code::FUNCTION_NOT_FOUND);
    }
    Ok(driver)
}
