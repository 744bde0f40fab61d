//! What does the router know of a request?
//!
//! Which route it found, and where in the path the route's parameters are; or why there is no handler. It belongs to the
//! request and is filled anew for each, in memory that stays: a match allocates nothing.
//!
//! A route is known by its number among the [`Shapes`] of its router. They are kept from one request to the next, and taken anew
//! only when another router has the request: a count of who has them, written by each request of each core, would be the one
//! thing that all of them wait for.

use super::answer::Miss;
use std::ops::Range;
use std::sync::Arc;

/// The pattern of a route, as it was written, and the names of its parameters in their order.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) pattern: Box<str>,
    pub(crate) names: Box<[Box<str>]>,
    /// Not a prefix below which something else answers.
    pub(crate) is_route: bool,
}

/// All that a router has.
pub(crate) type Shapes = Vec<Shape>;

/// What the router found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Those of the router that was asked last.
    shapes: Arc<Shapes>,
    /// Which of them; only for patterns with parameters, and for prefixes.
    shape: Option<usize>,
    /// Whether there is a route whose pattern is the path itself.
    is_fixed: bool,
    /// Where the values are in the path, one for each name. Decoding each was tried when the route was found.
    pub(crate) values: Values,
    /// Why there is no handler, for middleware that is called all the same.
    pub(crate) miss: Option<Miss>,
}

/// Where the values of parameters are in a path, in the order of the route.
pub(crate) type Values = Vec<Range<usize>>;

impl Found {
    /// Forgets it.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.shape = None;
        if self.miss.is_some() {
            self.miss = None;
        }
        self.is_fixed = false;
        self.values.clear();
    }

    /// The route's pattern has no parameters.
    #[inline]
    pub(crate) fn set_fixed(&mut self) {
        self.is_fixed = true;
    }

    /// The shape of this number was found. What its pattern has no name for, as what is below a prefix, is no parameter.
    #[inline]
    pub(crate) fn set_shape(&mut self, shapes: &Arc<Shapes>, number: usize) {
        if !Arc::ptr_eq(&self.shapes, shapes) {
            self.shapes = shapes.clone();
        }
        self.values.truncate(shapes[number].names.len());
        self.shape = Some(number);
    }

    fn shape(&self) -> Option<&Shape> {
        self.shapes.get(self.shape?)
    }

    /// The pattern of the route that was found for this path. (A brace that is written twice in a pattern is one in a path.)
    pub(crate) fn pattern<'a>(&'a self, path: &'a str) -> Option<&'a str> {
        match self.shape() {
            Some(shape) => shape.is_route.then_some(&*shape.pattern),
            None => self.is_fixed.then_some(path),
        }
    }

    /// Name and place of each parameter in the order of the route.
    pub(crate) fn params(&self) -> impl ExactSizeIterator<Item = (&str, Range<usize>)> + Clone {
        let names = self.shape().map_or(&[][..], |shape| &shape.names);
        names
            .iter()
            .map(|name| &**name)
            .zip(self.values.iter().cloned())
    }

    /// What the parameter stands for that the path ends with; empty if it does not end with one.
    pub(crate) fn end_of<'a>(&self, path: &'a str) -> &'a str {
        let last = self.values.last().filter(|place| place.end == path.len());
        last.and_then(|place| path.get(place.clone()))
            .unwrap_or_default()
    }

    /// Where the value of a parameter is.
    pub(crate) fn place_of(&self, name: &str) -> Option<Range<usize>> {
        self.params()
            .find(|(known, _)| *known == name)
            .map(|(_, place)| place)
    }
}
