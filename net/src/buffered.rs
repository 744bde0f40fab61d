//! How does a task read and write a file with few calls that block, and lose nothing when it gives up?
//!
//! Between the task and the file stands a buffer. While nothing is to be done with the file, the buffer is here, and reads and writes only copy. A call that may block takes the buffer with it to
//! another thread, and brings it back; whoever polls next finds it, whether or not that is the one who sent it. So a future that is dropped leaves nothing behind but a buffer that comes home:
//! what was read ahead is still to be read, and the error of a write is told to the operation that comes next.
//!
//! A call that cannot be made, since there is no runtime any more or no thread can be started, is dropped with the buffer, which does on its way out what cannot wait: it writes what is unwritten, on the thread
//! that drops it, be that a worker, and be it for as long as a terminal takes nothing. Bytes that were taken are worth more than a worker's time, and nothing else is left to write them with.
//!
//! | the buffer | read | write | flush | anything else |
//! |---|---|---|---|---|
//! | has read ahead | copies | goes back in the file with the next call | | one call |
//! | has unwritten bytes | one call, which writes them first | copies; full: one call, in the background | one call | one call, which writes them first |
//! | is empty | one call, which reads ahead | copies | | one call |
//! | is away | waits for it | waits for it | waits for it | waits for it |
//!
//! | file | question |
//! |---|---|
//! | `core` | what does a call do with the file, and what is in the buffer after it? |
//!
//! Rejected: a call for each write, in the background (tokio's way: ten thousand small writes are ten thousand calls); two buffers that take turns (a second one would save waiting when a task
//! writes faster than the disk, where it has to wait anyway).

mod core;

pub(crate) use self::core::{Answer, Request};

use self::core::Core;
use crate::hop::{Hop, Place};
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The most that a buffer holds, and one call reads or writes: copying so much takes some ten times as long as a hop to the pool and back (a guess).
pub(crate) const BUFFER_BYTES: usize = 256 * 1024;

/// A file, and the buffer before it.
#[derive(Debug)]
pub(crate) struct Buffered {
    file: Arc<File>,
    place: Place,
    bytes_max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle(Core),
    /// The buffer is away with a call.
    Busy(Request, Hop<Done>),
    /// Between two states, and after the end.
    Gone,
}

/// A call that is back.
#[derive(Debug)]
struct Done {
    core: Core,
    answer: io::Result<Answer>,
}

/// A buffer that is away with a call. If that is never made, what was read ahead is still to be read, where the file has a position to go back to.
struct Parcel(Option<Core>);

impl Parcel {
    fn open(mut self) -> Core {
        self.0.take().expect("opened once, since that takes it")
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Some(core) = &mut self.0 {
            core.blocking_give_back();
        }
    }
}

