//! Where in a router are the files of a folder?
//!
//! At three patterns: the folder itself stands with and without a slash at its end, and `{*path}` is never empty. Who writes them down one by one forgets one.

use super::StaticFiles;
use crate::handler::Handler;
use crate::request::Request;
use crate::response::IntoResponse;
use crate::router::Router;

/// The folder itself, also where its path ends with a parameter of the prefix.
struct Folder(StaticFiles);

impl<S> Handler<Self, S> for Folder {
    fn call(
        &self,
        request: Request,
        _state: &S,
    ) -> impl Future<Output: IntoResponse> + Send + 'static {
        self.0.serving().respond(request, |_| "")
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Answers GET, and HEAD, on `prefix` and all below it with the files of a folder: `/prefix/a/b` is its `a/b`, `/prefix/` its `index.html`, and `/prefix` leads there. The prefix `/` is everything.
    ///
    /// Other routes below the prefix go before the files. To have the files below the prefix of a [nested](Router::nest) router as well, give them a prefix of their own there.
    ///
    /// # Panics
    ///
    /// When the prefix has a parameter of the name `path`, and as [`Router::route`].
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Router, StaticFiles};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let folder = std::env::temp_dir();
    /// let router = Router::new()
    ///     .get("/", async || "Hello, World!")
    ///     .files("/static", StaticFiles::new(folder)?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn files(self, prefix: &str, files: StaticFiles) -> Self {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let router = match prefix {
            "" => self,
            prefix => self.get(prefix, Folder(files.clone())),
        };
        router
            .get(&format!("{prefix}/"), Folder(files.clone()))
            .get(&format!("{prefix}/{{*path}}"), files)
    }
}
