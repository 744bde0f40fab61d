//! What tells one task from another?
//!
//! The address of its cell: no two tasks that live at the same time share one, and it costs nothing, neither a counter that every spawn would write nor a word in the cell.
//! The price: the next task in the same cell has the same id.

use super::header::Header;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::Location;
use std::ptr::NonNull;

/// Cells begin at multiples of this, so that what is below it says nothing.
const CELL_ALIGN: usize = 64;

/// Tells a task from every other that lives at the same time.
///
/// Once a task is complete and nobody has a [`JoinHandle`](super::JoinHandle), an [`AbortHandle`](super::AbortHandle) or a waker of it any more, a new one may be given the same
/// id. So whoever keeps ids in a table keeps a handle beside each, or forgets the id when the task is done.
///
/// # Units and limits
///
/// One word. It is made of the address of the task's memory, which costs nothing; it says nothing about the order in which tasks were spawned, and does not belong before the eyes
/// of strangers, who could guess addresses from it. Tasks that were never started, because their runtime had ended, share one id.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let task = rt.spawn(async { filch::task::id() });
/// let id = task.id();
/// assert_eq!(rt.block_on(task).unwrap(), id);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroUsize);

impl Id {
    /// Of tasks that were never started.
    pub(crate) const NEVER: Self = Self(NonZeroUsize::MIN);

    /// Of the task in this cell, at which nothing is looked.
    #[inline]
    pub(super) fn of(cell: NonNull<Header>) -> Self {
        Self(cell.addr())
    }

    /// The same of an address with something in its low bits; [`NEVER`](Self::NEVER) if there is nothing but that.
    pub(super) fn of_marked(cell: NonNull<Header>) -> Self {
        let address = cell.addr().get() & !(CELL_ALIGN - 1);
        NonZeroUsize::new(address).map_or(Self::NEVER, Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0.get() / CELL_ALIGN).fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// What is known of a task without looking at it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) id: Id,
    /// Where it was spawned.
    pub(crate) location: &'static Location<'static>,
}
