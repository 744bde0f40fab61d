//! How is an event written?
//!
//! As lines, each a field: `event`, `data`, `id`, `retry`, or a comment, and an empty line that dispatches what was said (HTML
//! standard, section 9.2.5, "Parsing an event stream"). A line ends with LF, CR or both, so text with any of these in it
//! becomes several lines of `data`, which the client puts together with LF; a name or an id cannot have them, and is refused. An
//! id cannot have a NUL either, as clients ignore it then.

use std::fmt;

/// An event of a stream that a server sends: [`Sse`](super::Sse).
///
/// # Examples
///
/// ```
/// use filch_http::Event;
///
/// # fn main() -> Result<(), filch_http::EventError> {
/// let event = Event::data("two\nlines").name("news")?.id("7")?;
/// assert_eq!(event.as_bytes(), b"data: two\ndata: lines\nevent: news\nid: 7\n\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// INVARIANT: whole fields or comments, each with its line end, and the empty line.
    text: Vec<u8>,
    has_name: bool,
    has_id: bool,
    has_retry: bool,
}

/// Why an event cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// A name or an id has a line end in it.
    LineEnd,
    /// An id has a NUL in it.
    Nul,
    /// The field was set before.
    Repeated,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "the name or the id of an event cannot have a line end in it",
            Self::Nul => "the id of an event cannot have a NUL in it",
            Self::Repeated => "an event has one name, one id and one time",
        })
    }
}

impl std::error::Error for EventError {}

impl Event {
    /// An event with this data, which may have several lines. CR, and CR with LF, come to the client as LF.
    #[must_use]
    pub fn data(text: &str) -> Self {
        let mut event = Self::empty();
        for line in lines(text) {
            event.push("data", line);
        }
        event
    }

    /// An event with this as JSON for its data.
    ///
    /// # Errors
    ///
    /// When it cannot be serialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::Event;
    ///
    /// assert_eq!(Event::json(&[1, 2])?.as_bytes(), b"data: [1,2]\n\n");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn json(value: &impl serde_core::Serialize) -> Result<Self, serde_json::Error> {
        // JSON has line ends within text as escapes only.
        Ok(Self::data(&serde_json::to_string(value)?))
    }

    /// What clients ignore, which may have several lines: to keep a connection from looking idle, or for people.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(filch_http::Event::comment("").as_bytes(), b":\n\n");
    /// ```
    #[must_use]
    pub fn comment(text: &str) -> Self {
        let mut event = Self::empty();
        for line in lines(text) {
            event.push("", line);
        }
        event
    }

    /// How long a client waits before it connects again after an end, and nothing else.
    ///
    /// # Units and limits
    ///
    /// Milliseconds; what is less is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::time::Duration;
    ///
    /// assert_eq!(filch_http::Event::retry_after(Duration::from_secs(3)).as_bytes(), b"retry: 3000\n\n");
    /// ```
    #[must_use]
    pub fn retry_after(time: filch::time::Duration) -> Self {
        let mut event = Self::empty();
        event.push("retry", &time.as_millis().to_string());
        event.has_retry = true;
        event
    }

    /// The name, by which scripts listen for it; `message` unless it is set.
    ///
    /// # Errors
    ///
    /// When there is a line end in it, or it is set already.
    pub fn name(mut self, name: &str) -> Result<Self, EventError> {
        let was_set = std::mem::replace(&mut self.has_name, true);
        self.push_once("event", name, was_set)
    }

    /// The id, which a client sends as `Last-Event-ID` when it connects again.
    ///
    /// # Errors
    ///
    /// When there is a line end or a NUL in it, or it is set already.
    pub fn id(mut self, id: &str) -> Result<Self, EventError> {
        if id.contains('\0') {
            return Err(EventError::Nul);
        }
        let was_set = std::mem::replace(&mut self.has_id, true);
        self.push_once("id", id, was_set)
    }

    /// How long a client waits before it connects again after an end, in milliseconds.
    ///
    /// # Errors
    ///
    /// When it is set already.
    pub fn retry(mut self, time: filch::time::Duration) -> Result<Self, EventError> {
        let was_set = std::mem::replace(&mut self.has_retry, true);
        self.push_once("retry", &time.as_millis().to_string(), was_set)
    }

    /// What is sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    fn empty() -> Self {
        Self {
            text: vec![b'\n'],
            has_name: false,
            has_id: false,
            has_retry: false,
        }
    }

    fn push_once(mut self, field: &str, value: &str, was_set: bool) -> Result<Self, EventError> {
        if was_set {
            return Err(EventError::Repeated);
        }
        if value.contains(['\r', '\n']) {
            return Err(EventError::LineEnd);
        }
        self.push(field, value);
        Ok(self)
    }

    /// Adds a line before the empty one.
    fn push(&mut self, field: &str, value: &str) {
        self.text.pop();
        self.text.extend_from_slice(field.as_bytes());
        self.text.push(b':');
        if !value.is_empty() {
            // One space after the colon is the client's to remove.
            self.text.push(b' ');
            self.text.extend_from_slice(value.as_bytes());
        }
        self.text.extend_from_slice(b"\n\n");
    }
}

