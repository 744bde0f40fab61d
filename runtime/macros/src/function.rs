//! Which parts has an `async fn`?
//!
//! ```text
//! #[ignore]    pub   async   fn   name   () -> io::Result<()>   { ... }
//! attributes   qualifiers    fn   name   signature              body
//!                                           ^output
//! ```
//!
//! It is *plain* if it could as well stand in another function of the same signature: without arguments or generics, and without a word of `Self`. A test always is.

use crate::complaint::Complaint;
use crate::expand::Attribute;
use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

/// An `async fn`.
pub(crate) struct Function {
    /// Those outside, as they stand.
    pub(crate) attributes: Vec<TokenTree>,
    /// What stands before `fn`, without `async`.
    pub(crate) qualifiers: Vec<TokenTree>,
    /// The word `fn`.
    pub(crate) keyword: TokenTree,
    pub(crate) name: Ident,
    /// Generics, the list of arguments, and everything until the body.
    pub(crate) signature: Vec<TokenTree>,
    /// What it returns, with the arrow in front; nothing, if it does not say.
    pub(crate) output: Vec<TokenTree>,
    pub(crate) is_plain: bool,
    pub(crate) body: TokenTree,
    /// The word `async`.
    pub(crate) asyncness: TokenTree,
}

impl Function {
    /// Takes an item apart; `attribute` is what it is called in complaints.
    pub(crate) fn parse(attribute: Attribute, item: TokenStream) -> Result<Self, Complaint> {
        let is_called_by_others = attribute.is_called_by_others();
        let attribute = attribute.name();
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
        if !is_called_by_others || is_named(&name, "main") {
            check_arguments(attribute, &name, signature.first())?;
        }
        let body = signature.pop().filter(is_body);
        let body = body.ok_or_else(|| {
            Complaint::new(
                name.span(),
                format!("{attribute} needs a function with a body"),
            )
        })?;
        let is_plain = !is_called_by_others
            || check_arguments(attribute, &name, signature.first()).is_ok()
                && !mentions(&signature, "Self")
                && !mentions(std::slice::from_ref(&body), "Self");
        Ok(Self {
            output: output(&signature),
            is_plain,
            attributes,
            qualifiers,
            keyword,
            name,
            signature,
            body,
            asyncness,
        })
    }

    /// The first attribute that is just this path.
    pub(crate) fn attribute(&self, path: &str) -> Option<&TokenTree> {
        let is_it = |group: &Group| group.stream().to_string().replace(' ', "") == path;
        self.attributes
            .iter()
            .find(|token| matches!(token, TokenTree::Group(group) if is_it(group)))
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

/// From the arrow behind the arguments on, until `where` or the body.
fn output(signature: &[TokenTree]) -> Vec<TokenTree> {
    let behind = behind_arguments(signature);
    let clause = behind.iter().position(|token| is_word(token, "where"));
    behind[..clause.unwrap_or(behind.len())].to_vec()
}

/// The list of arguments is the first in parentheses that does not belong to the generics.
fn behind_arguments(signature: &[TokenTree]) -> &[TokenTree] {
    let mut depth = 0_usize;
    let mut is_arrow = false;
    for (number, token) in signature.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' && !is_arrow => {
                depth = depth.saturating_sub(1);
            }
            TokenTree::Group(group)
                if depth == 0 && group.delimiter() == Delimiter::Parenthesis =>
            {
                return &signature[number + 1..];
            }
            _ => {}
        }
        is_arrow = is_mark(token, '-');
    }
    &[]
}

/// Whether this word is anywhere in there.
pub(crate) fn mentions(tokens: &[TokenTree], word: &str) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Group(group) => mentions(&group.stream().into_iter().collect::<Vec<_>>(), word),
        token => is_word(token, word),
    })
}

/// A block, or one that comes out of a macro as an invisible group.
fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if matches!(group.delimiter(), Delimiter::Brace | Delimiter::None))
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if is_named(ident, word))
}

fn is_named(ident: &Ident, name: &str) -> bool {
    ident.to_string() == name
}
