//! How does a test read Rust source without a compiler?
//!
//! It cuts it into words, throws away comments, literals and what is there for tests only, and follows paths through `use`
//! groups, `super` and inline modules. That is enough to see who imports whom, and where `unsafe` stands. A macro that glues
//! names together could hide from it; none here does.
//!
//! Rejected: `syn`, which reads everything and would be the largest dependency of the tests by far.

use std::collections::BTreeSet;

/// A source file, without comments, literals and test-only items.
#[derive(Debug, Clone)]
pub struct Source {
    tokens: Vec<Token>,
    test_modules: Vec<String>,
}

/// A path that the file mentions, resolved as far as the file itself allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// Its segments; those of the own crate begin with `crate`. A glob ends in `*`.
    pub path: Vec<String>,
    /// The line it stands on, from 1.
    pub line: usize,
}

impl Mention {
    /// The path as it is written in source.
    #[must_use]
    pub fn text(&self) -> String {
        self.path.join("::")
    }
}

/// Something public whose future a caller can hold: an async function, one that returns a future, or a type that is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waits {
    /// The type that a method belongs to, as the `impl` has it, without parameters; `*` if a macro names it; none for a type or a free function.
    pub owner: Option<String>,
    /// The function's name, or the type's.
    pub name: String,
    /// The line of a function, from 1; of a type, that of its `impl`.
    pub line: usize,
    /// Whether it is a type.
    pub is_type: bool,
    /// The macro that makes it, wherever it is called.
    pub made_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Word(String),
    /// `::`
    Colons,
    Mark(char),
    /// A number, string, character or lifetime.
    Literal,
}

