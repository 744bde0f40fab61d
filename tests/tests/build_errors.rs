//! What does a runtime say that cannot be built, and does it leave anything behind?

use filch::runtime::Builder;
use filch_tests::census::{Census, settle};
use filch_tests::{guard, limits};
use std::io;

/// More than any runtime of two workers needs.
const PLENTY: usize = 40;

#[test]
fn no_workers_are_refused_with_the_remedy() {
    let error = Builder::new().worker_threads(0).build().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(
        text.contains("worker_threads is 0") && text.contains("give at least 1"),
        "{text}"
    );
}

/// With one descriptor more at a time, building fails at each step that needs one, and at last succeeds.
#[test]
fn a_lack_of_descriptors_is_an_error_that_names_the_step() {
    limits::in_child(
        "a_lack_of_descriptors_is_an_error_that_names_the_step",
        || {
            let steps = [
                "cannot make an epoll instance",
                "cannot duplicate an epoll instance",
                "cannot make an eventfd",
            ];
            let mut seen = Vec::new();
            let before = Census::now().unwrap();
            for spare in 0.. {
                assert!(spare < PLENTY, "it is never enough");
                // One more than it says: the census itself needed one.
                limits::descriptors(before.descriptors + spare).unwrap();
                let built = guard::within_reason(two_workers);
                limits::descriptors(before.descriptors + PLENTY).unwrap();
                match built {
                    Ok(runtime) => {
                        drop(runtime);
                        break;
                    }
                    Err(error) => seen.push(error.to_string()),
                }
                settle(&before);
            }
            settle(&before);
            assert!(
                seen.iter()
                    .all(|text| steps.iter().any(|step| text.contains(step))),
                "{seen:#?}"
            );
            for step in steps {
                assert!(
                    seen.iter().any(|text| text.contains(step)),
                    "{step}: {seen:#?}"
                );
            }
        },
    );
}

/// The same with threads: the sentinel, the first worker, the second.
#[test]
fn a_lack_of_threads_is_an_error_that_names_the_step() {
    if !limits::can_limit_threads() {
        return;
    }
    limits::in_child("a_lack_of_threads_is_an_error_that_names_the_step", || {
        let mut seen = Vec::new();
        let mut before = None;
        for most in 1.. {
            assert!(most < PLENTY, "it is never enough");
            limits::threads(most).unwrap();
            let before = *before.get_or_insert_with(|| Census::now().unwrap());
            match two_workers() {
                Ok(runtime) => {
                    drop(runtime);
                    break;
                }
                Err(error) => seen.push(error.to_string()),
            }
            settle(&before);
        }
        settle(&before.unwrap());
        let is_named = |text: &String| {
            ["cannot start a sentinel", "cannot start a worker"]
                .iter()
                .any(|step| text.contains(step))
        };
        assert!(seen.iter().all(is_named), "{seen:#?}");
        for role in ["sentinel", "worker"] {
            assert!(
                seen.iter().any(|text| text.contains(role)),
                "{role}: {seen:#?}"
            );
        }
    });
}

fn two_workers() -> io::Result<filch::Runtime> {
    Builder::new().worker_threads(2).build()
}

#[test]
fn a_stack_that_no_machine_has_is_an_error_and_not_a_crash() {
    let error = Builder::new()
        .worker_threads(2)
        .thread_stack_size(1 << 46)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("cannot start a"), "{error}");
}