/// The lines of a text, whichever of the three its line ends are. A text that ends with one has an empty last line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let left = rest?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', left.as_bytes()) else {
            rest = None;
            return Some(left);
        };
        let after = match left[end..].starts_with("\r\n") {
            true => end + 2,
            false => end + 1,
        };
        rest = Some(&left[after..]);
        Some(&left[..end])
    })
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({:?})", String::from_utf8_lossy(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch::time::Duration;
    use proptest::prelude::*;

    fn sent(event: &Event) -> &str {
        std::str::from_utf8(event.as_bytes()).expect("text")
    }

    #[test]
    fn what_is_sent() {
        assert_eq!(sent(&Event::data("a")), "data: a\n\n");
        assert_eq!(sent(&Event::data("")), "data:\n\n");
        assert_eq!(sent(&Event::data(" a")), "data:  a\n\n");
        assert_eq!(
            sent(&Event::data("a\r\nb\rc\n\nd\n")),
            "data: a\ndata: b\ndata: c\ndata:\ndata: d\ndata:\n\n"
        );
        assert_eq!(sent(&Event::comment("a\nb")), ": a\n: b\n\n");
        let all = Event::data("x")
            .name("n")
            .and_then(|event| event.id("7")?.retry(Duration::from_millis(1500)));
        assert_eq!(
            sent(&all.expect("good")),
            "data: x\nevent: n\nid: 7\nretry: 1500\n\n"
        );
    }

    #[test]
    fn what_cannot_be() {
        for end in ["\r", "\n", "\r\n"] {
            assert_eq!(
                Event::data("x").name(&format!("a{end}data: b")),
                Err(EventError::LineEnd)
            );
            assert_eq!(
                Event::data("x").id(&format!("a{end}")),
                Err(EventError::LineEnd)
            );
        }
        assert_eq!(Event::data("x").id("a\0"), Err(EventError::Nul));
        let twice = Event::data("x").id("a").and_then(|event| event.id("b"));
        assert_eq!(twice, Err(EventError::Repeated));
        let again = Event::retry_after(Duration::ZERO).retry(Duration::ZERO);
        assert_eq!(again, Err(EventError::Repeated));
    }

    /// What a client makes of a stream: name, data and last id of each event that it dispatches. HTML standard, section 9.2.6.
    fn dispatched(stream: &str) -> Vec<(String, String, String)> {
        let mut events = Vec::new();
        let (mut name, mut data, mut id) = (String::new(), String::new(), String::new());
        let text = stream.replace("\r\n", "\n").replace('\r', "\n");
        for line in text.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or(line);
            if line.is_empty() {
                if let Some(text) = data.strip_suffix('\n') {
                    events.push((name.clone(), text.to_owned(), id.clone()));
                }
                name.clear();
                data.clear();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "data" => data.push_str(&format!("{value}\n")),
                "id" if !value.contains('\0') => value.clone_into(&mut id),
                _ => {}
            }
        }
        events
    }

    proptest! {
        #[test]
        fn a_client_sees_what_was_meant(data in "[a: \\r\\n]{0,12}", name in "[a: ]{0,6}", id in "[a: ]{0,6}") {
            let event = Event::data(&data).name(&name).and_then(|event| event.id(&id)).expect("no line ends");
            let stream = format!("{}{}{}", sent(&Event::comment(&data)), sent(&event), sent(&Event::data("end")));
            let seen = dispatched(&stream);
            let expected = data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(seen.len(), 2);
            prop_assert_eq!(&seen[0], &(name, expected, id.clone()));
            prop_assert_eq!(&seen[1], &(String::new(), "end".to_owned(), id));
        }
    }
}
