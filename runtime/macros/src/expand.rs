//! What is put in the place of a function with one of our attributes?
//!
//! See the crate's first page. With options that make no sense, the same with the options left out, and the complaint: then there is one error, and
//! none about a `main` that is missing.

use crate::complaint::Complaint;
use crate::function::Function;
use crate::options::{Plan, Runtime};
use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Which of the two.
#[derive(Clone, Copy)]
pub(crate) enum Attribute {
    Main,
    Test,
}

impl Attribute {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Main => "`#[filch::main]`",
            Self::Test => "`#[filch::test]`",
        }
    }

    /// Whether it has an option, which may be for tests alone.
    pub(crate) fn knows(self, is_for_tests: bool) -> bool {
        matches!(self, Self::Test) || !is_for_tests
    }

    /// A program takes the machine; tests, of which many run at once, a worker each.
    pub(crate) fn workers_default(self) -> Option<u64> {
        match self {
            Self::Main => None,
            Self::Test => Some(1),
        }
    }
}

pub(crate) fn expand(attribute: Attribute, options: TokenStream, item: TokenStream) -> TokenStream {
    let function = match Function::parse(attribute.name(), item.clone()) {
        Ok(function) => function,
        Err(complaint) => return [item, complaint.into_tokens()].into_iter().collect(),
    };
    let checked = check(attribute, &function).and_then(|()| Plan::parse(attribute, options));
    let (plan, complaint) = match checked {
        Ok(plan) => (plan, None),
        Err(complaint) => (Plan::by_default(attribute), Some(complaint)),
    };
    let mut out = around(attribute, function, &plan);
    out.extend(complaint.map(Complaint::into_tokens));
    out
}

fn check(attribute: Attribute, function: &Function) -> Result<(), Complaint> {
    match (attribute, function.attribute("test")) {
        (Attribute::Test, Some(second)) => Err(Complaint::new(
            second.span(),
            "`#[filch::test]` makes a test of the function already: leave `#[test]` out",
        )),
        _ => Ok(()),
    }
}

/// The function that is called, with the one that was written in it.
fn around(attribute: Attribute, function: Function, plan: &Plan) -> TokenStream {
    let Function {
        attributes,
        qualifiers,
        keyword,
        name,
        signature,
        body,
        asyncness,
    } = function;
    let head = || {
        [keyword.clone(), name.clone().into()]
            .into_iter()
            .chain(signature.clone())
    };

    let mut inside = code("#[allow(clippy::unused_async)]");
    inside.extend([asyncness].into_iter().chain(head()).chain([body]));
    inside.extend(call(plan, &name.to_string()));

    let mut out = match attribute {
        Attribute::Main => TokenStream::new(),
        Attribute::Test => code("#[::core::prelude::v1::test]"),
    };
    out.extend(attributes.into_iter().chain(qualifiers).chain(head()));
    out.extend([TokenTree::from(Group::new(Delimiter::Brace, inside))]);
    out
}

/// The call by which the function is run.
fn call(plan: &Plan, name: &str) -> TokenStream {
    let rest = match &plan.runtime {
        Runtime::Real(Some(workers)) => {
            format!("run(::core::option::Option::Some({workers}), {name})")
        }
        Runtime::Real(None) => format!("run(::core::option::Option::None, {name})"),
        Runtime::Paused => format!("run_paused({name})"),
        Runtime::Simulated { seeds } => {
            let package = "::core::option_env!(\"CARGO_PKG_NAME\")";
            let path = format!("::core::concat!(::core::module_path!(), \"::{name}\")");
            format!("run_simulated({seeds}, {package}, {path}, {name})")
        }
    };
    let mut out = plan.filch.clone();
    out.extend(code(&format!("::__macros::{rest}")));
    out
}

/// The tokens of a text of our own.
fn code(text: &str) -> TokenStream {
    text.parse().expect("it is Rust")
}
