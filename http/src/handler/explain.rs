//! Why is a function not a handler?
//!
//! Of a function that fits none of the shapes that handlers have, the compiler cannot say which it nearly fits. Who names the
//! number of arguments is told what is wrong with one of them, or with the output, or with the future.

use crate::extract::{FromRequestParts, LastArgument};
use crate::response::IntoResponse;
use std::marker::PhantomData;

/// Has the compiler say what keeps a function from being a [`Handler`](crate::Handler) for a router with the state `S`.
///
/// Put it where the compiler only says that it is none, and take it away when it compiles. It does nothing.
///
/// # Examples
///
/// ```compile_fail,E0277
/// use filch_http::{Explain, Method, Router};
///
/// async fn handler(method: Method, count: u64) -> &'static str {
///     "hello"
/// }
///
/// // `u64` cannot be the last argument of a handler
/// Explain::<()>::default().two(handler);
/// let router = Router::new().get("/", handler);
/// ```
#[derive(Debug)]
pub struct Explain<S> {
    state: PhantomData<fn(S)>,
}

impl<S> Default for Explain<S> {
    fn default() -> Self {
        Self { state: PhantomData }
    }
}

macro_rules! explain {
    ($($name:ident: $($part:ident)* | $last:ident, $what:literal;)*) => {
        impl<S: Clone + Send + Sync + 'static> Explain<S> {
            /// A function without arguments.
            pub fn none<F, Fut, R>(self, _handler: F)
            where
                F: Fn() -> Fut + Send + Sync + 'static,
                Fut: Future<Output = R> + Send + 'static,
                R: IntoResponse,
            {
            }

            $(
                #[doc = $what]
                pub fn $name<F, Fut, R, Via, $($part,)* $last>(self, _handler: F)
                where
                    F: Fn($($part,)* $last) -> Fut + Clone + Send + Sync + 'static,
                    Fut: Future<Output = R> + Send + 'static,
                    R: IntoResponse,
                    $($part: FromRequestParts<S> + Send + 'static,)*
                    $last: LastArgument<S, Via> + Send + 'static,
                {
                }
            )*
        }
    };
}

explain! {
    one: | A, "A function with one argument.";
    two: A | B, "A function with two arguments.";
    three: A B | C, "A function with three arguments.";
    four: A B C | D, "A function with four arguments.";
    five: A B C D | E, "A function with five arguments.";
    six: A B C D E | G, "A function with six arguments.";
    seven: A B C D E G | H, "A function with seven arguments.";
    eight: A B C D E G H | I, "A function with eight arguments.";
}
