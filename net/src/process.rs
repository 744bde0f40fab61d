//! How does a task start a program, talk to it, and learn how it ended?
//!
//! ```
//! use filch_net::process::Command;
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//! use std::process::Stdio;
//!
//! # let rt = filch::Runtime::new()?;
//! # rt.block_on(async {
//! let mut sort = Command::new("sort")
//!     .stdin(Stdio::piped())
//!     .stdout(Stdio::piped())
//!     .spawn()?;
//! let mut to_sort = sort.stdin.take().expect("it is piped");
//! to_sort.write_all(b"pears\napples\n").await?;
//! drop(to_sort); // the end of its input
//! let output = sort.wait_with_output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"apples\npears\n");
//! # std::io::Result::Ok(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | file | question |
//! |---|---|
//! | `command` | how is a program started? |
//! | `child` | what can be done with a program that runs? |
//! | `stdio` | how does a task write to a child, and read from it? |
//! | `ending` | how does a task learn that a child has ended? |
//! | `reaper` | who waits for a child that nobody waits for? |
//!
//! Names and meanings are tokio's, the building blocks those of `std`: [`Stdio`](std::process::Stdio), [`ExitStatus`](std::process::ExitStatus), [`Output`](std::process::Output).
//!
//! # Rules for the whole process
//!
//! - A child that was started here must be waited for here: whoever calls `waitpid(-1)` takes the status away, which is an error then (`ECHILD`).
//! - `SIGCHLD` must not be ignored (`SIG_IGN`, which a program inherits from who starts it): the kernel keeps no status then, which is the same error.
//! - No child becomes a zombie for long, also if its [`Child`] is dropped, in or outside a runtime.
//! - Descriptors of this crate are close-on-exec: a child has its three, and no end of a pipe of another child.

mod child;
mod command;
mod ending;
mod reaper;
mod stdio;

pub use child::Child;
pub use command::Command;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
