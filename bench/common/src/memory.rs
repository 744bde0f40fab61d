//! How much memory is resident, and how much was at most?
//!
//! The kernel says: `Rss` of `/proc/self/smaps_rollup` is exact (it walks the page tables), `VmHWM` of `/proc/self/status` is the peak,
//! exact to some tens of pages. Rejected: counting in the allocator (tasks do not come from it, and what counts is what the
//! machine lacks), `getrusage` (its peak survives an exec, so a child would begin with its parent's).

use std::fs;
use std::io;

/// Bytes resident now.
///
/// # Errors
///
/// If the kernel does not tell.
pub fn resident_bytes() -> io::Result<u64> {
    field(&fs::read_to_string("/proc/self/smaps_rollup")?, "Rss:")
}

/// Bytes resident now, of another process of the same user.
///
/// # Errors
///
/// If the kernel does not tell.
pub fn resident_bytes_of(process: u32) -> io::Result<u64> {
    let rollup = format!("/proc/{process}/smaps_rollup");
    field(&fs::read_to_string(rollup)?, "Rss:")
}

/// The most bytes that were resident at a time, since the process began or since [`forget_peak`].
///
/// # Errors
///
/// If the kernel does not tell.
pub fn peak_bytes() -> io::Result<u64> {
    field(&fs::read_to_string("/proc/self/status")?, "VmHWM:")
}

/// Lets the peak begin anew. Where that is forbidden the peak is of the whole process, which in a child that has done nothing
/// else is nearly the same.
pub fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes that could be had without swapping.
///
/// # Errors
///
/// If the kernel does not tell.
pub fn available_bytes() -> io::Result<u64> {
    field(&fs::read_to_string("/proc/meminfo")?, "MemAvailable:")
}

/// The field's value in bytes; these files give KiB.
fn field(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("the kernel does not tell {name} of this process")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_scaled() {
        let text = "Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(field(text, "VmHWM:").unwrap(), 1234 * 1024);
        assert!(field(text, "VmSwap:").is_err());
    }

    #[test]
    fn memory_that_is_touched_becomes_resident() {
        let before = resident_bytes().unwrap();
        let touched = vec![1u8; 64 << 20];
        let after = resident_bytes().unwrap();
        assert!(after - before > 60 << 20, "{before} {after}");
        assert!(peak_bytes().unwrap() > 60 << 20);
        drop(touched);
    }
}