impl Source {
    /// Reads a file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut test_modules = Vec::new();
        let tokens = without_tests(&tokens(text), &mut test_modules);
        Self {
            tokens,
            test_modules,
        }
    }

    /// Names of modules in other files that are compiled for tests only: `#[cfg(test)] mod name;`.
    #[must_use]
    pub fn test_modules(&self) -> &[String] {
        &self.test_modules
    }

    /// Whether a word stands in the code.
    #[must_use]
    pub fn has_word(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is_word(word))
    }

    /// The lines on which a word stands in the code.
    #[must_use]
    pub fn lines_of(&self, word: &str) -> BTreeSet<usize> {
        let hits = self.tokens.iter().filter(|token| token.is_word(word));
        hits.map(|token| token.line).collect()
    }

    /// Names behind `pub word`: of modules, functions, types. Not those behind `pub(crate)`.
    #[must_use]
    pub fn public(&self, word: &str) -> BTreeSet<String> {
        let starts = (1..self.tokens.len())
            .filter(|&at| self.word(at) == Some(word) && self.word(at - 1) == Some("pub"));
        let names = starts.filter_map(|at| self.word(at + 1));
        names.map(str::to_owned).collect()
    }

    /// The line of `pub word name`.
    #[must_use]
    pub fn line_of_public(&self, word: &str, name: &str) -> Option<usize> {
        let at = (1..self.tokens.len()).find(|&at| {
            let words = [at - 1, at, at + 1].map(|at| self.word(at));
            words == [Some("pub"), Some(word), Some(name)]
        })?;
        Some(self.tokens[at - 1].line)
    }

    /// Names that the file shows again: the words of `pub use ...;`.
    #[must_use]
    pub fn shown_again(&self) -> BTreeSet<String> {
        let starts = (1..self.tokens.len())
            .filter(|&at| self.word(at) == Some("use") && self.word(at - 1) == Some("pub"));
        let names = starts.flat_map(|start| {
            let rest = start + 1..self.tokens.len();
            rest.take_while(|&at| !self.is_mark(at, ';'))
                .filter_map(|at| self.word(at))
        });
        names.map(str::to_owned).collect()
    }

    /// What in this file hands out a future, or is one, and is called `pub`.
    #[must_use]
    pub fn waits(&self) -> Vec<Waits> {
        let mut out = Vec::new();
        // Types whose `impl` we are in, and at which depth of braces.
        let mut owners: Vec<(usize, String)> = Vec::new();
        // The macro whose rules we are in, and at which depth they began.
        let mut made_by: Option<(usize, String)> = None;
        let (mut at, mut depth) = (0, 0_usize);
        while at < self.tokens.len() {
            let token = &self.tokens[at];
            let maker = made_by.as_ref().map(|(_, name)| name.clone());
            match &token.kind {
                Kind::Mark('{') => depth += 1,
                Kind::Mark('}') => {
                    depth = depth.saturating_sub(1);
                    made_by.take_if(|(began, _)| *began == depth);
                    if owners.last().is_some_and(|owner| owner.0 == depth) {
                        owners.pop();
                    }
                }
                Kind::Word(word) if word == "macro_rules" && self.is_mark(at + 1, '!') => {
                    made_by = self.word(at + 2).map(|name| (depth, name.to_owned()));
                }
                Kind::Word(word) if word == "impl" && self.begins_an_item(at) => {
                    let (name, is_future, end) = self.impl_header(at + 1);
                    if is_future {
                        out.push(Waits {
                            owner: None,
                            name: name.clone(),
                            line: token.line,
                            is_type: true,
                            made_by: maker,
                        });
                    }
                    owners.push((depth, name));
                    at = end;
                    continue;
                }
                Kind::Word(word) if word == "pub" => {
                    if let Some(name) = self.hands_out_a_future(at + 1) {
                        out.push(Waits {
                            owner: owners.last().map(|owner| owner.1.clone()),
                            name,
                            line: token.line,
                            is_type: false,
                            made_by: maker,
                        });
                    }
                }
                _ => {}
            }
            at += 1;
        }
        out
    }

    /// The macros that are called with a name to begin with: `m!(Name, ...)`.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, String)> {
        (0..self.tokens.len())
            .filter(|&at| self.is_mark(at + 1, '!') && self.is_mark(at + 2, '('))
            .filter_map(|at| Some((self.word(at)?.to_owned(), self.word(at + 3)?.to_owned())))
            .collect()
    }

    /// `impl` is also a type: `impl Future`, in an argument or as what is returned.
    fn begins_an_item(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|before| &self.tokens[before].kind);
        match before {
            None | Some(Kind::Mark('{' | '}' | ';' | ']')) => true,
            Some(Kind::Word(word)) => word == "unsafe",
            _ => false,
        }
    }

    /// From behind `impl` to the brace: the type it is for, and whether the trait is `Future`.
    fn impl_header(&self, mut at: usize) -> (String, bool, usize) {
        let (mut angles, mut last, mut of_trait) = (0_i32, None, None);
        let mut is_over = false;
        while at < self.tokens.len() && !self.is_mark(at, '{') {
            match &self.tokens[at].kind {
                // A macro's variable, or something repeated.
                Kind::Mark('$') => last = Some("*".to_owned()),
                Kind::Mark('<') => angles += 1,
                Kind::Mark('>') if !self.is_mark(at - 1, '-') => angles -= 1,
                Kind::Word(word) if word == "where" => is_over = true,
                Kind::Word(word) if word == "for" && angles == 0 && !is_over => {
                    of_trait = last.take();
                }
                Kind::Word(word) if angles == 0 && !is_over && last.as_deref() != Some("*") => {
                    last = match last.take() {
                        Some(path) if self.tokens[at - 1].kind == Kind::Colons => {
                            Some(format!("{path}::{word}"))
                        }
                        _ => Some(word.clone()),
                    };
                }
                _ => {}
            }
            at += 1;
        }
        let of_trait = of_trait
            .as_deref()
            .and_then(|path| path.rsplit("::").next());
        let is_future = of_trait == Some("Future");
        (last.unwrap_or_else(|| "*".to_owned()), is_future, at)
    }

    /// The name of the function behind `pub`, if it is async or returns `impl Future`.
    fn hands_out_a_future(&self, mut at: usize) -> Option<String> {
        let mut is_async = false;
        while let Some(word @ ("const" | "unsafe" | "async")) = self.word(at) {
            is_async |= word == "async";
            at += 1;
        }
        if self.word(at) != Some("fn") {
            return None;
        }
        let name = self.word(at + 1)?.to_owned();
        if is_async {
            return Some(name);
        }
        let arguments = (at..self.tokens.len()).find(|&at| self.is_mark(at, '('))?;
        let after = closing(&self.tokens, arguments) + 1;
        let returned: Vec<_> = (after..self.tokens.len())
            .take_while(|&at| !self.is_mark(at, '{') && !self.is_mark(at, ';'))
            .filter_map(|at| self.word(at))
            .take_while(|&word| word != "where")
            .collect();
        (returned.starts_with(&["impl"]) && returned.contains(&"Future")).then_some(name)
    }

    /// Every path of the file. `module` is where the file stands in its crate: `["sched", "idle"]`.
    #[must_use]
    pub fn mentions(&self, module: &[&str]) -> Vec<Mention> {
        let mut out = Vec::new();
        let mut module: Vec<String> = module.iter().map(|&name| name.to_owned()).collect();
        // Depths of braces at which inline modules began.
        let mut inline = Vec::new();
        let (mut at, mut depth) = (0, 0_usize);
        while at < self.tokens.len() {
            match &self.tokens[at].kind {
                Kind::Mark('{') => depth += 1,
                Kind::Mark('}') => {
                    depth = depth.saturating_sub(1);
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        module.pop();
                    }
                }
                Kind::Word(word) if word == "mod" => {
                    if let (Some(name), true) = (self.word(at + 1), self.is_mark(at + 2, '{')) {
                        module.push(name.to_owned());
                        inline.push(depth);
                    }
                }
                // What a macro names by `$crate::` is named where it is used.
                Kind::Mark('$') if self.word(at + 1) == Some("crate") => {
                    at = self.path(at + 1, Vec::new(), &module, &mut Vec::new());
                    continue;
                }
                Kind::Word(_) if at == 0 || self.tokens[at - 1].kind != Kind::Colons => {
                    at = self.path(at, Vec::new(), &module, &mut out);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        out
    }

    /// Follows a path or `use` tree from the word at `at`; returns where it ends.
    fn path(
        &self,
        mut at: usize,
        mut path: Vec<String>,
        module: &[String],
        out: &mut Vec<Mention>,
    ) -> usize {
        let line = self.tokens[at].line;
        loop {
            match self.tokens.get(at).map(|token| &token.kind) {
                Some(Kind::Word(word)) => path.push(word.clone()),
                Some(Kind::Mark('*')) => path.push("*".to_owned()),
                Some(Kind::Mark('{')) => return self.group(at + 1, &path, module, out),
                // `Vec::<u8>`: the path goes no further that interests us.
                _ => break,
            }
            at += 1;
            if self.tokens.get(at).map(|token| &token.kind) != Some(&Kind::Colons) {
                break;
            }
            at += 1;
        }
        out.push(Mention {
            path: resolve(&path, module),
            line,
        });
        at
    }

    /// The inside of `{a, b::{c, d}}` in a `use`; returns what stands behind the closing brace.
    fn group(
        &self,
        mut at: usize,
        prefix: &[String],
        module: &[String],
        out: &mut Vec<Mention>,
    ) -> usize {
        while at < self.tokens.len() && !self.is_mark(at, '}') {
            let is_path = matches!(
                self.tokens[at].kind,
                Kind::Word(_) | Kind::Mark('*') | Kind::Mark('{')
            );
            at = if is_path {
                self.path(at, prefix.to_vec(), module, out)
            } else {
                at + 1
            };
            if self.word(at) == Some("as") {
                at += 2;
            }
        }
        at + 1
    }

    fn word(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is_mark(&self, at: usize, mark: char) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|t| t.kind == Kind::Mark(mark))
    }
}

