//! How does a thread wake up on time?
//!
//! Two things are in the way. The kernel may let a timed wait last longer, by 50 us unless told otherwise, to wake several at once (`PR_SET_TIMERSLACK`,
//! prctl(2)). And a thread that wakes up on a core where another one computes has to wait until that one's slice is over, which is up to a tick of the kernel's
//! (4 ms with HZ=250), even if a core next door is idle. A thread that asks for shorter slices than others goes first (`sched_runtime` of `SCHED_OTHER` in
//! sched_setattr(2), Linux 6.12); it gets no more of the processor by that.

/// Asks the kernel to end this thread's waits on time, as far as it can. Where it refuses, they are late as before.
pub(crate) fn be_punctual() {
    #[cfg(not(any(loom, shuttle, miri)))]
    imp::be_punctual();
}

#[cfg(not(any(loom, shuttle, miri)))]
mod imp {
    /// The shortest the kernel gives: 100 us. The sentinel's look at all workers takes some.
    const SLICE_NS: u64 = 100_000;

    /// `struct sched_attr` in its first version, sched_setattr(2).
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }

    pub(super) fn be_punctual() {
        // SAFETY: this option takes a number, and changes nothing but the calling thread's timers.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_usize) };
        ask_for_short_slices();
    }

    fn ask_for_short_slices() {
        let mut attributes = Attributes::default();
        let size = u32::try_from(size_of::<Attributes>()).expect("48");
        // SAFETY: the kernel writes at most `size` bytes of attributes of the calling thread.
        let got =
            unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        let is_plain = attributes.policy == libc::SCHED_OTHER as u32;
        // Another policy is somebody's decision, and has rules of its own.
        if got == 0 && is_plain {
            attributes.runtime = SLICE_NS;
            // SAFETY: the kernel reads `size` bytes, and changes nothing but the calling thread's slice.
            unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        }
    }
}
