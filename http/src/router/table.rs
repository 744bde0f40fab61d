//! What does a server look a request up in?
//!
//! A [`Table`]: the routes, each with a handler for each method, and the fallbacks. It knows handlers only as
//! [`Endpoint`]s, which have their state and their middleware within themselves; how it comes to be is
//! [`Router`](super::Router)'s business.

use super::answer::{Miss, Misses, allow};
use super::found::{Found, Shape, Shapes};
use super::paths::Paths;
use super::pattern::{self, Segment};
use crate::handler::Endpoint;
use crate::percent::{self, DecodeError};
use crate::response::{IntoResponse, Response};
use http::{HeaderValue, Method};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A handler of any type, to be shared by whoever starts it.
pub(crate) type AnyEndpoint = Arc<dyn Endpoint>;

#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Of routes and fallbacks.
    shapes: Arc<Shapes>,
    paths: Paths,
    routes: Vec<Route>,
    /// Where the route of a pattern is; for building only.
    known: HashMap<Box<str>, usize>,
    /// What answers below some paths when no route does.
    fallback_paths: Paths,
    fallbacks: Vec<Fallback>,
    /// What answers everywhere else, if it was asked for.
    lost: Option<AnyEndpoint>,
    /// What answers where nothing else does, if that is not this table itself: [`Misses`] within middleware.
    misses: Option<AnyEndpoint>,
}

#[derive(Debug)]
struct Route {
    /// Its place among the shapes.
    shape: usize,
    methods: Vec<(Method, AnyEndpoint)>,
    /// The handler for all other methods.
    any: Option<AnyEndpoint>,
    /// What answers for methods without a handler, if it is not this table itself.
    unhandled: Option<AnyEndpoint>,
    allow: HeaderValue,
}

/// What answers for a prefix and all paths below it that have no route.
#[derive(Debug)]
struct Fallback {
    shape: usize,
    endpoint: AnyEndpoint,
    /// As the table's: within the middleware that the endpoint is within.
    misses: Option<AnyEndpoint>,
}

/// What is to be done about a request.
pub(crate) enum Matched<'r> {
    Handler(&'r dyn Endpoint),
    Answer(Response),
}

/// A method of a route, or all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Method(Method),
    Any,
}

impl Verb {
    fn name(&self) -> &str {
        match self {
            Self::Method(method) => method.as_str(),
            Self::Any => "any method of",
        }
    }
}

impl Table {
    /// Adds a handler.
    ///
    /// # Panics
    ///
    /// As [`Router::route`](super::Router::route).
    pub(crate) fn add(&mut self, verb: Verb, pattern: &str, endpoint: AnyEndpoint) {
        let at = self.route_at(&verb, pattern);
        let route = &mut self.routes[at];
        match verb {
            Verb::Method(method) => {
                assert!(
                    route.methods.iter().all(|(known, _)| *known != method),
                    "{method} {pattern} has a handler already; a route has one handler per method"
                );
                route.methods.push((method, endpoint));
                route.allow = allow(route.names().collect());
            }
            Verb::Any => {
                assert!(
                    route.any.is_none(),
                    "any method of {pattern} has a handler already; a route has one handler for all others"
                );
                route.any = Some(endpoint);
            }
        }
    }

    /// The place of the route for this pattern, which may be new.
    fn route_at(&mut self, verb: &Verb, pattern: &str) -> usize {
        if let Some(at) = self.known.get(pattern) {
            return *at;
        }
        let new = self.routes.len();
        let segments = segments_of(pattern);
        if let Err(other) = self.paths.insert(&segments, new) {
            let other = &self.routes[other];
            panic!(
                "{} {pattern} is in conflict with {}: both stand for the same paths, and name their parameters differently; \
                 write one pattern for both",
                verb.name(),
                other.describe(self.pattern_of(other.shape))
            );
        }
        self.known.insert(pattern.into(), new);
        let shape = self.new_shape(pattern, &segments, true);
        self.routes.push(Route {
            shape,
            methods: Vec::new(),
            any: None,
            unhandled: None,
            allow: allow(Vec::new()),
        });
        new
    }

    fn new_shape(&mut self, pattern: &str, segments: &[Segment], is_route: bool) -> usize {
        let names = segments.iter().filter_map(Segment::name);
        let shape = Shape {
            pattern: pattern.into(),
            names: names.map(Into::into).collect(),
            is_route,
        };
        Arc::make_mut(&mut self.shapes).push(shape);
        self.shapes.len() - 1
    }

    fn pattern_of(&self, shape: usize) -> &str {
        &self.shapes[shape].pattern
    }

