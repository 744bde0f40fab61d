//! Where are the fields of a head?
//!
//! [`Fields::parse`] reads field lines up to the empty line, for requests and responses alike, and notes each as a
//! [`FieldSlot`]. Of a line that is plain (`Name: value`, CR LF, and two more bytes that have arrived) each part costs a
//! few instructions: where the name ends and where the value ends are two questions to one block, what surrounds them is
//! compared two and four bytes at a time. Whatever else a line may be is told apart off that path.
//!
//! Where the bytes end within a line, its place is kept to the byte. What is said is a function of the bytes alone:
//! however they were split, the result is the same, and an error is reported with the first byte that makes it certain.
//!
//! # Source
//!
//! RFC 9112, section 5, without obs-fold; RFC 9110, sections 5.1, 5.5 and 5.6.

use super::cursor::Cursor;
use super::limits::FIELD_NAME_MAX_BYTES;
use super::scan::{TOKEN, VALUE};
use super::simd::Level;

/// Where a field is: its name and its value, as offsets from the first byte of the head.
///
/// # Units and limits
///
/// Eight bytes; offsets reach [`HEAD_MAX_BYTES`](super::limits::HEAD_MAX_BYTES).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FieldSlot {
    name_at: u16,
    name_end: u16,
    value_at: u16,
    value_end: u16,
}

const _: () = assert!(size_of::<FieldSlot>() == 8);

impl FieldSlot {
    #[inline]
    fn show<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        let Shown { name, value, .. } = self.show_within(bytes);
        (name, value)
    }

    #[inline]
    fn show_within<'b>(&self, bytes: &'b [u8]) -> Shown<'b> {
        let until_end = &bytes[..usize::from(self.value_end)];
        Shown {
            name: &bytes[usize::from(self.name_at)..usize::from(self.name_end)],
            value: &until_end[usize::from(self.value_at)..],
            until_end,
        }
    }
}

/// A field, and what stands before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'b> {
    pub(crate) name: &'b [u8],
    pub(crate) value: &'b [u8],
    /// The head from its beginning to the end of the value.
    pub(crate) until_end: &'b [u8],
}

/// Name and value of each field.
#[inline]
pub(crate) fn shown<'b>(
    bytes: &'b [u8],
    slots: &'b [FieldSlot],
) -> impl ExactSizeIterator<Item = (&'b [u8], &'b [u8])> + Clone + use<'b> {
    slots.iter().map(move |slot| slot.show(bytes))
}

/// Names by which fields are told from nearly all others without a look at more than their length and their first letter.
#[derive(Debug)]
pub(crate) struct Initials {
    lengths: u32,
    of_length: [u8; 32],
}

impl Initials {
    /// Those of these names, which are in lower case and shorter than 32 bytes, each of another length.
    pub(crate) const fn of(names: &[&[u8]]) -> Self {
        let mut initials = Self {
            lengths: 0,
            of_length: [0; 32],
        };
        let mut at = 0;
        while at < names.len() {
            let (len, first) = (names[at].len(), names[at][0]);
            assert!(
                initials.of_length[len] == 0,
                "their lengths tell them apart"
            );
            initials.lengths |= 1 << len;
            initials.of_length[len] = first;
            at += 1;
        }
        initials
    }

    /// Whether this may be a field of one of the names; certainly not otherwise.
    #[inline(always)]
    fn may_have(&self, slot: &FieldSlot, bytes: &[u8]) -> bool {
        let len = usize::from(slot.name_end.wrapping_sub(slot.name_at)) % 32;
        if self.lengths & 1 << len == 0 {
            return false;
        }
        let first = bytes.get(usize::from(slot.name_at));
        first.is_some_and(|first| first | 0x20 == self.of_length[len])
    }
}

/// The fields that may have one of these names.
#[inline]
pub(crate) fn shown_of<'b>(
    bytes: &'b [u8],
    slots: &'b [FieldSlot],
    initials: &'static Initials,
) -> impl Iterator<Item = Shown<'b>> + use<'b> {
    let may_be = move |slot: &&FieldSlot| initials.may_have(slot, bytes);
    slots
        .iter()
        .filter(may_be)
        .map(move |slot| slot.show_within(bytes))
}

