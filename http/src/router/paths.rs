//! Which pattern does a path fit?
//!
//! A path without parameters is found among all such patterns by its length and last byte, and in what is left by halving:
//! nearly always one comparison. The others stand in a tree of segments. At each segment text goes before `{name}`, and
//! that before `{*rest}`; where the rest of the path then does not fit, the next is tried, so that `/{a}/b` is not lost
//! because there is `/x/c`. A node of the tree is reached in one way, so that a path visits each at most once, whatever
//! its length: the work has the number of patterns as its bound, and is usually that of one branch.
//!
//! Rejected: the crate matchit, a tree of bytes, which allocates for more than three parameters and does not say which
//! two routes are in conflict.

use super::found::Values;
use super::pattern::Segment;

/// Patterns, each with a number.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    fixed: Fixed,
    nodes: Vec<Node>,
}

/// The patterns without parameters.
#[derive(Debug)]
struct Fixed {
    /// Each is sorted.
    buckets: [Vec<(Box<str>, usize)>; FIXED_BUCKETS],
}

/// A power of two, so that the rest of a division is a mask. A guess: few routers have more paths.
const FIXED_BUCKETS: usize = 64;

#[derive(Debug, Default)]
struct Node {
    /// Nodes for the next segment when it is this text, sorted.
    fixed: Vec<(Box<str>, usize)>,
    /// The node for any other.
    param: Option<usize>,
    /// The number of the pattern that ends here.
    end: Option<usize>,
    /// The number of the pattern that takes the rest.
    rest: Option<usize>,
}

const ROOT: usize = 0;

impl Paths {
    /// Adds a pattern, whose segments these are.
    ///
    /// # Errors
    ///
    /// The number of the pattern that fits the same paths, if there is one already.
    pub(crate) fn insert(&mut self, segments: &[Segment], number: usize) -> Result<(), usize> {
        let mut at = self.root();
        for segment in segments {
            at = match segment {
                Segment::Fixed(text) => self.child(at, text),
                Segment::Param(_) => self.param(at),
                Segment::Rest(_) => {
                    return match self.nodes[at].rest.replace(number) {
                        None => Ok(()),
                        Some(other) => Err(other),
                    };
                }
            };
        }
        if let Some(other) = self.nodes[at].end.replace(number) {
            return Err(other);
        }
        if let Some(path) = fixed_path(segments) {
            self.fixed.insert(&path, number);
        }
        Ok(())
    }

    /// The number of the pattern that a path fits best; `values` is filled with where its parameters are.
    #[inline]
    pub(crate) fn find(&self, path: &[u8], values: &mut Values) -> Option<usize> {
        match self.fixed.find(path) {
            None if path.starts_with(b"/") && !self.nodes.is_empty() => {
                self.descend(ROOT, path, 1, values)
            }
            found => found,
        }
    }

    /// The best pattern below a node for what is left of the path from the segment that begins at `at`.
    fn descend(&self, node: usize, path: &[u8], at: usize, values: &mut Values) -> Option<usize> {
        let node = &self.nodes[node];
        let end = memchr::memchr(b'/', &path[at..]).map_or(path.len(), |len| at + len);
        let below = |child: usize, values: &mut Values| match path.get(end) {
            Some(_) => self.descend(child, path, end + 1, values),
            None => self.nodes[child].end,
        };
        if let Some(found) = node
            .child(&path[at..end])
            .and_then(|child| below(child, values))
        {
            return Some(found);
        }
        if let Some(child) = node.param.filter(|_| end > at) {
            values.push(at..end);
            if let Some(found) = below(child, values) {
                return Some(found);
            }
            values.pop();
        }
        let rest = node.rest.filter(|_| at < path.len())?;
        values.push(at..path.len());
        Some(rest)
    }

    fn root(&mut self) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        ROOT
    }

    fn new_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn child(&mut self, at: usize, text: &str) -> usize {
        match self.nodes[at].place_of(text.as_bytes()) {
            Ok(place) => self.nodes[at].fixed[place].1,
            Err(place) => {
                let new = self.new_node();
                self.nodes[at].fixed.insert(place, (text.into(), new));
                new
            }
        }
    }

    fn param(&mut self, at: usize) -> usize {
        if let Some(child) = self.nodes[at].param {
            return child;
        }
        let new = self.new_node();
        self.nodes[at].param = Some(new);
        new
    }
}

