//! How does whoever waits see how far it is?

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many steps on standard error. Where that is no terminal it draws nothing.
pub(crate) fn bar(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rounds  {msg}")
        .expect("the template is right");
    ProgressBar::new(steps as u64).with_style(style)
}