/// Which part of a head is being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Part<R> {
    /// Its first line.
    #[default]
    Line,
    /// What is behind that.
    Fields,
    /// None any more: it is refused, and stays so.
    Refused {
        refusal: R,
        /// Whether the first line was good.
        has_line: bool,
    },
}

impl<R> Part<R> {
    /// Whether the first line has been read.
    #[inline]
    pub(crate) const fn has_line(&self) -> bool {
        matches!(self, Self::Fields | Self::Refused { has_line: true, .. })
    }

    /// What becomes of it.
    #[cold]
    pub(crate) fn refused(&self, refusal: R) -> Self {
        let has_line = self.has_line();
        Self::Refused { refusal, has_line }
    }
}

/// How far a part of a head was read.
#[derive(Debug)]
pub(crate) enum Read<T> {
    Done(T),
    /// The bytes ended within it.
    Open,
}

/// Why fields are refused, whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A line ends in LF without CR, or holds a CR without LF.
    LineEnd,
    /// A name is empty, or is not a token followed at once by a colon.
    Name,
    /// A name is longer than the limit.
    NameTooLong,
    /// A value holds NUL or another control.
    Value,
    /// A field is continued on the next line (obs-fold).
    Fold,
    /// More fields than there are slots.
    TooMany,
}

/// How far the fields of a head have been read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fields {
    /// Fields that stand in the table.
    count: usize,
    /// Where the first line begins that is not done with.
    line_at: usize,
    /// Where to go on within it: every byte before this one belongs to its name, or to its value.
    resume_at: usize,
    /// Whether that is in its value; then the slot of the field has all but the value's end.
    is_in_value: bool,
}

/// What comes after a part of a line.
enum Step<T> {
    /// Another part, and what it needs to know.
    Next(T),
    /// Nothing: the head ended before this offset.
    End(usize),
    /// The bytes ended within the part.
    Open,
}

/// What the next part needs to know; where there is none, that is handed up.
macro_rules! next {
    ($step:expr) => {
        match $step {
            Step::Next(part) => part,
            Step::End(offset) => return Ok(Read::Done(offset)),
            Step::Open => return Ok(Read::Open),
        }
    };
}

impl Fields {
    /// Fields that begin at this offset, of which none has been read.
    #[inline]
    pub(crate) const fn at(line_at: usize) -> Self {
        Self {
            count: 0,
            line_at,
            resume_at: line_at,
            is_in_value: false,
        }
    }

    /// How many fields have been read.
    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The offset to go on from.
    #[inline]
    pub(crate) const fn resume_at(&self) -> usize {
        self.resume_at
    }

    /// Reads on from [`resume_at`](Self::resume_at), which has this index. Returns where the head ends: behind the empty
    /// line.
    #[inline(always)]
    pub(crate) fn parse<L: Level>(
        &mut self,
        cursor: &mut Cursor<'_, L>,
        index: usize,
        slots: &mut [FieldSlot],
    ) -> Result<Read<usize>, Fault> {
        let mut at = index;
        if self.is_in_value {
            let slot = slots.get_mut(self.count).ok_or(Fault::TooMany)?;
            if self.resume_at == usize::from(slot.value_at) {
                // Nothing but spaces had arrived.
                at = spaces(cursor, at);
                slot.value_at = cursor.offset(at) as u16;
            }
            at = next!(self.value(cursor, at, slot)?);
            self.is_in_value = false;
        }
        loop {
            let slot;
            (at, slot) = next!(self.name(cursor, at, slots)?);
            at = next!(self.value(cursor, at, slot)?);
        }
    }

