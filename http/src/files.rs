//! How are files of a folder served?
//!
//! By [`StaticFiles`], a handler. A request takes these steps, each a file of its own; between the first and the last only `lookup` touches the system: on the worker for what the kernel has in its
//! memory, else in one call on the pool for what blocks:
//!
//! | file | question |
//! |---|---|
//! | `path` | which file does the rest of a path mean? |
//! | `encodings` | in which encoding does a client want a file that is there in several? |
//! | `lookup` | which of the files below the folder is meant, and is it there? |
//! | `confine` | how is a file opened so that nothing leads out of the folder? |
//! | `types` | what type has a file? |
//! | `version` | what tells one version of a file from another? |
//! | `conditional` | does the client want the file, as it is now? |
//! | `ranges` | which bytes of a file does a `Range` mean? |
//! | `multipart` | how do several parts of a file make one body? |
//! | `plan` | what is answered when the file is there? |
//! | `sending` | how does an answer become a response? |
//! | `redirect` | where does a client go that has left out the slash of a folder? |
//! | `mount` | where in a router are the files of a folder? |
//!
//! Rejected: to keep files open, or their bytes in memory, between requests. The kernel's caches make opening cheap, and what is not kept is never stale.

mod conditional;
mod confine;
mod encodings;
mod lookup;
mod mount;
mod multipart;
mod path;
mod plan;
mod ranges;
mod redirect;
mod sending;
mod types;
mod version;

pub use path::{NAME_MAX_BYTES, PATH_MAX_BYTES, Relative};
pub use ranges::{ASKED_LENGTHS_MAX, GAP_BYTES, OVERLAPS_MAX, Ranges, SPECS_MAX};

use crate::handler::Handler;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::server::open_files::FilePermit;
use crate::server::overload::RETRY_AFTER_SECONDS;
use crate::striped::{Stripe, Striped};
use encodings::Coding;
use filch::runtime::Handle;
use filch_net::file_doors::is_exhausted;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use lookup::{Looked, Opened, Search, look, look_cached};
use plan::{Asked, Plan};
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use version::{Stamp, Version};

/// Serves the files of a folder, and nothing outside of it.
///
/// [`Router::files`](crate::Router::files) mounts it. It answers GET and HEAD.
///
/// By itself it is the handler for a route that ends in `{*path}`, and for those before that, with and without the slash: a path that ends otherwise is the folder itself. So it is no
/// [fallback](crate::Router::fallback), of which it knows no rest: it would send each path to where it has a slash at its end, and answer there with the one `index.html`. For files below all other routes, mount
/// it at `/`.
///
/// - A path is decoded once and strictly. `..`, a dot at the beginning of a name, `\`, an empty segment, NUL and other controls are answered with 404, however they are encoded, and so is whatever is
///   no regular file: devices, FIFOs, sockets, links. (What cannot be decoded, or is not UTF-8, the router answers with 400, as everywhere.) Nothing is listed.
/// - A folder stands for its `index.html`; a request that leaves out the slash at its end is sent there (308).
/// - Types come from the extension, and clients are told to believe them (`nosniff`).
/// - `ETag` and `Last-Modified` are sent, and preconditions heeded. A tag is weak for two seconds after the file has changed, and strong from then on.
/// - Ranges, also several at once, up to 16 that hardly overlap; what is beyond that gets the whole file.
///
/// # Units and limits
///
/// Segments of a path have up to 255 bytes, all of it 4095: what is longer is not there. A file that changes while it is sent is sent as it is at that moment; replace files by renaming.
///
/// # Errors
///
/// Are answers: 404 for what is not there or may not be read; 503, with `Retry-After`, when there are too many open files or threads, or somebody has a lease on the file; 500 for what else the system
/// says. How many may be open follows from how many descriptors the process may have ([`Limits::connections`](crate::Limits::connections)): half of those that connections leave.
///
/// # Examples
///
/// ```
/// use filch_http::{Router, StaticFiles};
///
/// # fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir();
/// let files = StaticFiles::new(folder)?
///     .precompressed(true)
///     .content_type("gmi", "text/gemini; charset=utf-8")
///     .cache_control("public, max-age=3600");
/// let router = Router::new().files("/static", files);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StaticFiles {
    settings: Arc<Striped<Settings>>,
}