impl Node {
    fn place_of(&self, text: &[u8]) -> Result<usize, usize> {
        self.fixed
            .binary_search_by(|(known, _)| known.as_bytes().cmp(text))
    }

    fn child(&self, text: &[u8]) -> Option<usize> {
        let place = self.place_of(text).ok()?;
        Some(self.fixed[place].1)
    }
}

/// The path that a pattern without parameters is.
fn fixed_path(segments: &[Segment]) -> Option<String> {
    let mut path = String::new();
    for segment in segments {
        let Segment::Fixed(text) = segment else {
            return None;
        };
        path.push('/');
        path.push_str(text);
    }
    Some(path)
}

impl Default for Fixed {
    fn default() -> Self {
        Self {
            buckets: [const { Vec::new() }; FIXED_BUCKETS],
        }
    }
}

impl Fixed {
    #[inline]
    fn bucket_of(path: &[u8]) -> usize {
        let last = path.last().copied().unwrap_or(0);
        (path.len() ^ usize::from(last)) % FIXED_BUCKETS
    }

    fn insert(&mut self, path: &str, number: usize) {
        let bucket = &mut self.buckets[Self::bucket_of(path.as_bytes())];
        let place = bucket.partition_point(|(known, _)| **known < *path);
        bucket.insert(place, (path.into(), number));
    }

    #[inline]
    fn find(&self, path: &[u8]) -> Option<usize> {
        match &self.buckets[Self::bucket_of(path)][..] {
            [] => None,
            [(known, number)] => (known.as_bytes() == path).then_some(*number),
            bucket => Self::find_slow(bucket, path),
        }
    }

