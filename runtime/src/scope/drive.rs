//! How does a scope run its body, and when does it return?
//!
//! In each poll: is there an outcome that stops the body? else the body is polled; is the time up? and once the body has gone, have all members? The
//! body is dropped where it stands when the scope is stopped, and always before the scope waits for its members. A timeout counts as long as the scope has not returned.
//!
//! Dropped before it is done, it cancels the group at once, then drops the body, and hands what is left to the scope around it, if there is one.

use super::CancelReason;
use super::group::{self, Around, Group, Outcome, Payload};
use crate::time::Sleep;
use crate::util::shield::shield;
use pin_project_lite::pin_project;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A scope that runs.
    pub(super) struct Drive<B>
    where
        B: Future,
    {
        #[pin]
        body: Option<B>,
        output: Option<B::Output>,
        #[pin]
        sleep: Option<Sleep>,
        around: Around,
        group: Arc<Group>,
        is_over: bool,
    }

    impl<B> PinnedDrop for Drive<B>
    where
        B: Future,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.is_over {
                return;
            }
            this.group.cancel(CancelReason::Dropped);
            let mut body = this.body;
            let dropped = this.around.run(|| body.set(None));
            // A scope may be dropped by a child of its own that was given it; it does not wait for itself.
            if let Some(outer) = group::current().filter(|outer| !Arc::ptr_eq(outer, this.group)) {
                this.group.hand_to(&outer);
            }
            pass_on(dropped);
        }
    }
}

/// Lets a panic of a destructor go on, unless there is another one under way.
pub(super) fn pass_on(dropped: Result<(), Payload>) {
    if let Err(payload) = dropped {
        if !std::thread::panicking() {
            resume_unwind(payload);
        }
    }
}

impl<B: Future> Drive<B> {
    pub(super) fn new(group: Arc<Group>, body: B, sleep: Option<Sleep>) -> Self {
        Self {
            body: Some(body),
            output: None,
            sleep,
            around: Around::new(&group),
            group,
            is_over: false,
        }
    }
}

impl<B: Future> Future for Drive<B> {
    type Output = Result<B::Output, Outcome>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut body, mut sleep, group) = (this.body, this.sleep, this.group);
        if !group.is_stopped(cx) {
            let polled = this
                .around
                .run(|| body.as_mut().as_pin_mut().map(|body| body.poll(cx)));
            match polled {
                Ok(Some(Poll::Ready(output))) => {
                    *this.output = Some(output);
                    drop_body(&mut body, this.around, group);
                }
                Ok(_) => {}
                Err(payload) => group.stop(Outcome::Panic(payload), || ()),
            }
            // As for a timeout: whoever uses up the task's budget in each poll does not escape by that.
            let elapsed = sleep
                .as_mut()
                .as_pin_mut()
                .map(|sleep| sleep.poll_elapsed(cx));
            if elapsed.is_some_and(|elapsed| elapsed.is_ready()) {
                group.stop(Outcome::Timeout, || ());
                sleep.set(None);
            }
        }
        if body.is_some() {
            if !group.is_stopped(cx) {
                return Poll::Pending;
            }
            drop_body(&mut body, this.around, group);
        }
        let outcome = ready!(group.poll_ended(cx));
        *this.is_over = true;
        let output = this.output.take();
        match outcome {
            None => Poll::Ready(Ok(
                output.expect("the body is dropped when it is done, or for an outcome")
            )),
            Some(outcome) => {
                shield(|| drop(output));
                Poll::Ready(Err(outcome))
            }
        }
    }
}

/// The body goes; a panic of that is one of the scope's.
fn drop_body<B>(body: &mut Pin<&mut Option<B>>, around: &mut Around, group: &Group) {
    if let Err(payload) = around.run(|| body.set(None)) {
        group.stop(Outcome::Panic(payload), || ());
    }
}
