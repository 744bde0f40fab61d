//! Where does the memory of tasks come from?
//!
//! From the kernel, in chunks of [`CHUNK_BYTES`] that begin at a multiple of their size: whoever has the address of a cell finds the
//! head of its chunk by clearing the low bits. 2 MiB is the size of a huge page: with one fault instead of 512, the first touch of a
//! 64-byte cell costs 6 ns instead of 29 (measured on the 2-core machine the project is developed on).
//!
//! Rejected: the global allocator, which neither aligns so far without waste nor gives back when we know it can.
//!
//! Model checkers and Miri know no mappings; for them chunks are small and come from the global allocator.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

pub(crate) use imp::{CHUNK_BYTES, SEGMENT_BYTES};

/// A chunk of zeroes, aligned to its size. Aborts the process when the system has no memory, as the global allocator does.
pub(crate) fn map_chunk(pages: Pages) -> NonNull<u8> {
    imp::map_chunk(pages).unwrap_or_else(|| handle_alloc_error(chunk_layout()))
}

/// Gives a chunk back.
///
/// # Safety
///
/// It came from [`map_chunk`], and nobody uses it any more.
pub(crate) unsafe fn unmap_chunk(chunk: NonNull<u8>) {
    // SAFETY: passed on to the caller.
    unsafe { imp::unmap_chunk(chunk) }
}

/// Gives the memory behind a part of a chunk back, for good: the kernel would fill the gap again with a huge page (`khugepaged`), so the chunk is to have small
/// ones from now on. The addresses stay ours, and what is read there next is undefined until it is
/// written.
///
/// # Safety
///
/// The range lies within a live chunk, begins and ends at multiples of the page size, and nobody uses it.
pub(crate) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
    // SAFETY: passed on to the caller.
    unsafe { imp::discard(start, bytes) }
}

/// With which pages a chunk shall be backed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// As the system pleases: a program with few tasks does not pay 2 MiB.
    Small,
    /// Huge ones, where the system has them.
    Huge,
}

const fn chunk_layout() -> Layout {
    match Layout::from_size_align(CHUNK_BYTES, CHUNK_BYTES) {
        Ok(layout) => layout,
        Err(_) => panic!("the size is a power of two"),
    }
}

#[cfg(not(any(loom, shuttle, miri)))]
mod imp {
    use super::{NonNull, Pages};
    use std::ptr::null_mut;

    /// Size and alignment of a chunk.
    pub(crate) const CHUNK_BYTES: usize = 2 << 20;
    /// What a size class takes of a chunk at a time, and the least that is given back.
    pub(crate) const SEGMENT_BYTES: usize = 64 << 10;

    pub(super) fn map_chunk(pages: Pages) -> Option<NonNull<u8>> {
        let chunk = map_aligned()?;
        if pages == Pages::Huge {
            // SAFETY: the range was just mapped. A kernel without huge pages refuses, which changes nothing for us.
            unsafe { libc::madvise(chunk.as_ptr().cast(), CHUNK_BYTES, libc::MADV_HUGEPAGE) };
        }
        Some(chunk)
    }

    /// Newer kernels align large mappings by themselves; with the others we map twice as much and cut the ends off.
    fn map_aligned() -> Option<NonNull<u8>> {
        let chunk = map(CHUNK_BYTES)?;
        if chunk.as_ptr().addr() % CHUNK_BYTES == 0 {
            return Some(chunk);
        }
        // SAFETY: mapped above with this size, and used by nobody.
        unsafe { unmap(chunk, CHUNK_BYTES) };
        let wide = map(2 * CHUNK_BYTES)?;
        let before = wide.as_ptr().addr().next_multiple_of(CHUNK_BYTES) - wide.as_ptr().addr();
        // SAFETY: `before` is less than CHUNK_BYTES, so this lies within the mapping.
        let chunk = unsafe { wide.add(before) };
        if before > 0 {
            // SAFETY: the part before the chunk, used by nobody.
            unsafe { unmap(wide, before) };
        }
        // SAFETY: the mapping ends `CHUNK_BYTES - before` behind this.
        let after = unsafe { chunk.add(CHUNK_BYTES) };
        // SAFETY: the part behind the chunk, used by nobody; not empty, since `before` is less than CHUNK_BYTES.
        unsafe { unmap(after, CHUNK_BYTES - before) };
        Some(chunk)
    }