impl Token {
    fn is_word(&self, wanted: &str) -> bool {
        matches!(&self.kind, Kind::Word(word) if word == wanted)
    }
}

/// Turns `self` and `super` into a path from the crate's root.
fn resolve(path: &[String], module: &[String]) -> Vec<String> {
    // `use a::{self}` names the group's prefix.
    let mut rest = match path {
        [prefix @ .., last] if last == "self" && !prefix.is_empty() => prefix,
        _ => path,
    };
    let mut base = None;
    while let Some((first, others)) = rest.split_first() {
        base = match (first.as_str(), base) {
            ("self", None) => Some(module),
            ("super", base) => {
                let child = base.unwrap_or(module);
                Some(child.split_last().map_or(child, |(_, parents)| parents))
            }
            _ => break,
        };
        rest = others;
    }
    let root = base.map(|_| "crate".to_owned());
    root.into_iter()
        .chain(base.unwrap_or_default().iter().cloned())
        .chain(rest.iter().cloned())
        .collect()
}

/// Drops `#[test]` and `#[cfg(test)]` items, noting the names of those that are modules in other files.
fn without_tests(tokens: &[Token], test_modules: &mut Vec<String>) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let is_attribute = tokens[at].kind == Kind::Mark('#');
        let opens = tokens.get(at + 1).map(|token| &token.kind) == Some(&Kind::Mark('['));
        if is_attribute && opens {
            let end = closing(tokens, at + 1);
            if is_for_tests(&tokens[at + 2..end.min(tokens.len())]) {
                at = skip_item(tokens, end + 1, test_modules);
                continue;
            }
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// `test`, or a `cfg` that cannot hold unless `test` does.
fn is_for_tests(attribute: &[Token]) -> bool {
    match attribute {
        [only] => only.is_word("test"),
        [name, condition @ ..] => name.is_word("cfg") && holds_in_a_build(condition) == Some(false),
        [] => false,
    }
}

/// Whether a cfg's condition holds when `test` does not; none if that depends on others. Begins at a bracket.
fn holds_in_a_build(bracket: &[Token]) -> Option<bool> {
    let inside = bracket.get(1..closing(bracket, 0))?;
    one_condition(inside)
}

fn one_condition(tokens: &[Token]) -> Option<bool> {
    let (first, rest) = tokens.split_first()?;
    if first.is_word("test") && rest.is_empty() {
        return Some(false);
    }
    if first.is_word("not") {
        return holds_in_a_build(rest).map(|holds| !holds);
    }
    // `all` is false if one of its parts is, `any` is true if one of its parts is.
    let decisive = match (first.is_word("all"), first.is_word("any")) {
        (true, _) => false,
        (_, true) => true,
        _ => return None,
    };
    let inside = rest.get(1..closing(rest, 0))?;
    let parts: Vec<_> = parts(inside).into_iter().map(one_condition).collect();
    if parts.contains(&Some(decisive)) {
        return Some(decisive);
    }
    parts
        .iter()
        .all(|part| *part == Some(!decisive))
        .then_some(!decisive)
}

/// Cuts at the commas that stand in no bracket.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    let cut = |token: &Token| {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth -= 1,
            _ => {}
        }
        depth == 0 && token.kind == Kind::Mark(',')
    };
    let parts = tokens.split(cut);
    parts.filter(|part| !part.is_empty()).collect()
}

