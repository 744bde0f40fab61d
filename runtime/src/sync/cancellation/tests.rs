//! Tokens of a tree that is cancelled, grown, waited for and dropped at the same time: on real threads, under Miri, and under loom (`loom_*`).

use super::*;
use crate::sync::testing::{Count, poll, poll_once};

#[cfg(not(any(loom, shuttle)))]
mod real {
    use super::*;
    use crate::util::block_on::block_on;
    use std::future::{pending, ready};

    /// A deep chain is cancelled and dropped on a stack that would not bear a call for each.
    const DEPTH: usize = if cfg!(miri) { 100 } else { 100_000 };

    #[test]
    fn what_is_below_is_cancelled_and_nothing_else() {
        let root = CancellationToken::new();
        let (left, right) = (root.child_token(), root.child_token());
        let below = left.child_token();
        left.clone().cancel_with("left");
        assert!(left.is_cancelled() && below.is_cancelled());
        assert!(!root.is_cancelled() && !right.is_cancelled());
        root.cancel_with("root");
        let reasons =
            [&root, &left, &right, &below].map(|token| token.reason().unwrap().to_string());
        assert_eq!(reasons, ["root", "left", "root", "left"]);
        let late = below.child_token();
        assert_eq!(late.reason().unwrap().to_string(), "left");
    }

    #[test]
    fn the_first_reason_counts_even_if_it_is_none() {
        let token = CancellationToken::new();
        assert!(token.reason().is_none());
        token.cancel();
        token.cancel_with("late");
        assert!(token.reason().is_none());
    }

    #[test]
    fn all_who_wait_are_woken_once() {
        let (root, count) = (CancellationToken::new(), Arc::<Count>::default());
        let child = root.child_token();
        let mut borrowed: Vec<_> = (0..50).map(|_| Box::pin(child.cancelled())).collect();
        let mut owned: Vec<_> = (0..50)
            .map(|_| Box::pin(root.child_token().cancelled_owned()))
            .collect();
        assert!(
            borrowed
                .iter_mut()
                .all(|wait| poll(wait, &count).is_pending())
        );
        assert!(owned.iter_mut().all(|wait| poll(wait, &count).is_pending()));
        drop((borrowed.pop(), owned.pop()));
        root.cancel();
        assert_eq!(count.woken(), 98);
        root.cancel();
        child.cancel();
        assert_eq!(count.woken(), 98);
        for _ in 0..2 {
            assert!(borrowed.iter_mut().all(|wait| poll_once(wait).is_ready()));
            assert!(owned.iter_mut().all(|wait| poll_once(wait).is_ready()));
        }
        block_on(async {
            (&child).await;
            child.clone().await;
        });
    }

    #[test]
    fn a_token_in_the_middle_may_be_dropped() {
        let root = CancellationToken::new();
        let below = root.child_token().child_token();
        assert_eq!(root.node.children(), (1, 1));
        root.cancel();
        assert!(below.is_cancelled());
    }

    #[test]
    fn short_lived_children_leave_nothing_behind() {
        let root = CancellationToken::new();
        let kept = root.child_token();
        for _ in 0..DEPTH {
            drop((root.child_token(), root.child_token().child_token()));
            assert!(root.node.children().1 <= 4);
        }
        assert_eq!(root.node.children().0, 1);
        let weak = Arc::downgrade(&root.child_token().node);
        assert_eq!(weak.strong_count(), 0);
        root.cancel();
        assert!(kept.is_cancelled());
        assert_eq!(root.node.children(), (0, 0));
        drop((kept, root.child_token()));
    }

    fn chain() -> Vec<CancellationToken> {
        let mut chain = vec![CancellationToken::new()];
        for depth in 1..DEPTH {
            chain.push(chain[depth - 1].child_token());
        }
        chain
    }

    #[test]
    fn a_deep_chain_is_cancelled_from_its_top() {
        let chain = chain();
        chain[0].cancel();
        assert!(chain.iter().all(CancellationToken::is_cancelled));
    }

    #[test]
    fn a_deep_chain_is_dropped_from_its_end() {
        let mut chain = chain();
        let (root, last) = (chain[0].clone(), chain.pop());
        drop(chain);
        assert_eq!(root.node.children().0, 1);
        drop(last);
        assert_eq!(root.node.children().0, 0);
        // Without a token of the first one either.
        drop((root, self::chain().pop()));
    }

    #[test]
    fn a_future_runs_until_it_is_done_or_cancelled() {
        let token = CancellationToken::new();
        assert_eq!(block_on(token.run_until_cancelled(ready(1))), Some(1));
        let mut running = Box::pin(token.run_until_cancelled(pending::<()>()));
        assert!(poll_once(&mut running).is_pending());
        token.cancel();
        assert_eq!(poll_once(&mut running), Poll::Ready(None));
        let not_polled = token
            .clone()
            .run_until_cancelled_owned(async { unreachable!() });
        assert_eq!(block_on(not_polled), None::<()>);
    }

    #[test]
    fn a_task_without_budget_is_cancelled_all_the_same() {
        let token = CancellationToken::new();
        budget::reset();
        for _ in 0..budget::OPERATIONS_PER_POLL {
            budget::charge();
        }
        let mut running = Box::pin(token.run_until_cancelled(pending::<()>()));
        assert!(poll_once(&mut running).is_pending());
        token.cancel();
        assert_eq!(poll_once(&mut running), Poll::Ready(None));
        budget::lift();
    }