#[derive(Debug, Clone)]
struct Settings {
    folder: PathBuf,
    shows_hidden: bool,
    follows_links: bool,
    has_index: bool,
    is_precompressed: bool,
    /// Extensions in lower case.
    types: Vec<(String, HeaderValue)>,
    cache_control: Option<HeaderValue>,
}

impl Settings {
    fn search<'s>(&'s self, codings: &'s [Coding]) -> Search<'s> {
        Search {
            folder: &self.folder,
            follows_links: self.follows_links,
            has_index: self.has_index,
            codings,
        }
    }
}

/// What a request names, as it was sent.
#[derive(Debug, Clone, Copy)]
struct Target<'r> {
    path: &'r str,
    query: Option<&'r str>,
    /// The part of the path that names a file.
    rest: &'r str,
}

/// What answers a request.
#[derive(Debug)]
struct Serving {
    settings: Stripe<Settings>,
}

/// An answer, and the file that it takes its bytes from, if any.
#[derive(Debug)]
struct Answer {
    plan: Plan,
    file: Option<std::fs::File>,
    /// The right to have it open.
    permit: Option<FilePermit>,
}

impl StaticFiles {
    /// The files below `folder`. A relative path counts from where the program is now; links on the way to it are followed at each request, so that it can be replaced while it is served.
    ///
    /// # Errors
    ///
    /// If there is no such folder now.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = std::path::absolute(folder.into())?;
        confine::Root::open(&folder, false).map_err(|error| {
            let text = format!("serve files of {}: {error}", folder.display());
            io::Error::new(error.kind(), text)
        })?;
        let settings = Settings {
            folder,
            shows_hidden: false,
            follows_links: false,
            has_index: true,
            is_precompressed: false,
            types: Vec::new(),
            cache_control: None,
        };
        Ok(Self::of(settings))
    }

    fn of(settings: Settings) -> Self {
        Self {
            settings: Arc::new(Striped::new(settings)),
        }
    }

    /// Whether names that begin with a dot can be asked for. Not unless this is said: `.git`, `.env`.
    #[must_use]
    pub fn hidden_files(self, shows: bool) -> Self {
        self.with(|settings| settings.shows_hidden = shows)
    }

    /// Whether symbolic links are followed, as far as what they lead to is below the folder too. Not unless this is said. Absolute links, and those of `/proc`, are never followed, nor is any link on
    /// Linux before 5.6.
    #[must_use]
    pub fn symbolic_links(self, follows: bool) -> Self {
        self.with(|settings| settings.follows_links = follows)
    }

    /// Whether `index.html` stands for its folder, as it does unless this says otherwise.
    #[must_use]
    pub fn index(self, has_index: bool) -> Self {
        self.with(|settings| settings.has_index = has_index)
    }

    /// Whether to look for `name.br`, `name.zst` and `name.gz` beside a file, for clients that accept that. Not unless this is said, since each look takes a system call. They must be as new as the file:
    /// that is not checked.
    #[must_use]
    pub fn precompressed(self, is_precompressed: bool) -> Self {
        self.with(|settings| settings.is_precompressed = is_precompressed)
    }

    /// The type of files with this extension, whatever its case, in place of what is known of it.
    ///
    /// # Panics
    ///
    /// If the extension is empty, longer than 16 bytes or has a dot or slash, or the type has bytes that a field must not have.
    #[must_use]
    pub fn content_type(self, extension: &str, content_type: &str) -> Self {
        let is_one = (1..=types::EXTENSION_MAX_BYTES).contains(&extension.len());
        assert!(
            is_one && !extension.contains(['.', '/']),
            "{extension:?} is not an extension; give what follows the last dot, up to 16 bytes"
        );
        let value = HeaderValue::from_str(content_type).expect("a type is visible text");
        let extension = extension.to_ascii_lowercase();
        self.with(|settings| {
            settings.types.retain(|(known, _)| *known != extension);
            settings.types.push((extension, value));
        })
    }

    /// The value of `Cache-Control` of all files. Without it caches do as they think fit.
    ///
    /// # Panics
    ///
    /// If it has bytes that a field must not have.
    #[must_use]
    pub fn cache_control(self, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("directives are visible text");
        self.with(|settings| settings.cache_control = Some(value))
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.get().clone();
        change(&mut settings);
        Self::of(settings)
    }

    /// For one request.
    #[inline]
    fn serving(&self) -> Serving {
        Serving {
            settings: self.settings.hold(),
        }
    }
}