    #[cold]
    fn find_slow(bucket: &[(Box<str>, usize)], path: &[u8]) -> Option<usize> {
        let place = bucket.binary_search_by(|(known, _)| known.as_bytes().cmp(path));
        Some(bucket[place.ok()?].1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::parse;
    use super::*;
    use proptest::prelude::*;

    fn paths(patterns: &[&str]) -> Paths {
        let mut paths = Paths::default();
        for (number, pattern) in patterns.iter().enumerate() {
            let segments = parse(pattern).expect("a good pattern");
            paths.insert(&segments, number).expect("no conflict");
        }
        paths
    }

    fn found(paths: &Paths, path: &str) -> Option<(usize, Vec<String>)> {
        let mut values = Values::new();
        let number = paths.find(path.as_bytes(), &mut values)?;
        Some((
            number,
            values
                .into_iter()
                .map(|place| path[place].to_owned())
                .collect(),
        ))
    }

    #[test]
    fn text_before_parameters_before_the_rest() {
        let paths = paths(&["/a/b", "/a/{x}", "/a/{*rest}", "/{y}/b", "/{y}/c/d"]);
        let number = |path: &str| found(&paths, path).map(|found| found.0);
        assert_eq!(number("/a/b"), Some(0));
        assert_eq!(number("/a/c"), Some(1));
        assert_eq!(number("/a/c/d"), Some(2));
        assert_eq!(number("/a/"), None);
        assert_eq!(number("/x/b"), Some(3));
        assert_eq!(number("/x/c"), None);
        assert_eq!(number("/x/c/d"), Some(4));
        assert_eq!(number("*"), None);
        assert_eq!(number(""), None);
    }

    #[test]
    fn what_was_tried_in_vain_leaves_no_value() {
        let paths = paths(&["/{a}/{b}/x", "/{*rest}"]);
        assert_eq!(found(&paths, "/1/2/y"), Some((1, vec!["1/2/y".to_owned()])));
        assert_eq!(
            found(&paths, "/1/2/x"),
            Some((0, vec!["1".to_owned(), "2".to_owned()]))
        );
    }

    #[test]
    fn the_same_paths_twice_are_a_conflict() {
        let mut paths = paths(&["/a/{x}", "/b", "/c/{*x}"]);
        for (pattern, other) in [("/a/{y}", 0), ("/b", 1), ("/c/{*y}", 2)] {
            let segments = parse(pattern).expect("a good pattern");
            assert_eq!(paths.insert(&segments, 9), Err(other), "{pattern}");
        }
    }

    #[test]
    fn many_paths_without_parameters() {
        let patterns: Vec<_> = (0..1000).map(|n| format!("/{}/settings", n * 7)).collect();
        let all = paths(
            &patterns
                .iter()
                .map(|pattern| &**pattern)
                .collect::<Vec<_>>(),
        );
        for (number, pattern) in patterns.iter().enumerate() {
            assert_eq!(found(&all, pattern), Some((number, Vec::new())));
        }
        assert_eq!(found(&all, "/1/settings"), None);
    }

    /// The same by looking at one pattern after the other.
    fn found_naively(patterns: &[&str], path: &str) -> Option<(usize, Vec<String>)> {
        let fitting = patterns.iter().enumerate().filter_map(|(number, pattern)| {
            let (kinds, values) = fit(pattern, path)?;
            Some((kinds, number, values))
        });
        fitting
            .min_by(|a, b| a.0.cmp(&b.0))
            .map(|(_, number, values)| (number, values))
    }

    /// The kind of each segment of a pattern that fits (0 text, 1 parameter, 2 rest), and the values of its parameters.
    fn fit(pattern: &str, path: &str) -> Option<(Vec<u8>, Vec<String>)> {
        let (mut kinds, mut values) = (Vec::new(), Vec::new());
        let mut rest = Some(path.strip_prefix('/')?);
        for segment in parse(pattern).expect("a good pattern") {
            let left = rest?;
            let (head, tail) = match left.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (left, None),
            };
            rest = tail;
            match segment {
                Segment::Fixed(text) if text == head => kinds.push(0),
                Segment::Param(_) if !head.is_empty() => {
                    kinds.push(1);
                    values.push(head.to_owned());
                }
                Segment::Rest(_) if !left.is_empty() => {
                    kinds.push(2);
                    values.push(left.to_owned());
                    rest = None;
                }
                _ => return None,
            }
        }
        rest.is_none().then_some((kinds, values))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop_oneof![
            3 => prop_oneof![Just("a"), Just("b"), Just("ab"), Just("")].prop_map(str::to_owned),
            2 => Just("{?}".to_owned()),
        ];
        let end = prop_oneof![3 => Just(""), 1 => Just("/{*?}")];
        (prop::collection::vec(segment, 1..5), end).prop_map(|(segments, end)| {
            // Each parameter gets a name of its own.
            let mut pattern = format!("/{}{end}", segments.join("/"));
            for name in ["v", "w", "x", "y", "z"] {
                pattern = pattern.replacen('?', name, 1);
            }
            pattern
        })
    }

    fn path() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("c"), Just("")];
        prop::collection::vec(segment, 1..7).prop_map(|segments| format!("/{}", segments.join("/")))
    }

    proptest! {
        #[test]
        fn as_by_looking_at_one_after_the_other(
            patterns in prop::collection::vec(pattern(), 0..12),
            tried in prop::collection::vec(path(), 1..20),
        ) {
            let mut known = Vec::new();
            let mut all = Paths::default();
            for pattern in &patterns {
                let segments = parse(pattern).expect("a good pattern");
                // A conflict replaces the number of the other, so try on a name that fits the same paths only.
                let has_twin = known.iter().any(|other: &&str| has_same_shape(other, pattern));
                if !has_twin {
                    prop_assert_eq!(all.insert(&segments, known.len()), Ok(()));
                    known.push(&**pattern);
                }
            }
            for path in &tried {
                prop_assert_eq!(found(&all, path), found_naively(&known, path), "{} in {:?}", path, &known);
            }
        }
    }

    fn has_same_shape(one: &str, other: &str) -> bool {
        let shape = |pattern: &str| -> Vec<String> {
            let segments = parse(pattern).expect("a good pattern").into_iter();
            segments
                .map(|segment| match segment {
                    Segment::Fixed(text) => format!("={text}"),
                    Segment::Param(_) => "{}".to_owned(),
                    Segment::Rest(_) => "{*}".to_owned(),
                })
                .collect()
        };
        shape(one) == shape(other)
    }
}
