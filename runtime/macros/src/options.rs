//! What stands in the parentheses of an attribute?
//!
//! Options with commas between: `name = value`, or for a switch the name alone. Each is known by [`KNOWN`]; what two of them say together is checked
//! when all are there.

use crate::complaint::Complaint;
use crate::expand::Attribute;
use proc_macro::{Delimiter, Ident, Span, TokenStream, TokenTree};
use std::iter::Peekable;

/// Every option, and whether it is one of tests alone.
const KNOWN: &[(&str, bool)] = &[
    ("workers", false),
    ("worker_threads", false),
    ("flavor", false),
    ("crate", false),
    ("simulated", true),
    ("seeds", true),
    ("start_paused", false),
];

/// The seeds of a simulated test, unless chosen: enough to meet the orders of two or three events, and still quick. A guess.
const SEEDS_DEFAULT: u64 = 10;

/// On which runtime a function shall run.
pub(crate) struct Plan {
    /// Where the crate is.
    pub(crate) filch: TokenStream,
    pub(crate) runtime: Runtime,
}

pub(crate) enum Runtime {
    /// With so many workers, or as many as the runtime chooses.
    Real(Option<u64>),
    /// On one thread, with time that stands still until everybody waits for it.
    Paused,
    /// Once for each seed.
    Simulated { seeds: u64 },
}

impl Plan {
    /// What runs a function about whose options there is nothing to say, or too much.
    pub(crate) fn by_default(attribute: Attribute) -> Self {
        Self {
            filch: path("::filch"),
            runtime: Runtime::Real(attribute.workers_default()),
        }
    }

    pub(crate) fn parse(attribute: Attribute, options: TokenStream) -> Result<Self, Complaint> {
        Options::parse(attribute, options)?.plan(attribute)
    }
}

/// The options as they stand, each with its place.
#[derive(Default)]
struct Options {
    workers: Option<(u64, Span)>,
    flavor: Option<(Flavor, Span)>,
    simulated: Option<(bool, Span)>,
    seeds: Option<(u64, Span)>,
    start_paused: Option<(bool, Span)>,
    filch: Option<(TokenStream, Span)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flavor {
    MultiThread,
    CurrentThread,
}

impl Options {
    fn parse(attribute: Attribute, options: TokenStream) -> Result<Self, Complaint> {
        let mut tokens = options.into_iter().peekable();
        let mut found = Self::default();
        while let Some(token) = tokens.next() {
            let TokenTree::Ident(name) = token else {
                return Err(Complaint::new(token.span(), unknown(attribute, &token)));
            };
            found.take(attribute, &name, value(&name, &mut tokens)?)?;
            match tokens.next() {
                Some(TokenTree::Punct(comma)) if comma.as_char() == ',' => {}
                Some(other) => {
                    return Err(Complaint::new(other.span(), "expected a comma here"));
                }
                None => {}
            }
        }
        Ok(found)
    }

    fn take(
        &mut self,
        attribute: Attribute,
        name: &Ident,
        value: Option<TokenTree>,
    ) -> Result<(), Complaint> {
        let option = name.to_string();
        let is_known = |row: &&(&str, bool)| row.0 == option && attribute.knows(row.1);
        if KNOWN.iter().find(is_known).is_none() {
            return Err(Complaint::new(name.span(), unknown(attribute, name)));
        }
        match option.as_str() {
            "simulated" => put(&mut self.simulated, name, switch(value)?),
            "start_paused" => put(&mut self.start_paused, name, switch(value)?),
            "seeds" => put(&mut self.seeds, name, positive(name, value)?),
            "flavor" => put(&mut self.flavor, name, flavor(name, value)?),
            "crate" => put(&mut self.filch, name, path(&string(name, value.as_ref())?)),
            _ => put(&mut self.workers, name, positive(name, value)?),
        }
    }

    /// What the options mean together.
    fn plan(self, attribute: Attribute) -> Result<Plan, Complaint> {
        let is_on = |switch: Option<(bool, Span)>| switch.is_some_and(|found| found.0);
        let runtime = if is_on(self.simulated) {
            self.on_one_thread()?;
            let seeds = self.seeds.map_or(SEEDS_DEFAULT, |found| found.0);
            Runtime::Simulated { seeds }
        } else if is_on(self.start_paused) {
            self.without_seeds()?;
            self.on_one_thread()?;
            Runtime::Paused
        } else {
            self.without_seeds()?;
            self.real(attribute)?
        };
        let filch = self.filch.map_or_else(|| path("::filch"), |found| found.0);
        Ok(Plan { filch, runtime })
    }

