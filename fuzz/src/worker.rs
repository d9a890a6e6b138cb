//! One target in this process: inputs, and a watch over them.
//!
//! Inputs run on a thread with the stack of the daemon's workers, under a limit on memory, and each
//! is on disk before it runs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::finding::{self, Current};
use crate::mutation::{Mutator, shorten};
use crate::options::Options;
use crate::targets::{self, Shape, Target};

/// CPU time of one input, above which it is a finding.
const SLOW: Duration = Duration::from_secs(1);

/// An input that has not ended by then is taken for one that never ends. Wall time: the machine may
/// be busy.
const HANGS: Duration = Duration::from_secs(20);

/// Stack of the threads that run pipelines.
const STACK_BYTES: usize = 2 << 20;

/// Address space. No input is over 64 KiB, and nothing deserves a thousand times that; most of it is
/// what the allocator sets aside for threads.
const MEMORY_BYTES: u64 = 1 << 30;

/// How long a finding is made shorter.
const SHORTENING: Duration = Duration::from_secs(20);

/// Most inputs that are kept for showing something new, and the longest of them.
const KEPT: usize = 4096;
const KEPT_BYTES: usize = 4 << 10;

thread_local! {
    /// Where and why this thread panicked last.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The number of inputs that were begun: the watch sees by it that they go on.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// What one input did.
enum Outcome {
    Shown(Shape),
    Slow(Duration),
    Panicked(String),
}

/// Runs a target for the time that the options give; whether it has no finding.
///
/// # Errors
/// The process cannot be set up, or a finding not be kept.
pub(crate) fn run(name: &str, options: &Options) -> Result<bool, Box<dyn Error>> {
    let target = targets::named(name).ok_or("no such target")?;
    bound_memory()?;
    remember_panics();
    let (seed, seconds) = (options.seed, options.seconds);
    let (done, ended) = sync_channel(1);
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let _ = done.send(fuzz(target, seed, Duration::from_secs(seconds)));
    })?;
    let mut watched = (0, Instant::now());
    loop {
        match ended.recv_timeout(Duration::from_secs(1)) {
            Ok(is_clean) => return Ok(is_clean?),
            Err(RecvTimeoutError::Disconnected) => return Err("the target's thread ended".into()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let begun = BEGUN.load(Ordering::Relaxed);
        if begun != watched.0 {
            watched = (begun, Instant::now());
        } else if watched.1.elapsed() > HANGS {
            let input = std::fs::read(finding::current_path(name))?;
            finding::keep(name, &input, &format!("no end after {} s", HANGS.as_secs()))?;
            return Ok(false);
        }
    }
}

/// Runs one input and shows what it does; whether it is no finding.
///
/// # Errors
/// The input cannot be read, or the process not be set up.
pub(crate) fn repeat(name: &str, input: &Path) -> Result<bool, Box<dyn Error>> {
    let target = targets::named(name).ok_or("no such target")?;
    let input = std::fs::read(input)?;
    bound_memory()?;
    remember_panics();
    let thread = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || run_one(&mut (target.start)(), &input))?;
    let outcome = thread.join().map_err(|_| "the target's thread ended")?;
    crate::say(&match &outcome {
        Outcome::Shown(_) => "nothing wrong".to_owned(),
        Outcome::Slow(took) => slow_text(*took),
        Outcome::Panicked(why) => why.clone(),
    });
    Ok(matches!(outcome, Outcome::Shown(_)))
}

fn bound_memory() -> io::Result<()> {
    let limit = Rlimit { current: Some(MEMORY_BYTES), maximum: Some(MEMORY_BYTES) };
    Ok(setrlimit(Resource::As, limit)?)
}

fn remember_panics() {
    std::panic::set_hook(Box::new(|panic| {
        PANIC.with(|last| *last.borrow_mut() = panic.to_string());
    }));
}

fn slow_text(took: Duration) -> String {
    format!("{:.1} s of CPU time", took.as_secs_f64())
}

fn run_one(check: &mut targets::Check, input: &[u8]) -> Outcome {
    let started = cpu_time();
    let result = catch_unwind(AssertUnwindSafe(|| check(input)));
    let took = cpu_time().saturating_sub(started);
    match result {
        Err(_) => Outcome::Panicked(PANIC.with(|last| last.borrow().clone())),
        Ok(_) if took > SLOW => Outcome::Slow(took),
        Ok(shape) => Outcome::Shown(shape),
    }
}

/// Of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).expect("CPU time is positive"),
        u32::try_from(time.tv_nsec).expect("below 10^9"),
    )
}

fn fuzz(target: &'static Target, seed: u64, time: Duration) -> io::Result<bool> {
    let mut current = Current::create(target.name)?;
    let mut check = (target.start)();
    let mut known = (target.seeds)();
    known.push(Vec::new());
    let seeds = known.len();
    let mut mutator = Mutator::new(seed, target.words);
    let mut shapes = HashSet::new();
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < time {
        // First all known inputs as they are.
        let input = known.get(count).filter(|_| count < seeds).cloned();
        let input = input.unwrap_or_else(|| mutator.next(&known));
        current.set(&input)?;
        count += 1;
        BEGUN.fetch_add(1, Ordering::Relaxed);
        let outcome = run_one(&mut check, &input);
        let why = match outcome {
            Outcome::Shown(shape) => {
                let has_room = known.len() < seeds + KEPT && input.len() <= KEPT_BYTES;
                if has_room && shapes.insert(shape) && count > seeds {
                    known.push(input);
                }
                continue;
            }
            Outcome::Slow(took) => slow_text(took),
            Outcome::Panicked(why) => why,
        };
        finding::keep(target.name, &shortened(target, &input, &why), &why)?;
        return Ok(false);
    }
    let seconds = started.elapsed().as_secs_f64();
    crate::say(&format!(
        "{:14}{count} inputs in {seconds:.0} s, {} known and {} new, seed {seed}",
        target.name,
        seeds,
        known.len() - seeds,
    ));
    Ok(true)
}

/// The same finding with less input: the same panic, or as slow.
fn shortened(target: &Target, input: &[u8], why: &str) -> Vec<u8> {
    let place = |why: &str| why.lines().next().unwrap_or_default().to_owned();
    let wanted = place(why);
    let started = Instant::now();
    let mut check = (target.start)();
    let fails = |input: &[u8]| {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        match run_one(&mut check, input) {
            Outcome::Shown(_) => false,
            Outcome::Slow(_) => !wanted.starts_with("panicked"),
            Outcome::Panicked(why) => place(&why) == wanted,
        }
    };
    shorten(input, fails, || started.elapsed() < SHORTENING)
}