impl Serving {
    /// The answer to a GET, or a HEAD.
    async fn answer(&self, target: Target<'_>, asked: Asked<'_>) -> Answer {
        let mut answer = self.find(target, asked).await;
        if self.settings.is_precompressed {
            let by = HeaderValue::from_static("accept-encoding");
            answer.plan.fields.insert(header::VARY, by);
        }
        answer
    }

    async fn find(&self, target: Target<'_>, asked: Asked<'_>) -> Answer {
        let Target { path, query, rest } = target;
        let Some(relative) = Relative::parse(rest, self.settings.shows_hidden) else {
            return not_found();
        };
        let as_folder = path.ends_with('/');
        match self.look(relative, as_folder, &asked).await {
            Ok(Looked::File(opened)) => self.file(&asked, *opened),
            Ok(Looked::AddSlash) => match redirect::location(path, query) {
                Some(location) => moved(location),
                None => not_found(),
            },
            Ok(Looked::Absent) => not_found(),
            Err(error) if is_passing(&error) => unavailable(),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read"),
        }
    }

    /// On this thread if that needs no disk, which is less work than a hop to the pool and back; else by one such hop.
    async fn look(&self, path: Relative, as_folder: bool, asked: &Asked<'_>) -> io::Result<Looked> {
        let codings: Cow<'static, [Coding]> = match self.settings.is_precompressed {
            true => encodings::wanted(&asked.accept_encoding).into(),
            false => (&[Coding::Identity]).into(),
        };
        let search = self.settings.search(&codings);
        match look_cached(&search, path.as_str(), as_folder) {
            Err(error) if !is_exhausted(&error) => {}
            looked => return looked,
        }
        let settings = self.settings.clone();
        let looking = Handle::current().try_spawn_blocking(move || {
            let search = settings.search(&codings);
            look(&search, path.as_str(), as_folder)
        });
        looking?.await?
    }

    /// `rest_of` says which part of the path names a file.
    async fn respond(self, request: Request, rest_of: fn(&Request) -> &str) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return method_not_allowed().into_response();
        }
        let Some(permit) = request.try_open_file() else {
            return unavailable().into_response();
        };
        let asked = Asked::of(request.fields(), *request.method() == Method::HEAD);
        let target = Target {
            path: request.path(),
            query: request.query(),
            rest: rest_of(&request),
        };
        let answer = Answer {
            permit: Some(permit),
            ..self.answer(target, asked).await
        };
        answer.into_response()
    }

    fn file(&self, asked: &Asked<'_>, opened: Opened) -> Answer {
        let stamp = Stamp::of(&opened.metadata);
        let file = plan::File {
            len: stamp.len,
            version: Version::of(&stamp, SystemTime::now()),
            content_type: types::content_type(&opened.path, &self.settings.types),
            coding: opened.coding,
            has_variants: self.settings.is_precompressed,
            cache_control: self.settings.cache_control.as_ref(),
        };
        Answer {
            plan: Plan::of(asked, &file, multipart::boundary),
            file: Some(opened.file),
            permit: None,
        }
    }
}

impl<S> Handler<Self, S> for StaticFiles {
    fn call(
        &self,
        request: Request,
        _state: &S,
    ) -> impl Future<Output: IntoResponse> + Send + 'static {
        self.serving().respond(request, Request::end_param_raw)
    }
}

fn text(status: StatusCode, text: &'static str) -> Answer {
    Answer {
        plan: Plan::text(status, text),
        file: None,
        permit: None,
    }
}

/// Whether the system may say otherwise in a moment: too many open files, no thread to be had, a lease on the file.
fn is_passing(error: &io::Error) -> bool {
    is_exhausted(error) || error.kind() == io::ErrorKind::WouldBlock
}

fn unavailable() -> Answer {
    let mut answer = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the file cannot be read at this moment; try again",
    );
    let seconds = HeaderValue::from_static(RETRY_AFTER_SECONDS);
    answer.plan.fields.insert(header::RETRY_AFTER, seconds);
    answer
}

fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "not found")
}

fn method_not_allowed() -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    let allow = HeaderValue::from_static("GET, HEAD");
    answer.plan.fields.insert(header::ALLOW, allow);
    answer
}

fn moved(location: HeaderValue) -> Answer {
    let mut answer = text(
        StatusCode::PERMANENT_REDIRECT,
        "a folder has a slash at its end",
    );
    answer.plan.fields.insert(header::LOCATION, location);
    answer
}

#[cfg(test)]
mod tests;