    fn on_one_thread(&self) -> Result<(), Complaint> {
        let too_many = match (self.workers, self.flavor) {
            (Some((workers, place)), _) if workers > 1 => Some(place),
            (_, Some((Flavor::MultiThread, place))) => Some(place),
            _ => None,
        };
        too_many.map_or(Ok(()), |place| {
            let text =
                "a simulation, or what has `start_paused`, runs on one thread: leave this out";
            Err(Complaint::new(place, text))
        })
    }

    fn without_seeds(&self) -> Result<(), Complaint> {
        self.seeds.map_or(Ok(()), |(_, place)| {
            let text = "`seeds` are for simulations: add `simulated`";
            Err(Complaint::new(place, text))
        })
    }

    fn real(&self, attribute: Attribute) -> Result<Runtime, Complaint> {
        let workers = match (self.workers, self.flavor) {
            (Some((_, place)), Some((Flavor::CurrentThread, _))) => {
                let text =
                    "`flavor = \"current_thread\"` means one worker: leave one of the two out";
                return Err(Complaint::new(place, text));
            }
            (Some((workers, _)), _) => Some(workers),
            (None, Some((Flavor::CurrentThread, _))) => Some(1),
            (None, Some((Flavor::MultiThread, _))) => None,
            (None, None) => attribute.workers_default(),
        };
        Ok(Runtime::Real(workers))
    }
}

/// What stands behind `=`, if that follows.
fn value(
    name: &Ident,
    tokens: &mut Peekable<impl Iterator<Item = TokenTree>>,
) -> Result<Option<TokenTree>, Complaint> {
    let is_sign =
        |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=');
    let Some(sign) = tokens.next_if(is_sign) else {
        return Ok(None);
    };
    let value = tokens.next().ok_or_else(|| {
        Complaint::new(sign.span(), format!("`{name}` has no value behind the `=`"))
    })?;
    Ok(Some(visible(value)))
}

/// A value that comes out of a macro stands in an invisible group.
fn visible(value: TokenTree) -> TokenTree {
    match &value {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut inside = group.stream().into_iter();
            match (inside.next(), inside.next()) {
                (Some(token), None) => visible(token),
                _ => value,
            }
        }
        _ => value,
    }
}

fn put<T>(place: &mut Option<(T, Span)>, name: &Ident, value: T) -> Result<(), Complaint> {
    if place.is_some() {
        let text = match name.to_string().as_str() {
            "workers" | "worker_threads" => {
                "the number of workers is given twice: `workers` and `worker_threads` are the same"
                    .to_owned()
            }
            name => format!("`{name}` is given twice"),
        };
        return Err(Complaint::new(name.span(), text));
    }
    *place = Some((value, name.span()));
    Ok(())
}

fn unknown(attribute: Attribute, found: &impl ToString) -> String {
    let known = KNOWN.iter().filter(|row| attribute.knows(row.1));
    let known: Vec<_> = known.map(|row| format!("`{}`", row.0)).collect();
    format!(
        "{} has no option `{}`; it has {}",
        attribute.name(),
        found.to_string(),
        known.join(", ")
    )
}

/// A switch alone is on.
fn switch(value: Option<TokenTree>) -> Result<bool, Complaint> {
    match value {
        None => Ok(true),
        Some(token) => match token.to_string().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Complaint::new(token.span(), "expected `true` or `false`")),
        },
    }
}

fn positive(name: &Ident, value: Option<TokenTree>) -> Result<u64, Complaint> {
    let place = value.as_ref().map_or(name.span(), TokenTree::span);
    let text = value.map(|token| token.to_string()).unwrap_or_default();
    let digits = text.replace('_', "");
    let digits = digits
        .trim_end_matches("usize")
        .trim_end_matches("u64")
        .trim_end_matches("u32");
    match digits.parse() {
        Ok(0) => Err(Complaint::new(
            place,
            format!("`{name}` is 0: give at least 1"),
        )),
        Ok(number) => Ok(number),
        Err(_) => Err(Complaint::new(
            place,
            format!("`{name}` takes a whole number, as in `{name} = 4`"),
        )),
    }
}

fn flavor(name: &Ident, value: Option<TokenTree>) -> Result<Flavor, Complaint> {
    match string(name, value.as_ref())?.as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        _ => Err(Complaint::new(
            value.map_or(name.span(), |token| token.span()),
            "a flavor is \"multi_thread\" or \"current_thread\"",
        )),
    }
}

/// What stands between the quotation marks.
fn string(name: &Ident, value: Option<&TokenTree>) -> Result<String, Complaint> {
    let text = value.map(ToString::to_string).unwrap_or_default();
    let inside = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inside.map(str::to_owned).ok_or_else(|| {
        let place = value.map_or(name.span(), TokenTree::span);
        Complaint::new(
            place,
            format!("`{name}` takes a string, as in `{name} = \"...\"`"),
        )
    })
}

/// A path that is no path is complained of by the compiler, where it is used.
fn path(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}
