//! Names: do the others get an answer when one who asks goes? And the manager of services, who is told and asks nothing.

use filch::time::{Duration, Instant};
use filch_net::{Resolver, lookup_host_by};
use filch_tests::cancel::Case;
use filch_tests::cases;

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "net::resolver::lookup_host_by" => |cut| async move {
        let got = cut.drive(lookup_host_by("localhost:7", far()), 1, async |_| ()).await;
        let again = lookup_host_by("localhost:7", far()).await.unwrap();
        assert!(got.is_none_or(|got| got.unwrap() == again));
    },
    "net::resolver::Resolver::lookup_host" => |cut| async move {
        let (resolver, answer) = gated();
        let other = resolver.clone();
        let mut task = None;
        let step = async |number| match number {
            0 => {
                let other = other.clone();
                task = Some(filch::spawn(async move { other.lookup_host("name:1").await }));
            }
            _ => answer_all(&answer),
        };
        let got = cut.drive(resolver.lookup_host("name:1"), 2, step).await;
        answer_all(&answer);
        assert_eq!(task.expect("step 0").await.unwrap().unwrap().len(), 1);
        assert!(got.is_none_or(|got| got.unwrap().len() == 1));
    },
    "net::resolver::Resolver::lookup_host_by" => |cut| async move {
        let (resolver, answer) = gated();
        let asks = resolver.lookup_host_by("name:1", far());
        let got = cut.drive(asks, 1, async |_| answer_all(&answer)).await;
        assert!(got.is_none_or(|got| got.unwrap().len() == 1));
        answer_all(&answer);
        assert_eq!(resolver.lookup_host("name:1").await.unwrap().len(), 1);
    },
    "net::inherit::watchdog" => |cut| async move {
        // Nobody is to be told here: it ends at once, or was never polled.
        let got = cut.drive(filch_net::inherit::watchdog(), 1, async |_| ()).await;
        assert!(got.is_none_or(|got| got.is_ok()));
    },
};

fn far() -> Instant {
    Instant::now() + Duration::from_secs(1000)
}

/// More answers than there can be questions: whoever asks after the first was answered asks a second one.
fn answer_all(answer: &std::sync::mpsc::Sender<()>) {
    for _ in 0..4 {
        let _ = answer.send(());
    }
}

/// Answers a question for each message.
fn gated() -> (Resolver, std::sync::mpsc::Sender<()>) {
    let (answer, told) = std::sync::mpsc::channel();
    #[expect(
        clippy::disallowed_types,
        reason = "a name server is no part of a model"
    )]
    let told = std::sync::Mutex::new(told);
    let resolver = Resolver::with_function(move |_| {
        // Nobody is there to tell any more: answered to nobody.
        let _ = told.lock().unwrap().recv();
        Ok(vec![([127, 0, 0, 1], 0).into()])
    });
    (resolver, answer)
}
