//! How does a test move time?
//!
//! Where the runtime was built for it ([`Builder::start_paused`](crate::runtime::Builder::start_paused), [`Builder::simulated`](crate::runtime::Builder::simulated)) its
//! clock stands still until it is moved: by these functions, or by the runtime when nothing else is to be done. Why only there: docs/decisions/virtual-time.md.

use crate::runtime::context;
use crate::sched::simulate::Simulation;
use crate::sys::sync::Arc;
use crate::task::yield_now;
use crate::time::Instant;
use std::time::Duration;

/// Stops the time of the current runtime where it is; it then moves by [`advance`], and to the next timer whenever nothing else is to be done.
///
/// The runtime must be one of [`Builder::start_paused`](crate::runtime::Builder::start_paused), whose time was [resumed](resume). In a
/// [simulation](crate::runtime::Builder::simulated) time never goes by itself, and nothing happens.
///
/// # Panics
///
/// If time stands still already, if the runtime was not built for it, and outside of a runtime.
///
/// # Examples
///
/// ```
/// use filch::time::{self, Duration, Instant, sleep};
///
/// let rt = filch::Runtime::builder().start_paused(true).build()?;
/// rt.block_on(async {
///     time::resume();
///     let start = Instant::now();
///     sleep(Duration::from_millis(2)).await; // takes as long as it says
///     time::pause();
///     sleep(Duration::from_secs(3600)).await; // takes no time
///     assert!(start.elapsed() >= Duration::from_secs(3600));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn pause() {
    let simulation = simulation("pause");
    let stopped = simulation.clock().stop();
    assert!(
        stopped || simulation.is_drawn(),
        "time::pause: time stands still already"
    );
    simulation.look_again();
}

/// Lets the time of the current runtime go on from where it stands, at the system's pace.
///
/// # Panics
///
/// If time goes already; in a [simulation](crate::runtime::Builder::simulated), whose time is always virtual; if the runtime was not built with
/// [`Builder::start_paused`](crate::runtime::Builder::start_paused), and outside of a runtime.
///
/// # Examples
///
/// There is one at [`pause`].
#[track_caller]
pub fn resume() {
    let simulation = simulation("resume");
    assert!(
        !simulation.is_drawn(),
        "time::resume: the time of a simulation is always virtual; leave the call out"
    );
    let was_still = simulation.clock().let_go();
    assert!(was_still, "time::resume: time goes already");
    simulation.look_again();
}

/// Moves the time of the current runtime on, in one leap, and gives up the turn once.
///
/// What becomes due meanwhile is woken in the order in which it is due; all of it sees the new time. To go through the time in between step by step,
/// [`sleep`](crate::time::sleep()) instead: time moves by itself when everybody sleeps.
///
/// # Units and limits
///
/// Any duration; a sum that the clock cannot show is its last time. Timers have a resolution of 1 ms, as ever. From 500 million years after the start of the runtime on, every timer is due.
///
/// # Panics
///
/// If time goes by itself, because it was [resumed](resume); if the runtime was not built for it ([`Builder::start_paused`](crate::runtime::Builder::start_paused),
/// [`Builder::simulated`](crate::runtime::Builder::simulated)), and outside of a runtime.
///
/// # Cancel safety
///
/// Time is moved with the first poll. Dropped after it, only the turn is lost.
///
/// # Examples
///
/// ```
/// use filch::time::{self, Duration, Instant};
///
/// let rt = filch::Runtime::builder().start_paused(true).build()?;
/// rt.block_on(async {
///     let start = Instant::now();
///     time::advance(Duration::from_secs(5)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(5));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn advance(duration: Duration) {
    let simulation = simulation("advance");
    let target = Instant::now() + duration;
    let moved = simulation.move_clock(target.into_std());
    assert!(
        moved,
        "time::advance: time goes by itself; call time::pause before"
    );
    drop(simulation);
    yield_now().await;
}

#[track_caller]
fn simulation(caller: &str) -> Arc<Simulation> {
    match context::simulation() {
        Ok(simulation) => simulation,
        Err(true) => panic!(
            "time::{caller}: the time of this runtime is the system's; build it with Builder::start_paused(true), or Builder::simulated(seed)"
        ),
        Err(false) => {
            panic!("time::{caller} needs a runtime: call it within a task or Runtime::block_on")
        }
    }
}