impl Buffered {
    pub(crate) fn new(file: File, place: Place) -> Self {
        let file = Arc::new(file);
        Self {
            state: State::Idle(Core::new(file.clone())),
            bytes_max: BUFFER_BYTES,
            file,
            place,
        }
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(crate) fn set_bytes_max(&mut self, bytes: usize) {
        self.bytes_max = bytes.max(1);
    }

    /// Copies what was read ahead, or reads ahead.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if room.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let ahead = ready!(self.poll_fill(cx, room.len()))?;
        let count = ahead.len().min(room.len());
        room[..count].copy_from_slice(&ahead[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }

    /// What was read ahead; if that is nothing, it reads ahead first. Empty at the end only.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<io::Result<&[u8]>> {
        loop {
            if let State::Busy(..) = self.state {
                let (request, answer) = ready!(self.poll_done(cx))?;
                let is_fill = matches!(request, Request::Fill { .. });
                // That there is nothing to read is found out once: only a call can say so.
                if is_fill && answer?.is_end() {
                    return Poll::Ready(Ok(&[]));
                }
            } else if self.has_read_ahead() {
                return Poll::Ready(Ok(self.idle().map_or(&[], |core| core.ahead())));
            } else {
                let most = self.bytes_max;
                self.start(Request::Fill { wanted, most })?;
            }
        }
    }

    /// Takes so many bytes of what was read ahead.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(core) = self.idle() {
            core.consume(count);
        }
    }

    /// Copies what has room. A full buffer is written in the background.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let most = self.bytes_max;
            let Some(core) = self.idle() else {
                let _given_up = ready!(self.poll_done(cx))?;
                continue;
            };
            if core.is_full(most) {
                self.start(Request::WriteOut)?;
                continue;
            }
            let count = core.put(bytes, most);
            if core.is_full(most) {
                // If that fails, the next operation tries again, and says why.
                let _ = self.start(Request::WriteOut);
            }
            return Poll::Ready(Ok(count));
        }
    }

    /// Writes what is unwritten in the background, if the buffer is here.
    pub(crate) fn begin_to_write(&mut self) {
        if self.idle().is_some_and(|core| core.has_unwritten()) {
            // If that fails, the next operation tries again, and says why.
            let _ = self.start(Request::WriteOut);
        }
    }

    /// Writes what is unwritten.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.idle() {
                None => {
                    let _given_up = ready!(self.poll_done(cx))?;
                }
                Some(core) if core.has_unwritten() => self.start(Request::WriteOut)?,
                Some(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Moves the position.
    pub(crate) fn poll_seek(
        &mut self,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            if let State::Idle(_) = self.state {
                self.start(Request::Seek(to))?;
            }
            let (request, answer) = ready!(self.poll_done(cx))?;
            // A seek that somebody gave up, to the same place, is as good as ours.
            if matches!(request, Request::Seek(other) if other == to) {
                return Poll::Ready(answer.map(Answer::position));
            }
        }
    }

    /// Sends a request when nothing else is under way, and waits for its answer.
    pub(crate) async fn ask(&mut self, request: Request) -> io::Result<Answer> {
        while self.idle().is_none() {
            let _given_up = poll_fn(|cx| self.poll_done(cx)).await?;
        }
        self.start(request)?;
        poll_fn(|cx| self.poll_done(cx)).await?.1
    }

    /// The file alone, when everything is written, at the user's position.
    pub(crate) async fn into_file(mut self) -> io::Result<File> {
        self.ask(Request::Settle).await?;
        Ok(self.try_into_file().expect("it has just been settled"))
    }

    /// The file alone, if nothing is read ahead, unwritten or under way.
    pub(crate) fn try_into_file(mut self) -> Result<File, Self> {
        let is_settled = self
            .idle()
            .is_some_and(|core| core.ahead().is_empty() && !core.has_unwritten());
        if !is_settled {
            return Err(self);
        }
        let file = self.file.clone();
        drop(self);
        Ok(Arc::into_inner(file).expect("only the buffer shares it, which is gone"))
    }

    fn idle(&mut self) -> Option<&mut Core> {
        match &mut self.state {
            State::Idle(core) => Some(core),
            _ => None,
        }
    }

    fn has_read_ahead(&mut self) -> bool {
        self.idle().is_some_and(|core| !core.ahead().is_empty())
    }

    /// Sends a request. The buffer is here, says the caller.
    fn start(&mut self, request: Request) -> io::Result<()> {
        if self.place == Place::Pool {
            // The call would be dropped, and the buffer with it.
            filch::runtime::Handle::try_current().map_err(io::Error::other)?;
        }
        let State::Idle(core) = std::mem::replace(&mut self.state, State::Gone) else {
            unreachable!("a request is sent when the last one is back");
        };
        let (own, parcel) = (request.clone(), Parcel(Some(core)));
        let call = move || {
            let mut core = parcel.open();
            let answer = core.blocking_do(own);
            Done { core, answer }
        };
        match Hop::start(self.place, call) {
            Ok(hop) => self.state = State::Busy(request, hop),
            Err(error) => {
                self.begin_anew();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits for the buffer, which brings an answer. The error is that of a write that nobody has been told of.
    fn poll_done(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Request, io::Result<Answer>)>> {
        let State::Busy(_, hop) = &mut self.state else {
            unreachable!("nobody waits for a buffer that is here");
        };
        let done = ready!(hop.poll(cx));
        let State::Busy(request, _) = std::mem::replace(&mut self.state, State::Gone) else {
            unreachable!("as above");
        };
        match done {
            Ok(Done { mut core, answer }) => {
                let failed = core.take_failed();
                self.state = State::Idle(core);
                Poll::Ready(failed.map_or(Ok((request, answer)), Err))
            }
            Err(error) => {
                self.begin_anew();
                Poll::Ready(Err(error))
            }
        }
    }

    /// With an empty buffer, since the last one was dropped with its call; it has written what it had, and gone back to where the user is.
    #[cold]
    fn begin_anew(&mut self) {
        self.state = State::Idle(Core::new(self.file.clone()));
    }
}

/// What is unwritten is written in the background. Where nobody can, because the runtime has ended or has no thread for it, it is written here.
impl Drop for Buffered {
    fn drop(&mut self) {
        if let State::Idle(core) = std::mem::replace(&mut self.state, State::Gone) {
            if core.has_unwritten() {
                // A call that is refused or never run is dropped, and the buffer writes when it is dropped.
                let _ = Hop::start(self.place, move || drop(core));
            }
        }
    }
}

#[cfg(test)]
mod tests;