/// Skips the item that begins at `at`, further attributes included; returns what follows.
fn skip_item(tokens: &[Token], mut at: usize, test_modules: &mut Vec<String>) -> usize {
    while tokens.get(at).map(|t| &t.kind) == Some(&Kind::Mark('#')) {
        at = closing(tokens, at + 1) + 1;
    }
    // A field, an argument or an enum's variant ends with a comma; an item may have commas among its generics.
    const ITEMS: [&str; 12] = [
        "pub", "fn", "impl", "mod", "use", "struct", "enum", "const", "static", "trait", "type",
        "unsafe",
    ];
    let is_item = ITEMS
        .iter()
        .any(|word| tokens.get(at).is_some_and(|t| t.is_word(word)));
    let mut name = None;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Mark(';') => {
                test_modules.extend(name);
                return at + 1;
            }
            Kind::Mark('{') => return closing(tokens, at) + 1,
            Kind::Mark('(' | '[') => at = closing(tokens, at),
            Kind::Mark(',') if !is_item => return at + 1,
            Kind::Mark('}') => return at,
            Kind::Word(ref word) if word == "mod" => {
                if let Some(Kind::Word(word)) = tokens.get(at + 1).map(|t| &t.kind) {
                    name = Some(word.clone());
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the bracket at `at` is closed.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Cuts a text into words and marks; comments are gone, literals have no content.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let (kind, end) = token(&chars, at);
        if let Some(kind) = kind {
            out.push(Token { kind, line });
        }
        line += chars[at..end].iter().filter(|&&c| c == '\n').count();
        at = end;
    }
    out
}

/// The token at `at` and where it ends; none for blanks and comments.
fn token(chars: &[char], at: usize) -> (Option<Kind>, usize) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        c if c.is_whitespace() => (None, at + 1),
        '/' if next == Some('/') => (None, find(chars, at, |c| c == '\n')),
        '/' if next == Some('*') => (None, block_comment(chars, at)),
        '"' => (Some(Kind::Literal), string(chars, at + 1)),
        '\'' => (Some(Kind::Literal), quote(chars, at)),
        ':' if next == Some(':') => (Some(Kind::Colons), at + 2),
        c if c.is_ascii_digit() => (Some(Kind::Literal), find(chars, at, |c| !is_word_char(c))),
        c if is_word_char(c) => word(chars, at),
        c => (Some(Kind::Mark(c)), at + 1),
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(chars: &[char], at: usize, wanted: impl Fn(char) -> bool) -> usize {
    let found = chars[at..].iter().position(|&c| wanted(c));
    found.map_or(chars.len(), |offset| at + offset)
}

/// A word, or a string with a prefix: `b"..."`, `r#"..."#`, `c"..."`; `r#word` is a word.
fn word(chars: &[char], at: usize) -> (Option<Kind>, usize) {
    let end = find(chars, at, |c| !is_word_char(c));
    let word: String = chars[at..end].iter().collect();
    let is_raw = matches!(word.as_str(), "r" | "br" | "cr");
    let hashes = chars[end..].iter().take_while(|&&c| c == '#').count();
    if is_raw && chars.get(end + hashes) == Some(&'"') {
        return (
            Some(Kind::Literal),
            raw_string(chars, end + hashes + 1, hashes),
        );
    }
    if is_raw && hashes == 1 {
        return (None, end + 1);
    }
    match chars.get(end) {
        Some('"') if matches!(word.as_str(), "b" | "c") => {
            (Some(Kind::Literal), string(chars, end + 1))
        }
        Some('\'') if word == "b" => (Some(Kind::Literal), quote(chars, end)),
        _ => (Some(Kind::Word(word)), end),
    }
}

fn string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string(chars: &[char], mut at: usize, hashes: usize) -> usize {
    while at < chars.len() {
        let closes =
            chars[at] == '"' && chars[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

/// A character (`'a'`, `'\''`) or a lifetime (`'a`).
fn quote(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => find(chars, at + 3, |c| c == '\'') + 1,
        (_, Some('\'')) => at + 3,
        _ => find(chars, at + 1, |c| !is_word_char(c)),
    }
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(module: &[&str], text: &str) -> Vec<String> {
        let mentions = Source::parse(text).mentions(module);
        mentions.iter().map(Mention::text).collect()
    }

    fn has(module: &[&str], text: &str, path: &str) -> bool {
        paths(module, text).iter().any(|found| found == path)
    }

    #[test]
    fn groups_are_opened() {
        let text = "use crate::{a::b, c::{self, d as e}, f::*};";
        for path in ["crate::a::b", "crate::c", "crate::c::d", "crate::f::*"] {
            assert!(has(&[], text, path), "{path} in {:?}", paths(&[], text));
        }
    }

    #[test]
    fn what_a_macro_expands_to_is_no_import() {
        let text = "macro_rules! m { ($e:expr) => { $crate::a::f($e, crate::b::g()) } }";
        let found = paths(&[], text);
        assert!(
            found.iter().all(|path| !path.starts_with("crate::a")),
            "{found:?}"
        );
        assert!(has(&[], text, "crate::b::g"), "{found:?}");
    }

    #[test]
    fn relative_paths_are_resolved() {
        let here = ["sched", "idle"];
        assert!(has(
            &here,
            "use super::core::Core;",
            "crate::sched::core::Core"
        ));
        assert!(has(
            &here,
            "use super::super::reactor::X;",
            "crate::reactor::X"
        ));
        assert!(has(&here, "self::word::X", "crate::sched::idle::word::X"));
        assert!(has(
            &here,
            "use super::{sentinel, worker};",
            "crate::sched::worker"
        ));
        let inline = "mod inner { use super::super::core::Core; } use super::core::Core;";
        let found = paths(&here, inline);
        assert_eq!(
            found
                .iter()
                .filter(|p| *p == "crate::sched::core::Core")
                .count(),
            2
        );
    }

    #[test]
    fn paths_in_expressions_and_types_are_seen() {
        let text = "fn f(x: crate::a::T) -> u8 { crate::b::g::<u8>(mio::Token(1)) }";
        for path in ["crate::a::T", "crate::b::g", "mio::Token"] {
            assert!(has(&[], text, path), "{path}");
        }
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = r####"
            // crate::one
            /* crate::two /* nested */ crate::three */
            /// crate::four
            const A: &str = "crate::five \" crate::six";
            const B: &str = r#"crate::seven " crate::eight"#;
            const C: char = '"'; const D: char = '\''; fn f<'a>(x: &'a str) {}
            const E: &[u8] = b"unsafe";
            use crate::nine;
        "####;
        let own: Vec<_> = paths(&[], text);
        let own: Vec<_> = own.iter().filter(|p| p.starts_with("crate")).collect();
        assert_eq!(own, ["crate::nine"]);
        assert!(!Source::parse(text).has_word("unsafe"));
    }

    #[test]
    fn test_only_items_are_left_out() {
        let text = "
            #[cfg(test)] mod tests { use crate::one; }
            #[cfg(all(test, loom))] #[rustfmt::skip] mod loom_tests;
            #[test] fn t() { crate::two::x() }
            #[cfg(not(test))] use crate::three;
            #[cfg_attr(test, derive(Debug))] struct S { #[cfg(test)] f: crate::four::T, g: crate::five }
            #[cfg(all(not(test), unix))] use crate::six;
            #[cfg(any(test, unix))] use crate::seven;
            #[cfg(all(test, not(any(loom, shuttle))))] use crate::twice::x;
            #[cfg(any(test, all(test, unix)))] use crate::thrice::x;
            #[cfg(test)] impl<A, B> crate::eight::T<A, B> {}
            use crate::nine;
        ";
        let own = paths(&[], text);
        let own: Vec<_> = own.iter().filter(|p| p.starts_with("crate")).collect();
        let expected =
            ["three", "five", "six", "seven", "nine"].map(|name| format!("crate::{name}"));
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
        assert_eq!(Source::parse(text).test_modules(), ["loom_tests"]);
    }

    #[test]
    fn what_waits_is_found() {
        let text = "
            pub async fn free() {}
            async fn own() {}
            impl<T: Into<u8>, F: Fn() -> u8> a::Lock<'_, T> where T: Send {
                pub async fn lock(&self) {}
                pub(crate) async fn hidden(&self) {}
                pub fn later(&self) -> impl Future<Output = ()> + Send { async {} }
                pub fn takes(&self, f: impl Future) {}
                pub fn sorted(&self) -> impl Iterator where Self: Future { }
            }
            impl<F: for<'a> Fn(&'a u8)> Future for Sleep<F> where for<'a> F: Fn(&'a u8) { fn poll() {} }
            impl<T> std::future::Future for crate::time::Tick { }
            macro_rules! m { ($($all:tt)*) => { impl $($all)* { pub async fn peek() {} } } }
            m!(Lock, 1);
            impl Other { #[cfg(test)] pub async fn t() {} }
            pub async fn last() {}
        ";
        let source = Source::parse(text);
        let found = source.waits();
        let found: Vec<_> = found
            .iter()
            .map(|w| (w.owner.as_deref(), w.name.as_str(), w.line))
            .collect();
        let expected = [
            (None, "free", 2),
            (Some("a::Lock"), "lock", 5),
            (Some("a::Lock"), "later", 7),
            (None, "Sleep", 11),
            (None, "crate::time::Tick", 12),
            (Some("*"), "peek", 13),
            (None, "last", 16),
        ];
        assert_eq!(found, expected);
        let made: Vec<_> = source.waits().into_iter().map(|w| w.made_by).collect();
        assert_eq!(made.iter().flatten().collect::<Vec<_>>(), ["m"]);
        assert_eq!(made[5].as_deref(), Some("m"));
        assert_eq!(source.calls(), [("m".to_owned(), "Lock".to_owned())]);
    }

    #[test]
    fn what_is_public_is_found() {
        let text = "pub mod a; mod b; pub(crate) mod c; pub use b::{D, e as F};\npub struct D;";
        let source = Source::parse(text);
        assert_eq!(source.public("mod"), BTreeSet::from(["a".to_owned()]));
        assert_eq!(source.line_of_public("struct", "D"), Some(2));
        assert!(source.shown_again().contains("D") && source.shown_again().contains("F"));
    }

    #[test]
    fn lines_are_counted() {
        let source = Source::parse("fn a() {}\n// unsafe\nunsafe fn b() { \"\n\" }\nunsafe {}\n");
        assert_eq!(
            source.lines_of("unsafe").into_iter().collect::<Vec<_>>(),
            [3, 5]
        );
    }
}