    #[test]
    fn a_guard_cancels_unless_it_is_disarmed() {
        let token = CancellationToken::new();
        let back = token.clone().drop_guard().disarm();
        assert!(!back.is_cancelled());
        drop(back.drop_guard());
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_waker_may_use_the_tree() {
        struct Grow(CancellationToken);
        impl std::task::Wake for Grow {
            fn wake(self: Arc<Self>) {
                assert!(self.0.child_token().is_cancelled());
                self.0.cancel_with("again");
                drop(Box::pin(self.0.cancelled()));
            }
        }
        let token = CancellationToken::new();
        let waker = Arc::new(Grow(token.clone())).into();
        let mut wait = Box::pin(token.cancelled());
        let mut cx = Context::from_waker(&waker);
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        token.cancel();
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    }
}

#[cfg(loom)]
mod model {
    use super::*;
    use crate::sys::sync::{UnsafeCell, thread};
    use crate::util::block_on::block_on;

    #[test]
    fn loom_cancellation_against_waiting_for_a_child() {
        loom::model(|| {
            let parent = CancellationToken::new();
            let child = parent.child_token();
            let other = thread::spawn(move || parent.cancel_with("why"));
            block_on(child.cancelled());
            assert_eq!(child.reason().unwrap().to_string(), "why");
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_cancellation_against_birth_of_a_grandchild() {
        loom::model(|| {
            let parent = CancellationToken::new();
            let child = parent.child_token();
            let other = thread::spawn(move || parent.cancel_with("why"));
            let below = child.child_token();
            other.join().unwrap();
            assert!(child.is_cancelled() && below.is_cancelled());
            assert_eq!(below.reason().unwrap().to_string(), "why");
        });
    }

    #[test]
    fn loom_cancellation_against_birth_of_a_child() {
        loom::model(|| {
            let parent = CancellationToken::new();
            let other = thread::spawn({
                let parent = parent.clone();
                move || parent.cancel()
            });
            let (first, second) = (parent.child_token(), parent.child_token());
            other.join().unwrap();
            assert!(first.is_cancelled() && second.is_cancelled());
        });
    }

    /// One in the middle goes, which is the last of its node or not.
    #[test]
    fn loom_cancellation_against_drop_of_tokens() {
        for keeps_below in [false, true] {
            loom::model(move || {
                let parent = CancellationToken::new();
                let child = parent.child_token();
                let below = keeps_below.then(|| child.child_token());
                let other = thread::spawn({
                    let parent = parent.clone();
                    move || parent.cancel()
                });
                drop(child);
                other.join().unwrap();
                assert!(below.is_none_or(|below| below.is_cancelled()));
                assert!(parent.child_token().is_cancelled());
            });
        }
    }

    #[test]
    fn loom_cancellation_birth_against_drop_of_a_sibling() {
        loom::model(|| {
            let parent = CancellationToken::new();
            let gone = parent.child_token();
            let other = thread::spawn(move || drop(gone));
            let child = parent.child_token();
            other.join().unwrap();
            parent.cancel();
            assert!(child.is_cancelled());
        });
    }

    #[test]
    fn loom_cancellation_against_drop_of_the_wait() {
        loom::model(|| {
            let (token, count) = (CancellationToken::new(), Arc::<Count>::default());
            let mut wait = Box::pin(token.clone().cancelled_owned());
            assert!(poll(&mut wait, &count).is_pending());
            let other = thread::spawn(move || token.cancel());
            drop(wait);
            other.join().unwrap();
            assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
        });
    }

    #[test]
    fn loom_cancellation_twice_at_once() {
        loom::model(|| {
            let (parent, count) = (CancellationToken::new(), Arc::<Count>::default());
            let child = parent.child_token();
            let mut wait = Box::pin(child.cancelled());
            assert!(poll(&mut wait, &count).is_pending());
            let other = thread::spawn(move || parent.cancel_with("above"));
            child.cancel_with("below");
            assert!(child.is_cancelled());
            let reason = child.reason().unwrap().to_string();
            other.join().unwrap();
            assert_eq!(count.woken(), 1);
            assert_eq!(child.reason().unwrap().to_string(), reason, "it changed");
            assert!(poll_once(&mut wait).is_ready());
        });
    }

    /// A look alone carries what was done before.
    #[test]
    fn loom_cancellation_against_a_look() {
        struct News(UnsafeCell<u32>);
        // SAFETY: loom reports an access that races.
        unsafe impl Sync for News {}
        // SAFETY: as above.
        unsafe impl Send for News {}

        loom::model(|| {
            let (token, news) = (CancellationToken::new(), Arc::new(News(UnsafeCell::new(0))));
            let other = thread::spawn({
                let (token, news) = (token.clone(), news.clone());
                move || {
                    // SAFETY: before the cancellation.
                    news.0.with_mut(|news| unsafe { *news = 1 });
                    token.cancel();
                }
            });
            if token.is_cancelled() {
                // SAFETY: after the cancellation.
                assert_eq!(news.0.with(|news| unsafe { *news }), 1);
            }
            other.join().unwrap();
        });
    }
}
