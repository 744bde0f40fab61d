//! How many descriptors may the process have?
//!
//! The kernel says so in a file, which is read once per server. (`getrlimit(2)` would be shorter, and needs `libc` and `unsafe`, which this crate does without.)

/// The soft limit of `RLIMIT_NOFILE`; `None` if there is none, or nobody says.
pub(crate) fn most() -> Option<usize> {
    most_of(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// proc_pid_limits(5): a line for each limit: its name, the soft limit, the hard one, the unit, in columns.
fn most_of(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_can_be_read() {
        let here = most();
        assert!(here.is_none_or(|most| most > 0));
        let page = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             127                  127                  processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(most_of(page), Some(1024));
        assert_eq!(most_of("Max open files unlimited unlimited files"), None);
        assert_eq!(most_of(""), None);
    }
}