    fn map(bytes: usize) -> Option<NonNull<u8>> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping touches no memory that exists.
        let start = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(start.cast())
    }

    /// # Safety
    ///
    /// The range is mapped by us and used by nobody.
    unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: passed on to the caller.
        let result = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
        // It can only fail if the kernel may not split a mapping any further; then the memory stays, unused.
        debug_assert_eq!(result, 0);
    }

    pub(super) unsafe fn unmap_chunk(chunk: NonNull<u8>) {
        // SAFETY: passed on to the caller.
        unsafe { unmap(chunk, CHUNK_BYTES) }
    }

    pub(super) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        let chunk = start.as_ptr().map_addr(|addr| addr & !(CHUNK_BYTES - 1));
        // SAFETY: the chunk around the range is live, and advice changes nothing in it. A kernel without huge pages refuses.
        unsafe { libc::madvise(chunk.cast(), CHUNK_BYTES, libc::MADV_NOHUGEPAGE) };
        // SAFETY: passed on to the caller. If it fails the memory stays, which is harmless.
        unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
    }
}

#[cfg(any(loom, shuttle, miri))]
mod imp {
    use super::{NonNull, Pages, chunk_layout};
    use std::alloc::{alloc_zeroed, dealloc};

    pub(crate) const CHUNK_BYTES: usize = 32 << 10;
    pub(crate) const SEGMENT_BYTES: usize = 8 << 10;

    pub(super) fn map_chunk(_pages: Pages) -> Option<NonNull<u8>> {
        // SAFETY: the layout is not empty.
        NonNull::new(unsafe { alloc_zeroed(chunk_layout()) })
    }

    pub(super) unsafe fn unmap_chunk(chunk: NonNull<u8>) {
        // SAFETY: it came from `alloc_zeroed` with this layout; nobody uses it, says the caller.
        unsafe { dealloc(chunk.as_ptr(), chunk_layout()) }
    }

    pub(super) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        // As hostile as allowed: nobody may count on what was there.
        // SAFETY: passed on to the caller.
        unsafe { start.write_bytes(0xA5, bytes) };
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_aligned_and_zero() {
        for pages in [Pages::Small, Pages::Huge] {
            let chunk = map_chunk(pages);
            assert_eq!(chunk.as_ptr().addr() % CHUNK_BYTES, 0);
            for at in [0, CHUNK_BYTES / 2, CHUNK_BYTES - 1] {
                // SAFETY: within the chunk, which is ours.
                let place = unsafe { chunk.add(at) };
                // SAFETY: mapped, and initialised with zeroes.
                assert_eq!(unsafe { place.read() }, 0);
                // SAFETY: mapped, and ours.
                unsafe { place.write(7) };
            }
            // SAFETY: within the chunk.
            let second = unsafe { chunk.add(SEGMENT_BYTES) };
            // SAFETY: the second segment, which nobody uses.
            unsafe { discard(second, SEGMENT_BYTES) };
            // SAFETY: mapped above; not used again.
            unsafe { unmap_chunk(chunk) };
        }
    }

    /// The kernel fills gaps with huge pages where it was asked for those, some seconds later.
    #[test]
    #[cfg(not(miri))]
    fn what_was_given_back_stays_given_back() {
        let chunk = map_chunk(Pages::Huge);
        // SAFETY: the chunk's first segment, which nobody uses.
        unsafe { discard(chunk, SEGMENT_BYTES) };
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux");
        let own = format!("{:x}-", chunk.as_ptr().addr());
        let flags = maps
            .lines()
            .skip_while(|line| !line.starts_with(&own))
            .find_map(|line| line.strip_prefix("VmFlags:"));
        let flags: Vec<_> = flags.expect("a mapping of its own").split(' ').collect();
        assert!(flags.contains(&"nh") && !flags.contains(&"hg"), "{flags:?}");
        // SAFETY: mapped above; not used again.
        unsafe { unmap_chunk(chunk) };
    }
}
