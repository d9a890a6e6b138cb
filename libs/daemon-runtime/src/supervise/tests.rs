use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::*;

const BUDGET: RestartBudget =
    RestartBudget { restarts: 2, window: Duration::from_mins(1), delay: Duration::from_secs(1) };
const DRAIN: Duration = Duration::from_secs(5);

fn supervisor() -> (Supervisor, CancellationToken) {
    let stop = CancellationToken::new();
    (Supervisor::new(stop.clone()), stop)
}

async fn failure(supervisor: Supervisor) -> String {
    let error = supervisor.run(DRAIN).await.unwrap_err();
    let chain = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(start_paused = true)]
async fn a_task_that_keeps_failing_ends_the_process_once_its_budget_is_spent() {
    let (mut supervisor, _stop) = supervisor();
    let mut attempt = 0;
    supervisor.keep_running("tail", BUDGET, move |_stop| {
        attempt += 1;
        async move { Err::<(), _>(format!("attempt {attempt}")) }
    });
    assert_eq!(failure(supervisor).await, "task tail failed: attempt 3");
}

#[tokio::test(start_paused = true)]
async fn restarts_older_than_the_window_no_longer_count() {
    let (mut supervisor, stop) = supervisor();
    let mut attempt = 0;
    supervisor.keep_running("tail", BUDGET, move |_stop| {
        attempt += 1;
        let (attempt, stop) = (attempt, stop.clone());
        async move {
            tokio::time::sleep(BUDGET.window / 2).await;
            if attempt == 10 {
                stop.cancel();
                return Ok(());
            }
            Err("again")
        }
    });
    supervisor.run(DRAIN).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_tasks_with_one_name_have_budgets_and_names_of_their_own() {
    let (mut supervisor, _stop) = supervisor();
    let attempts = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let attempts = Arc::clone(&attempts);
        supervisor.keep_running("tail", BUDGET, move |_stop| {
            attempts.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), _>("broken") }
        });
    }
    assert!(failure(supervisor).await.starts_with("task tail"));
    // each had its first attempt and two restarts
    assert_eq!(attempts.load(Ordering::Relaxed), 6);

    let (mut supervisor, _stop) = self::supervisor();
    supervisor.run_once("stage", std::future::pending::<Result<(), BoxError>>());
    supervisor.run_once("stage", async { Err::<(), _>("broken") });
    assert_eq!(failure(supervisor).await, "task stage[1] failed: broken");
}

#[tokio::test(start_paused = true)]
async fn a_restart_factory_does_not_keep_the_next_stages_inbox_open_during_the_drain() {
    let (mut supervisor, stop) = supervisor();
    let (lines_out, mut lines) = mpsc::channel::<u32>(8);
    supervisor.keep_running("source", BUDGET, move |stop| {
        let lines_out = lines_out.clone();
        async move {
            stop.cancelled().await;
            lines_out.send(7).await
        }
    });
    let delivered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&delivered);
    supervisor.run_once("stage", async move {
        while lines.recv().await.is_some() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, BoxError>(())
    });
    stop.cancel();
    supervisor.run(DRAIN).await.unwrap();
    assert_eq!(delivered.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_a_restart_ends_with_the_stop() {
    let (mut supervisor, stop) = supervisor();
    let slow = RestartBudget { delay: Duration::from_hours(1), ..BUDGET };
    supervisor.keep_running("tail", slow, |_stop| async { Err::<(), _>("broken") });
    supervisor.run_once("stopper", async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        Ok::<_, BoxError>(())
    });
    supervisor.run(DRAIN).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_during_the_drain_is_reported() {
    let (mut supervisor, stop) = supervisor();
    let token = stop.clone();
    supervisor.run_once("push", async move {
        token.cancelled().await;
        Err::<(), _>("last batch lost")
    });
    stop.cancel();
    assert_eq!(failure(supervisor).await, "task push failed: last batch lost");
}

#[tokio::test(start_paused = true)]
async fn the_first_of_several_failures_is_the_one_reported() {
    let (mut supervisor, stop) = supervisor();
    supervisor.run_once("first", async { Err::<(), _>("cause") });
    supervisor.run_once("second", async move {
        stop.cancelled().await;
        Err::<(), _>("consequence")
    });
    assert_eq!(failure(supervisor).await, "task first failed: cause");
}

#[tokio::test(start_paused = true)]
async fn what_still_runs_at_the_drain_limit_is_named() {
    let (mut supervisor, stop) = supervisor();
    supervisor.run_once("done", async { Ok::<_, BoxError>(()) });
    supervisor.run_once("stuck", std::future::pending::<Result<(), BoxError>>());
    supervisor.run_once("stuck", std::future::pending::<Result<(), BoxError>>());
    stop.cancel();
    assert_eq!(failure(supervisor).await, "still running 5s after the stop: stuck, stuck[1]");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_uses_the_budget() {
    let (mut supervisor, _stop) = supervisor();
    let mut attempt = 0;
    supervisor.keep_running("tail", BUDGET, move |_stop| {
        attempt += 1;
        let last = attempt;
        async move {
            assert!(last == 0, "attempt {last}");
            Ok::<_, BoxError>(())
        }
    });
    assert_eq!(failure(supervisor).await, "task tail failed: panicked: attempt 3");
}

#[tokio::test]
async fn all_tasks_ending_well_is_a_clean_end_without_any_signal() {
    let (mut supervisor, _stop) = supervisor();
    supervisor.run_once("stage", async { Ok::<_, BoxError>(()) });
    supervisor.run_thread("reader", |_stop| Ok::<_, BoxError>(()));
    supervisor.run(DRAIN).await.unwrap();
}

#[tokio::test]
async fn a_thread_has_its_name_and_its_error_or_panic_is_reported_like_a_tasks() {
    let (mut supervisor, _stop) = supervisor();
    supervisor.run_thread("reader", |_stop| {
        Err::<(), _>(format!("on thread {}", std::thread::current().name().unwrap()))
    });
    assert_eq!(failure(supervisor).await, "task reader failed: on thread reader");

    let (mut supervisor, _stop) = self::supervisor();
    supervisor.run_thread("reader", |_stop| -> Result<(), BoxError> { panic!("bad block") });
    assert_eq!(failure(supervisor).await, "task reader failed: panicked: bad block");
}

#[tokio::test]
async fn a_thread_is_stopped_by_its_token() {
    let (mut supervisor, stop) = supervisor();
    let runtime = tokio::runtime::Handle::current();
    supervisor.run_thread("reader", move |stop| {
        runtime.block_on(stop.cancelled());
        Ok::<_, BoxError>(())
    });
    stop.cancel();
    supervisor.run(DRAIN).await.unwrap();
}
