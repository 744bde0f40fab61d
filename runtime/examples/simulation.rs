//! A program with two bugs that depend on the order of its steps, found by a simulation, and the program without them.
//!
//! ```text
//! cargo run -p filch --example simulation
//! ```
//!
//! Clerks of a bank transfer money between accounts, many at the same time. A transfer asks the auditor, which takes a while; in that while others may come in between. Whether they do
//! is chance on real threads. Here a seed decides it (`Builder::simulated`): each seed is another order of the same steps, and the same seed always the same order. In tests of
//! one's own, `filch::runtime::simulate` or `#[filch::test(simulated)]` tries the seeds and prints the line that replays a failure.

use filch::runtime::Builder;
use filch::sync::Mutex;
use filch::time::{Duration, sleep, timeout};
use std::sync::Arc;

const ACCOUNTS: usize = 3;
const EACH: i64 = 100;
const SEEDS: u64 = 200;

type Bank = Arc<[Mutex<i64>; ACCOUNTS]>;

/// What has become of a bank at the end of a day.
#[derive(Debug, PartialEq, Eq)]
enum Day {
    /// The money that there is.
    Total(i64),
    /// The clerks wait for each other.
    Stuck,
}

const GOOD: Day = Day::Total(EACH * ACCOUNTS as i64);

pub(crate) fn main() -> std::io::Result<()> {
    // The first bug: a balance is read, and written later, though others may have written it meanwhile.
    let seed = first_bad(racy).expect("some order loses or makes money");
    let day = one_day(seed, racy);
    println!("racy: seed {seed} ends with {day:?}, not {GOOD:?}");
    assert_eq!(day, one_day(seed, racy), "a seed replays its day");
    assert!(matches!(day, Day::Total(_)));

    // The second: both accounts are locked for as long as the transfer takes, but each in the order that its clerk thinks of.
    let seed = first_bad(crosswise).expect("some order makes a circle");
    println!("crosswise: seed {seed} ends with {:?}", Day::Stuck);
    assert_eq!(one_day(seed, crosswise), Day::Stuck);

    // All clerks lock in one order: no seed finds anything.
    assert_eq!(first_bad(sound), None);
    println!("sound: each of {SEEDS} seeds ends with {GOOD:?}");
    Ok(())
}

/// The first seed whose day ends badly.
fn first_bad<F>(transfer: impl Fn(Bank, usize, usize) -> F + Copy) -> Option<u64>
where
    F: Future<Output = ()> + Send + 'static,
{
    (0..SEEDS).find(|&seed| one_day(seed, transfer) != GOOD)
}

/// A clerk for each pair of accounts, all of them at work at once, in the order that the seed decides.
fn one_day<F>(seed: u64, transfer: impl Fn(Bank, usize, usize) -> F) -> Day
where
    F: Future<Output = ()> + Send + 'static,
{
    let rt = Builder::new().simulated(seed).build();
    let rt = rt.expect("a simulation needs nothing of the system's");
    rt.block_on(async {
        let bank = Bank::new([(); ACCOUNTS].map(|()| Mutex::new(EACH)));
        let pairs = (0..ACCOUNTS).map(|from| (from, (from + 1) % ACCOUNTS));
        let clerks: Vec<_> = pairs
            .map(|(from, to)| filch::spawn(transfer(bank.clone(), from, to)))
            .collect();
        let done = async {
            for clerk in clerks {
                clerk.await.unwrap();
            }
        };
        // Virtual hours take no time: clerks who wait for each other are found out at once.
        if timeout(Duration::from_secs(8 * 3600), done).await.is_err() {
            return Day::Stuck;
        }
        let mut total = 0;
        for account in bank.iter() {
            total += *account.lock().await;
        }
        Day::Total(total)
    })
}

/// May this be done? Asked elsewhere, so that it takes a while.
async fn ask_the_auditor() {
    sleep(Duration::from_millis(1)).await;
}

async fn racy(bank: Bank, from: usize, to: usize) {
    let (old_from, old_to) = (*bank[from].lock().await, *bank[to].lock().await);
    ask_the_auditor().await;
    *bank[from].lock().await = old_from - 10;
    *bank[to].lock().await = old_to + 10;
}

async fn crosswise(bank: Bank, from: usize, to: usize) {
    let mut from = bank[from].lock().await;
    filch::yield_now().await; // the paper is turned over
    let mut to = bank[to].lock().await;
    ask_the_auditor().await;
    *from -= 10;
    *to += 10;
}

async fn sound(bank: Bank, from: usize, to: usize) {
    let mut first = bank[from.min(to)].lock().await;
    filch::yield_now().await;
    let mut second = bank[from.max(to)].lock().await;
    ask_the_auditor().await;
    let (taken, given) = if from < to {
        (&mut first, &mut second)
    } else {
        (&mut second, &mut first)
    };
    **taken -= 10;
    **given += 10;
}
