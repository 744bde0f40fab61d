//! What does a case say?
//!
//! What is sent and what must come, in the order in which it happens ([`Step`]), and what becomes of the connection ([`End`]). A file
//! is read line by line, each of which begins with a word that says what it is; `tests/conformance/README.md` lists them.

use crate::bytes::unescape;
use std::fmt;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    /// Sections of an RFC, and names of attacks. At least one.
    pub(crate) sources: Vec<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The client sends these bytes.
    Send(Vec<u8>),
    /// The client says that it will send no more.
    HalfClose,
    /// This must come.
    Answer(Expected),
}

/// An answer that must come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// It answers HEAD: no body, whatever its head says.
    pub(crate) is_to_head: bool,
    /// It may come, and need not.
    pub(crate) is_optional: bool,
    /// So many of them, one after the other.
    pub(crate) times: usize,
    pub(crate) checks: Vec<Check>,
}

/// What must be true of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// It has this field with this value.
    Field(String, Vec<u8>),
    NoField(String),
    /// Its body is this.
    Body(Vec<u8>),
    /// Its body has this line.
    Says(Vec<u8>),
    /// Its body has no line that begins so.
    NeverSays(Vec<u8>),
}

/// What becomes of the connection after the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It can be used again, and another request gets its own answer.
    Open,
    /// It is closed in order, and the last answer has said so.
    Close,
    /// It is closed in order, said or not.
    Eof,
    /// It is closed, in order or by a reset.
    Gone,
}

impl Case {
    /// The answers that must, or may, come.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &Expected> {
        self.steps.iter().filter_map(|step| match step {
            Step::Answer(expected) => Some(expected),
            _ => None,
        })
    }
}

/// A line that cannot be read.
#[derive(Debug)]
pub(crate) struct BadLine {
    file: String,
    line: usize,
    complaint: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.complaint)
    }
}

/// The cases of a file.
pub(crate) fn parse(file: &str, text: &str) -> Result<Vec<Case>, BadLine> {
    let bad = |line, complaint| BadLine {
        file: file.to_owned(),
        line,
        complaint,
    };
    let mut cases = Vec::new();
    let mut draft: Option<Draft> = None;
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(name) = text.strip_prefix("case ") {
            let finished = draft.replace(Draft::new(name, file, line));
            if let Some(finished) = finished {
                cases.push(finished.finish().map_err(|(at, it)| bad(at, it))?);
            }
        } else {
            let draft = draft
                .as_mut()
                .ok_or_else(|| bad(line, "a file begins with a case".to_owned()))?;
            draft.line(text).map_err(|it| bad(line, it))?;
        }
    }
    if let Some(finished) = draft {
        cases.push(finished.finish().map_err(|(at, it)| bad(at, it))?);
    }
    Ok(cases)
}

/// A case whose lines are being read.
struct Draft {
    case: Case,
    end: Option<End>,
}

impl Draft {
    fn new(name: &str, file: &str, line: usize) -> Self {
        Self {
            case: Case {
                name: name.to_owned(),
                file: file.to_owned(),
                line,
                sources: Vec::new(),
                steps: Vec::new(),
                end: End::Open,
            },
            end: None,
        }
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        if text.ends_with(char::is_whitespace) {
            return Err("a space at the end, which editors remove; write \\x20".to_owned());
        }
        if self.end.is_some() {
            return Err(
                "something behind the end of the case; the next begins with \"case\"".to_owned(),
            );
        }
        if let Some(check) = text.strip_prefix("  ") {
            return self.check(check);
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "rfc" => self.rfc(rest)?,
            "attack" if !rest.is_empty() => self.case.sources.push(format!("attack: {rest}")),
            ">" => self.send(unescape(rest)?),
            "half-close" => self.case.steps.push(Step::HalfClose),
            "<" | "<?" => self.answer(rest, word == "<?")?,
            "open" => self.end = Some(End::Open),
            "close" => self.end = Some(End::Close),
            "eof" => self.end = Some(End::Eof),
            "gone" => self.end = Some(End::Gone),
            _ => return Err(format!("{word:?} is no word that a line begins with")),
        }
        Ok(())
    }