    /// A name with its colon and the spaces behind it. The index is of the value, or of the space before it.
    #[inline(always)]
    fn name<'s, L: Level>(
        &mut self,
        cursor: &mut Cursor<'_, L>,
        at: usize,
        slots: &'s mut [FieldSlot],
    ) -> Result<Step<(usize, &'s mut FieldSlot)>, Fault> {
        let stop = cursor.run::<TOKEN>(at);
        let name_end = cursor.offset(stop);
        if name_end - self.line_at > FIELD_NAME_MAX_BYTES {
            return Err(Fault::NameTooLong);
        }
        if name_end == self.line_at {
            return self.no_name(cursor.bytes());
        }
        let (at, value_at) = match cursor.byte(stop + 2) {
            Some(b'!'..) if cursor.ahead(stop) == Some(*b": ") => (stop + 1, name_end + 2),
            _ => match cursor.byte(stop) {
                Some(b':') => {
                    let at = spaces(cursor, stop + 1);
                    (at, cursor.offset(at))
                }
                Some(_) => return Err(Fault::Name),
                None => {
                    self.resume_at = name_end;
                    return Ok(Step::Open);
                }
            },
        };
        let slot = slots.get_mut(self.count).ok_or(Fault::TooMany)?;
        *slot = FieldSlot {
            name_at: self.line_at as u16,
            name_end: name_end as u16,
            value_at: value_at as u16,
            value_end: value_at as u16,
        };
        Ok(Step::Next((at, slot)))
    }

    /// A line without a name: the empty one, unless it is wrong.
    #[cold]
    fn no_name<T>(&mut self, bytes: &[u8]) -> Result<Step<T>, Fault> {
        self.resume_at = self.line_at;
        match &bytes[self.line_at..] {
            [] | [b'\r'] => Ok(Step::Open),
            [b'\r', b'\n', ..] => Ok(Step::End(self.line_at + 2)),
            [b'\r' | b'\n', ..] => Err(Fault::LineEnd),
            [b' ' | b'\t', ..] if self.count > 0 => Err(Fault::Fold),
            _ => Err(Fault::Name),
        }
    }

    /// A value with the end of its line. The index is of the next line.
    #[inline(always)]
    fn value<L: Level>(
        &mut self,
        cursor: &mut Cursor<'_, L>,
        at: usize,
        slot: &mut FieldSlot,
    ) -> Result<Step<usize>, Fault> {
        let stop = cursor.run::<VALUE>(at);
        let end = cursor.offset(stop);
        match cursor.ahead(stop).map(u32::from_le_bytes) {
            Some(TWO_LINE_ENDS) => {
                self.note_end(cursor, stop, slot);
                return Ok(Step::End(end + 4));
            }
            Some(four) if four as u16 == LINE_END => {}
            _ => match line_end(&cursor.bytes()[end..])? {
                Read::Done(()) => {}
                Read::Open => {
                    self.resume_at = end;
                    self.is_in_value = true;
                    return Ok(Step::Open);
                }
            },
        }
        self.note_end(cursor, stop, slot);
        self.line_at = end + 2;
        Ok(Step::Next(cursor.seek(stop + 2)))
    }

    /// The value of a slot ends at this index, or before the spaces there.
    #[inline(always)]
    fn note_end<L: Level>(&mut self, cursor: &Cursor<'_, L>, stop: usize, slot: &mut FieldSlot) {
        let end = cursor.offset(stop);
        slot.value_end = match cursor.before(stop) {
            Some(..=b' ') => trimmed_end(cursor.bytes(), usize::from(slot.value_at), end),
            _ => end,
        } as u16;
        self.count += 1;
    }
}

/// CR LF, and the same twice, as numbers.
const LINE_END: u16 = u16::from_le_bytes(*b"\r\n");
const TWO_LINE_ENDS: u32 = u32::from_le_bytes(*b"\r\n\r\n");

/// Moves over spaces and tabs (`OWS` of RFC 9110, section 5.6.3).
#[inline(always)]
fn spaces<L: Level>(cursor: &mut Cursor<'_, L>, mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = cursor.byte(at) {
        at += 1;
    }
    cursor.seek(at)
}

/// Whether a value that ends in these bytes ends its line.
#[cold]
fn line_end(bytes: &[u8]) -> Result<Read<()>, Fault> {
    match bytes {
        [] | [b'\r'] => Ok(Read::Open),
        [b'\r', b'\n', ..] => Ok(Read::Done(())),
        [b'\r' | b'\n', ..] => Err(Fault::LineEnd),
        _ => Err(Fault::Value),
    }
}

/// Where the value ends without the spaces and tabs behind it.
#[cold]
fn trimmed_end(bytes: &[u8], at: usize, mut end: usize) -> usize {
    while end > at && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    end
}
