//! How does a macro say what is wrong, and where?
//!
//! By a `compile_error!` whose tokens claim to stand where the mistake is; the compiler underlines that place.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// What is wrong, and where.
pub(crate) struct Complaint {
    place: Span,
    text: String,
}

impl Complaint {
    pub(crate) fn new(place: Span, text: impl Into<String>) -> Self {
        Self {
            place,
            text: text.into(),
        }
    }

    /// `::core::compile_error! { "text" }`
    pub(crate) fn into_tokens(self) -> TokenStream {
        let text = TokenStream::from(TokenTree::from(Literal::string(&self.text)));
        let colon = |spacing| TokenTree::from(Punct::new(':', spacing));
        let name = |name| TokenTree::from(Ident::new(name, self.place));
        let tokens = [
            colon(Spacing::Joint),
            colon(Spacing::Alone),
            name("core"),
            colon(Spacing::Joint),
            colon(Spacing::Alone),
            name("compile_error"),
            Punct::new('!', Spacing::Alone).into(),
            Group::new(Delimiter::Brace, text).into(),
        ];
        let at_place = tokens.into_iter().map(|mut token| {
            token.set_span(self.place);
            token
        });
        at_place.collect()
    }
}