    fn rfc(&mut self, rest: &str) -> Result<(), String> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        match rest.split_once(' ') {
            Some((rfc, section)) if is_number(rfc) && section.split('.').all(is_number) => {
                self.case
                    .sources
                    .push(format!("RFC {rfc}, section {section}"));
                Ok(())
            }
            _ => Err("rfc takes its number and a section, as in: rfc 9112 3.2.1".to_owned()),
        }
    }

    /// Lines that follow each other are sent together.
    fn send(&mut self, bytes: Vec<u8>) {
        match self.case.steps.last_mut() {
            Some(Step::Send(before)) => before.extend(bytes),
            _ => self.case.steps.push(Step::Send(bytes)),
        }
    }

    fn answer(&mut self, rest: &str, is_optional: bool) -> Result<(), String> {
        let mut words = rest.split(' ');
        let status = words.next().and_then(|word| word.parse().ok());
        let mut expected = Expected {
            status: status.ok_or("an answer begins with its status")?,
            is_optional,
            times: 1,
            ..Expected::default()
        };
        for word in words {
            match word.strip_prefix('x').map(str::parse) {
                Some(Ok(times)) => expected.times = times,
                _ if word == "to-head" => expected.is_to_head = true,
                _ => {
                    return Err(format!(
                        "{word:?} behind a status; there are to-head and xN"
                    ));
                }
            }
        }
        self.case.steps.push(Step::Answer(expected));
        Ok(())
    }

    fn check(&mut self, text: &str) -> Result<(), String> {
        let Some(Step::Answer(expected)) = self.case.steps.last_mut() else {
            return Err(
                "an indented line belongs to an answer, and there is none before it".to_owned(),
            );
        };
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        expected.checks.push(match word {
            "field" => match rest.split_once(':') {
                Some((name, value)) => Check::Field(name.to_owned(), unescape(value.trim_start())?),
                None => return Err("field takes a name, a colon and a value".to_owned()),
            },
            "no-field" if !rest.is_empty() => Check::NoField(rest.to_owned()),
            "body" => Check::Body(unescape(rest)?),
            "says" => Check::Says(unescape(rest)?),
            "never-says" if !rest.is_empty() => Check::NeverSays(unescape(rest)?),
            _ => return Err(format!("{word:?} is no check of an answer")),
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Case, (usize, String)> {
        let case = &self.case;
        let complaint = if case.sources.is_empty() {
            "names no section and no attack"
        } else if !matches!(case.steps.first(), Some(Step::Send(_) | Step::HalfClose)) {
            "sends nothing"
        } else if self.end.is_none() {
            "does not say what becomes of the connection: open, close, eof or gone"
        } else {
            self.case.end = self.end.unwrap_or(End::Open);
            return Ok(self.case);
        };
        Err((case.line, format!("case {:?} {complaint}", case.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r"# about the file

case a name with spaces
# about the case
rfc 9112 3.2.1
attack CL.TE
> GET / HTTP/1.1\r\n
> \r\n
<? 100
< 200 to-head x2
  field Content-Type: text/plain
  no-field Connection
  body a\tb
  says target /
  never-says trailer
half-close
close

case another
rfc 9110 9
half-close
eof
";

    #[test]
    fn a_file_with_everything() {
        let cases = parse("good.txt", GOOD).expect("it is well-formed");
        assert_eq!(cases.len(), 2);
        let optional = Expected {
            status: 100,
            is_optional: true,
            times: 1,
            ..Expected::default()
        };
        let certain = Expected {
            status: 200,
            is_to_head: true,
            times: 2,
            checks: vec![
                Check::Field("Content-Type".to_owned(), b"text/plain".to_vec()),
                Check::NoField("Connection".to_owned()),
                Check::Body(b"a\tb".to_vec()),
                Check::Says(b"target /".to_vec()),
                Check::NeverSays(b"trailer".to_vec()),
            ],
            ..Expected::default()
        };
        let first = Case {
            name: "a name with spaces".to_owned(),
            file: "good.txt".to_owned(),
            line: 3,
            sources: vec![
                "RFC 9112, section 3.2.1".to_owned(),
                "attack: CL.TE".to_owned(),
            ],
            steps: vec![
                Step::Send(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
                Step::Answer(optional),
                Step::Answer(certain),
                Step::HalfClose,
            ],
            end: End::Close,
        };
        assert_eq!(cases[0], first);
        assert_eq!((cases[1].line, cases[1].end), (19, End::Eof));
        assert_eq!(cases[0].answers().count(), 2);
    }

    #[test]
    fn an_empty_file_has_no_cases() {
        assert_eq!(parse("empty.txt", "\n# nothing\n").expect("nothing"), []);
    }

    #[test]
    fn each_bad_line_is_named() {
        const HEAD: &str = "case a\nrfc 9112 3\n> x\n";
        for (text, line, complaint) in [
            ("> x\n".to_owned(), 1, "begins with a case"),
            ("case a\n> x\nopen\n".to_owned(), 1, "names no section"),
            ("case a\nrfc 9112 3\nopen\n".to_owned(), 1, "sends nothing"),
            (
                "case a\nrfc 9112 3\n< 200\n> x\nopen\n".to_owned(),
                1,
                "sends nothing",
            ),
            (HEAD.to_owned(), 1, "becomes of the connection"),
            (format!("{HEAD}\ncase b\n"), 1, "becomes of the connection"),
            (format!("{HEAD}open\n> y\n"), 5, "behind the end"),
            (format!("{HEAD}opened\n"), 4, "no word"),
            (format!("{HEAD}> y \n"), 4, "space at the end"),
            (format!("{HEAD}> \\q\n"), 4, "means nothing"),
            (format!("{HEAD}< OK\n"), 4, "its status"),
            (format!("{HEAD}< 200 body\n"), 4, "behind a status"),
            (format!("{HEAD}  body x\n"), 4, "belongs to an answer"),
            (
                format!("{HEAD}< 200\n  field x\n"),
                5,
                "a colon and a value",
            ),
            (format!("{HEAD}< 200\n  contains x\n"), 5, "no check"),
            (format!("{HEAD}< 200\n  no-field\n"), 5, "no check"),
            ("case a\nrfc 9112\n".to_owned(), 2, "number and a section"),
            (
                "case a\nrfc 9112 3.\n".to_owned(),
                2,
                "number and a section",
            ),
            ("case a\nrfc RFC 3\n".to_owned(), 2, "number and a section"),
            ("case a\nattack\n".to_owned(), 2, "no word"),
        ] {
            let error = parse("bad.txt", &text).expect_err(&text).to_string();
            let place = format!("bad.txt:{line}: ");
            assert!(
                error.starts_with(&place) && error.contains(complaint),
                "{text}: {error}"
            );
        }
    }
}
