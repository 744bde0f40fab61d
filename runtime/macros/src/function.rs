//! Which parts has an `async fn`?
//!
//! ```text
//! #[ignore]    pub   async   fn   name   () -> io::Result<()>   { ... }
//! attributes   qualifiers    fn   name   signature              body
//! ```

use crate::complaint::Complaint;
use proc_macro::{Delimiter, Ident, Span, TokenStream, TokenTree};

/// An `async fn` without arguments.
pub(crate) struct Function {
    /// Those outside, as they stand.
    pub(crate) attributes: Vec<TokenTree>,
    /// What stands before `fn`, without `async`.
    pub(crate) qualifiers: Vec<TokenTree>,
    /// The word `fn`.
    pub(crate) keyword: TokenTree,
    pub(crate) name: Ident,
    /// The empty list of arguments, and everything until the body.
    pub(crate) signature: Vec<TokenTree>,
    pub(crate) body: TokenTree,
    /// The word `async`.
    pub(crate) asyncness: TokenTree,
}

impl Function {
    /// Takes an item apart; `attribute` is what it is called in complaints.
    pub(crate) fn parse(attribute: &str, item: TokenStream) -> Result<Self, Complaint> {
        let mut tokens = bare(item).into_iter().peekable();
        let mut attributes = Vec::new();
        while let Some(hash) = tokens.next_if(|token| is_mark(token, '#')) {
            attributes.push(hash);
            attributes.extend(tokens.next());
        }
        let mut qualifiers = Vec::new();
        while let Some(token) = tokens.next_if(|token| !is_word(token, "fn")) {
            qualifiers.push(token);
        }
        let keyword = tokens.next().ok_or_else(|| {
            Complaint::new(
                Span::call_site(),
                format!("{attribute} goes before an `async fn`"),
            )
        })?;
        let Some(at) = qualifiers.iter().position(|token| is_word(token, "async")) else {
            return Err(Complaint::new(
                keyword.span(),
                format!("{attribute} needs an `async fn`: write `async` before `fn`"),
            ));
        };
        let asyncness = qualifiers.remove(at);
        let name = match tokens.next() {
            Some(TokenTree::Ident(name)) => name,
            _ => return Err(Complaint::new(keyword.span(), "a function has a name")),
        };
        let mut signature: Vec<_> = tokens.collect();
        check_arguments(attribute, &name, signature.first())?;
        let body = signature.pop().filter(is_body);
        let body = body.ok_or_else(|| {
            Complaint::new(
                name.span(),
                format!("{attribute} needs a function with a body"),
            )
        })?;
        Ok(Self {
            attributes,
            qualifiers,
            keyword,
            name,
            signature,
            body,
            asyncness,
        })
    }

    /// The first attribute that is just this word.
    pub(crate) fn attribute(&self, word: &str) -> Option<&TokenTree> {
        self.attributes.iter().find(
            |token| matches!(token, TokenTree::Group(group) if group.stream().to_string() == word),
        )
    }
}

/// The item itself, where it comes out of a macro as one invisible group.
fn bare(item: TokenStream) -> TokenStream {
    let mut tokens = item.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            bare(group.stream())
        }
        _ => item,
    }
}

fn check_arguments(
    attribute: &str,
    name: &Ident,
    first: Option<&TokenTree>,
) -> Result<(), Complaint> {
    match first {
        Some(TokenTree::Group(list)) if list.stream().is_empty() => Ok(()),
        Some(TokenTree::Group(list)) => Err(Complaint::new(
            list.span(),
            format!("`{name}` cannot have arguments: {attribute} calls it without"),
        )),
        _ => Err(Complaint::new(
            name.span(),
            format!("`{name}` cannot be generic: {attribute} could not say for which types"),
        )),
    }
}

/// A block, or one that comes out of a macro as an invisible group.
fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if matches!(group.delimiter(), Delimiter::Brace | Delimiter::None))
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}
