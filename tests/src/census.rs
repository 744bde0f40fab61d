//! What does this process hold of the system: threads, descriptors, memory?
//!
//! Counted where the kernel counts: `/proc/self/task`, `/proc/self/fd`, `/proc/self/statm`. A thread that was joined stays in
//! `/proc` for a moment, so a comparison waits with [`settle`] until the counts are as expected.

use crate::guard;
use std::fs;
use std::io;

/// One count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Threads of the process.
    pub threads: usize,
    /// Open descriptors, without the one that is needed to count.
    pub descriptors: usize,
    /// Resident memory in bytes.
    pub resident_bytes: usize,
    /// Address space that is taken, in bytes.
    pub virtual_bytes: usize,
    /// What the heap has handed out and not got back, in bytes, as glibc counts it.
    pub heap_bytes: usize,
}

impl Census {
    /// Counts now.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn now() -> io::Result<Self> {
        let [virtual_bytes, resident_bytes] = memory_bytes()?;
        Ok(Self {
            threads: fs::read_dir("/proc/self/task")?.count(),
            descriptors: fs::read_dir("/proc/self/fd")?.count() - 1,
            resident_bytes,
            virtual_bytes,
            heap_bytes: heap_bytes(),
        })
    }

    /// Whether there are no more threads and descriptors than `before`.
    #[must_use]
    pub fn is_back_to(&self, before: &Self) -> bool {
        self.threads <= before.threads && self.descriptors <= before.descriptors
    }
}

/// All of the address space that is taken, and what of it is resident.
fn memory_bytes() -> io::Result<[usize; 2]> {
    let text = fs::read_to_string("/proc/self/statm")?;
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page_bytes = usize::try_from(page_bytes).map_err(io::Error::other)?;
    let mut pages = text.split(' ').map(str::parse::<usize>);
    let mut next = || match pages.next() {
        Some(Ok(pages)) => Ok(pages * page_bytes),
        _ => Err(io::Error::other("statm does not begin with two numbers")),
    };
    Ok([next()?, next()?])
}

fn heap_bytes() -> usize {
    // SAFETY: mallinfo2 takes the allocator's locks, and touches nothing else of ours.
    let info = unsafe { libc::mallinfo2() };
    // In arenas, and in mappings of their own.
    info.uordblks + info.hblkhd
}

/// Waits until there are no more threads and descriptors than `before`, and returns the count.
///
/// # Panics
///
/// If that does not happen within the guard's time, or `/proc` cannot be read.
pub fn settle(before: &Census) -> Census {
    guard::eventually("threads and descriptors are given back", || {
        let now = Census::now().expect("/proc is there");
        now.is_back_to(before).then_some(now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_a_descriptor_are_counted() {
        // Other tests of this binary come and go, so only what can be told apart from them is checked.
        let before = Census::now().unwrap();
        assert!(before.threads >= 1 && before.descriptors >= 3);
        let files: Vec<_> = (0..100)
            .map(|_| fs::File::open("/proc/self/stat").unwrap())
            .collect();
        assert!(Census::now().unwrap().descriptors >= 100);
        drop(files);
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let with_block = Census::now().unwrap();
        assert!(with_block.resident_bytes > block.len());
        assert!(with_block.heap_bytes > block.len());
    }
}