    /// Answers what no route does.
    pub(crate) fn set_fallback(&mut self, endpoint: AnyEndpoint) {
        assert!(
            self.lost.is_none(),
            "the router has a fallback already; a router has one"
        );
        self.lost = Some(endpoint);
    }

    /// Puts every handler, and what answers where there is none, into something else.
    pub(crate) fn wrap(&mut self, wrap: impl Fn(AnyEndpoint) -> AnyEndpoint) {
        let misses: AnyEndpoint = Arc::new(Misses);
        let wrap_or_misses =
            |endpoint: Option<AnyEndpoint>| wrap(endpoint.unwrap_or(misses.clone()));
        for route in &mut self.routes {
            for (_, endpoint) in &mut route.methods {
                *endpoint = wrap(endpoint.clone());
            }
            route.any = route.any.take().map(&wrap);
            route.unhandled = Some(wrap_or_misses(route.unhandled.take()));
        }
        for fallback in &mut self.fallbacks {
            fallback.endpoint = wrap(fallback.endpoint.clone());
            fallback.misses = Some(wrap_or_misses(fallback.misses.take()));
        }
        self.lost = self.lost.take().map(&wrap);
        self.misses = Some(wrap_or_misses(self.misses.take()));
    }

    /// The pattern of each route, with the methods that it has.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.routes
            .iter()
            .map(|route| (self.pattern_of(route.shape), &route.allow))
    }

    /// Takes all that another table has, below `prefix`, which is empty or begins with a slash and does not end with one.
    pub(crate) fn take(&mut self, prefix: &str, other: Self) {
        let pattern_of = |shape: usize| &*other.shapes[shape].pattern;
        for route in other.routes {
            let pattern = join(prefix, pattern_of(route.shape));
            for (method, endpoint) in route.methods {
                self.add(Verb::Method(method), &pattern, endpoint);
            }
            if let Some(endpoint) = route.any {
                self.add(Verb::Any, &pattern, endpoint);
            }
            if let Some(unhandled) = route.unhandled {
                let at = self.route_at(&Verb::Any, &pattern);
                self.routes[at].unhandled.get_or_insert(unhandled);
            }
        }
        for fallback in other.fallbacks {
            let below = format!("{prefix}{}", pattern_of(fallback.shape));
            self.add_fallback(&below, fallback.endpoint, fallback.misses);
        }
        match other.lost {
            Some(lost) if prefix.is_empty() => self.set_fallback(lost),
            Some(lost) => self.add_fallback(prefix, lost, other.misses),
            None => {}
        }
    }

    /// For the prefix, with and without a slash, and all below it. What is below has no name: it is no parameter of the fallback's.
    fn add_fallback(&mut self, prefix: &str, endpoint: AnyEndpoint, misses: Option<AnyEndpoint>) {
        let segments = segments_of(prefix);
        let number = self.fallbacks.len();
        let below = [Segment::Fixed(String::new()), Segment::Rest(String::new())];
        let below = below.map(|segment| [&segments[..], &[segment]].concat());
        for paths in [&segments].into_iter().chain(&below) {
            if let Err(other) = self.fallback_paths.insert(paths, number) {
                panic!(
                    "the fallback of {prefix} is in conflict with that of {}",
                    self.pattern_of(self.fallbacks[other].shape)
                );
            }
        }
        let shape = self.new_shape(prefix, &segments, false);
        self.fallbacks.push(Fallback {
            shape,
            endpoint,
            misses,
        });
    }

    /// What is to be done about a request for `path`; `found` is filled with what the route's parameters stood for.
    #[inline]
    pub(crate) fn find(&self, method: &Method, path: &[u8], found: &mut Found) -> Matched<'_> {
        let Some(number) = self.paths.find(path, &mut found.values) else {
            return self.lost(method, path, found);
        };
        let route = &self.routes[number];
        if found.values.is_empty() {
            found.set_fixed();
        } else if let Some(miss) = self.find_values(route, path, found) {
            return missed(route.unhandled.as_ref(), miss, found);
        }
        match route.endpoint(method) {
            Some(endpoint) => Matched::Handler(endpoint),
            None => self.unhandled(route, method, found),
        }
    }

    /// What the parameters of a route stand for; an answer, if one cannot be decoded.
    #[inline(never)]
    fn find_values(&self, route: &Route, path: &[u8], found: &mut Found) -> Option<Miss> {
        found.set_shape(&self.shapes, route.shape);
        malformed(path, found)
    }

    /// The answer for a path that no route has.
    #[cold]
    fn lost(&self, method: &Method, path: &[u8], found: &mut Found) -> Matched<'_> {
        if path == b"*" && method == Method::OPTIONS {
            let all = allow(self.routes.iter().flat_map(Route::names).collect());
            // About the server and not about a path: nothing for a fallback.
            return missed(self.misses.as_ref(), Miss::Options(all), found);
        }
        let miss = match self.knows(method) {
            true => Miss::NotFound,
            false => Miss::NotImplemented,
        };
        let Some(number) = self.fallback_paths.find(path, &mut found.values) else {
            return missed(self.lost.as_ref().or(self.misses.as_ref()), miss, found);
        };
        let fallback = &self.fallbacks[number];
        found.set_shape(&self.shapes, fallback.shape);
        match malformed(path, found) {
            Some(malformed) => missed(fallback.misses.as_ref(), malformed, found),
            None => missed(Some(&fallback.endpoint), miss, found),
        }
    }

    /// The answer for a method that its route has no handler for.
    #[cold]
    fn unhandled<'r>(
        &'r self,
        route: &'r Route,
        method: &Method,
        found: &mut Found,
    ) -> Matched<'r> {
        let miss = if method == Method::OPTIONS {
            Miss::Options(route.allow.clone())
        } else if !self.knows(method) {
            Miss::NotImplemented
        } else {
            Miss::MethodNotAllowed(route.allow.clone())
        };
        missed(route.unhandled.as_ref(), miss, found)
    }

    /// Whether a method means anything here: one of RFC 9110 and 5789 but CONNECT, or one that a route has.
    fn knows(&self, method: &Method) -> bool {
        const STANDARD: [Method; 8] = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
            Method::PATCH,
        ];
        STANDARD.contains(method)
            || self
                .routes
                .iter()
                .any(|route| route.methods.iter().any(|(known, _)| known == method))
    }
}

