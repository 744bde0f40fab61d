//! What is put in the place of a function with one of our attributes?
//!
//! See the crate's first page. With options that make no sense, the same with the options left out, and the complaint: then there is one error, and
//! none about a `main` that is missing.

use crate::complaint::Complaint;
use crate::function::{Function, mentions};
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

    /// Whether there is somebody to call a function, with arguments, if it is not the program's own.
    pub(crate) fn is_called_by_others(self) -> bool {
        matches!(self, Self::Main)
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
    let function = match Function::parse(attribute, item.clone()) {
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
    let second = ["test", "filch::test"]
        .iter()
        .find_map(|name| function.attribute(name));
    match (attribute, second) {
        (Attribute::Test, Some(second)) => Err(Complaint::new(
            second.span(),
            "`#[filch::test]` makes a test of the function already: leave the other attribute out",
        )),
        _ => Ok(()),
    }
}

/// The function that is called, with the one that was written in it.
fn around(attribute: Attribute, function: Function, plan: &Plan) -> TokenStream {
    let inside = if function.is_plain {
        with_function(&function, plan)
    } else {
        with_closure(&function, plan)
    };
    let mut out = match attribute {
        Attribute::Main => TokenStream::new(),
        Attribute::Test => code("#[::core::prelude::v1::test]"),
    };
    let head = head(&function);
    out.extend(function.attributes.into_iter().chain(function.qualifiers));
    out.extend(head);
    out.extend([TokenTree::from(Group::new(Delimiter::Brace, inside))]);
    out
}

/// From the word `fn` to the body.
fn head(function: &Function) -> Vec<TokenTree> {
    let name = TokenTree::from(function.name.clone());
    [function.keyword.clone(), name]
        .into_iter()
        .chain(function.signature.clone())
        .collect()
}

/// The function as it was written, and a call of it.
fn with_function(function: &Function, plan: &Plan) -> TokenStream {
    let mut inside = code("#[allow(clippy::unused_async)]");
    inside.extend([function.asyncness.clone()]);
    inside.extend(head(function));
    inside.extend([function.body.clone()]);
    let name = function.name.to_string();
    inside.extend(call(plan, &name, code(&name)));
    inside
}

/// The body as a closure, which has the arguments, the generics and `Self` of the function around it.
fn with_closure(function: &Function, plan: &Plan) -> TokenStream {
    let mut closure = TokenStream::from(function.asyncness.clone());
    closure.extend(code("move ||"));
    // Of a closure it cannot be said; then the compiler finds it out.
    if !mentions(&function.output, "impl") {
        closure.extend(match function.output.is_empty() {
            true => code("-> ()"),
            false => function.output.iter().cloned().collect(),
        });
    }
    closure.extend([visible(function.body.clone())]);
    call(plan, &function.name.to_string(), closure)
}

/// A block that comes out of a macro, as a block.
fn visible(body: TokenTree) -> TokenTree {
    match &body {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let inner: TokenStream = group.stream();
            let mut block = Group::new(Delimiter::Brace, inner);
            block.set_span(group.span());
            block.into()
        }
        _ => body,
    }
}

/// The call by which `function`, which is called `name`, is run.
fn call(plan: &Plan, name: &str, function: TokenStream) -> TokenStream {
    let (callee, before) = match &plan.runtime {
        Runtime::Real(Some(workers)) => {
            ("run", format!("::core::option::Option::Some({workers}),"))
        }
        Runtime::Real(None) => ("run", "::core::option::Option::None,".to_owned()),
        Runtime::Paused => ("run_paused", String::new()),
        Runtime::Simulated { seeds } => {
            let package = "::core::option_env!(\"CARGO_PKG_NAME\")";
            let path = format!("::core::concat!(::core::module_path!(), \"::{name}\")");
            ("run_simulated", format!("{seeds}, {package}, {path},"))
        }
    };
    let mut arguments = code(&before);
    arguments.extend(function);
    let mut out = plan.filch.clone();
    out.extend(code(&format!("::__macros::{callee}")));
    out.extend([TokenTree::from(Group::new(
        Delimiter::Parenthesis,
        arguments,
    ))]);
    out
}

/// The tokens of a text of our own.
fn code(text: &str) -> TokenStream {
    text.parse().expect("it is Rust")
}
