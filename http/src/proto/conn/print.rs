//! How does the table look to who reads it?

use super::{Cell, Row, TABLE};
use std::fmt;

/// Prints the table: a row for each state and event that can meet, what a server does and what a client does.
#[derive(Debug, Clone, Copy)]
pub struct Printed;

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| state | event | server | client |\n|---|---|---|---|")?;
        let mut above = None;
        for Row(state, event, server, client) in TABLE {
            if above.replace(*state) == Some(*state) {
                write!(f, "| | {event:?} |")?;
            } else {
                write!(f, "| **{state:?}** | {event:?} |")?;
            }
            writeln!(f, " {} | {} |", Printable(*server), Printable(*client))?;
        }
        Ok(())
    }
}

struct Printable(Cell);

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((next, action)) => write!(f, "{next:?}, {action:?}"),
            None => f.write_str("–"),
        }
    }
}