impl Route {
    /// The names of its methods.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(|(method, _)| method.as_str())
    }

    /// The handler for a method; that of GET for HEAD.
    #[inline]
    fn endpoint(&self, method: &Method) -> Option<&dyn Endpoint> {
        if let Some((known, endpoint)) = self.methods.first() {
            // Most routes have one method, and are asked for that.
            if known == method {
                return Some(&**endpoint);
            }
        }
        self.other_endpoint(method)
    }

    #[inline(never)]
    fn other_endpoint(&self, method: &Method) -> Option<&dyn Endpoint> {
        let handler_of = |method: &Method| self.methods.iter().find(|(known, _)| known == method);
        let found = match handler_of(method) {
            None if method == Method::HEAD => handler_of(&Method::GET),
            found => found,
        };
        match found {
            Some((_, endpoint)) => Some(&**endpoint),
            None => self.any.as_deref(),
        }
    }

    /// For a message: what was added, as it was written.
    fn describe(&self, pattern: &str) -> String {
        let verb = match self.methods.first() {
            Some((method, _)) => method.as_str(),
            None => Verb::Any.name(),
        };
        format!("{verb} {pattern}")
    }
}

/// Answers, or lets what stands around the answer do so.
#[cold]
fn missed<'r>(endpoint: Option<&'r AnyEndpoint>, miss: Miss, found: &mut Found) -> Matched<'r> {
    match endpoint {
        None => Matched::Answer(miss.into_response()),
        Some(endpoint) => {
            found.miss = Some(miss);
            Matched::Handler(&**endpoint)
        }
    }
}

/// Whether a parameter cannot be decoded. Asked once, here, so that nobody is handed one that is mended.
#[inline]
fn malformed(path: &[u8], found: &Found) -> Option<Miss> {
    let error_of = |place: &Range<usize>| match std::str::from_utf8(&path[place.clone()]) {
        Ok(value) => percent::decode(value).err(),
        Err(_) => Some(DecodeError::Utf8),
    };
    let errors = found.values.iter().filter_map(error_of);
    errors.map(Miss::Malformed).next()
}

fn segments_of(pattern: &str) -> Vec<Segment> {
    match pattern::parse(pattern) {
        Ok(segments) => segments,
        Err(error) => panic!(
            "{pattern:?} cannot be a route: {error}; write a path as /fixed/{{segment}}/{{*rest}}"
        ),
    }
}

/// A pattern below a prefix; `/` is the prefix itself.
fn join(prefix: &str, pattern: &str) -> String {
    match pattern {
        "/" if !prefix.is_empty() => prefix.to_owned(),
        pattern => format!("{prefix}{pattern}"),
    }
}
